"""Saved training: the parameters, what the update rule remembers and the number of steps, in a file of named arrays.

A parameter stands under its own name (``W_h``, ``h[0]``), so that a document can read it with
``{file: ..., key: W_h}``; what belongs to the training has a dot in its name, which no parameter has.
"""

from __future__ import annotations

import copy
import os
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import Source, Span, fail
from bptt_solver.problem.files import Archive
from bptt_solver.problem.problem import Problem
from bptt_solver.problem.values import FileValue
from bptt_solver.system import Instance
from bptt_solver.training.settings import no_update, read_plan
from bptt_solver.training.trainer import Start, Training, trained
from bptt_solver.unfold import instance_text

ENDINGS = (".npz", ".safetensors", ".json")
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the same training makes the same bytes


def ending_of(path: str, option: str = "--save") -> str:
    """The ending of a file of parameters. Raises ProblemError for one that is not known."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        span = Span(Source(option, path), 0, len(path))
        raise fail(
            message("training.file_name", path=path),
            span,
            message("training.endings", endings=message.listed(ENDINGS, "list.comma")),
        )
    return ending


def check_asked(problem: Problem, save: str | None) -> None:
    """Whether there will be something to save, and in a known format; before the work is done. Raises ProblemError."""
    if "update" not in problem.document.settings:
        raise no_update(problem, message("training.nothing_to_save"))
    if save is not None:
        ending_of(save)


def encoded(training: Training, path: str) -> bytes:
    """The bytes of a file from which training can go on, in the format that the ending of ``path`` says."""
    ending = ending_of(path)
    arrays = _arrays(training)
    if ending == ".json":
        import json

        from bptt_solver.results import plain

        text = json.dumps({name: plain(value) for name, value in arrays.items()}, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode("utf-8")
    import numpy

    tensors = {name: numpy.ascontiguousarray(value, dtype=float) if is_array(value) else numpy.array(value)
               for name, value in arrays.items()}  # fmt: skip
    return _safetensors(tensors, path) if ending == ".safetensors" else _npz(tensors)


def _arrays(training: Training) -> dict[str, Value]:
    """Everything that is saved, by name: numbers and arrays."""
    record = training.plan.rule.record
    result: dict[str, Value] = {instance_text(key): value for key, value in training.parameters.items()}
    result[_step_name(record.name)] = training.last_step
    for key, state in training.state.items():
        for name, value in state.items():
            result[_state_name(record.name, name, key)] = value
    return result


def _step_name(rule: str) -> str:
    return f"training.{rule}.step"


def _state_name(rule: str, state: str, key: Instance) -> str:
    return f"training.{rule}.{state}.{instance_text(key)}"


def _npz(arrays: dict[str, Any]) -> bytes:
    import zipfile
    from io import BytesIO

    import numpy

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = BytesIO()
            numpy.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy", _FIRST_DAY), member.getvalue())
    return buffer.getvalue()


def _safetensors(arrays: dict[str, Any], path: str) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError:
        span = Span(Source("--save", path), 0, len(path))
        hint = "pip install 'bptt-solver[weights]'"
        raise fail(message("training.safetensors", path=path), span, hint) from None
    return bytes(save(arrays))


def losses_csv(training: Training) -> bytes:
    """The loss before each step and after the last one: ``step,loss``, with all digits."""
    first = training.start.step
    lines = ["step,loss", *(f"{first + at},{loss!r}" for at, loss in enumerate(training.losses))]
    return ("\n".join(lines) + "\n").encode("ascii")


def resumed(problem: Problem, path: str) -> tuple[Problem, Start]:
    """The problem with the parameters of a file, and from where training goes on. Raises ProblemError where the file
    was not saved by a training of these parameters with this rule."""
    plan = read_plan(problem)
    if plan is None:
        raise no_update(problem, message("training.nothing_to_resume"))
    ending_of(path, "--resume")
    span = Span(Source("--resume", path), 0, len(path))
    place = os.path.realpath(path)
    archive = Archive(FileValue(os.path.basename(place), None, span, span), os.path.dirname(place), problem.limits)
    names = archive.names
    rule = plan.rule.record.name
    if _step_name(rule) not in names:
        others = [name.split(".")[1] for name in names if name.startswith("training.") and name.endswith(".step")]
        hint = (
            message("training.other_rule", rule=others[0]) if others
            else message("training.no_training", text="{W: {file: ..., key: W}}")
        )  # fmt: skip
        raise fail(message("training.cannot_go_on", rule=rule, path=path), span, hint)

    def array(name: str, like: Value) -> Value:
        if name not in names:
            raise fail(
                message("training.no_name", name=name, path=path),
                span,
                message("training.holds", names=message.listed(names[:20], "list.comma")),
            )
        found = archive.array(name)
        wanted = like.shape if is_array(like) else ()
        if found.shape != wanted:
            raise fail(message("training.file_shape", name=name, path=path, found=found.shape, expected=wanted), span)
        return found.astype(float) if wanted else float(found)

    given = dict(problem.given)
    state: dict[Instance, dict[str, Value]] = {}
    for key in trained(problem)[0]:
        given[key] = array(instance_text(key), problem.given[key])
        state[key] = {s: array(_state_name(rule, s, key), problem.given[key]) for s in plan.rule.formulas.state}
    result = copy.copy(problem)
    result.given = given
    return result, Start(int(array(_step_name(rule), 0)), state, path)
