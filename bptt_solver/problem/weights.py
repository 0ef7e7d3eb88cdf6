"""Parameters from a file of torch, Keras or ONNX (``weights:``), taken apart as the topology says they are packed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from bptt_solver.catalogues import message
from bptt_solver.errors import Problems, Span, fail
from bptt_solver.limits import Limits
from bptt_solver.problem import nodes
from bptt_solver.problem.arrays import double
from bptt_solver.problem.document import Document
from bptt_solver.problem.values import FileValue, Given, split_label
from bptt_solver.records import Network, Packed, Packing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_MOST = 12  # names in a hint
_BY_NAME = "weights.by_name"  # the key of a hint


def library_of(document: Document) -> str:
    """The library that the document's weights are of."""
    return str(document.settings["weights"].options.get("library", "torch"))


def packing_of(document: Document, network: Network) -> Packing:
    """How the library keeps the parameters of the network. Raises ProblemError where it cannot have them."""
    settings, library = document.settings["weights"], library_of(document)
    packing = network.packings.get(library)
    if packing is None:
        told = message("weights.apart", library=library)
        raise fail(told, settings.span_of("library"), message(_BY_NAME))
    if isinstance(packing, str):
        raise fail(message("weights.none", library=library, reason=packing), settings.span_of("library"))
    return packing


def extended(network: Network, document: Document) -> Network:
    """The network with a line for each parameter that the library keeps as a sum of several, such as two biases."""
    if "weights" not in document.settings:
        return network
    sums = packing_of(document, network).sums
    parameters = dict(network.parameters)
    roles = dict(network.roles)
    for label, parts in sums.items():
        shape = parameters.pop(label)
        for part in parts:
            parameters[part] = shape
            roles[split_label(part)[0]] = roles.get(split_label(label)[0], "")
    equations = "\n".join([network.equations, *_lines(sums)])
    return network.replace(equations=equations, parameters=parameters, roles=roles)


