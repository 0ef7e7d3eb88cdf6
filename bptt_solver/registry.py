"""The keeper of the plugin contract: loads plugins one by one, and says which of them failed and why.

One broken plugin costs nobody else anything: it is left out, as far as it is broken, and named in a warning. There
is no global registry; whoever needs one loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from bptt_solver.errors import Span, fail, safe_text, suggest
from bptt_solver.formulas import OPERATORS, Formulas, check_fields
from bptt_solver.records import Activation, Function, Loss, Network, OptionError, Topology

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from pluggy import PluginManager

FIRST_PARTY = ("bptt", "bptt-solver")  # entry point, distribution
HOOKS: Mapping[str, type[Function] | type[Topology]] = {
    "bptt_activations": Activation,
    "bptt_functions": Function,
    "bptt_losses": Loss,
    "bptt_topologies": Topology,
}


class Plugin:
    """A plugin that was found but not yet imported."""

    __slots__ = ("distribution", "load", "name")

    def __init__(self, name: str, distribution: str, load: Callable[[], object]) -> None:
        self.name = name
        self.distribution = distribution
        self.load = load

    def __str__(self) -> str:
        return f"plugin '{self.name}' ({self.distribution})"


class Registry:
    """Functions and topologies by name, with the plugin that each comes from."""

    def __init__(self) -> None:
        self._functions: dict[str, Formulas] = {}  # by name and by alias
        self._topologies: dict[str, Topology] = {}
        self._origins: dict[tuple[type, str], Plugin] = {}
        self._warnings: list[str] = []

    @classmethod
    def load(cls, local_files: Iterable[str] = ()) -> Registry:
        """All plugins that are installed, and the local files that the command line names. It does not raise: see
        `warnings`."""
        registry = cls()
        for plugin in [*_installed(registry._warn), *map(_local, local_files)]:
            for record in registry._records(plugin):
                registry._add(record, plugin)
        registry._drop_unknown_calls()
        registry._drop_circles()
        return registry

    @classmethod
    def of(cls, *records: Function | Topology, base: Registry | None = None) -> Registry:
        """A registry of given records (and those of another one), for tests. It does not raise: see `warnings`."""
        registry = cls()
        if base is not None:
            registry._functions.update(base._functions)
            registry._topologies.update(base._topologies)
            registry._origins.update(base._origins)
        plugin = Plugin("given", "no distribution", lambda: None)
        for record in records:
            registry._add(record, plugin)
        registry._drop_unknown_calls()
        registry._drop_circles()
        return registry

    # ------------------------------------------------------------------------- lookups

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out and why, one sentence each, with the plugin's name and distribution."""
        return tuple(self._warnings)

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, activations and losses, by name."""
        return tuple(f.record for name, f in sorted(self._functions.items()) if name == f.record.name)

    @property
    def topologies(self) -> tuple[Topology, ...]:
        """All topologies, by name."""
        return tuple(t for name, t in sorted(self._topologies.items()) if name == t.name)

    def find(self, name: str) -> Function | None:
        """The function of that name or alias, if there is one."""
        formulas = self._functions.get(name)
        return formulas.record if formulas else None

    def function(self, name: str, span: Span | None = None) -> Function:
        """The function of that name or alias. Raises ProblemError (at ``span``) with the nearest known name."""
        return self.formulas(name, span).record

    def formulas(self, name: str, span: Span | None = None) -> Formulas:
        """The same function with its formulas as trees."""
        if name not in self._functions:
            raise fail(f"unknown function '{name}'", span, suggest(name, [*self._functions, *_core()]))
        return self._functions[name]

    def topology(self, name: str, span: Span | None = None) -> Topology:
        """The topology of that name or alias. Raises ProblemError (at ``span``) with the nearest known name."""
        if name not in self._topologies:
            known = ", ".join(t.name for t in self.topologies) or "none"
            raise fail(f"unknown topology '{name}'", span, suggest(name, self._topologies) or f"known: {known}")
        return self._topologies[name]

    def origin(self, record: Function | Topology) -> str:
        """The plugin and the distribution that a record comes from."""
        kind = Topology if isinstance(record, Topology) else Function
        plugin = self._origins[kind, record.name]
        return f"{plugin.name} ({plugin.distribution})"

    def network(self, name: str, options: Mapping[str, object], span: Span | None = None) -> Network:
        """What a topology writes for the given options. Raises OptionError for an option that cannot be used."""
        topology = self.topology(name, span)
        for option in options:
            if option not in topology.options:
                hint = suggest(option, topology.options) or "known: " + ", ".join(topology.options)
                raise OptionError(f"topology '{name}' has no option '{option}' ({hint})", option)
        for option, default in topology.options.items():
            if default is None and options.get(option) is None:
                raise OptionError(f"topology '{name}' needs the option '{option}'")
        plugin = self.origin(topology)
        try:
            network = topology.build({**topology.options, **options})
        except OptionError:
            raise
        except Exception as error:
            raise OptionError(f"topology '{name}' of plugin {plugin} failed: {_told(error)}") from error
        if not isinstance(network, Network):
            raise OptionError(
                f"topology '{name}' of plugin {plugin} returned a {type(network).__name__}, not a Network"
            )
        for function, path in network.functions.items():
            if function not in self._functions and function not in _core():
                near = suggest(function, [*self._functions, *_core()])
                raise OptionError(f"unknown function '{function}'" + (f" ({near})" if near else ""), *path)
        return network

    def check(self) -> tuple[str, ...]:
        """Compare every rule with its own value formula (`bptt_solver.testing`): one sentence for each that is
        wrong."""
        from bptt_solver.testing import check_function, check_topology

        wrong = []
        records: list[Function | Topology] = [*self.functions, *self.topologies]
        for record in records:
            try:
                check_topology(record, self) if isinstance(record, Topology) else check_function(record, self)
            except AssertionError as error:
                wrong.append(f"plugin {self.origin(record)}: {error}")
        return tuple(wrong)

    # ------------------------------------------------------------------------- filling

    def _warn(self, sentence: str) -> None:
        self._warnings.append(safe_text(sentence))

    def _records(self, plugin: Plugin) -> list[Function | Topology]:
        """What one plugin yields, by name. A generator is run here, with the plugin's name at hand."""
        import pluggy

        from bptt_solver import hookspecs

        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        try:
            loaded = plugin.load()
            manager.register(loaded, plugin.name)
        except (Exception, SystemExit) as error:
            self._warn(f"{plugin} was left out: {_told(error)}")
            return []
        self._warn_of_hooks(plugin, manager)
        records: list[Function | Topology] = []
        for hook, kind in HOOKS.items():
            try:
                yielded = [list(result) for result in getattr(manager.hook, hook)()]
            except (Exception, SystemExit) as error:
                self._warn(f"{plugin}: {hook} failed: {_told(error)}")
                continue
            for record in (record for result in yielded for record in result):
                if type(record) is kind or (kind is Function and isinstance(record, Function)):
                    records.append(record)
                else:
                    self._warn(
                        f"{plugin}: {hook} yielded a {type(record).__name__}, not a {kind.__name__}; it was left out"
                    )
        return sorted(records, key=lambda record: str(record.name))

    def _warn_of_hooks(self, plugin: Plugin, manager: PluginManager) -> None:
        implemented = manager.get_hookcallers(manager.get_plugin(plugin.name)) or []
        for caller in implemented:
            if caller.name not in HOOKS:
                hint = suggest(caller.name, HOOKS) or "known: " + ", ".join(HOOKS)
                self._warn(f"{plugin}: unknown hook '{caller.name}' ({hint})")
        if not implemented:
            self._warn(f"{plugin} has no hook: mark {', '.join(HOOKS)} with @hookimpl")

    def _add(self, record: Function | Topology, plugin: Plugin) -> None:
        kind: type[Function] | type[Topology] = Topology if isinstance(record, Topology) else Function
        what = f"{type(record).__name__.lower()} {record.name!r}"
        try:
            formulas = Formulas(record) if isinstance(record, Function) else None
            if formulas is None:
                check_fields(record)
        except ValueError as error:
            self._warn(f"{plugin}: {what} was left out: {error}")
            return
        table: Mapping[str, Formulas | Topology] = self._functions if formulas else self._topologies
        names = (record.name, *record.aliases)
        if len(set(names)) < len(names):
            self._warn(f"{plugin}: {what} was left out: its names {', '.join(names)} repeat one")
            return
        for name in names:
            if formulas and name in _core():
                self._warn(f"{plugin}: {what} was left out: '{name}' is a core function")
                return
            if name in table:
                taken = table[name]
                other = taken.record if isinstance(taken, Formulas) else taken
                first = self._origins[kind, other.name]
                self._warn(f"{plugin}: {what} was left out: {first} has '{name}' already")
                return
        self._origins[kind, record.name] = plugin
        if formulas:
            self._functions.update(dict.fromkeys(names, formulas))
        elif isinstance(record, Topology):
            self._topologies.update(dict.fromkeys(names, record))

    def _drop(self, record: Function, why: str) -> None:
        plugin = self._origins.pop((Function, record.name))
        for name in (record.name, *record.aliases):
            del self._functions[name]
        self._warn(f"{plugin}: {type(record).__name__.lower()} '{record.name}' was left out: {why}")

    def _drop_unknown_calls(self) -> None:
        """A formula may call the core and what is left of the plugins; dropping one function may orphan another."""
        again = True
        while again:
            again = False
            for record in self.functions:
                wrong = next(
                    filter(None, (self._wrong_call(*call) for call in self._functions[record.name].calls())), None
                )
                if wrong:
                    self._drop(record, wrong)
                    again = True

    def _wrong_call(self, what: str, name: str, count: int) -> str | None:
        if name in self._functions:
            callee = self._functions[name].record
            least, most = len(callee.arguments), len(callee.arguments) + len(callee.parameters)
        elif name in _core():
            least, most = _core()[name]
        else:
            hint = suggest(name, [*self._functions, *_core()])
            return f"its {what} calls the unknown function '{name}'" + (f" ({hint})" if hint else "")
        if least <= count <= most:
            return None
        takes = f"{least}" if least == most else f"{least} to {most}"
        return f"its {what} calls '{name}' with {count} argument{'s' * (count != 1)}, not {takes}"

    def _drop_circles(self) -> None:
        """Functions whose values call each other in a circle have no value (no recursion: a plugin may chain
        thousands)."""
        calls = {
            record.name: [
                self._functions[name].record.name
                for what, name, _ in self._functions[record.name].calls()
                if what == "value" and name in self._functions
            ]
            for record in self.functions
        }
        while True:
            free = [name for name, called in calls.items() if not any(other in calls for other in called)]
            if not free:
                break
            for name in free:
                del calls[name]
        for name in sorted(calls):
            self._drop(self._functions[name].record, "its value is defined in a circle: " + ", ".join(sorted(calls)))


