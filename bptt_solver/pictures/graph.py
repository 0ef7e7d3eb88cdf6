"""What a picture shows, before it has a place: nodes with their parts in the system, and edges with what stands on
them.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.pictures.labels import Label

Place = tuple[str, tuple[int, ...]]  # a family and its indices without the time

KINDS = (
    "data",
    "desired",
    "given",
    "start",
    "state",
    "hidden",
    "output",
    "loss",
    "total",
    "parameter",
    "dots",
    "delay",
)


class Node:
    """One thing that is drawn. ``name`` is what the language calls it and scripts look for; ``kind`` is one of `KINDS`.

    ``time`` is None where it has none; ``place`` is what it shares with the same at other times. ``lines`` are drawn
    under each other in it: the label, then a value, then a derivative. ``x``, ``y`` are its middle. ``keys`` name the
    numbers in the lines under the label for a page that computes them again, ``room`` is how wide these may become.
    """

    __slots__ = (
        "height",
        "keys",
        "kind",
        "lines",
        "marks",
        "members",
        "name",
        "place",
        "room",
        "time",
        "title",
        "width",
        "x",
        "y",
    )

    def __init__(self, name: str, kind: str, lines: Sequence[Label], place: Place, time: int | None = None) -> None:
        self.name = name
        self.kind = kind
        self.lines = list(lines)
        self.place = place
        self.time = time
        self.title = name
        self.members: list[str] = []  # of a folded node, the instances that it stands for
        self.marks: list[str] = []  # what the lines under the label are: value, derivative
        self.keys: list[str] = []
        self.room = 0.0
        self.width = self.height = 0.0
        self.x = self.y = 0.0


class Edge:
    """An arrow from what is read to its reader. ``weights`` are the parameters that it is multiplied with; ``label``
    stands on it; ``shift`` is how many steps later the reader stands. ``path`` is made by the layout. ``key`` names
    the number that the label is for a page that computes it again, ``room`` is how wide it may become."""

    __slots__ = (
        "above",
        "key",
        "label",
        "label_at",
        "marks",
        "path",
        "room",
        "same_clock",
        "shift",
        "sink",
        "source",
        "title",
        "via",
        "weights",
    )

    def __init__(self, source: int, sink: int, weights: Sequence[str] = (), label: Label = (), shift: int = 0) -> None:
        self.source = source
        self.sink = sink
        self.weights = list(weights)
        self.label = label
        self.shift = shift
        self.title = ""
        self.key = ""
        self.room = 0.0
        self.same_clock = True  # whether the times of both ends are times of one clock
        self.path: list[tuple[float, float]] = []
        self.via: list[tuple[float, float]] = []  # points between, where the layout has them
        self.label_at: tuple[float, float] | None = None
        self.marks: list[tuple[float, float]] = []  # where a bus is joined
        self.above = False


class Graph:
    """Nodes in the order of computation, edges in the order of the equations, and the parameters beside them.

    ``form`` says how it is laid out: ``time``, ``tree``, ``line`` or ``layers``. ``direction`` is -1 for a node whose
    chain runs backwards in time. ``captions`` stand under the columns: (x, label), set by the layout.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.parameters: list[Node] = []
        self.backward: dict[Place, None] = {}  # places in chains that run backwards in time
        self.captions: list[tuple[float, Label]] = []
        self.bands: list[tuple[float, float]] = []
        self.folded = False
        self.gap: tuple[int, int] | None = None  # the time of the dots, and how many more are left out
        self.order: dict[str, int] = {}  # of families, as a topology declares it
        self.lanes: dict[str, str] = {}

    def readers(self) -> list[list[int]]:
        """For each node, who reads it."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for edge in self.edges:
            found[edge.source].append(edge.sink)
        return found

    def reads(self) -> list[list[int]]:
        """For each node, what it reads."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for edge in self.edges:
            found[edge.sink].append(edge.source)
        return found
