"""Which family of a system is the input, the state, a pre-activation, a weight: found by what the equations do.

Roles: x input, h state, a what enters the state's activation, o what enters the output's, y output, d target,
W_x, W_h (W_h2: two steps back) and W_y weights, b_h and b_y biases, e a loss, E the target; xc and W_xc where
input and state are one vector.
"""

from __future__ import annotations

from collections.abc import Iterator

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Reference, Sum, preorder
from bptt_solver.problem.problem import Problem
from bptt_solver.system import System

OWN = ("x", "h", "y", "d", "e", "E", "W_x", "W_h", "W_y", "b_h", "b_y")  # names of topologies that are roles
_ARITHMETIC = frozenset({"add", "neg", "mul", "div", "matmul", "power", "transpose", "concat", "outer", "dot"})


class Roles:
    """Role -> family. ``linear``: the output has no activation of its own. ``layered``: states have a layer's index.
    ``sums``: all families that enter an activation.
    """

    __slots__ = ("families", "layered", "linear", "sums")

    def __init__(self) -> None:
        self.families: dict[str, str] = {}
        self.linear = False
        self.layered = False
        self.sums: list[str] = []

    def give(self, role: str, family: str | None) -> None:
        """A family's role, if neither is taken."""
        if family is not None and role not in self.families and family not in self.families.values():
            self.families[role] = family


def find_roles(problem: Problem) -> Roles:
    """The roles in a problem's equations; only those that are beyond doubt."""
    return _Finder(problem).roles()


