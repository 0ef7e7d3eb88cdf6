"""A curve as SVG: the losses of a training, with its ends named; colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bptt_solver.language.notation.numbers import format_number

WIDTH, HEIGHT, LEFT, BELOW, RIGHT, ABOVE = 640, 240, 84, 34, 16, 14
MOST = 400  # points
DECADES = 100.0  # a larger ratio is drawn on a logarithmic axis


def curve_svg(first: int, numbers: Sequence[float], title: str) -> str:
    """The curve of the numbers of the steps ``first``, ``first + 1``, ...; ``title`` is escaped text. Nothing where
    fewer than two numbers are finite."""
    every = max(1, math.ceil(len(numbers) / MOST))
    places = [*range(0, len(numbers) - 1, every), len(numbers) - 1]
    points = [(at, float(numbers[at])) for at in places if math.isfinite(numbers[at])]
    if len(points) < 2:
        return ""
    low, high = min(y for _, y in points), max(y for _, y in points)
    logarithmic = low > 0 and high / low > DECADES
    scaled = [(x, math.log10(y) if logarithmic else y) for x, y in points]
    bottom, top = min(y for _, y in scaled), max(y for _, y in scaled)
    span = top - bottom or 1.0

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / (len(numbers) - 1)
        return f"{across:.1f} {HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) * (y - bottom) / span:.1f}"

    path = "M" + "L".join([place(x, y) for x, y in scaled])
    base = HEIGHT - BELOW
    lines = "".join(
        [f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>' for y in (ABOVE, (ABOVE + base) / 2, base)]
    )
    middle = 10 ** ((bottom + top) / 2) if logarithmic else (low + high) / 2
    heights = ((ABOVE, high), ((ABOVE + base) / 2, middle), (base, low))
    labels = "".join(
        [f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{format_number(value, 3)}</text>' for y, value in heights]
    )
    labels += f'<text x="{LEFT}" y="{HEIGHT - 12}">{first:,}</text>'
    labels += f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{first + len(numbers) - 1:,}</text>'
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{title}">{lines}<path class="curve" d="{path}"/>{labels}</svg></figure>'
    )


def standing_alone(first: int, numbers: Sequence[float]) -> str:
    """The same as an SVG document with its own colours, for a page that is printed; nothing where there is no curve."""
    drawn = curve_svg(first, numbers, "").removeprefix('<figure class="chart">').removesuffix("</figure>")
    drawn = drawn.replace("<svg ", f"<svg {_ALONE} ", 1)
    return drawn.replace("><path", f">{_SHEET}<path", 1)


_ALONE = 'xmlns="http://www.w3.org/2000/svg" font-family="New Computer Modern" font-size="12" fill="#5b6770"'
_SHEET = "<style>.grid{stroke:#d5dade;stroke-width:1}.curve{fill:none;stroke:#d9480f;stroke-width:2}</style>"
