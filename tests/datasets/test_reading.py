"""Data sets from files, and what the command line calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

import data_sets
from data_sets import ELMAN, assert_close, assert_same_bits, drawn, recurrence, stacked

from bptt_solver.datasets.command import solve_data_set
from bptt_solver.datasets.reading import read_data_set
from bptt_solver.datasets.sums import dataset_gradient
from bptt_solver.errors import ProblemError
from bptt_solver.limits import Limits


def padded(items: list[Any]) -> Any:
    """Sequences in one array as long as the longest, with zeros behind the ends."""
    longest = max(len(item) for item in items)
    return np.stack([np.pad(item, [(0, longest - len(item)), (0, 0)]) for item in items])


def test_named_arrays(tmp_path: Path) -> None:
    plain, sequences = drawn(ELMAN, [4] * 5)
    problem = data_sets.problem_of(plain)
    np.savez(tmp_path / "set.npz", **{n: np.stack(i) for n, i in stacked(sequences).items()})
    assert_close(solve_data_set(problem, tmp_path / "set.npz"), data_sets.evaluated(plain, sequences))


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_unequal_lengths(tmp_path: Path, ending: str) -> None:
    plain, sequences = drawn(ELMAN, [4, 2, 5, 4, 1])
    problem, file = data_sets.problem_of(plain), tmp_path / f"set{ending}"
    arrays = {name: padded(items) for name, items in stacked(sequences).items()}
    arrays["lengths"] = np.array([len(s["x"]) for s in sequences])
    if ending == ".npz":
        np.savez(file, **arrays)
    else:
        file.write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))
    summed = solve_data_set(problem, file, chunk=2)
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert_same_bits(summed, dataset_gradient(problem, stacked(sequences), chunk=2))


def test_safetensors_where_the_readers_know_them(tmp_path: Path) -> None:
    from bptt_solver.problem.files import ENDINGS

    library = pytest.importorskip("safetensors.numpy")
    if ".safetensors" not in ENDINGS:
        pytest.skip("the readers do not know .safetensors")
    plain, sequences = drawn(ELMAN, [4] * 5)
    library.save_file({n: np.stack(i) for n, i in stacked(sequences).items()}, tmp_path / "set.safetensors")
    summed = solve_data_set(data_sets.problem_of(plain), tmp_path / "set.safetensors")
    assert_close(summed, data_sets.evaluated(plain, sequences))


def test_a_table(tmp_path: Path) -> None:
    plain, sequences = drawn(ELMAN, [4, 2, 3])
    rows = ["d:2,sequence,x:1,x:2,d:1"]
    for number, s in zip((7, 3, 5), sequences, strict=True):
        rows += [f"{d[1]!r},{number},{x[0]!r},{x[1]!r},{d[0]!r}" for x, d in zip(*plainly(s), strict=True)]
    file = tmp_path / "set.csv"
    file.write_text("\n".join(rows) + "\n")
    summed = solve_data_set(data_sets.problem_of(plain), file)
    assert_same_bits(summed, dataset_gradient(data_sets.problem_of(plain), stacked(sequences)))


def plainly(sequence: dict[str, Any]) -> tuple[Any, Any]:
    """x and d as lists of floats."""
    return sequence["x"].tolist(), sequence["d"].tolist()


def test_a_table_with_one_target_for_a_sequence(tmp_path: Path) -> None:
    plain = data_sets.document("08")
    text = "sequence;x;d:1;d:2;d:3\n1;0.5;0;1;0\n1;-1;0;1;0\n2;0.25;1;0;0\n2;0.5;1;0;0\n2;1;1;0;0\n"
    (tmp_path / "set.csv").write_text(text)
    sequences = [
        {"x": np.array([[0.5], [-1]]), "d": np.array([0, 1, 0])},
        {"x": np.array([[0.25], [0.5], [1]]), "d": np.array([1, 0, 0])},
    ]
    assert_close(
        solve_data_set(data_sets.problem_of(plain), tmp_path / "set.csv"), data_sets.evaluated(plain, sequences)
    )
    (tmp_path / "set.csv").write_text(text.replace("2;0.5;1", "2;0.5;0"))
    with pytest.raises(ProblemError, match="d changes within sequence 2"):
        solve_data_set(data_sets.problem_of(plain), tmp_path / "set.csv")


TABLES = [
    ("x,d\n1,2\n", "has no column 'sequence' (the first row names the columns: sequence, ...)"),
    ("sequence,y,d\n1,2,3\n", "has a column 'y' that is none of the document's data"),
    ("sequence,x:0,d\n1,2,3\n", "has a column 'x:0' that is none of the document's data"),
    ("sequence,x:a,d\n1,2,3\n", "has a column 'x:a' that is none of the document's data"),
    ("sequence,x:1,d\n1,2,3\n", "has no column 'x'"),
    ("sequence,x,x:1,d\n1,2,3,4\n", "has a column 'x:1' that x does not have"),
    ("sequence,x,x,d\n1,2,3,4\n", "has two columns for the same entry of x"),
    ("sequence,x,d\n1,2,3\n2,2,3\n1,2,3\n", "the rows of a sequence do not stand together (sort them by sequence)"),
    ("sequence,x,d\n1,2,oops\n", "oops"),
    ("sequence,x,d\n1,2\n", "this row has 2 columns, the first one has 3"),
]


@pytest.mark.parametrize("text, message", TABLES, ids=range(len(TABLES)))
def test_wrong_tables(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "set.csv"
    file.write_text(text)
    with pytest.raises(ProblemError) as caught:
        read_data_set(recurrence(), file)
    assert message in str(caught.value)


def test_wrong_arrays(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"

    def told(**arrays: Any) -> str:
        np.savez(file, **arrays)
        with pytest.raises(ProblemError) as caught:
            read_data_set(recurrence(), file)
        return str(caught.value)

    x = np.ones((3, 4))
    assert "'set.npz' has none of the document's data (arrays named x, d)" in told(y=x)
    assert "lengths in 'set.npz': sequence 2 has 5 steps (from 1 to 4, as far as x goes)" in told(
        x=x, lengths=[1, 5, 2]
    )
    assert "lengths in 'set.npz': sequence 1 has 0 steps" in told(x=x, lengths=[0, 4, 2])
    assert "x in 'set.npz' has shape (3, 4), lengths has 2 numbers" in told(x=x, lengths=[1, 2])
    assert "lengths in 'set.npz' must be whole numbers" in told(x=x, lengths=[1.5, 2, 2])
    assert "'set.npz[x]' does not hold plain numbers" in told(x=np.array([1, None]))
    assert "entry (2, 1) of 'set.npz[x]' is nan" in told(x=np.where(np.arange(12).reshape(3, 4) == 4, np.nan, x))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, message in (
        ("none.npz", "cannot read none.npz: no such file or directory"),
        ("set.txt", "'set.txt' is not a file that can be read"),
    ):
        with pytest.raises(ProblemError, match=message):
            read_data_set(recurrence(), tmp_path / name)
    (tmp_path / "ragged.json").write_text('{"x": [[1, 2], [3]], "d": [[1, 2], [3, 4]]}')
    with pytest.raises(ProblemError):
        read_data_set(recurrence(), tmp_path / "ragged.json")
    np.savez(tmp_path / "large.npz", x=np.ones((3, 4)))
    with pytest.raises(ProblemError, match="--limit elements=12"):
        read_data_set(recurrence(), tmp_path / "large.npz", Limits({"elements": 11}))
    read_data_set(recurrence(), tmp_path / "large.npz", Limits({"elements": 12}))
    problem = data_sets.problem_of({"equations": "E = w**2", "parameters": {"w": 2}})
    with pytest.raises(ProblemError, match="the document has no data of which there could be many"):
        read_data_set(problem, tmp_path / "large.npz")


def test_options(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    np.savez(file, x=np.ones((3, 3)), d=np.ones((3, 3)))
    problem = recurrence()
    for options, message in (
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "--workers and --scheduler do not go together"),
        ({"scheduler": "127.0.0.1:1"}, "'127.0.0.1:1' is not the address of a Dask scheduler"),
        ({"retries": -1}, "-1 retries"),
        ({"chunk": 0}, "a chunk of 0 sequences"),
        ({"workers": 0}, "0 worker processes"),
    ):
        with pytest.raises(ProblemError, match=message):
            solve_data_set(problem, file, **options)  # type: ignore[arg-type]
