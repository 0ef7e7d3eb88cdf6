"""The equations of a network over time, written line by line as its options ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bptt_solver import options as read
from bptt_solver.catalogues import message
from bptt_solver.draft.choices import biases_of, lengths_of, sequences_of, sizes_of
from bptt_solver.draft.roles import INITIAL_STATE, ROLES, What, notes_of_starts, one_of
from bptt_solver.draft.times import at_time, run, runs
from bptt_solver.draft.totals import total
from bptt_solver.options import choice
from bptt_solver.records import IndexMap, Length, Network, OptionError, Shape

COMMON: Mapping[str, object] = {
    "sizes": None,
    "hidden": "tanh",
    "output": "identity",
    "loss": "squared_error",
    "readout": True,
    "bias": True,
    "initial": "zero",
    "steps": "data",
    "inputs": "all",
    "targets": "all",
    "outputs": "targets",
    "sequences": "one",
    "lengths": "",
    "reduction": "sum",
}
SIZES = ("input", "hidden", "output")

_INDICES = r"(?<=[\w'])\[([^\[\]]*)\]"  # compiled when they are first used: the indices of a name
_TIME = r"(?<![\w'])[tT](?![\w'])"  # an index with it is a time
_INPUT = r"(?<![\w'])x\[t\]"
_NAME = r"[^\W\d][\w']*"


class Draft:
    """A network over time that is being written. See `bptt_solver.draft` for its options and an example.

    Where the methods do not do, a topology may add to the fields of the record itself: ``lines``, ``shapes`` (of the
    parameters), ``data``, ``zeros``, ``trained``, ``functions``, ``maps``, ``counts`` (further sizes) and
    ``intervals`` (``{"alpha": (0, 1)}``: where a parameter makes sense). ``bias`` says whether what is not the readout
    has biases."""

    def __init__(self, options: Mapping[str, object], known: Sequence[str] = SIZES) -> None:
        self.options = options
        self.scalar = options["sizes"] == "scalar"
        self.sizes = {} if self.scalar else sizes_of(options["sizes"], known)
        self.bias, self.output_bias = biases_of(options["bias"])  # of all others, and of the readout
        self.output_biases = {"b_y"}  # their names
        self.readout = read.truth(options["readout"], "readout")
        self.initial = choice(options["initial"], ("zero", "given", "trained"), "initial")
        self.steps = None if options["steps"] == "data" else read.whole(options["steps"], "steps")
        self.sequences = sequences_of(options["sequences"])
        self.lengths, given = lengths_of(options["lengths"], self.sequences, self.steps)
        self.longest = max(given, default=None)  # of the lengths that are given in the options
        if given:
            self.sequences, self.steps = len(given), None  # T is the longest, but no sequence has to be as long
        self.inputs = self._times("inputs", ("all", "first", "none"))
        self.targets = self._times("targets", ("all", "last", "mask"))
        self.everywhere = choice(options["outputs"], ("targets", "all"), "outputs") == "all"
        self.lines: list[str] = []
        self.shapes: dict[str, Shape] = {}
        self.data: dict[str, Shape] = {}
        self.zeros: list[str] = []
        self.required: dict[str, tuple[Shape, tuple[str | int, ...]]] = {}
        self.trained: list[str] = []
        self.intervals: dict[str, tuple[float, float]] = {}
        self.starts: dict[tuple[What, bool], list[str]] = {}  # what a start is, whether it is trained -> their names
        self.maps: dict[str, IndexMap] = {"len": given} if given else {}
        self.functions: dict[str, tuple[str | int, ...]] = {}
        self.roles: dict[str, tuple[str, str, int]] = dict(ROLES)
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}  # further sizes that the equations name
        self._check_times()

    # -- names and shapes

    def size(self, name: str | int) -> int:
        """A size by its name in ``sizes``; a number is its own size."""
        if isinstance(name, int):
            return name
        if name not in self.sizes:
            told = message("draft.size", name=name)
            if name == "output" and "readout" in self.options:
                told = message("error.hint", text=told, hint=message("draft.or_no_readout"))
            raise OptionError(told, "sizes")
        return self.sizes[name]

    def shape(self, *sizes: str | int) -> tuple[int, ...]:
        """The shape of a parameter: none at all with ``sizes: scalar``."""
        return () if self.scalar else tuple(self.size(s) for s in sizes)

    def parameter(self, name: str, *sizes: str | int) -> None:
        """Declare a parameter, receiver first: ``parameter("W_x", "hidden", "input")``. Biases only if they are on."""
        if self.keeps(name):
            self.shapes[name] = self.shape(*sizes)

    def keeps(self, text: str) -> bool:
        """Whether a name, or a summand, is there: it is no bias, or its bias is on."""
        return not is_bias(text) or (self.output_bias if text in self.output_biases else self.bias)

    def function(self, option: str, argument: str, *path: str | int, chosen: object = None) -> str:
        """The function that an option names, applied: ``tanh(a[t])``; identity leaves the argument as it is. ``chosen``
        at ``path`` is used instead of the option, if it is given."""
        where = path or (option,)
        name, numbers = read.function(self.options[option] if chosen is None else chosen, *where)
        self.functions.setdefault(name, where)
        return argument if name == "identity" else f"{name}({', '.join((argument, *numbers))})"

    def role(self, name: str, words: str, lane: str = "", place: int = 0) -> None:
        """What a name is, for the reader, and its column in the picture if it is computed or read at each step."""
        self.roles[name] = (words, lane, place)

    def start(self, family: str, size: str | int, at: str = "0", member: str = "", what: What = INITIAL_STATE) -> None:
        """The initial state ``family[at]`` as the option ``initial`` has it; ``at`` may be ``-1`` or ``T+1``.

        ``member`` is what stands before the time (``start("a", 3, member="1")`` is ``a[1,0]``), ``what`` its role, or
        the words for one and for several. For several sequences, and for a time that is not a number, it is a
        parameter for all of them, ``h0`` (``h0_1`` for ``h[-1]``)."""
        first = f"{member}," if member else ""
        label = f"{family}[{first}{at}]"
        if self.initial == "given":
            index = f"{first}n,{self.length(at)}" if self.sequences is not None else first + at
            self.required[f"{family}[{index}]" + self._ranges()] = self.shape(size), ("initial",)
            return
        if self.sequences is not None or not at.lstrip("-").isdigit():
            shared = family + (f"0_{at[1:]}" if at.startswith("-") else "0")
            label = shared + (f"[{member}]" if member else "")
            index = f"{first}n,{self.length(at)}" if self.sequences is not None else first + at
            self.lines.append(f"{family}[{index}] = {label}" + self._ranges())
            one = one_of(what)
            self.role(shared, message("role.every_sequence", role=one) if self.sequences is not None else one)
        self.zeros.append(label)
        self.shapes[label] = self.shape(size)
        trained = self.initial == "trained" and family not in ("x", "d")
        self.trained += [label] if trained else []
        self.starts.setdefault((what, trained), []).append(label)

    def note(self, sentence: str) -> None:
        """Tell the reader of a choice (once)."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    # -- equations

    def line(self, equation: str, times: str = "1..T", over: Sequence[str] = ()) -> None:
        """Write an equation at the given times, and for the ranges ``over`` (``k in 1..L``)."""
        if self.scalar:
            equation = equation.replace(" @ ", "*")
        time = "" if ".." in times else times
        text = re.sub(_INDICES, lambda found: self._indices(found[1], time), equation)
        self.lines.append(text + self._ranges("" if time else times, over))

    def sum(self, left: str, *summands: str, times: str = "1..T", over: Sequence[str] = ()) -> None:
        """Write ``left = a + b + c``, without biases that are off and, where there is no input, what reads ``x[t]``."""
        kept = [s for s in summands if self.keeps(s)]
        without = [s for s in kept if not _reads_input(s)]
        if without == kept:
            self.line(f"{left} = {' + '.join(kept)}", times, over)
            return
        for part, present in self._input_runs(times):
            chosen = kept if present else without
            if not chosen:
                raise OptionError(message("draft.nothing_to_sum"), "inputs")
            if self.inputs == "first":
                chosen = [re.sub(_INPUT, "x[]", s) for s in chosen]
            self.line(f"{left} = {' + '.join(chosen)}", part, over)

    def finish(self, state: str = "h", size: str | int = "hidden", weights: str = "W_y", bias: str = "b_y",
               everywhere: bool = False) -> None:  # fmt: skip
        """Write the readout of ``state[t]`` into y[t], and the losses. ``everywhere``: y is read at each step."""
        self.losses(self.output(state, size, weights, bias, everywhere), "" if self.readout else size)

    def output(self, state: str = "h", size: str | int = "hidden", weights: str = "W_y", bias: str = "b_y",
               everywhere: bool = False) -> str:  # fmt: skip
        """Write the readout. Returns what the losses read: ``y[t]``, or the state if there is no readout."""
        if self.readout:
            self.output_biases.add(bias)
            self.parameter(weights, "output", size)
            self.parameter(bias, "output")
            return self.apply_output((f"{weights} @ {state}[t]", bias), everywhere)
        name, _ = read.function(self.options["output"], "output")
        if name != "identity":
            told = message("draft.no_readout", name=name)
            raise OptionError(told, "output", also=("readout",))
        if not self.scalar and self.sizes.get("output", self.size(size)) != self.size(size):
            told = message("draft.output_size", size=self.sizes["output"], state=self.size(size))
            raise OptionError(told, "sizes", "output", also=("readout",))
        return f"{state}[t]"

    def apply_output(self, summands: Sequence[str], everywhere: bool = False) -> str:
        """Write ``o[t] = ...`` and ``y[t] = softmax(o[t])``; ``y[t] = ...`` alone if that is the identity. The only
        output, at T, has no time. Returns what the losses read: ``y[t]``, or ``y[]``."""
        everywhere = everywhere or self.everywhere
        t = "t" if everywhere or self.targets != "last" else ""
        applied = self.function("output", f"o[{t}]")
        plain = applied == f"o[{t}]"
        for times in ["1..T"] if everywhere else self.target_times():
            self.sum(f"y[{t}]" if plain else f"o[{t}]", *summands, times=times)
            if not plain:
                self.line(f"y[{t}] = {applied}", times)
        return f"y[{t}]"

    def losses(self, output: str = "y[t]", size: str | int = "", entry: str = "", over: str = "") -> None:
        """Write the loss of each step that has a target, and the total E.

        ``size`` is that of ``output`` (default: the readout's, or that of the state). For an output whose entries are
        families of their own, ``entry`` is its index and ``over`` its range: ``losses("s[i,t]", entry="i", ...)``."""
        lead: Shape = ("N",) if self.sequences is not None else ()
        width = () if self.scalar else (self.size(size or ("output" if self.readout else "hidden")),)
        last = self.targets == "last"
        loss = self._loss(output, f"d[{'' if last else 't'}{entry and ',' + entry}]")
        loss = f"sum({loss} for {over})" if over else loss
        if isinstance(self.targets, tuple) and not lead and not entry:
            self.data |= {f"d[{t}]": width for t in self.targets}
        else:
            self.data["d"] = (*lead, *width) if last else (*lead, "T", *width)
        if self.targets == "mask":
            self.data["m"] = (*lead, "T")
            loss = f"m[t]*{loss}"
        if last and self.sequences is None:
            self.line(f"E = {loss}", "T")
            return
        for times in self.target_times():
            self.line(f"{'e[]' if last else 'e[t]'} = {loss}", times)
        self.lines.append(f"E = {total(self)}")

    def target_times(self) -> list[str]:
        """The times with a target, as ranges."""
        if isinstance(self.targets, tuple):
            return [run(low, high) for low, high in runs(self.targets)]
        return ["T" if self.targets == "last" else "1..T"]

    def network(self, *notes: str, target: str = "E") -> Network:
        """The record. Names that were not used are left out of the roles."""
        equations = "\n".join(self.lines)
        used = set(re.findall(_NAME, equations))
        sizes: dict[str, int | None] = {**self.counts}
        sizes |= {"T": self.steps or self.longest} if "T" in used or self.lengths else {}
        if self.sequences is not None:
            sizes["N"] = self.sequences if isinstance(self.sequences, int) else None
        if self.inputs != "none" and "x" in used:
            self._declare_inputs()
        roles = {name: role for name, role in self.roles.items() if name in used}
        return Network(
            equations=equations,
            target=target,
            sizes=sizes,
            parameters={name: shape for name, shape in self.shapes.items() if name.partition("[")[0] in used},
            data={name: shape for name, shape in self.data.items() if name.partition("[")[0] in used},
            zeros=tuple(self.zeros),
            functions=self.functions,
            roles={name: words for name, (words, _, _) in roles.items()},
            lanes={name: (lane, place) for name, (_, lane, place) in roles.items() if lane},
            notes=(*notes_of_starts(self.starts), *self.notes, *notes),
            maps=self.maps,
            trained=tuple(self.trained),
            places={self.lengths: (("lengths",), None)} if self.lengths else {},
            required=self.required,
            within=tuple((t, "T") for times in (self.inputs, self.targets) for t in times if isinstance(t, Length)),
            intervals=self.intervals,
        )

    # -- inside

    def _times(self, option: str, words: tuple[str, ...]) -> str | tuple[int, ...]:
        value = self.options[option]
        if isinstance(value, str):
            return choice(value, words, option, also=message("draft.times"))
        times = [read.whole(item, option, i) for i, item in enumerate(read.items(value, option))]
        for i, time in enumerate(times):
            if self.steps is not None and time > self.steps:
                told = message("draft.step", option=option, place=i + 1, time=time, steps=self.steps)
                raise OptionError(told, option, i, also=("steps",))
            if time in times[:i]:
                raise OptionError(message("draft.step_twice", option=option, time=time), option, i)
        return tuple(sorted(times))

    def _check_times(self) -> None:
        if self.lengths:
            for option, times in (("inputs", self.inputs), ("targets", self.targets)):
                if isinstance(times, tuple):
                    told = message("draft.lists_times", option=option, lengths=self.lengths)
                    raise OptionError(told, option, also=("lengths",))
        elif self.steps is None and self.inputs != "all" and self.targets not in ("all", "mask"):
            raise OptionError(message("draft.steps"), "steps")

    def _input_runs(self, times: str) -> Iterator[tuple[str, bool]]:
        """Parts of ``times``, and whether there is an input at them."""
        if self.inputs in ("all", "none") or times != "1..T":
            if self.inputs not in ("all", "none"):
                raise OptionError(message("draft.all_inputs", times=times), "inputs")
            yield times, self.inputs == "all"
            return
        present = (1,) if self.inputs == "first" else tuple(t for t in self.inputs if isinstance(t, int))
        following = 1
        for low, high in runs(present):
            if low > following:
                yield run(following, low - 1), False
            yield run(low, high), True
            following = high + 1
        if self.steps is None or following <= self.steps:
            yield "T" if following == self.steps else f"{following}..T", False

    def _indices(self, text: str, time: str) -> str:
        """The indices of one name as written: n stands before the time, and where the time is left out (``d[]``)."""
        several = ["n"] if self.sequences is not None else []
        result: list[str] = []
        for item in map(str.strip, text.split(",")):
            if not item:
                result += several
            elif re.search(_TIME, item):
                result += [*several, self.length(at_time(item, time) if time else item)]
            else:
                result.append(item)
        return f"[{','.join(result)}]" if result else ""

    def length(self, text: str) -> str:
        """A time as it is written: ``T`` is ``len[n]`` where each sequence has its length."""
        return re.sub(r"\bT\b", f"{self.lengths}[n]", text) if self.lengths else text

    def _ranges(self, times: str = "", over: Sequence[str] = ()) -> str:
        each = [*over, "n in 1..N"] if self.sequences is not None else [*over]
        each += [f"t in {self.length(times)}"] if times else []
        return " for " + ", ".join(each) if each else ""

    def _loss(self, output: str, target: str) -> str:
        name, numbers = read.function(self.options["loss"], "loss")
        self.functions.setdefault(name, ("loss",))
        return f"{name}({', '.join((output, target, *numbers))})"

    def _declare_inputs(self) -> None:
        lead: Shape = ("N",) if self.sequences is not None else ()
        width = self.shape("input")
        if self.inputs == "first":
            self.data = {"x": (*lead, *width), **self.data}
        elif isinstance(self.inputs, tuple) and self.sequences is None:
            self.data = {f"x[{t}]": width for t in self.inputs} | self.data
        else:
            self.data = {"x": (*lead, "T", *width), **self.data}


def is_bias(text: str) -> bool:
    """Whether a name, or a summand, is a bias: ``b``, ``b_h``, ``b[k]``."""
    return re.fullmatch(r"b(_\w+)?(\[[^\[\]]*\])?", text) is not None


def _reads_input(summand: str) -> bool:
    return re.search(r"(?<![\w'])x\[", summand) is not None
