"""A recurrence of one's own: the equations of one step get data, layers, directions, an output and losses.

    network:
      topology: cell
      sizes: {input: 2, hidden: 3, output: 2}
      cell: |
        s[t] = sigmoid(W_s @ x[t] + b_s)
        h[t] = s[t]*h[t-1] + (1 - s[t])*tanh(W @ x[t] + U @ h[t-1])

``x[t]`` is the input; what is read at ``t-1`` (or ``t-2``) is the state, which starts from `initial`; a name without
index is a parameter. ``h`` is sent to the next layer and to the output, or else what the last line defines.

cell        lines of equations for one step
sends       the name of what is sent instead
state       sizes of quantities that are not of size hidden: ``{c: 4}``
shapes      shapes of parameters, ``{P: [hidden, 4], alpha: []}``. Without: ``W`` in ``W @ x[t]`` is [hidden, input],
            in ``W @ concat(x[t], h[t-1])`` it is [hidden, input+hidden], and anything else is [hidden].

With ``bias: false`` the summands ``b``, ``b_s`` and so on are left out. The other options are in `cells` and
`bptt_solver.draft`; ``hidden`` has no meaning here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bptt_plugins.messages import say
from bptt_plugins.topologies.cells import INPUT, JOINED, OPTIONS, TIME, Cell, Layers
from bptt_solver import options as read
from bptt_solver.draft import role_of
from bptt_solver.errors import Excerpt, ProblemError, suggest
from bptt_solver.formulas import OPERATORS
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Reference, preorder
from bptt_solver.language.parser import locate, parse_equations
from bptt_solver.records import Network, OptionError, Topology

TAKEN = (INPUT, JOINED, "y", "d", "e", "m", "z_y", "E", "W_y", "b_y", "T", "N", "L", "t", "n", "k")
Size = str | int


def build(options: Mapping[str, object]) -> Network:
    """The equations of a network whose recurrence is given."""
    lines = _lines(options["cell"])
    own = [line.name for line in lines]
    sizes = _sizes(options["state"], own)
    parameters = _shapes(options["shapes"], lines, sizes)
    sends = _sends(options["sends"], own)
    net = Layers(options)
    for line in lines:
        for node in preorder(line.right):
            if isinstance(node, Call) and node.operation not in OPERATORS:
                net.functions.setdefault(node.operation, ("cell",))
    lags: dict[str, int] = {}
    for name, lag in _earlier(lines, own):
        lags[name] = max(lag, lags.get(name, 1))
    state = {name: sizes.get(name, "hidden") for name in own if name in lags}
    roles = {n: role_of(say("role.state" if n in state else "role.quantity"), say("place.cell")) for n in own}
    cell = Cell(str(options["cell"]), state, parameters, roles, sends, sizes.get(sends, "hidden"), lags)
    network = net.write(cell)
    lines_of = {line.name + suffix: (("cell",), _place(line)) for line in lines for suffix, _ in net.chains}
    return network.replace(places={**network.places, **lines_of})


def _lines(text: object) -> list[Equation]:
    """The lines as equations, after a look at what they define."""
    if not isinstance(text, str) or not text.strip():
        raise OptionError(say("cell.lines"), "cell")
    try:
        lines = parse_equations(Excerpt.of(text, "cell"))
    except ProblemError as error:
        problem = error.problems[0]
        place = (problem.span.start, problem.span.end) if problem.span else None
        told = say("cell.wrong", text=problem.message)
        if problem.hint:
            told = say("cell.wrong_hint", text=problem.message, hint=problem.hint)
        raise OptionError(told, "cell", at=place) from None
    names: list[str] = []
    for line in lines:
        left, at = line.name + ("[t]" if line.indices else ""), _place(line)
        if line.ranges or line.conditions:
            raise OptionError(say("cell.range", name=left), "cell", at=at)
        if line.indices != (TIME,):
            raise OptionError(say("cell.time", name=line.name), "cell", at=at)
        if line.name in TAKEN or line.name in names:
            key = "cell.twice" if line.name in names else "cell.taken"
            raise OptionError(say(key, name=line.name), "cell", at=at)
        names.append(line.name)
    return lines


def _place(line: Equation, node: Expression | None = None) -> tuple[int, int]:
    """Where a node of a line stands in the option; without a node, what the line defines."""
    span = locate(line, node)
    return (span.start, span.end) if span is not None else (0, 1)


def _sends(value: object, own: Sequence[str]) -> str:
    if value == "":
        return "h" if "h" in own else own[-1]
    if value not in own:
        hint = suggest(str(value), own) or say("cell.defined", names=say.listed(list(own), "list.comma"))
        raise OptionError(say("cell.sends", name=value, hint=hint), "sends")
    return str(value)


def _sizes(value: object, own: Sequence[str]) -> dict[str, Size]:
    """The sizes of quantities that the option ``state`` names."""
    if not isinstance(value, Mapping):
        raise OptionError(say("cell.state", form="{c: hidden}", value=repr(value)), "state")
    for name in value:
        if name not in own:
            raise OptionError(say("cell.no_line", name=name), "state", str(name))
    return {str(name): _size(size, "state", str(name)) for name, size in value.items()}


def _size(value: object, *path: str | int) -> Size:
    if isinstance(value, str):
        for word in value.split("+"):
            if word.strip() not in ("input", "hidden", "output"):
                raise OptionError(say("cell.size", option=read.shown(path), word=word), *path)
        return value
    return read.whole(value, *path)


def _earlier(lines: Sequence[Equation], own: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The uses of own quantities at earlier times, with how many steps earlier."""
    for line in lines:
        for node in preorder(line.right):
            if isinstance(node, Reference) and node.name in (*own, INPUT) and node.indices:
                lag = TIME.plus(node.indices[0], -1)
                if len(node.indices) > 1 or lag.terms or lag.constant < 0 or (lag.constant and node.name == INPUT):
                    key = "cell.input_time" if node.name == INPUT else "cell.state_time"
                    raise OptionError(say(key, name=node.name), "cell", at=_place(line, node))
                if lag.constant:
                    yield node.name, lag.constant


