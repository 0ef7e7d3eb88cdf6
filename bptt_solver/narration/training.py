"""Clipping and training in words: the rule, the arithmetic of one step, the losses, the parameters at the end."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.analyses.training import ClipAnalysis, TrainingAnalysis
from bptt_solver.arithmetic import Value as Number
from bptt_solver.arithmetic import is_array
from bptt_solver.asked import Analysis
from bptt_solver.blocks import (
    Belonging,
    Block,
    Curve,
    Flow,
    Formula,
    Formulas,
    Heading,
    Item,
    Line,
    Paragraph,
    Table,
    Value,
    Words,
)
from bptt_solver.formulas import GRADIENT, STEP, WEIGHT
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Index, Reference, derivative_name, preorder
from bptt_solver.language.expressions import Number as Numeral
from bptt_solver.language.slots import slot
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.solving import fresh_name
from bptt_solver.system import Instance
from bptt_solver.training.clipping import ALL, NORM, VALUE, Clip
from bptt_solver.training.trainer import Change, interval, table_steps

MOST = 24  # parameters that are listed
FACTOR = "c"  # what a clipped gradient was multiplied by
TRUNCATED = "ĝ"  # a truncated gradient that is clipped then


def training_blocks(analysis: Analysis, say: Catalogue) -> list[Block]:
    """The section of clipping or of training."""
    if isinstance(analysis, ClipAnalysis):
        return _ClipWords(analysis, say).blocks()
    assert isinstance(analysis, TrainingAnalysis)
    return _TrainingWords(analysis, say).blocks()


class _Names:
    """What things are called in a document's formulas: no two of them alike."""

    def __init__(self, analysis: ClipAnalysis | TrainingAnalysis) -> None:
        system = analysis.computation.problem.system
        self.target = analysis.computation.target_text
        self.taken = {*system.defining, *system.given, *system.sizes, *system.maps}

    def parameter(self, key: Instance) -> Reference:
        """A parameter."""
        return Reference(key[0], tuple(map(Index, key[1])))

    def new(self, key: Instance) -> Reference:
        """A parameter after a step: with a prime, or as many as make it new."""
        return Belonging(None, self.parameter(key), fresh_name(key[0] + "'", self.taken)[len(key[0]) :])

    def derivative(self, key: Instance) -> Reference:
        """The ordered derivative of the target by a parameter."""
        return Reference(derivative_name(self.target, key[0]), tuple(map(Index, key[1])))

    def gradient(self) -> Reference:
        """The gradient that a rule uses."""
        return Reference(self.symbol("gradient", GRADIENT))

    def truncated(self) -> Reference:
        """A truncated gradient that is clipped then."""
        return Reference(self.symbol("truncated", TRUNCATED))

    def symbol(self, name: str, short: str = "") -> str:
        """The name of something that the document does not name: the short one unless it is taken."""
        if short and short not in self.taken and short + "'" not in self.taken:
            return short
        return fresh_name(name, self.taken)


def _listed(lines: Sequence[Line], say: Catalogue) -> list[Line]:
    """The lines, or the first ones and how many more there are."""
    if len(lines) <= MOST:
        return list(lines)
    return [*lines[: MOST - 1], Line((), say("training.cut", count=f"{len(lines) - MOST + 1:,}"))]


def _entries(values: Sequence[Number]) -> int:
    return sum(v.size if is_array(v) else 1 for v in values)


# ----------------------------------------------------------------------------- clipping