class _Finder:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.system: System = problem.system
        self.found = Roles()

    def roles(self) -> Roles:
        found, system = self.found, self.system
        found.give("E", self.problem.target.name)
        recurrent = list(dict.fromkeys(e.name for e in system.equations if any(lag for *_, lag in self._uses(e))))
        loss, output, target = self._losses()
        self._state(recurrent, output)
        found.give("e", loss)
        found.give("d", target)
        self._output(output)
        for equation in system.equations:
            self._weights(equation, recurrent)
        for name in OWN:
            if name in system.families or name in system.given:
                found.give(name, name)
        found.layered = self._layered()
        entering = {self._argument(e.name) for e in system.equations}
        found.sums = list(dict.fromkeys(e.name for e in system.equations if e.name in entering and self._sum(e)))
        return found

    def _layered(self) -> bool:
        """Whether weights or states have an index of their own for the layer: ``W[k]``, ``a[1,t]``."""
        families = self.found.families
        if any(self.system.arity(families[r]) for r in ("W_x", "W_h") if r in families):
            return True
        state = families.get("h", "")
        firsts = [e.indices[0] for e in self.system.defining.get(state, ()) if len(e.indices) > 1]
        return bool(firsts) and all(not i.terms for i in firsts)

    # -- the parts of a network

    def _losses(self) -> tuple[str | None, str | None, str | None]:
        """The loss that is summed, the output and the target."""
        system, loss = self.system, None
        equations = system.defining.get(self.problem.target.name, [])
        total = [r for e in equations for r in _references(e.right)]
        if len({r.name for r in total}) == 1 and total[0].name in system.defining:
            inner = system.defining[total[0].name]
            if total[0].name != self.problem.target.name and len(_names(inner)) == 2:
                loss, equations = total[0].name, inner
        names = _names(equations)
        outputs = [n for n in names if n in system.defining]
        targets = [n for n in names if n not in system.defining and system.roles.get(n) == "data"]
        if len(outputs) == 1 and len(targets) == 1:
            return loss, outputs[0], targets[0]
        return loss, None, None

    def _state(self, recurrent: list[str], output: str | None) -> None:
        """Where exactly one family feeds back, or nothing does and there is one hidden layer."""
        if len(recurrent) > 1:
            return
        inner = recurrent[0] if recurrent else self._only_sum(output)
        if inner is None:
            return
        outer = [e.name for e in self.system.equations if self._argument(e.name) == inner]
        if self._sum(self.system.defining[inner][0]):
            self.found.give("a", inner)
            if outer and (len(set(outer)) == 1):
                self.found.give("h", outer[0])
        else:
            self.found.give("h", inner)

    def _only_sum(self, output: str | None) -> str | None:
        """The only weighted sum below the output; with layers in one family, the output's own."""
        below = self._argument(output) or output
        sums = list(dict.fromkeys(e.name for e in self.system.equations if self._sum(e) and e.name != below))
        if not sums and below is not None and self.system.arity(below):
            return below
        return sums[0] if len(sums) == 1 else None

    def _output(self, output: str | None) -> None:
        inner = self._argument(output)
        fed_back = any(
            r.name == output and self._lag(e, r) for e in self.system.equations for r in _references(e.right)
        )
        if fed_back and inner is None:
            self.found.give("h", output)
        self.found.give("y", output)
        self.found.give("o", inner)
        own = [self._sum(e) for e in self.system.defining.get(self.found.families.get("y", ""), ())]
        self.found.linear = bool(own) and all(own)

    def _weights(self, equation: Equation, recurrent: list[str]) -> None:
        families = self.found.families
        below = equation.name in (families.get("o"), families.get("y"))
        hidden = not below and (equation.name in (families.get("a"), families.get("h")))
        if not below and not hidden:
            return
        uses = list(self._uses(equation))
        direct = {w for w, inputs, lag in uses if not lag and not isinstance(inputs, str)}
        for weight, inputs, lag in uses:
            if not isinstance(inputs, str) and not lag and len(direct) > 1:
                continue  # which of them would it be?
            if isinstance(inputs, str):  # input and state in one vector
                self.found.give("W_xc", weight)
                self.found.give("xc", inputs or None)
            elif below:
                self._give_weight("W_y", weight)
            elif lag:
                self._give_weight("W_h" if abs(lag) == 1 else f"W_h{abs(lag)}", weight)
            else:
                self._give_weight("W_x", weight)
                given = [r.name for r in inputs if r.name not in self.system.defining]
                self.found.give("x", given[0] if len(given) == 1 else None)
        for name in self._biases(equation.right):
            self.found.give("b_y" if below else "b_h", name)

    def _give_weight(self, role: str, weight: str) -> None:
        """The role, unless another weight has its name already."""
        if role == weight or (role not in self.system.given and role not in self.system.defining):
            self.found.give(role, weight)

    # -- what an equation does

    def _uses(self, equation: Equation) -> Iterator[tuple[str, list[Reference] | str, int]]:
        """Weights with what they multiply (a name, or nothing, for a joined vector) and how many steps back it is."""
        for term in _summands(equation.right):
            if not isinstance(term, Call) or term.operation not in ("matmul", "mul") or len(term.arguments) != 2:
                continue
            weight, operand = term.arguments
            if not isinstance(weight, Reference) or not self._is_weight(weight):
                continue
            joined = self._joined(operand)
            if joined is not None:
                yield weight.name, joined[0], max(self._lag(equation, r) for r in joined[1])
                continue
            inputs = [r for r in _references(operand) if not self._is_weight(r)]
            if inputs:
                yield weight.name, inputs, self._weight_lag(equation, weight, inputs)

    def _weight_lag(self, equation: Equation, weight: Reference, inputs: list[Reference]) -> int:
        """How many steps back its inputs are; none if the weight changes with what would be the time: a layer."""
        at = self.system.time_position(equation.name)
        if at is None or at >= len(equation.indices):
            return 0
        time = set(equation.indices[at].variables())
        if any(v in time for index in weight.indices for v in index.variables()):
            return 0
        return max((self._lag(equation, r) for r in inputs), key=abs)

    def _joined(self, operand: Expression) -> tuple[str, list[Reference]] | None:
        name = ""
        if isinstance(operand, Reference) and len(self.system.defining.get(operand.name, ())) == 1:
            name, operand = operand.name, self.system.defining[operand.name][0].right
        if isinstance(operand, Call) and operand.operation == "concat":
            return name, list(_references(operand))
        return None

    def _is_weight(self, reference: Reference) -> bool:
        return reference.name not in self.system.defining and self.system.roles.get(reference.name) == "parameter"

    def _lag(self, equation: Equation, reference: Reference) -> int:
        mine, theirs = self.system.time_position(equation.name), self.system.time_position(reference.name)
        if mine is None or theirs is None or reference.name not in self.system.defining:
            return 0
        if mine >= len(equation.indices) or theirs >= len(reference.indices):
            return 0
        difference = equation.indices[mine].plus(reference.indices[theirs], -1)
        return difference.constant if not difference.terms else 0

    def _sum(self, equation: Equation) -> bool:
        """Whether an equation is a weighted sum, without an activation around it."""
        top = equation.right
        return isinstance(top, Call) and top.operation in ("add", "matmul", "mul") and any(self._uses(equation))

    def _argument(self, name: str | None) -> str | None:
        """``a`` of a family that is ``f(a)``, where f takes nothing else."""
        equations = self.system.defining.get(name or "", ())
        for equation in equations:
            right = equation.right
            if isinstance(right, Call) and right.operation not in _ARITHMETIC and len(right.arguments) == 1:
                inner = right.arguments[0]
                if isinstance(inner, Reference) and inner.name in self.system.defining:
                    return inner.name
        if (
            len(equations) == 1
            and isinstance(top := equations[0].right, Reference)
            and top.name in self.system.defining
        ):
            return top.name  # the identity
        return None

    def _biases(self, right: Expression) -> Iterator[str]:
        for term in _summands(right):
            if isinstance(term, Reference) and self._is_weight(term):
                yield term.name


def _summands(expression: Expression) -> Iterator[Expression]:
    """The terms of a sum, also of one that stands in a function."""
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, Call) and node.operation in ("add", "neg"):
            stack.extend(reversed(node.arguments))
        elif isinstance(node, Call) and len(node.arguments) == 1 and node.operation not in _ARITHMETIC:
            stack.append(node.arguments[0])
        else:
            yield node


def _references(expression: Expression) -> Iterator[Reference]:
    for node in preorder(expression):
        if isinstance(node, Reference):
            yield node
        elif isinstance(node, Sum):
            continue


def _names(equations: list[Equation]) -> list[str]:
    return list(dict.fromkeys(r.name for e in equations for r in _references(e.right)))
