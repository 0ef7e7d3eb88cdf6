"""Weights of torch, Keras and ONNX in documents: read, taken apart, compared with torch's own gradients."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.errors import ProblemError, Source, Span
from bptt_solver.limits import Limits
from bptt_solver.problem.files import Archive, load
from bptt_solver.problem.values import FileValue

INPUT, HIDDEN, OUTPUT, STEPS = 2, 3, 2, 4
SIZES = {"input": INPUT, "hidden": HIDDEN, "output": OUTPUT}
X = np.random.default_rng(7).uniform(-1, 1, (STEPS, INPUT))
SPAN = Span(Source("x.yaml", "weights: {file: here}"), 0, 7)
D = np.random.default_rng(8).uniform(-1, 1, (STEPS, OUTPUT))


def document(network: dict[str, Any], **weights: Any) -> dict[str, Any]:
    return {"network": network, "data": {"x": X.tolist(), "d": D.tolist()}, "weights": weights}


def problem(folder: Path, content: dict[str, Any]) -> Any:
    path = folder / "problem.yaml"
    path.write_text(json.dumps(content))
    return bptt_solver.load(path)


def told(folder: Path, content: dict[str, Any]) -> str:
    with pytest.raises(ProblemError) as caught:
        problem(folder, content)
    return str(caught.value)


# torch

MODULES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("RNN", {}, {"topology": "elman", "sizes": SIZES}),
    ("RNN", {"bias": False}, {"topology": "elman", "sizes": SIZES, "bias": False}),
    ("RNN", {"nonlinearity": "relu"}, {"topology": "elman", "sizes": SIZES, "hidden": "relu"}),
    ("RNN", {"num_layers": 2}, {"topology": "deep", "input": INPUT, "layers": [HIDDEN, HIDDEN, OUTPUT]}),
    ("RNN", {"bidirectional": True}, {"topology": "bidirectional", "sizes": SIZES}),
    ("RNN", {"bidirectional": True, "num_layers": 2}, {"topology": "bidirectional", "sizes": SIZES, "layers": 2}),
    ("LSTM", {}, {"topology": "lstm", "sizes": SIZES}),
    ("LSTM", {"proj_size": 2}, {"topology": "lstm", "sizes": SIZES, "projection": 2}),
    ("LSTM", {"num_layers": 3}, {"topology": "lstm", "sizes": SIZES, "layers": 3}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2},
     {"topology": "lstm", "sizes": SIZES, "layers": 2, "directions": "both", "projection": 2, "combine": "concat"}),
    ("GRU", {}, {"topology": "gru", "sizes": SIZES, "reset": "after"}),
    ("GRU", {"num_layers": 2, "bidirectional": True},
     {"topology": "gru", "sizes": SIZES, "reset": "after", "layers": 2, "directions": "both"}),
    ("GRU", {"bias": False}, {"topology": "gru", "sizes": SIZES, "reset": "after", "bias": "output"}),
    ("LSTM", {"bias": False, "num_layers": 2}, {"topology": "lstm", "sizes": SIZES, "layers": 2, "bias": "output"}),
    ("RNN", {}, {"topology": "elman", "sizes": SIZES, "bias": "hidden"}),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
@pytest.mark.parametrize(("module", "theirs", "network"), MODULES)
def test_gradients_of_torch(
    tmp_path: Path, module: str, theirs: dict[str, Any], network: dict[str, Any], kind: str
) -> None:
    """A state_dict is saved and named in a document; every gradient of torch is found again in its tensor."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    net = getattr(torch.nn, module)(INPUT, HIDDEN, dtype=torch.float64, **theirs)
    width = theirs.get("proj_size", HIDDEN) * (2 if theirs.get("bidirectional") else 1)
    readout = torch.nn.Linear(width, OUTPUT, network.get("bias", True) in (True, "output"), dtype=torch.float64)
    model = torch.nn.ModuleDict({"rnn": net, "fc": readout})
    loss = ((model["fc"](net(torch.tensor(X))[0]) - torch.tensor(D)) ** 2).sum() / 2
    loss.backward()
    save(tmp_path / f"w.{kind}", {name: value.numpy() for name, value in model.state_dict().items()})
    found = problem(tmp_path, document(network, file=f"w.{kind}", prefix="rnn.", output="fc."))
    solution = bptt_solver.solve(found, check="full")
    assert solution.verified
    np.testing.assert_allclose(solution.value, loss.item(), 1e-12)
    packing = found.network.packings["torch"]
    tensors = {f"rnn.{n}": p for n, p in packing.tensors[0].items()} | {f"fc.{n}": p for n, p in packing.output.items()}
    assert sorted(tensors) == sorted(model.state_dict())
    for name, parameter in model.named_parameters():
        parts = [np.asarray(solution.ordered_derivatives[label]) for label in tensors[name].parts[0]]
        joined = np.concatenate(parts, axis=tensors[name].axis)
        np.testing.assert_allclose(joined, parameter.grad.numpy(), 1e-12, 1e-13, err_msg=name)


