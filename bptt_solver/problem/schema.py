"""The JSON Schema of documents, for editors. The reader has its own checks; a test holds both together."""

from __future__ import annotations

SCHEMA_FILE = "problem.schema.json"


def schema_text() -> str:
    """The text of ``problem.schema.json`` (JSON Schema 2020-12)."""
    from importlib.resources import files

    return files("bptt_solver.problem").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