class _ClipWords:
    def __init__(self, analysis: ClipAnalysis, say: Catalogue) -> None:
        self.analysis = analysis
        self.say = say
        self.names = _Names(analysis)
        self.factor = Reference(self.names.symbol("factor", FACTOR))
        self.gradient = self.names.gradient()
        self._trees: dict[int, Expression] = {}

    def blocks(self) -> list[Block]:
        """The section."""
        say, clip, clipped = self.say, self.analysis.clip, self.analysis.clipped
        limit, count = Value(clip.limit), f"{_entries(self.analysis.gradients):,}"
        told: Words
        if clip.kind == VALUE:
            told = say("clip.value", low=Value(-clip.limit), high=limit, cut=f"{clipped.cut:,}", count=count)
        elif clip.per == ALL:
            factor = self._chain(clipped.norms[0], clipped.factors[0])
            told = say("clip.all", norm=Value(clipped.norms[0]), limit=limit, count=count)
            told += say("clip.changed" if clipped.factors[0] < 1 else "clip.unchanged", factor=factor)
        else:
            told = say("clip.parameter", limit=limit)
        when = say("clip.when")
        if self.analysis.truncation is not None:
            when = say("clip.when.truncated", truncated=self.names.truncated())
        blocks: list[Block] = [Heading((say.text("clip.title"),)), Paragraph(when), Paragraph(told)]
        if clip.kind == NORM and clip.per == ALL and clipped.factors[0] == 1:
            return blocks
        return [*blocks, Formulas(_listed([self._line(at) for at in range(len(self.analysis.keys))], say))]

    def _chain(self, norm: float, factor: float) -> Words:
        """``c = 1/2.31 = 0.432900``."""
        if factor == 1:
            return (self.factor, " = 1")
        quotient = Formula(Call("div", (slot(0), slot(1))), (Value(self.analysis.clip.limit), Value(norm)))
        return (self.factor, " = ", quotient, " = ", Value(factor))

    def _line(self, at: int) -> Line:
        """One gradient, clipped."""
        clip, gradient = self.analysis.clip, self.analysis.gradients[at]
        key, result = self.analysis.keys[at], Value(self.analysis.clipped.gradients[at])
        parameter = self.names.parameter(key)
        name: Reference = self.names.derivative(key)
        chain: list[Item]
        lead: Words = ()
        if self.analysis.truncation is not None:
            name, lead = Belonging(self.names.truncated(), parameter), (parameter, self.say.lead)
        rank = gradient.ndim if is_array(gradient) else 0
        clipped = Belonging(self.gradient, parameter)
        if clip.kind == VALUE:
            arguments = (slot(0), slot(1), slot(2))
            tree = self._trees.setdefault(rank, Call("clip", arguments))
            bounds = Value(-clip.limit), Value(clip.limit)
            ranks = (rank, 0, 0)
            chain = [clipped, *(Formula(tree, (leaf, *bounds), ranks) for leaf in (name, Value(gradient))), result]
            return Line(chain, lead)
        tree = self._trees.setdefault(rank, Call("mul", (slot(0), slot(1))))
        factor = self.analysis.clipped.factor(at)
        assert factor is not None
        chain = [clipped, Formula(tree, (self.factor, name), (0, rank))]
        chain += [Formula(tree, (Value(factor), Value(gradient)), (0, rank)), result]
        if clip.per == ALL:
            return Line(chain, lead)
        return Line(chain, lead, ("‖", name, "‖ = ", Value(self.analysis.clipped.norms[at])))


# ----------------------------------------------------------------------------- training


