"""Small charts as SVG: a curve of losses, and a table whose cells are shaded by size, white at 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import fail, suggest
from bptt_solver.language.notation.numbers import exponent_text, format_number
from bptt_solver.pictures.labels import Label, Run, name_label, plain, width
from bptt_solver.pictures.picture import sentence
from bptt_solver.pictures.svg import FONT, GROUND, INK, SOFT, decimal, escaped, text

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

KINDS = ("loss", "flow")
CURVE, GRID = "#2a6496", "#e3e7ea"
LOW, HIGH = (33, 102, 172), (178, 24, 43)  # vanished, exploded
MOST_POINTS = 600  # of a curve; a longer one shows the extremes of each stretch
SHADES = 8.0  # powers of ten from 1 to the darkest shade at most


def chart(solution: Solution, kind: str) -> str:
    """A chart: the ``loss`` of a training, the ``flow`` of the states. Raises ProblemError where there is none."""
    language = solution.language
    if kind == "loss":
        training = solution.training
        if training is None:
            from bptt_solver.training.settings import no_update

            raise no_update(solution.computation.problem, message("picture.no_curve"))
        title = sentence(language, "loss")
        return curve(training.losses, title, sentence(language, "loss.x"), sentence(language, "loss.y"))
    if kind != "flow":
        raise fail(
            message("picture.chart", name=kind),
            hint=suggest(kind, KINDS) or message("api.one_of", names=message.listed([*KINDS], "list.comma")),
        )
    from bptt_solver.analyses.gradient_flow import Flow
    from bptt_solver.language.notation.writer import PLAIN_STYLE

    rows: dict[str, dict[int, float | None]] = {}
    names: list[Label] = []
    for group in Flow(solution.computation).groups:
        for course in group.courses:
            own = {reach.time: reach.norm.log10 for reach in course.reaches}
            state = course.states[0]
            rows[state.text(course.last)] = {course.last: 0.0, **own}
            names.append(name_label(state.name, [*map(str, state.rest), str(course.last)], PLAIN_STYLE))
    if not rows:
        raise fail(message("picture.no_flow"), hint=message("picture.flow_state"))
    times = sorted({t for row in rows.values() for t in row})
    cells = [[row.get(t, math.nan) for t in times] for row in rows.values()]
    title = sentence(language, "flow", state=", ".join(plain(n) for n in names))
    return shaded(cells, names, [str(t) for t in times], title, sentence(language, "flow.told"))


def curve(values: Sequence[float], title: str, x_words: str, y_words: str) -> str:
    """A curve through the values by their place, with a logarithmic axis where they span more than a factor of 100."""
    w, h, left, top = 480.0, 200.0, 64.0, 18.0
    kept = [(at, v) for at, v in enumerate(values) if math.isfinite(v)]
    logarithmic = bool(kept) and min(v for _, v in kept) > 0 and max(v for _, v in kept) > 100 * min(v for _, v in kept)
    points = [(at, math.log10(v) if logarithmic else v) for at, v in kept]
    ticks = _ticks(min((v for _, v in points), default=0.0), max((v for _, v in points), default=1.0), logarithmic)
    low, high = ticks[0], ticks[-1]
    last = max(1, len(values) - 1)

    def place(at: float, value: float) -> tuple[float, float]:
        return left + w * at / last, top + h * (high - value) / ((high - low) or 1.0)

    out = _head(left + w + 24, top + h + 52, title, f"{y_words}: {_extremes(values)}", "chart-loss")
    for tick in ticks:
        y = place(0, tick)[1]
        label = f"10{exponent_text(round(tick))}" if logarithmic else format_number(float(f"{tick:.6g}"))
        out.append(
            f'<path class="grid" d="M{decimal(left)} {decimal(y)}H{decimal(left + w)}" stroke="{GRID}" fill="none"/>'
        )
        out.append(_label(label, left - 8, y + 4, "end"))
    step = max(1, _nice(last / 6))
    for at in range(0, last + 1, step):
        out.append(_label(str(at), place(at, low)[0], top + h + 18))
    line = "L".join(f"{decimal(x)} {decimal(y)}" for x, y in (place(*p) for p in _thinned(points)))
    if line:
        out.append(
            f'<path class="curve" d="M{line}" fill="none" stroke="{CURVE}" stroke-width="1.8" stroke-linejoin="round"/>'
        )
    out.append(_label(x_words, left + w / 2, top + h + 40))
    middle = decimal(top + h / 2)
    out.append(
        f'<text x="16" y="{middle}" font-size="12.5" fill="{SOFT}" class="time" transform="rotate(-90 16 {middle})">'
        f"{escaped(y_words)}</text>"
    )
    return "\n".join([*out, "</svg>"]) + "\n"


def shaded(
    cells: Sequence[Sequence[float | None]], rows: Sequence[Label], columns: Sequence[str], title: str, told: str
) -> str:
    """A table of sizes. ``cells`` holds powers of ten (0: the size is 1; None: the size is 0; nan: there is none).
    Neighbours of one shade are one rectangle, so that large tables stay small."""
    known = [abs(c) for row in cells for c in row if c is not None and not math.isnan(c)]
    deepest = min(SHADES, max([1.0, *known]))
    side = 26.0 if len(columns) <= 40 else max(6.0, 1000 / len(columns))
    left, top = max(30.0, *(width(r, 14) + 14 for r in rows)), 12.0
    right, bottom = left + side * len(columns), top + 26 * len(rows)
    out = _head(right + 92, max(bottom + 34, top + 150), title, told, "chart-flow")
    for at, (label, row) in enumerate(zip(rows, cells, strict=True)):
        y = top + 26 * at
        out.append(text(label, left - 8, y + 18, 14, f'text-anchor="end" class="name" fill="{INK}"'))
        for start, count, colour in _stretches([shade(c, deepest) for c in row]):
            if colour:
                out.append(
                    f'<rect x="{decimal(left + side * start)}" y="{decimal(y)}" width="{decimal(side * count)}" '
                    f'height="26" fill="{colour}" stroke="{GRID}" stroke-width="0.5"/>'
                )
        for column, cell in enumerate(row):
            size = "0" if cell is None else "" if math.isnan(cell) else format_number(float(f"{10**cell:.3g}"))
            if size and len(columns) <= 40:
                x = decimal(left + side * column)
                out.append(
                    f'<rect x="{x}" y="{decimal(y)}" width="{decimal(side)}" height="26" fill="none" '
                    f'pointer-events="all"><title>{escaped(columns[column])}: {size}</title></rect>'
                )
    every = max(1, _nice(len(columns) / 20))
    for column in range(0, len(columns), every):
        out.append(_label(columns[column], left + side * (column + 0.5), bottom + 18))
    for at in range(17):
        power = deepest * (8 - at) / 8
        at_, colour = decimal(top + 8 * at), shade(power, deepest)
        out.append(f'<rect x="{decimal(right + 26)}" y="{at_}" width="14" height="8" fill="{colour}"/>')
    for power in (deepest, 0.0, -deepest):
        y = top + 68 - 64 * power / deepest
        out.append(_label(f"10{exponent_text(round(power))}" if power else "1", right + 46, y + 4, "start"))
    return "\n".join([*out, "</svg>"]) + "\n"


def shade(power: float | None, deepest: float) -> str:
    """The colour of a size by its power of ten: white at 0, blue below, red above; nothing where there is no number."""
    if power is not None and math.isnan(power):
        return ""
    part = -1.0 if power is None else max(-1.0, min(1.0, power / deepest))
    colour = LOW if part < 0 else HIGH
    steps = round(abs(part) * 16) / 16
    return "#" + "".join(f"{round(255 + (c - 255) * steps):02x}" for c in colour)


def _head(w: float, h: float, title: str, told: str, name: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="bptt-chart" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {decimal(w)} {decimal(h)}" width="{decimal(w)}" '
        f'height="{decimal(h)}" font-family="{FONT}" font-size="12.5" text-anchor="middle">',
        f'<title id="{name}-title">{escaped(title)}</title>',
        f'<desc id="{name}-desc">{escaped(told)}</desc>',
        f'<rect class="ground" width="{decimal(w)}" height="{decimal(h)}" fill="{GROUND}"/>',
    ]


def _label(words: str, x: float, y: float, anchor: str = "middle") -> str:
    return text((Run(words),), x, y, 12.5, f'text-anchor="{anchor}" class="time" fill="{SOFT}"')


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        first, last = math.floor(low), math.ceil(high)
        step = max(1, math.ceil((last - first) / 6))
        return [float(t) for t in range(first, last + step, step)]
    if low > 0 and low < 0.5 * high:
        low = 0.0
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    size = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(size))
    step_ = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power >= size)
    first, last = math.floor(low / step_ + 1e-9), math.ceil(high / step_ - 1e-9)
    return [t * step_ for t in range(first, last + 1)]


def _nice(size: float) -> int:
    power = 10 ** max(0, math.floor(math.log10(max(size, 1))))
    return int(next(k * power for k in (1, 2, 5, 10) if k * power >= size))


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """As many points as can be seen: of each stretch the first, the lowest and the highest, in their order."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(3 * len(points) / MOST_POINTS)
    kept: list[tuple[int, float]] = []
    for at in range(0, len(points), size):
        part = points[at : at + size]
        kept += sorted({part[0], min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return [*kept, points[-1]] if kept[-1] != points[-1] else kept


def _stretches(colours: Sequence[str]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for at, colour in enumerate(colours):
        if found and found[-1][2] == colour:
            found[-1] = found[-1][0], found[-1][1] + 1, colour
        else:
            found.append((at, 1, colour))
    return found


def _extremes(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return " → ".join(format_number(float(f"{v:.4g}")) for v in (values[0], values[-1]))