def _lines(sums: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """``b = b_ih + b_hh``; one line for all layers where they are numbered from 1."""
    families: dict[str, list[str]] = {}
    for label in sums:
        families.setdefault(split_label(label)[0], []).append(label)
    for name, labels in families.items():
        numbered = [f"{name}[{k}]" for k in range(1, len(labels) + 1)]
        if len(labels) > 1 and sorted(labels) == sorted(numbered):
            parts = " + ".join(f"{split_label(part)[0]}[k]" for part in sums[labels[0]])
            yield f"{name}[k] = {parts} for k in 1..{len(labels)}"
            continue
        for label in labels:
            yield f"{label} = {' + '.join(sums[label])}"


def imported(document: Document, network: Network | None, limits: Limits) -> list[Given]:
    """The parameters in the file, each under its name in the network. Raises ProblemError with every tensor that is
    missing, that is not known, or that has another shape."""
    settings = document.settings["weights"]
    if network is None:
        raise fail(message("weights.network"), settings.span, message(_BY_NAME))
    from bptt_solver.problem.files import Archive

    file, span = str(settings.options["file"]), settings.span_of("file")
    archive = Archive(FileValue(file, None, span, span), document.folder, limits)
    wanted = dict(_wanted(document, packing_of(document, network)))
    problems = Problems()
    _check_names(document, wanted, archive.names, problems)
    found: list[Given] = []
    for name, packed in wanted.items():
        if name not in archive.names:
            continue
        array = double(archive.array(name), document.precisions)
        for label, part in _apart(name, array, packed, network, problems, span):
            member, value = split_label(label), cast(Any, part)
            found.append(
                Given(*member, "parameter", value, starts=(), key_span=span, value_span=span, node=settings.node)
            )
    problems.raise_if_any()
    return found


def _wanted(document: Document, packing: Packing) -> Iterator[tuple[str, Packed]]:
    """The full name of each tensor."""
    settings = document.settings["weights"]
    prefixes = _texts(document, "prefix") or [""] * len(packing.tensors)
    if len(prefixes) != len(packing.tensors):
        hint = message("weights.each_layer")
        key = "weights.one_prefix" if len(prefixes) == 1 else "weights.prefixes"
        told = message(key, count=len(prefixes), wanted=len(packing.tensors))
        raise fail(told, settings.span_of("prefix"), hint)
    for prefix, tensors in zip(prefixes, packing.tensors, strict=True):
        yield from ((prefix + name, packed) for name, packed in tensors.items())
    for output in _texts(document, "output"):
        if not packing.output:
            told = message("weights.no_output", library=library_of(document))
            raise fail(told, settings.span_of("output"), message("weights.parameters"))
        yield from ((output + name, packed) for name, packed in packing.output.items())


def _texts(document: Document, option: str) -> list[str]:
    """An option as it was written (``0.`` is no number here): a text, or a list of them."""
    node = document.settings["weights"].node
    value = node.get(option) if isinstance(node, nodes.Mapping) else None
    if isinstance(value, nodes.Packed):
        value = value.unpack()
    items = value.items if isinstance(value, nodes.Sequence) else [value]
    return [item.text for item in items if isinstance(item, nodes.Scalar)]


def _check_names(document: Document, wanted: Mapping[str, Packed], names: Sequence[str], problems: Problems) -> None:
    """Note tensors that are missing, and those with a prefix that nothing wants."""
    settings = document.settings["weights"]
    file, span = settings.options["file"], settings.span_of("file")
    first = next(iter(wanted))
    if not any(name in names for name in wanted):
        ending = first.removeprefix(next(iter(_texts(document, "prefix")), ""))
        near = sorted({name.removesuffix(ending) for name in names if name.endswith(ending)})
        holds = ", ".join(names[:_MOST]) + (", …" if len(names) > _MOST else "")
        hint = message("weights.prefix", prefix=near[0]) if near and near[0] else message("file.holds", names=holds)
        problems.add(message("weights.no_tensor", name=first, file=file), span, hint)
        return
    for name, packed in wanted.items():
        if name not in names:
            parts = ", ".join(part for row in packed.parts for part in row)
            near = [n for n in names if n.replace(".", "") == name.replace(".", "")]
            hint = message("weights.dot", name=near[0]) if near else message("weights.wants", names=parts)
            problems.add(message("weights.no_tensor", name=name, file=file), span, hint)
    prefixes = (*(_texts(document, "prefix") or [""]), *_texts(document, "output"))
    for name in names:
        if name in wanted or not any(name.startswith(prefix) for prefix in prefixes):
            continue
        before, dot, last = name.rpartition(".")
        if last in ("weight", "kernel", "bias") and not _texts(document, "output"):
            hint = message("weights.output", before=before, dot=dot)
        else:
            only = ", ".join([*wanted][:_MOST]) + (", …" if len(wanted) > _MOST else "")
            hint = message("weights.only", names=only)
        problems.add(message("weights.nothing", name=name, file=file), span, hint)


def _apart(
    name: str, array: Array, packed: Packed, network: Network, problems: Problems, span: Span
) -> Iterator[tuple[str, Array]]:
    """The parameters that a tensor holds, if its shape is what the network wants."""
    import numpy as np

    rows = [[_shape(network, label) for label in row] for row in packed.parts]
    wanted = tuple(sum(shape[k] if k == packed.axis else 0 for shape in rows[0]) or n for k, n in enumerate(rows[0][0]))
    wanted = wanted[::-1] if packed.transposed else wanted
    wanted = (len(rows), *wanted) if packed.stacked else wanted
    if array.shape != wanted:
        parts = ", ".join(label for row in packed.parts for label in row)
        each = "×".join(map(str, rows[0][0]))
        hint = message("weights.each" if sum(map(len, rows)) > 1 else "weights.which", names=parts, size=each)
        found, asked = ("×".join(map(str, shape)) or message("shape.a_number") for shape in (array.shape, wanted))
        problems.add(message("weights.shape", name=name, found=found, asked=asked), span, hint)
        return
    for place, labels in enumerate(packed.parts):
        row = array[place] if packed.stacked else array
        row = row.T if packed.transposed else row
        start = 0
        for label, shape in zip(labels, rows[place], strict=True):
            stop = start + shape[packed.axis]
            part = row[start:stop] if packed.axis == 0 else row[:, start:stop]
            yield label, np.ascontiguousarray(part)
            start = stop


def _shape(network: Network, label: str) -> tuple[int, ...]:
    lengths = (network.sizes.get(n) if isinstance(n, str) else n for n in network.parameters[label])
    return tuple(int(n) for n in lengths if n is not None)