def _shapes(value: object, lines: Sequence[Equation], sizes: Mapping[str, Size]) -> dict[str, tuple[Size, ...]]:
    """The shapes of the parameters, declared or read off the lines."""
    if not isinstance(value, Mapping):
        raise OptionError(say("cell.shapes", form="{W: [hidden, input]}", value=repr(value)), "shapes")
    own = [line.name for line in lines]
    found: dict[str, tuple[Size, ...]] = {}
    plain: dict[str, tuple[Size, ...]] = {}
    for line in lines:
        for node in preorder(line.right):
            if isinstance(node, Reference) and not node.indices and node.name not in own:
                plain.setdefault(node.name, (sizes.get(line.name, "hidden"),))
            if isinstance(node, Call) and node.operation == "matmul" and isinstance(node.arguments[0], Reference):
                matrix, operand = node.arguments
                if isinstance(matrix, Reference) and not matrix.indices:
                    found.setdefault(matrix.name, (sizes.get(line.name, "hidden"), _width(operand, sizes)))
    shapes = plain | found
    for name, shape in value.items():
        if name not in shapes:
            raise OptionError(say("cell.no_parameter", name=name), "shapes", str(name))
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise OptionError(say("cell.shape", name=name, value=repr(shape)), "shapes", str(name))
        shapes[str(name)] = tuple(_size(size, "shapes", str(name), i) for i, size in enumerate(shape))
    return shapes


def _width(expression: Expression, sizes: Mapping[str, Size]) -> Size:
    """The size of a vector in a cell, as far as it can be told without shapes."""
    if isinstance(expression, Reference):
        return "input" if expression.name == INPUT else sizes.get(expression.name, "hidden")
    if isinstance(expression, Call) and expression.operation == "concat":
        return "+".join(str(_width(part, sizes)) for part in expression.arguments)
    if not isinstance(expression, Call) or expression.operation == "matmul":
        return "hidden"
    return next((size for size in (_width(a, sizes) for a in expression.arguments) if size != "hidden"), "hidden")


TOPOLOGY = Topology(
    "cell",
    build,
    {**OPTIONS, "cell": None, "sends": "", "state": {}, "shapes": {}},
    example={
        "sizes": {"input": 2, "hidden": 3, "output": 2},
        "cell": "s[t] = sigmoid(W_s @ x[t] + b_s)\nh[t] = s[t]*h[t-1] + (1 - s[t])*tanh(W @ x[t] + U @ h[t-1])",
        "steps": 3,
    },
    summary=say("cell.summary"),
)