def save(path: Path, arrays: dict[str, Any]) -> None:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        saving = pytest.importorskip("safetensors.numpy")
        saving.save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def packed(gates: int, seed: int = 0, prefix: str = "") -> dict[str, Any]:
    """Random weights of one layer under torch's names."""
    draw = np.random.default_rng(seed)
    shapes = {"weight_ih": (gates * HIDDEN, INPUT), "weight_hh": (gates * HIDDEN, HIDDEN)}
    shapes |= {"bias_ih": (gates * HIDDEN,), "bias_hh": (gates * HIDDEN,)}  # type: ignore[dict-item]
    return {f"{prefix}{name}_l0": draw.uniform(-1, 1, shape) for name, shape in shapes.items()}


def parameters(folder: Path, network: dict[str, Any], arrays: dict[str, Any], **weights: Any) -> dict[str, Any]:
    """What a document makes of a library's arrays: name -> value, biases that are kept apart added."""
    np.savez(folder / "w.npz", **arrays)
    found = problem(folder, document(network, file="w.npz", **weights))
    made_up = {name for remark in found.remarks if remark.kind.startswith("made_up") for name, _ in remark.names}
    values = {key[0]: value for key, value in found.given.items() if not key[1] and key[0] not in made_up}
    for label, parts in found.network.packings[weights.get("library", "torch")].sums.items():
        values[label] = sum(values.pop(part) for part in parts)
    return values


