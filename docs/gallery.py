"""Write docs/gallery.md, and the pictures in docs/gallery, from the examples:

python docs/gallery.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bptt_solver.api import load, solve
from bptt_solver.solution import Solution

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "gallery"
HEAD = """# Gallery

Every example with its graph, as `bptt-solve problem.yaml -f svg` draws it, its document and its derivation.
`bptt-solve problem.yaml -o page.html` makes the page in which one can step through it and change its numbers;
[formats](formats.md) has the others. This page is written by `python docs/gallery.py`.
"""
CHARTS = {"26_training": "loss", "24_vanishing": "flow", "25_exploding": "flow"}  # drawn below the graph
STEPS = {"01_ordered_variables": "z2"}  # a step of the sweep that is lit


def examples() -> list[Path]:
    """The documents, in their order."""
    return sorted((ROOT / "examples").glob("*/problem.yaml"))


def remark(document: Path) -> str:
    """What the comment at the head of a document says."""
    lines = document.read_text(encoding="utf-8").splitlines()
    end = next(at for at, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])


def pictures(name: str, solution: Solution) -> Iterator[tuple[str, str, str]]:
    """The pictures of an example: file name, what it shows, SVG."""
    numbers = not any(solution.computation.problem.system.ranks.values())
    show = ["values", "derivatives", "partials"] if numbers and len(solution.values) <= 12 else None
    yield f"{name}.svg", "graph", solution.picture(show=show, step=STEPS.get(name))
    if name in CHARTS:
        yield f"{name}_{CHARTS[name]}.svg", CHARTS[name], solution.chart(CHARTS[name])


def files() -> dict[Path, str]:
    """All files of the gallery with their texts."""
    found: dict[Path, str] = {}
    parts = [HEAD]
    for document in examples():
        name = document.parent.name
        solution = solve(load(document), check="none", flow=CHARTS.get(name) == "flow")
        links = f"[document](../examples/{name}/problem.yaml) · [derivation](../examples/{name}/solution.md)"
        parts.append(f"## {solution.computation.problem.title}\n\n{remark(document)}\n\n{links}\n")
        for file, what, text in pictures(name, solution):
            found[PICTURES / file] = text
            parts.append(f"![{solution.computation.problem.title}: {what}](gallery/{file})\n")
    found[PAGE] = "\n".join(parts)
    return found


def main() -> None:
    """Write what is new, and remove pictures of examples that are gone."""
    wanted = files()
    PICTURES.mkdir(exist_ok=True)
    for path in sorted(set(PICTURES.iterdir()) - set(wanted)):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
