"""Reading a tree from an option: nested lists of leaves, or inner nodes with their children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bptt_plugins.messages import say
from bptt_solver.records import OptionError

Path = tuple[str | int, ...]
SHOWN = 20  # nodes in a sentence


class Tree(NamedTuple):
    """Leaves are 1..leaves, inner nodes follow, children before parents.

    ``children`` has the inner nodes in this order, ``labels`` the names of those that have one."""

    leaves: int
    children: Mapping[int, tuple[int, ...]]
    labels: Mapping[int, str]

    @property
    def root(self) -> int:
        """The last node."""
        return self.leaves + len(self.children)

    @property
    def arity(self) -> int:
        """The most children that a node has."""
        return max(map(len, self.children.values()))

    @property
    def lookups(self) -> tuple[str, ...]:
        """Names of the maps from a node to its children, if all inner nodes have the same number of them."""
        if len({*map(len, self.children.values())}) > 1:
            return ()
        few = {1: ("child",), 2: ("left", "right")}
        return few.get(self.arity) or tuple(f"child{k}" for k in range(1, self.arity + 1))

    def maps(self, equations: str) -> dict[str, dict[int, int]]:
        """The maps that the equations use: to the children, to the ``parent``, and which ``place`` a child has."""
        of = {name: {j: kids[k] for j, kids in self.children.items()} for k, name in enumerate(self.lookups)}
        placed = [(child, j, k) for j, kids in self.children.items() for k, child in enumerate(kids, 1)]
        of["parent"] = {child: j for child, j, _ in sorted(placed)}
        of["place"] = {child: k for child, _, k in sorted(placed)}
        return {name: entries for name, entries in of.items() if f"{name}[" in equations}

    def told(self) -> str:
        """The inner nodes with their children, in a sentence."""
        nodes = [
            f"{j}{f' ({self.labels[j]})' if j in self.labels else ''} ← {', '.join(map(str, kids))}"
            for j, kids in self.children.items()
        ]
        shown = nodes if len(nodes) <= SHOWN else [*nodes[: SHOWN - 1], "...", nodes[-1]]
        return say("tree.told", nodes="; ".join(shown))


def tree_of(value: object, *path: str | int) -> Tree:
    """A tree from ``[[1, 2], 3]`` or from ``{p: [1, 2], root: [p, 3]}``. Raises `OptionError` with the place."""
    if isinstance(value, Mapping):
        children, places = _from_map(value, path)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        children, places = _from_lists(value, path)
    else:
        raise OptionError(say("tree.form", option=path[0], form="{p: [1, 2], root: [p, 3]}", value=repr(value)), *path)
    if not children:
        raise OptionError(say("tree.no_inner", option=path[0]), *path)
    parents = _parents(children, places, isinstance(value, Mapping))
    order = _from_children_up(children, parents, places, path)
    leaves = _leaves(parents, children, places, path)
    numbers = {str(leaf): leaf for leaf in range(1, leaves + 1)}
    numbers |= {name: number for number, name in enumerate(order, leaves + 1)}
    inner = {numbers[name]: tuple(numbers[child] for child in children[name]) for name in order}
    return Tree(leaves, inner, {numbers[name]: name for name in order if isinstance(value, Mapping)})


def _from_map(value: Mapping[object, object], path: Path) -> tuple[dict[str, list[str]], dict[str, Path]]:
    children: dict[str, list[str]] = {}
    places: dict[str, Path] = {}
    for key, items in value.items():
        place = (*path, str(key))
        if not isinstance(items, Sequence) or isinstance(items, str) or not items:
            raise OptionError(say("tree.children", option=path[0], name=key, value=repr(items)), *place)
        for i, item in enumerate(items):
            if not isinstance(item, str | int) or isinstance(item, bool):
                raise OptionError(say("tree.child", option=path[0], name=key), *place, i)
        children[str(key)] = [str(item) for item in items]
        places[str(key)] = place
    return children, places


def _from_lists(value: object, path: Path) -> tuple[dict[str, list[str]], dict[str, Path]]:
    """Each list is a node; it is named by its place."""
    children: dict[str, list[str]] = {}
    places: dict[str, Path] = {}
    stack: list[tuple[Sequence[object], Path]] = [(value, path)] if isinstance(value, Sequence) else []
    while stack:
        node, place = stack.pop()
        if not node:
            raise OptionError(say("tree.childless", option=path[0]), *place)
        name = _name(place)
        children[name], places[name] = [], place
        for i, item in enumerate(node):
            if isinstance(item, Sequence) and not isinstance(item, str):
                children[name].append(_name((*place, i)))
                stack.append((item, (*place, i)))
            elif isinstance(item, int) and not isinstance(item, bool):
                children[name].append(str(item))
            else:
                raise OptionError(say("tree.leaf", option=path[0], value=repr(item)), *place, i)
    return children, places


def _name(place: Path) -> str:
    return "at " + ".".join(map(str, place))


def _parents(children: Mapping[str, Sequence[str]], places: Mapping[str, Path], named: bool) -> dict[str, str]:
    parents: dict[str, str] = {}
    for name, items in children.items():
        for i, child in enumerate(items):
            if child in parents:
                what = say("tree.a_node", name=child) if child in children else say("tree.a_leaf", number=child)
                fields = {"option": places[name][0], "node": what}
                told = say("tree.parents", **fields)
                if named:
                    told = say("tree.named_parents", **fields, first=parents[child], second=name)
                raise OptionError(told, *places[name], i)
            parents[child] = name
    return parents


def _from_children_up(
    children: Mapping[str, Sequence[str]], parents: Mapping[str, str], places: Mapping[str, Path], path: Path
) -> list[str]:
    """The inner nodes, children before parents. No recursion: a tree may be a chain of thousands."""
    roots = [name for name in children if name not in parents]
    if len(roots) > 1:
        raise OptionError(say("tree.roots", option=path[0], first=roots[0], second=roots[1]), *places[roots[1]])
    order: list[str] = []
    stack = [(name, False) for name in roots]
    while stack:
        name, done = stack.pop()
        if done:
            order.append(name)
        elif name in children:
            stack.append((name, True))
            stack.extend((child, False) for child in reversed(children[name]))
    if len(order) < len(children):
        reached = set(order)
        circle = list(_circle(next(name for name in children if name not in reached), parents))
        other = places[circle[1]] if len(circle) > 2 else ()  # else the node is its own child
        raise OptionError(say("tree.cycle", option=path[0], nodes=" ← ".join(circle)), *places[circle[0]], also=other)
    return order


def _circle(name: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A node that is below itself, its parent, and so on until it comes again."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        name = parents[name]
    first = name
    yield first
    while True:
        name = parents[name]
        yield name
        if name == first:
            return


def _leaves(
    parents: Mapping[str, str], children: Mapping[str, Sequence[str]], places: Mapping[str, Path], path: Path
) -> int:
    """How many leaves there are; they have to be numbered from 1."""
    found = [name for name in parents if name not in children]
    for name in found:
        if not (name.isascii() and name.isdigit() and 1 <= int(name) <= len(found) and str(int(name)) == name):
            raise OptionError(
                say("tree.leaves", option=path[0], name=name, count=len(found)), *places[parents[name]],
                children[parents[name]].index(name),
            )  # fmt: skip
    return len(found)