def test_orders_of_the_libraries(tmp_path: Path) -> None:
    """The same weights, packed as each library has them, are the same parameters."""
    network = {"topology": "lstm", "sizes": SIZES}
    arrays = packed(4)
    expected = parameters(tmp_path, network, arrays)
    w, r, b, c = (arrays[f"{n}_l0"].reshape(4, HIDDEN, -1) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    keras = {"kernel": w.reshape(4 * HIDDEN, -1).T, "recurrent_kernel": r.reshape(4 * HIDDEN, -1).T}
    keras["bias"] = (b + c).reshape(-1)
    order = [0, 3, 1, 2]  # i, o, f, c
    onnx = {"W": w[order].reshape(1, 4 * HIDDEN, -1), "R": r[order].reshape(1, 4 * HIDDEN, -1)}
    onnx["B"] = np.concatenate([b[order].reshape(-1), c[order].reshape(-1)])[None]
    for library, theirs in (("keras", keras), ("onnx", onnx)):
        found = parameters(tmp_path, network, theirs, library=library)
        assert sorted(found) == sorted(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, 1e-15, err_msg=name)


def test_keras_gru_has_z_first_and_two_biases(tmp_path: Path) -> None:
    sizes = {"input": 1, "hidden": 2, "output": 1}
    network = {"topology": "gru", "sizes": sizes, "reset": "after"}
    arrays = {"m/kernel": np.arange(6.0).reshape(1, 6), "m/recurrent_kernel": np.arange(12.0).reshape(2, 6)}
    arrays["m/bias"] = np.arange(12.0).reshape(2, 6)
    np.savez(tmp_path / "w.npz", **arrays)
    content = document(network, file="w.npz", library="keras", prefix="m/") | {"data": {}}
    values = {key[0]: value.tolist() for key, value in problem(tmp_path, content).given.items() if not key[1]}
    assert values["W_z"] == [[0], [1]]
    assert values["U_r"] == [[2, 8], [3, 9]]
    assert values["b_ih_r"] == [2, 3]
    assert values["b_hg"] == [10, 11]


def test_onnx_has_a_prefix_for_each_layer_and_peepholes(tmp_path: Path) -> None:
    network = {"topology": "lstm", "sizes": {"input": 1, "hidden": 2, "output": 1}, "layers": 2, "peephole": True}
    arrays: dict[str, Any] = {}
    for layer, width in (("a.", 1), ("b.", 2)):
        arrays |= {f"{layer}W": np.ones((1, 8, width)), f"{layer}R": np.ones((1, 8, 2)), f"{layer}B": np.ones((1, 16))}
        arrays |= {f"{layer}P": np.arange(6.0)[None]}
    np.savez(tmp_path / "w.npz", **arrays)
    content = document(network, file="w.npz", library="onnx", prefix=["a.", "b."]) | {"data": {}}
    given = problem(tmp_path, content).given
    assert [given[f"P_{gate}", (2,)].tolist() for gate in "iof"] == [[0, 1], [2, 3], [4, 5]]
    content["weights"]["prefix"] = "a."
    assert "there is 1 prefix, the network has 2 (one for each layer" in told(tmp_path, content)


def test_section_1_says_where_they_come_from(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **packed(4, prefix="rnn."))
    network = {"topology": "lstm", "sizes": SIZES}
    solution = bptt_solver.solve(problem(tmp_path, document(network, file="w.npz", prefix="rnn.")))
    text = " ".join(str(solution).split())
    assert "From w.npz, as torch packs them: W_i, W_f, W_g, W_o, U_i, U_f" in text
    assert "their ordered derivatives are equal, because both are that of their sum: ∂⁺E/∂b_ih_i = ∂⁺E/∂b_hh_i" in text
    assert "Made up, because they are not given: W_y, b_y." in text
    assert solution.ordered_derivatives["b_ih_g"] == solution.ordered_derivatives["b_hh_g"]


def test_numbers_of_fewer_bits_are_computed_with_in_float64(tmp_path: Path) -> None:
    arrays = {name: array.astype(np.float32) for name, array in packed(4).items()}
    np.savez(tmp_path / "w.npz", **arrays)
    np.savez(tmp_path / "x.npz", x=(3 * X).astype(np.int8), d=D.astype(np.float32))
    content = document({"topology": "lstm", "sizes": SIZES}, file="w.npz")
    content["data"] = {name: {"file": "x.npz", "key": name} for name in "xd"}
    solution = bptt_solver.solve(problem(tmp_path, content), check="full")
    assert solution.verified
    assert np.asarray(solution.ordered_derivatives["U_i"]).dtype == np.dtype(float)


def test_numbers_of_16_bits_and_whole_numbers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    saving = pytest.importorskip("safetensors.torch")
    values = torch.tensor([[1.5, -2.25], [0.1, 3.0]])
    kinds = {"bf": torch.bfloat16, "h": torch.float16, "f": torch.float32, "d": torch.float64, "i": torch.int64}
    saving.save_file({n: values.to(kind) for n, kind in kinds.items()}, tmp_path / "w.safetensors")
    for name, kind in kinds.items():
        content = {"equations": "E = sum(W*W)", "values": {"W": {"file": "w.safetensors", "key": name}}}
        found = problem(tmp_path, content).given["W", ()]
        np.testing.assert_array_equal(found, values.to(kind).double().numpy())
        assert found.dtype == np.float64


@pytest.mark.parametrize("name", ["b", "c"])
def test_types_that_are_no_numbers(tmp_path: Path, name: str) -> None:
    torch = pytest.importorskip("torch")
    saving = pytest.importorskip("safetensors.torch")
    kinds = {"b": torch.bool, "c": torch.complex64}
    saving.save_file({n: torch.ones(2).to(kind) for n, kind in kinds.items()}, tmp_path / "w.safetensors")
    content = {"equations": "E = sum(W*W)", "values": {"W": {"file": "w.safetensors", "key": name}}}
    assert "not plain numbers (F64, F32" in told(tmp_path, content)


# what can be wrong

WRONG: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({}, packed(4, prefix="rnn."), {}, "no tensor 'weight_ih_l0' in 'w.npz' (add prefix: rnn.)"),
    ({}, {"a": np.ones(2)}, {}, "no tensor 'weight_ih_l0' in 'w.npz' (it holds a)"),
    ({}, {n: a for n, a in packed(4).items() if "bias_hh" not in n}, {},
     "no tensor 'bias_hh_l0' in 'w.npz' (the network wants b_hh_i, b_hh_f, b_hh_g, b_hh_o from it)"),
    ({}, packed(3), {},
     "'weight_ih_l0' is 9×2, the network wants 12×2 (it holds W_i, W_f, W_g, W_o, each of them 3×2)"),
    ({}, packed(4) | {"weight_ih_l1": np.ones((12, 3))}, {}, "nothing in the network is 'weight_ih_l1' of 'w.npz'"),
    ({}, packed(4) | {"fc.weight": np.ones((2, 3))}, {}, "if it is the output layer, add output: fc."),
    ({}, packed(4), {"output": "fc."}, "no tensor 'fc.weight' in 'w.npz' (the network wants W_y from it)"),
    ({}, packed(4) | {"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}, {"output": "fc"},
     "no tensor 'fcweight' in 'w.npz' (there is 'fc.weight': mind the dot)"),
    ({}, packed(4), {"library": "onnx", "output": "fc."}, "the output layer is not read from weights of onnx"),
    ({"peephole": True}, packed(4), {}, "no weights of torch for this network: its LSTM has no peepholes"),
    ({"topology": "gru"}, packed(3), {}, "its GRU has the reset gate after the product (reset: after)"),
    ({"topology": "leaky"}, packed(1), {}, "weights of torch do not go together with the parameters of this network"),
    ({"topology": "elman", "form": "concat"}, packed(1), {}, "weights of torch do not go together"),
    ({}, packed(4) | {"bias_ih_l0": np.full(12, np.nan)}, {}, "entry (1) of 'w.npz[bias_ih_l0]' is nan"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "arrays", "weights", "message"), WRONG)
def test_wrong_weights(
    tmp_path: Path, options: dict[str, Any], arrays: dict[str, Any], weights: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "w.npz", **arrays)
    network = {"topology": "lstm", "sizes": SIZES, **options}
    said = told(tmp_path, document(network, file="w.npz", **weights))
    assert message in said
    assert "problem.yaml:1:" in said


def test_weights_without_a_network_and_twice(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **packed(4))
    assert "weights belong to a network" in told(tmp_path, {"equations": "E = 1", "weights": {"file": "w.npz"}})
    content = document({"topology": "lstm", "sizes": SIZES}, file="w.npz")
    content["parameters"] = {"W_i": np.ones((3, 2)).tolist()}
    said = told(tmp_path, content)
    assert "'W_i' is given twice" in said
    assert "note: it is given here too" in said


def test_files_that_hold_no_named_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones(3))
    (tmp_path / "w.json").write_text("[1, 2]")
    network = {"topology": "lstm", "sizes": SIZES}
    assert "'w.npy' holds one array" in told(tmp_path, document(network, file="w.npy"))
    assert "'w.json' holds one array, without a name" in told(tmp_path, document(network, file="w.json"))


