"""The records that plugins yield. They hold text in the equation language and numbers, never behaviour of the engine.

A plugin author writes one of these per function, loss or topology; `bptt_solver.testing` checks them. They are
frozen and compared by their fields; plain classes, because they are on the way of every start of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from typing import Self

Shape = tuple[int | str, ...]  # lengths, or names of sizes
Numbers = Sequence["int | Numbers"]  # nested lists, counted from 1
Place = tuple[tuple[str | int, ...], tuple[int, int] | None]  # an option's path, and a stretch of its text
IndexMap = Numbers | Mapping[int, int] | Mapping[tuple[int, ...], int]


class _Record:
    """Frozen fields, one slot each."""

    __slots__ = ()

    @classmethod
    def fields(cls) -> Iterator[str]:
        """The names of the fields, in the order in which they are declared."""
        for base in reversed(cls.__mro__):
            yield from base.__dict__.get("__slots__", ())

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, MappingProxyType(dict(value)) if isinstance(value, Mapping) else value)

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{name: getattr(self, name) for name in self.fields()} | changes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is frozen: use replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self.fields())

    def __hash__(self) -> int:
        return hash((type(self).__name__, getattr(self, "name", None)))

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.fields()}
        shown = (f"{name}={dict(v) if isinstance(v, Mapping) else v!r}" for name, v in values.items())
        return f"{type(self).__name__}({', '.join(shown)})"


class Function(_Record):
    """An activation, a loss or any other function given by formulas in the equation language.

    ``arguments`` name the array arguments in order; ``parameters`` are trailing optional scalars with defaults.
    ``value`` is the formula; ``derivatives`` holds, per argument, the simple partial in terms of the arguments, the
    parameters *and* the output, which is written ``result`` (tanh: ``1 - result**2``); an argument that is left out
    has derivative 0, a parameter that is left out must be a plain number where the function is used. ``kind`` is
    ``elementwise`` (entry by entry, scalars broadcast) or ``scalar`` (a number, such as a loss: each derivative has
    the shape of its argument, those of parameters are numbers). ``kinks`` are formulas that are 0 exactly where the
    function has no derivative; there ``derivatives`` give the convention. ``domain`` tells tests where arguments may
    lie, ``{"p": (0.05, 0.95)}``. An argument that it leaves out may be any real number: the formulas must then stay
    finite from -1000 to 1000. Formulas may call the core functions, and functions of other plugins as long as they do
    not go round in a circle.
    """

    # fmt: off
    __slots__ = (  # noqa: RUF023 - in the order of declaration
        "name", "value", "derivatives", "arguments", "parameters", "kind", "kinks", "domain", "aliases",
        "summary", "source",
    )
    # fmt: on

    name: str
    value: str
    derivatives: Mapping[str, str]
    arguments: tuple[str, ...]
    parameters: Mapping[str, float]
    kind: str
    kinks: tuple[str, ...]
    domain: Mapping[str, tuple[float, float]]
    aliases: tuple[str, ...]
    summary: str
    source: str

    def __init__(
        self,
        name: str,
        value: str,
        derivatives: Mapping[str, str],
        arguments: tuple[str, ...] = ("x",),
        parameters: Mapping[str, float] = MappingProxyType({}),
        kind: str = "elementwise",
        kinks: tuple[str, ...] = (),
        domain: Mapping[str, tuple[float, float]] = MappingProxyType({}),
        aliases: tuple[str, ...] = (),
        summary: str = "",
        source: str = "",
    ) -> None:
        self._set(
            name=name, value=value, derivatives=derivatives, arguments=arguments, parameters=parameters, kind=kind
        )
        self._set(kinks=kinks, domain=domain, aliases=aliases, summary=summary, source=source)


class Activation(Function):
    """An elementwise function of one argument that a network may apply to a layer."""

    __slots__ = ()


class Loss(Function):
    """A scalar of an output ``y`` and a target ``d`` (or of other names, in that order).

    ``matched`` maps an output function to the derivative with respect to *its* argument when the two are used together
    (softmax with cross-entropy: ``p*sum(d) - d``), in terms of the loss's arguments, with the reason that is printed.
    ``fused`` maps an output function to the loss on its argument that is the same number and does not lose digits
    (softmax with cross-entropy: ``softmax_cross_entropy``). ``targets`` says what a target is: ``numbers``,
    ``classes`` (a 1 in the place of the class), ``shares`` (more than 0, their sum is 1), ``binary`` (0 or 1),
    ``signs`` (-1 or 1) or ``counts``: such targets are made up where a network is given no data.
    """

    __slots__ = ("matched", "fused", "targets")  # noqa: RUF023 - in the order of declaration

    matched: Mapping[str, tuple[str, str]]
    fused: Mapping[str, str]
    targets: str

    def __init__(
        self,
        name: str,
        value: str,
        derivatives: Mapping[str, str],
        arguments: tuple[str, ...] = ("y", "d"),
        parameters: Mapping[str, float] = MappingProxyType({}),
        kind: str = "scalar",
        kinks: tuple[str, ...] = (),
        domain: Mapping[str, tuple[float, float]] = MappingProxyType({}),
        aliases: tuple[str, ...] = (),
        summary: str = "",
        source: str = "",
        matched: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        fused: Mapping[str, str] = MappingProxyType({}),
        targets: str = "numbers",
    ) -> None:
        super().__init__(name, value, derivatives, arguments, parameters, kind, kinks, domain, aliases, summary, source)
        self._set(matched=matched, fused=fused, targets=targets)


class OptionError(ValueError):
    """An option of a topology that cannot be used. ``path`` leads to it: ``("layers", 1, "size")``.

    ``at`` is a stretch (start, end) of an option that is a text, such as a block of equations: the caret stands there.
    With ``key`` it stands at the option's name. ``also`` is the path of a second option that does not go with the
    first: its place is shown as well.
    """

    def __init__(
        self,
        message: str,
        *path: str | int,
        at: tuple[int, int] | None = None,
        also: tuple[str | int, ...] = (),
        key: bool = False,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.at = at
        self.also = also
        self.key = key


class Length(int):
    """A whole number that knows which option it came from (``path``), so that data of another length can be told with
    its place. `bptt_solver.options.whole` makes them; a sum of two is a plain number."""

    path: tuple[str | int, ...]

    def __new__(cls, value: int, *path: str | int) -> Self:
        """The number, with the path of its option."""
        self = super().__new__(cls, value)
        self.path = path
        return self


class Packed(_Record):
    """One tensor of a library that holds several parameters of a network.

    Each row of ``parts`` names the parameters that stand one after the other along ``axis``: ``(("W_i", "W_f"),)``.
    ``stacked``: the rows are on an axis of their own in front, even a single one. ``transposed``: matrices are kept the
    other way round (sender first).
    """

    __slots__ = ("parts", "axis", "stacked", "transposed")  # noqa: RUF023 - in the order of declaration

    parts: tuple[tuple[str, ...], ...]
    axis: int
    stacked: bool
    transposed: bool

    def __init__(
        self, parts: tuple[tuple[str, ...], ...], axis: int = 0, stacked: bool = False, transposed: bool = False
    ) -> None:
        self._set(parts=parts, axis=axis, stacked=stacked, transposed=transposed)


class Packing(_Record):
    """How a library keeps the parameters of a network: in ``tensors`` under names of its own, one mapping for each
    prefix that the names may have (torch: one in all, ONNX: one for each layer). ``output`` are those of the layer that
    reads the state. ``sums`` are parameters that the library keeps as a sum of several, by the names that these have in
    the tensors: ``{"b_i": ("b_ih_i", "b_hh_i")}``; each becomes a line of the network's equations."""

    __slots__ = ("tensors", "output", "sums")  # noqa: RUF023 - in the order of declaration

    tensors: tuple[Mapping[str, Packed], ...]
    output: Mapping[str, Packed]
    sums: Mapping[str, tuple[str, ...]]

    def __init__(
        self,
        tensors: tuple[Mapping[str, Packed], ...],
        output: Mapping[str, Packed] = MappingProxyType({}),
        sums: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self._set(tensors=tensors, output=output, sums=sums)


class Network(_Record):
    """What a topology returns: equations in the language, and what the names in them are. Never numbers.

    ``sizes`` are the integers that the equations name (``L``, ``T``); None means: as many as the data have.
    ``parameters`` and ``data`` map a given name, or one member (``W[2]``), to its shape; a length is an integer or the
    name of a size, and sizes that stand first are read off the data (``x: ("T", 2)``). ``zeros`` are parameters that
    are 0 unless the document gives them: a member ``h[0]``, ``b[T+1]``, or several, ``h[n,0] for n in 1..N``.
    ``trained`` are those of them whose derivatives are wanted even where they are not given. ``functions`` tells where
    in the options the name of each function came from, so that an unknown one is reported there; ``places`` does so for
    families that are defined by an option's text (and for maps that the document has to give): a path, and the stretch
    of the text or None. ``required`` are members, as in ``zeros``, that the document has to give because an option says
    so: their shape, and its path. ``intervals`` say between which numbers a parameter has to lie to make sense (name ->
    low, high; neither is one of them); one that is made up lies there. ``within`` are numbers in options that are at
    most a size: (Length(4, "targets", 0), "T"). ``maps`` are whole numbers in which indices are looked up (``len[n]``,
    ``left[j]``): lists that count from 1, or by index (``{4: 1, 5: 4}``; with several indices ``{(1, 1): 2}``); the
    document's own of the same name come first. ``roles`` (name -> what it is, in words), ``lanes`` (name -> lane of
    the picture, place in it) and ``notes`` (sentences about choices that the topology made) are for the reader.
    ``packings`` tell for ``torch``, ``keras`` and ``onnx`` how these keep the parameters, or in words why they cannot
    have them.
    """

    # fmt: off
    __slots__ = (  # noqa: RUF023 - in the order of declaration
        "equations", "target", "sizes", "parameters", "data", "zeros", "functions", "roles", "lanes", "notes", "maps",
        "trained", "packings", "places", "required", "within", "intervals",
    )
    # fmt: on

    equations: str
    target: str
    sizes: Mapping[str, int | None]
    parameters: Mapping[str, Shape]
    data: Mapping[str, Shape]
    zeros: tuple[str, ...]
    functions: Mapping[str, tuple[str | int, ...]]
    roles: Mapping[str, str]
    lanes: Mapping[str, tuple[str, int]]
    notes: tuple[str, ...]
    maps: Mapping[str, IndexMap]
    trained: tuple[str, ...]
    packings: Mapping[str, Packing | str]
    places: Mapping[str, Place]
    required: Mapping[str, tuple[Shape, tuple[str | int, ...]]]
    within: tuple[tuple[Length, str], ...]
    intervals: Mapping[str, tuple[float, float]]

    def __init__(
        self,
        equations: str,
        target: str,
        sizes: Mapping[str, int | None] = MappingProxyType({}),
        parameters: Mapping[str, Shape] = MappingProxyType({}),
        data: Mapping[str, Shape] = MappingProxyType({}),
        zeros: tuple[str, ...] = (),
        functions: Mapping[str, tuple[str | int, ...]] = MappingProxyType({}),
        roles: Mapping[str, str] = MappingProxyType({}),
        lanes: Mapping[str, tuple[str, int]] = MappingProxyType({}),
        notes: tuple[str, ...] = (),
        maps: Mapping[str, IndexMap] = MappingProxyType({}),
        trained: tuple[str, ...] = (),
        packings: Mapping[str, Packing | str] = MappingProxyType({}),
        places: Mapping[str, Place] = MappingProxyType({}),
        required: Mapping[str, tuple[Shape, tuple[str | int, ...]]] = MappingProxyType({}),
        within: tuple[tuple[Length, str], ...] = (),
        intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    ) -> None:
        self._set(equations=equations, target=target, sizes=sizes, parameters=parameters, data=data, zeros=zeros)
        self._set(functions=functions, roles=roles, lanes=lanes, notes=notes, maps=maps, trained=trained)
        self._set(packings=packings, places=places, required=required, within=within, intervals=intervals)


class Topology(_Record):
    """A way to write a network's equations from options. ``options`` maps each option to its default (None:
    required); ``build`` gets all of them (plain text, numbers, truth values, lists and mappings, as the document has
    them) and raises `OptionError` with a sentence for a person. ``example`` are options with which it can be
    tried."""

    # fmt: off
    __slots__ = (  # noqa: RUF023 - in the order of declaration
        "name", "build", "options", "example", "summary", "source", "aliases",
    )
    # fmt: on

    name: str
    build: Callable[[Mapping[str, object]], Network]
    options: Mapping[str, object]
    example: Mapping[str, object]
    summary: str
    source: str
    aliases: tuple[str, ...]

    def __init__(
        self,
        name: str,
        build: Callable[[Mapping[str, object]], Network],
        options: Mapping[str, object],
        example: Mapping[str, object] = MappingProxyType({}),
        summary: str = "",
        source: str = "",
        aliases: tuple[str, ...] = (),
    ) -> None:
        self._set(
            name=name, build=build, options=options, example=example, summary=summary, source=source, aliases=aliases
        )


class UpdateRule(_Record):
    """How a step of training changes a weight by its gradient, entry by entry.

    ``weight`` is the formula of the new weight and ``state`` those of the numbers that the rule remembers for each
    weight (0 at first), in the order in which they are computed. The formulas may use ``w`` (the weight), ``g`` (its
    gradient), ``k`` (the number of the step, from 1), the ``options``, and what is remembered: ``v`` before the step
    and, with a prime, ``v'`` after it. ``between`` are formulas of numbers that are computed then, for those that
    stand behind them and for the weight, and not remembered. ``options`` map each option of the document to its
    default; ``domain`` bounds them, at least the first number and less than the second. ``symbols`` are shorter names
    for options, state and what is between when formulas are printed. ``instead`` tells, for an option of another rule,
    which rule that is (``{"momentum": "momentum"}``). ``trace`` are known steps for tests: pairs of a gradient and of
    the weight after it, from the weight 1 with the default options.
    """

    # fmt: off
    __slots__ = (  # noqa: RUF023 - in the order of declaration
        "name", "weight", "state", "between", "options", "domain", "symbols", "instead", "trace", "aliases", "summary",
        "source",
    )
    # fmt: on

    name: str
    weight: str
    state: Mapping[str, str]
    between: Mapping[str, str]
    options: Mapping[str, float]
    domain: Mapping[str, tuple[float, float]]
    symbols: Mapping[str, str]
    instead: Mapping[str, str]
    trace: tuple[tuple[float, float], ...]
    aliases: tuple[str, ...]
    summary: str
    source: str

    def __init__(
        self,
        name: str,
        weight: str,
        state: Mapping[str, str] = MappingProxyType({}),
        between: Mapping[str, str] = MappingProxyType({}),
        options: Mapping[str, float] = MappingProxyType({}),
        domain: Mapping[str, tuple[float, float]] = MappingProxyType({}),
        symbols: Mapping[str, str] = MappingProxyType({}),
        instead: Mapping[str, str] = MappingProxyType({}),
        trace: tuple[tuple[float, float], ...] = (),
        aliases: tuple[str, ...] = (),
        summary: str = "",
        source: str = "",
    ) -> None:
        self._set(name=name, weight=weight, state=state, between=between, options=options, domain=domain)
        self._set(symbols=symbols, instead=instead, trace=trace, aliases=aliases, summary=summary, source=source)
