"""The keeper of the plugin contract: loads plugins one by one, and says which of them failed and why.

One broken plugin costs nobody else anything: it is left out, as far as it is broken, and named in a warning. There
is no global registry; whoever needs one loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from bptt_solver.catalogues import Message, message
from bptt_solver.errors import Span, fail, safe_text, suggest
from bptt_solver.finding import Plugin, installed, local, told
from bptt_solver.formulas import OPERATORS, Formulas, UpdateFormulas, What, check_fields, worded
from bptt_solver.records import Activation, Function, Loss, Network, OptionError, Topology, UpdateRule

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from pluggy import PluginManager

Record = Function | Topology | UpdateRule
HOOKS: Mapping[str, type[Record]] = {
    "bptt_activations": Activation,
    "bptt_functions": Function,
    "bptt_losses": Loss,
    "bptt_topologies": Topology,
    "bptt_update_rules": UpdateRule,
}
LATER = ("bptt_topologies", "bptt_update_rules")  # asked when the first of their records is


class Registry:
    """Functions and topologies by name, with the plugin that each comes from."""

    def __init__(self) -> None:
        self._functions: dict[str, Formulas] = {}  # by name and by alias
        self._topologies: dict[str, Topology] = {}
        self._update_rules: dict[str, UpdateFormulas] = {}
        self._origins: dict[tuple[type, str], Plugin] = {}
        self._warnings: list[str] = []
        self._waiting: list[tuple[Plugin, PluginManager]] = []  # those whose later hooks were not called yet

    @classmethod
    def load(cls, local_files: Iterable[str] = ()) -> Registry:
        """All plugins that are installed, and the local files that the command line names. It does not raise: see
        `warnings`. Topologies and update rules are only imported when they are asked for."""
        registry = cls()
        for plugin in [*installed(registry._warn), *map(local, local_files)]:
            manager = registry._manager(plugin)
            if manager is not None:
                registry._waiting.append((plugin, manager))
                registry._take(plugin, manager, [hook for hook in HOOKS if hook not in LATER])
        registry._drop_unknown_calls()
        registry._drop_circles()
        return registry

    @classmethod
    def of(cls, *records: Record, base: Registry | None = None) -> Registry:
        """A registry of given records (and those of another one), for tests. It does not raise: see `warnings`."""
        registry = cls()
        if base is not None:
            base._complete()
            registry._functions.update(base._functions)
            registry._topologies.update(base._topologies)
            registry._update_rules.update(base._update_rules)
            registry._origins.update(base._origins)
        plugin = Plugin("given", "no distribution", lambda: None)
        for record in records:
            registry._add(record, plugin)
        registry._drop_unknown_calls()
        registry._drop_circles()
        registry._drop_rules()
        return registry

    # ------------------------------------------------------------------------- lookups

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out and why, one sentence each, with the plugin's name and distribution."""
        self._complete()
        return tuple(self._warnings)

    @property
    def warnings_so_far(self) -> tuple[str, ...]:
        """The same without asking for what nobody has needed yet."""
        return tuple(self._warnings)

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, activations and losses, by name."""
        return tuple(f.record for name, f in sorted(self._functions.items()) if name == f.record.name)

    @property
    def topologies(self) -> tuple[Topology, ...]:
        """All topologies, by name."""
        self._complete()
        return tuple(t for name, t in sorted(self._topologies.items()) if name == t.name)

    @property
    def update_rules(self) -> tuple[UpdateRule, ...]:
        """All update rules, by name."""
        self._complete()
        return tuple(r.record for name, r in sorted(self._update_rules.items()) if name == r.record.name)

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
            raise fail(message("registry.function", name=name), span, suggest(name, [*self._functions, *_core()]))
        return self._functions[name]

    def topology(self, name: str, span: Span | None = None) -> Topology:
        """The topology of that name or alias. Raises ProblemError (at ``span``) with the nearest known name."""
        self._complete()
        if name not in self._topologies:
            known = message.listed([t.name for t in self.topologies], "list.comma") or message("option.none")
            hint = suggest(name, self._topologies) or message("option.known", names=known)
            raise fail(message("registry.unknown_topology", name=name), span, hint)
        return self._topologies[name]

    def update_rule(self, name: str, span: Span | None = None) -> UpdateFormulas:
        """The update rule of that name or alias, with its formulas as trees. Raises ProblemError (at ``span``) with
        the nearest known name."""
        self._complete()
        if name not in self._update_rules:
            known = message.listed([r.name for r in self.update_rules], "list.comma") or message("option.none")
            hint = suggest(name, self._update_rules) or message("option.known", names=known)
            raise fail(message("registry.unknown_rule", name=name), span, hint)
        return self._update_rules[name]

    def origin(self, record: Record) -> str:
        """The plugin and the distribution that a record comes from."""
        plugin = self._origins[_kind(record), record.name]
        return f"{plugin.name} ({plugin.distribution})"

    def network(self, name: str, options: Mapping[str, object], span: Span | None = None) -> Network:
        """What a topology writes for the given options. Raises OptionError for an option that cannot be used."""
        topology = self.topology(name, span)
        for option in options:
            if option not in topology.options:
                hint = suggest(option, topology.options) or message(
                    "option.known", names=message.listed([*topology.options], "list.comma")
                )
                raise OptionError(message("registry.no_option", name=name, option=option, hint=hint), option, key=True)
        for option, default in topology.options.items():
            if default is None and options.get(option) is None:
                raise OptionError(message("registry.needs_option", name=name, option=option))
        plugin = self.origin(topology)
        try:
            network = topology.build({**topology.options, **options})
        except OptionError:
            raise
        except Exception as error:
            raise OptionError(message("registry.failed", name=name, plugin=plugin, error=told(error))) from error
        if not isinstance(network, Network):
            raise OptionError(message("registry.no_network", name=name, plugin=plugin, kind=type(network).__name__))
        for function, path in network.functions.items():
            if function not in self._functions and function not in _core():
                near = suggest(function, [*self._functions, *_core()])
                told_of = message("registry.function", name=function)
                raise OptionError(message("error.hint", text=told_of, hint=near) if near else told_of, *path)
        return network

    def check(self) -> tuple[str, ...]:
        """Compare every rule with its own value formula (`bptt_solver.testing`): one sentence for each that is
        wrong."""
        from bptt_solver.testing import check_record

        wrong = []
        records: list[Record] = [*self.functions, *self.topologies, *self.update_rules]
        for record in records:
            try:
                check_record(record, self)
            except AssertionError as error:
                wrong.append(
                    message("registry.wrong", plugin=self.origin(record), error=error.args[0] if error.args else "")
                )
        return tuple(wrong)

    # ------------------------------------------------------------------------- filling

    def _warn(self, sentence: str) -> None:
        safe = safe_text(sentence)
        self._warnings.append(sentence if safe == sentence else safe)  # a message stays one

    def _complete(self) -> None:
        """Call the hooks that wait until their records are asked for."""
        waiting, self._waiting = self._waiting, []
        for plugin, manager in waiting:
            self._take(plugin, manager, LATER)
        if waiting:
            self._drop_rules()

    def _manager(self, plugin: Plugin) -> PluginManager | None:
        """One plugin, imported, with a manager of its own; None if it cannot be imported."""
        import pluggy

        from bptt_solver import hookspecs

        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        try:
            loaded = plugin.load()
            manager.register(loaded, plugin.name)
        except (Exception, SystemExit) as error:
            self._warn(message("registry.not_loaded", plugin=plugin.words, error=told(error)))
            return None
        self._warn_of_hooks(plugin, manager)
        return manager

    def _take(self, plugin: Plugin, manager: PluginManager, hooks: Iterable[str]) -> None:
        """Add what some hooks of one plugin yield, by name. A generator is run here, with the plugin's name at
        hand."""
        records: list[Record] = []
        for hook in hooks:
            kind = HOOKS[hook]
            try:
                yielded = [list(result) for result in getattr(manager.hook, hook)()]
            except (Exception, SystemExit) as error:
                self._warn(message("registry.hook_failed", plugin=plugin.words, hook=hook, error=told(error)))
                continue
            for record in (record for result in yielded for record in result):
                if type(record) is kind or (kind is Function and isinstance(record, Function)):
                    records.append(record)
                else:
                    found = type(record).__name__
                    self._warn(
                        message("registry.yielded", plugin=plugin.words, hook=hook, found=found, kind=kind.__name__)
                    )
        for record in sorted(records, key=lambda record: str(record.name)):
            self._add(record, plugin)

    def _warn_of_hooks(self, plugin: Plugin, manager: PluginManager) -> None:
        implemented = manager.get_hookcallers(manager.get_plugin(plugin.name)) or []
        for caller in implemented:
            if caller.name not in HOOKS:
                hint = suggest(caller.name, HOOKS) or message(
                    "option.known", names=message.listed([*HOOKS], "list.comma")
                )
                self._warn(message("registry.unknown_hook", plugin=plugin.words, name=caller.name, hint=hint))
        if not implemented:
            self._warn(message("registry.no_hook", plugin=plugin.words, names=message.listed([*HOOKS], "list.comma")))

    def _add(self, record: Record, plugin: Plugin) -> None:
        kind = _kind(record)

        def what() -> Message:  # most records are never told of
            return _told(record, repr(record.name))

        try:
            formulas = Formulas(record) if isinstance(record, Function) else None
            rule = UpdateFormulas(record) if isinstance(record, UpdateRule) else None
            if isinstance(record, Topology):
                check_fields(record)
        except ValueError as error:
            self._warn(message("registry.left_out", plugin=plugin.words, what=what(), error=error.args[0]))
            return
        table: Mapping[str, Formulas | Topology | UpdateFormulas] = (
            self._functions if formulas else self._update_rules if rule else self._topologies
        )
        names = (record.name, *record.aliases)
        if len(set(names)) < len(names):
            self._warn(
                message(
                    "registry.repeats", plugin=plugin.words, what=what(), names=message.listed([*names], "list.comma")
                )
            )
            return
        for name in names:
            if formulas and name in _core():
                self._warn(message("registry.core", plugin=plugin.words, what=what(), name=name))
                return
            if name in table:
                taken = table[name]
                other = taken if isinstance(taken, Topology) else taken.record
                first = self._origins[kind, other.name]
                self._warn(message("registry.taken", plugin=plugin.words, what=what(), first=first, name=name))
                return
        self._origins[kind, record.name] = plugin
        if formulas:
            self._functions.update(dict.fromkeys(names, formulas))
        elif rule:
            self._update_rules.update(dict.fromkeys(names, rule))
        elif isinstance(record, Topology):
            self._topologies.update(dict.fromkeys(names, record))

    def _drop(self, record: Function, why: str) -> None:
        plugin = self._origins.pop((Function, record.name))
        for name in (record.name, *record.aliases):
            del self._functions[name]
        self._warn(message("registry.dropped", plugin=plugin.words, what=_told(record, f"'{record.name}'"), why=why))

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

    def _wrong_call(self, what: What, name: str, count: int) -> str | None:
        if name in self._functions:
            callee = self._functions[name].record
            least, most = len(callee.arguments), len(callee.arguments) + len(callee.parameters)
        elif name in _core():
            least, most = _core()[name]
        else:
            hint = suggest(name, [*self._functions, *_core()])
            told_of = message("registry.calls_unknown", what=worded(what), name=name)
            return message("error.hint", text=told_of, hint=hint) if hint else told_of
        if least <= count <= most:
            return None
        takes = f"{least}" if least == most else message("registry.range", least=least, most=most)
        key = "registry.calls_one" if count == 1 else "registry.calls"
        return message(key, what=worded(what), name=name, count=count, takes=takes)

    def _drop_circles(self) -> None:
        """Functions whose values call each other in a circle have no value (no recursion: a plugin may chain
        thousands)."""
        calls = {
            record.name: [
                self._functions[name].record.name
                for what, name, _ in self._functions[record.name].calls()
                if what[0] == "value" and name in self._functions
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
            self._drop(self._functions[name].record, message("registry.circle", names=", ".join(sorted(calls))))

    def _drop_rules(self) -> None:
        """Update rules that call a function that is not there."""
        for record in self.update_rules:
            rule = self._update_rules[record.name]
            wrong = next(filter(None, (self._wrong_call(*call) for call in rule.calls())), None)
            if wrong:
                plugin = self._origins.pop((UpdateRule, record.name))
                for name in (record.name, *record.aliases):
                    del self._update_rules[name]
                self._warn(
                    message("registry.dropped", plugin=plugin.words, what=_told(record, f"'{record.name}'"), why=wrong)
                )


def _kind(record: Record) -> type[Record]:
    """Records of one kind share their names."""
    return Topology if isinstance(record, Topology) else UpdateRule if isinstance(record, UpdateRule) else Function


def _told(record: Record, name: str) -> Message:
    """A record in words: ``activation 'tanh'``; ``name`` comes with its quotes."""
    kind = "update_rule" if isinstance(record, UpdateRule) else type(record).__name__.lower()
    return message(f"registry.a_{kind}" if kind in _KINDS else "registry.record", kind=kind, name=name)


_KINDS = ("activation", "function", "loss", "topology", "update_rule")


@cache
def _core() -> Mapping[str, tuple[int, int]]:
    """The core functions with the numbers of arguments that they take."""
    from bptt_solver.language.operations import CORE

    return {operation.name: operation.arity for operation in CORE if operation.name not in OPERATORS}