def test_json_weights(tmp_path: Path) -> None:
    arrays = packed(1)
    (tmp_path / "w.json").write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))
    given = problem(tmp_path, document({"topology": "elman", "sizes": SIZES}, file="w.json")).given
    np.testing.assert_array_equal(given["W_h", ()], arrays["weight_hh_l0"])


@pytest.mark.parametrize("damage", [slice(0, 5), slice(0, 40), slice(0, -3), slice(3, None)])
def test_damaged_safetensors(tmp_path: Path, damage: slice) -> None:
    save(tmp_path / "w.safetensors", packed(1))
    data = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(data[damage])
    said = told(tmp_path, document({"topology": "elman", "sizes": SIZES}, file="w.safetensors"))
    assert "'w.safetensors' is not a safetensors file that can be read" in said


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_bytes_that_were_changed(tmp_path: Path, kind: str) -> None:
    """Whatever stands in a file: numbers, or a message; never another exception."""
    path = tmp_path / f"w.{kind}"
    save(path, packed(1))
    data = path.read_bytes()
    draw = np.random.default_rng(5)
    for at in [*range(0, min(len(data), 400), 3), *draw.integers(0, len(data), 60).tolist()]:
        changed = bytearray(data)
        changed[at] ^= int(draw.integers(1, 256))
        path.write_bytes(changed)
        value = FileValue(path.name, None, SPAN, SPAN)
        try:
            archive = Archive(value, str(tmp_path), Limits())
            for name in archive.names:
                assert np.isfinite(archive.array(name)).all()
        except ProblemError:
            continue


def test_a_tensor_that_is_too_large(tmp_path: Path) -> None:
    """The header is believed only as far as there are bytes, and the limits come first."""
    save(tmp_path / "w.safetensors", {"W": np.ones((50, 50))})
    value = FileValue("w.safetensors", "W", SPAN, SPAN)
    for limit, message in (("elements=2499", "has 2,500 elements"), ("bytes=1000", "bytes, limit 1,000")):
        with pytest.raises(ProblemError, match=message):
            load(value, str(tmp_path), Limits.parse([limit]))
    assert np.asarray(load(value, str(tmp_path), Limits.parse(["elements=2500"]))).shape == (50, 50)


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "w.npz", **packed(1))
    (tmp_path / "in" / "w.npz").symlink_to(tmp_path / "w.npz")
    said = told(tmp_path / "in", document({"topology": "elman", "sizes": SIZES}, file="w.npz"))
    assert "a link that leaves the document's folder" in said


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    said = told(tmp_path, document({"topology": "elman", "sizes": SIZES}, file="w.safetensors"))
    assert "needs the package safetensors, which is not installed (pip install 'bptt-solver[weights]')" in said


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.pkl", "w.h5", "w.onnx"])
def test_files_that_are_refused_say_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04\x95")
    said = told(tmp_path, document({"topology": "elman", "sizes": SIZES}, file=name))
    assert "savez(" in said or "save_file(model.state_dict()" in said
    if name.endswith(("pt", "pth", "pkl")):
        assert "is a pickle, and reading one may run any code" in said
