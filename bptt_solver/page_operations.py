"""Operations that only a page has: what NumPy does elsewhere with the numbers that it shows."""

from __future__ import annotations

ROWS = "·rows"  # rows as a matrix
SINGULAR = "·singular"  # a singular value, by its place, of the matrix with these rows
PAGE_OPERATIONS = (ROWS, SINGULAR)
