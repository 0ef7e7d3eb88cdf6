"""What the first-party plugins say, in the catalogues of their own folder ``locale``."""

from __future__ import annotations

import os

from bptt_solver.catalogues import Messages

say = Messages(os.path.join(os.path.dirname(__file__), "locale"))