# ----------------------------------------------------------------------------- finding


def _installed(warn: Callable[[str], None]) -> list[Plugin]:
    """The plugins of the entry points, our own first, the others by name."""
    from importlib.metadata import entry_points

    from bptt_solver.hookspecs import GROUP

    try:
        points = list(entry_points(group=GROUP))
    except Exception as error:
        warn(f"the installed plugins could not be listed: {_told(error)}")
        return []
    found: dict[tuple[str, str, str], EntryPoint] = {}
    for point in points:  # the same installation may be seen twice, through two entries of the path
        found.setdefault((point.name, point.value, _distribution(point)), point)
    ordered = sorted(found, key=lambda key: ((key[0], key[2].split(" ")[0]) != FIRST_PARTY, key))
    return [Plugin(key[0], key[2], found[key].load) for key in ordered]


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"


def _local(path: str) -> Plugin:
    from pathlib import Path

    def load() -> ModuleType:
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location(f"bptt_local_plugin_{Path(path).stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return Plugin(Path(path).stem, f"file {path}", load)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def _core() -> Mapping[str, tuple[int, int]]:
    """The core functions with the numbers of arguments that they take."""
    from bptt_solver.language.operations import CORE

    return {operation.name: operation.arity for operation in CORE if operation.name not in OPERATORS}
