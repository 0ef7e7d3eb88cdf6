"""Generated modules loaded, each by the library that it is written for, as functions from arrays to arrays."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.load import load
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.words import Text

Function = Callable[[Mapping[str, Any]], dict[str, Any]]
ALONE = 2**16, 2**20  # multiplications in a product between which a second thread costs what it saves
_REAL = "real = np.float64  # or np.float32"


def native(source: str, dialect: str, dtype: str = "float64") -> Function:
    """The function ``gradient`` of a module. It takes arrays of the library, and gives such. Raises NotCompiled where
    the library is not installed."""
    if find_spec(dialect) is None:
        raise NotCompiled(message("compile.not_installed", name=dialect))
    if dialect == "numpy":
        import numpy

        made: Function = load(source, "make")(numpy.dtype(dtype))
        return made
    if dialect == "numba":
        found: Function = _from_file(typed(source, dtype)).gradient
        return found
    return load(source, "gradient")


def threads_for(work: int) -> int:
    """1 where products inside a loop have so many multiplications that BLAS would take several threads, and so few that
    one is as fast; else 0, the library's own choice. Measured on two cores: at 2**19 multiplications two threads save a
    twentieth of the time, at 2**21 a quarter; below the first bound BLAS takes one by itself."""
    return int(ALONE[0] <= work < ALONE[1])


def on_one_thread(function: Function) -> Function:
    """A function during which BLAS has one thread."""
    from threadpoolctl import ThreadpoolController

    found: list[Any] = []

    def run(given: Mapping[str, Any]) -> dict[str, Any]:
        if not found:  # looks for the libraries once
            found.append(ThreadpoolController().select(user_api="blas"))
        with found[0].limit(limits=1):
            return function(given)

    return run


def typed(source: str, dtype: str) -> str:
    """A module with the type of its numbers, where it names one (Numba's do)."""
    if dtype == "float64":
        return source
    line = f"real = np.{dtype}"
    return source.with_line(_REAL, line) if isinstance(source, Text) else source.replace(_REAL, line)


def over_numpy(source: str, dialect: str, dtype: str = "float64", device: str | None = None) -> Function:
    """The same function for NumPy arrays in and out, with numbers of a type in between. ``device`` is PyTorch's or
    JAX's name for where it runs (default: the library's own choice; for PyTorch the CPU)."""
    function = native(source, dialect, dtype)
    if dialect == "torch":
        return _over_torch(function, dtype, device)
    if dialect == "jax":
        return _over_jax(function, dtype, device)
    return function


def _over_torch(function: Function, dtype: str, device: str | None) -> Function:
    import torch

    kind = getattr(torch, dtype)

    def run(given: Mapping[str, Any]) -> dict[str, Any]:
        found = function({k: torch.as_tensor(v, dtype=kind, device=device) for k, v in given.items()})
        return {k: v.cpu().numpy() for k, v in found.items()}

    return run


def _over_jax(function: Function, dtype: str, device: str | None) -> Function:
    import jax
    import numpy

    place = None if device is None else jax.devices(device)[0]

    def run(given: Mapping[str, Any]) -> dict[str, Any]:
        found = function({k: jax.device_put(numpy.asarray(v, dtype), place) for k, v in given.items()})
        return {k: numpy.asarray(v) for k, v in found.items()}

    return run


def _from_file(source: str) -> Any:
    """A module from a file of its own, so that Numba keeps what it compiled from one run to the next."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = f"bptt_{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    if name in sys.modules:
        return sys.modules[name]
    path = _folder() / f"{name}.py"
    if not path.is_file() or path.read_text(encoding="utf-8") != source:
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(source, encoding="utf-8")
        part.replace(path)
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _folder() -> Path:
    """Where compiled programs are kept: a folder of the user's own, that nobody else can write to."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "bptt-solver"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    import tempfile

    return Path(tempfile.mkdtemp(prefix="bptt-solver-"))