class _TrainingWords:
    def __init__(self, analysis: TrainingAnalysis, say: Catalogue) -> None:
        self.analysis = analysis
        self.training = analysis.training
        self.rule = analysis.training.plan.rule
        self.say = say
        self.names = _Names(analysis)
        symbols = self.rule.record.symbols
        own = (*self.rule.options, *self.rule.formulas.state, *self.rule.formulas.between)
        self.symbols = {name: self.names.symbol(name, symbols.get(name, "")) for name in own}
        self.computed = (*self.rule.formulas.state, *self.rule.formulas.between, WEIGHT)
        self.step = Reference(self.names.symbol("step", STEP))
        self.factor = Reference(self.names.symbol("factor", FACTOR))
        self.gradient = self.names.gradient()
        self.truncation = analysis.truncation
        self.truncated = self.names.truncated() if analysis.training.plan.clip is not None else self.gradient
        self._trees: dict[tuple[str, bool, bool], Expression] = {}

    def blocks(self) -> list[Block]:
        """The section."""
        say, plan = self.say, self.training.plan
        key = "training.steps.one" if plan.steps == 1 else "training.steps.many"
        remark = say(key, rule=self.rule.record.name, count=f"{plan.steps:,}")
        if self.truncation is not None:
            rule = ", ".join(f"{name} = {value}" for name, value in self.truncation.rule.data().items())
            remark += say("training.steps.truncated", rule=rule)
        blocks: list[Block] = [Heading((say.text("training.title"),), remark=remark), *self._general()]
        blocks += [Paragraph(words) for words in self._notes()]
        first = Value(self.training.start.step + 1)
        lines = [line for change in self.training.first[:MOST] for line in self._change(change)]
        left = len(self.training.first) - MOST
        if left > 0:
            lines.append(Line((), say("training.cut", count=f"{left:,}")))
        return [
            *blocks,
            Paragraph(say("training.first", step=first)),
            Formulas(lines),
            *self._losses(),
            *self._result(),
        ]

    # -- the rule

    def _general(self) -> list[Block]:
        """The rule in symbols, and its options in numbers."""
        say, record = self.say, self.rule.record
        general = self._leaves(None)
        lines = [Line(self._chain(name, general, None)) for name in self.computed]
        options: list[Words] = [
            (Reference(self.symbols[name]), " = ", Value(value)) for name, value in self.rule.options.items()
        ]
        counted = any(node == Reference(STEP) for tree in self._formulas() for node in preorder(tree))
        words = say(
            "training.meaning",
            options=say.listed(options, most=10),
            step=say("training.meaning.step", step=self.step) if counted else (),
            gradient=self.gradient,
            which=self._which(),
        )
        if self.rule.formulas.state and not self.training.start.step:
            words += (say.gap, *say("training.state"))
        return [
            Paragraph(say("training.rule", rule=record.name, summary=record.summary)),
            Formulas(lines),
            Paragraph(words),
        ]

    def _which(self) -> Words:
        """Which gradient the rule uses."""
        clip = self.training.plan.clip is not None
        if self.truncation is None:
            return self.say("training.meaning.clipped" if clip else "training.meaning.gradient")
        if clip:
            return self.say("training.meaning.truncated.clipped", truncated=self.truncated)
        return self.say("training.meaning.truncated")

    def _formulas(self) -> list[Expression]:
        formulas = self.rule.formulas
        return [*formulas.state.values(), *formulas.between.values(), formulas.weight]

    def _notes(self) -> list[Words]:
        say, training, plan = self.say, self.training, self.training.plan
        notes: list[Words] = []
        if plan.asked != self.rule.record.name:
            implied = next(o for o in self.rule.options if o not in ("learning_rate",))
            notes.append(say("training.implied", asked=plan.asked, option=implied, rule=self.rule.record.name))
        if training.start.step:
            told = f"{training.start.step:,}"
            notes.append(say("training.resumed", step=told, source=training.start.source))
        if training.exact:
            notes.append(say("training.floats"))
        if training.not_trained:
            notes.append(say("training.not_trained", names=say.listed(training.not_trained)))
        order = say("training.order")
        if self.truncation is not None:
            windows = self.truncation.rule.depth is None
            order = say("training.order.windows" if windows else "training.order.depth")
        if plan.clip is not None:
            key = "training.clipped.factor" if plan.clip.kind == NORM else "training.clipped.value"
            order += (say.gap, *say(key, factor=self.factor))
        notes.append(order)
        if training.route:
            way = say.text(f"training.way.{training.route}")
            key = "training.compiled" if training.compiled_from > training.start.step + 1 else "training.compiled.all"
            notes.append(say(key, step=f"{training.compiled_from:,}", way=way))
        return notes

    # -- one step

    def _change(self, change: Change) -> list[Line]:
        """The lines of one parameter in one step: what is remembered, then the weight."""
        leaves = self._leaves(change.key)
        return [Line(self._chain(name, leaves, change)) for name in self.computed]

    def _leaves(self, key: Instance | None) -> dict[str, Reference]:
        """How each name of the rule is written: in general, or for one parameter."""
        leaves = {name: Reference(symbol) for name, symbol in self.symbols.items()}
        leaves |= {STEP: self.step, FACTOR: self.factor}
        formulas = self.rule.formulas
        if key is None:
            weight = Reference(WEIGHT)
            leaves |= {WEIGHT: weight, WEIGHT + "'": Belonging(None, weight, "'"), GRADIENT: self.gradient}
            return leaves | {name + "'": Reference(self.symbols[name] + "'") for name in formulas.state}
        parameter = self.names.parameter(key)
        for name in (*formulas.state, *formulas.between):
            label = leaves[name]
            leaves[name], leaves[name + "'"] = Belonging(label, parameter), Belonging(label, parameter, "'")
        gradient: Reference = self.names.derivative(key)
        if self.truncation is not None:
            gradient = Belonging(self.truncated, parameter)
        return leaves | {WEIGHT: parameter, WEIGHT + "'": self.names.new(key), GRADIENT: gradient}

    def _chain(self, of: str, leaves: dict[str, Reference], change: Change | None) -> list[Item]:
        """``w' = w − η·∂⁺E/∂w = 1.2 − 0.1·0.183 = 1.1817``; in symbols only without a change."""
        left = of + "'" if of == WEIGHT or of in self.rule.formulas.state else of
        array = change is not None and is_array(change.weight)
        tree = self._tree(of, array, self.training.plan.clip if change is not None else None)
        rank = change.weight.ndim if change is not None and array else 0
        names = (*self.rule.names, FACTOR)
        ranks = [0 if name in (STEP, FACTOR, *self.rule.options) else rank for name in names]
        chain: list[Item] = [leaves[left], Formula(tree, [leaves[name] for name in names], ranks)]
        if change is None:
            return chain
        values = self.rule.values(change.weight, change.used, change.state, self.training.start.step + 1)
        known = dict(zip(self.rule.names, values, strict=True)) | {GRADIENT: change.gradient}
        known |= {FACTOR: 1.0 if change.factor is None else change.factor, WEIGHT + "'": change.new_weight}
        return [*chain, Formula(tree, [Value(known[name]) for name in names], ranks), Value(known[left])]

    def _tree(self, of: str, array: bool, clip: Clip | None) -> Expression:
        """A formula of the rule in slots, with the gradient clipped where it is."""
        known = self._trees.get((of, array, clip is not None))
        if known is None:
            formulas = self.rule.formulas
            known = self.rule.in_slots({**formulas.state, **formulas.between, WEIGHT: formulas.weight}[of])
            if clip is not None:
                gradient = slot(self.rule.names.index(GRADIENT))
                used: Expression = Call("mul", (slot(len(self.rule.names)), gradient))
                if clip.kind == VALUE:
                    limit = Numeral(int(clip.limit) if clip.limit == int(clip.limit) else clip.limit)
                    used = Call("clip", (gradient, Call("neg", (limit,)), limit))
                known = build.replace(known, {gradient: used})
            self._trees[of, array, clip is not None] = known
        return known

    # -- many

    def _losses(self) -> list[Block]:
        """The table of losses, of a long training every n-th one."""
        training, say = self.training, self.say
        first, last = training.start.step, training.last_step
        every = 1 if self.analysis.everything else interval(last - first)
        steps = list(range(first, last + 1)) if self.analysis.everything else table_steps(first, last)
        norm_of = "training.losses.norm" if self.truncation is None else "training.losses.norm.truncated"
        header: list[Words] = [(say.text("training.losses.step"),), (Reference(self.names.target),)]
        header.append((say.text(norm_of),))
        rows: list[list[Words]] = []
        for step in steps:
            norm: Words = (Value(training.norms[step]),) if step in training.norms else ()
            rows.append([(f"{step:,}",), (Value(training.losses[step - first]),), norm])
        caption = say("training.losses") if every == 1 else say("training.losses.every", every=f"{every:,}")
        return [Table(header, rows, caption, curve=Curve(first, training.losses))]

    def _result(self) -> list[Block]:
        training, say = self.training, self.say
        words = say(
            "training.result",
            step=f"{training.last_step:,}",
            target=Reference(self.names.target),
            loss=Value(training.losses[-1]),
            before=Value(training.losses[0]),
        )
        lines = [Line((self.names.parameter(key), Value(value))) for key, value in training.parameters.items()]
        return [Paragraph(words), Flow(_listed(lines, say))]


__all__ = ["training_blocks"]
