"""Numbers from files beside the document, and random numbers of a document."""

from __future__ import annotations

import io
import struct
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import bptt_solver
from bptt_solver.errors import ProblemError, Source, Span
from bptt_solver.limits import Limits
from bptt_solver.problem.drawing import draw, draw_value, seed_of
from bptt_solver.problem.files import load
from bptt_solver.problem.values import FileValue, RandomValue

FLOATS = "{'descr': '<f8', 'fortran_order': False, 'shape': (SHAPE), }"
SPAN = Span(Source("x.yaml", "values: {W: {file: here}}"), 13, 23)


def get(folder: Path, name: str, key: str | None = None, *limits: str) -> object:
    return load(FileValue(name, key, SPAN, SPAN), str(folder), Limits.parse(limits))


def told(folder: Path, name: str, key: str | None = None, *limits: str) -> str:
    with pytest.raises(ProblemError) as caught:
        get(folder, name, key, *limits)
    return str(caught.value)


def npy(header: str, data: bytes, version: int = 1) -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def test_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[[1, 2.5], [-3, "1/3"]]')
    (tmp_path / "b.json").write_text('{"W": [1, 2], "b": 3}')
    assert get(tmp_path, "a.json") == [[1, 2.5], [-3, Fraction(1, 3)]]
    assert get(tmp_path, "b.json", "b") == 3
    assert "which one? (add key: NAME; it holds W, b)" in told(tmp_path, "b.json")
    assert "no 'w' in 'b.json' (did you mean 'W'?)" in told(tmp_path, "b.json", "w")
    assert "holds one array, without a name" in told(tmp_path, "a.json", "W")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, NaN]", "c.json:1:5: 'NaN' is not a number"),
        ("[[1, 2], [3]]", "c.json:1:10: row 2 has 1 entry, row 1 has 2"),
        ("[1, 01]", "c.json:1:5: '01' starts with 0"),
        ("[" * 100_000, "more than 20 levels of nesting"),
        ('[1, "2"]', "c.json:1:5: expected a number, got the text"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("", "c.json is empty"),
        ("[1, 2", "this '[' is never closed"),
        ("[1, *a]", "aliases (*a) are not allowed"),
    ],
)
def test_wrong_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.json").write_text(text)
    assert message in told(tmp_path, "c.json", "a" if text.startswith("{") else None)


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("1,2\n3.5, 4/3 \n\n")
    (tmp_path / "v.csv").write_text("1\n2\n")
    (tmp_path / "h.csv").write_bytes(b"\xef\xbb\xbfa; b\r\n1; 2\r\n3; 4\r\n")
    assert get(tmp_path, "m.csv") == [[1, 2], [3.5, Fraction(4, 3)]]
    assert get(tmp_path, "v.csv") == [1, 2]
    assert get(tmp_path, "h.csv") == [[1, 2], [3, 4]]
    assert get(tmp_path, "h.csv", "b") == [2, 4]
    assert "no 'c' in 'h.csv'" in told(tmp_path, "h.csv", "c")
    assert "has no names in its first row" in told(tmp_path, "m.csv", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "c.csv:2:3: 'x' is not a number"),
        ("1,2\n3\n", "c.csv:2:1: this row has 1 columns, the first one has 2"),
        ("1,2\n3,\n", "c.csv:2:3: '' is not a number"),
        ("a,b\n", "'c.csv' has no numbers"),
        ("", "'c.csv' has no numbers"),
        ("1\n=1+1\n", "c.csv:2:1: '=1+1' is not a number"),
        ("1\n1e999\n", "c.csv:2:1: 1e999 is too large"),
        ("1\n\x1b[0m\n", "c.csv:2:1: character U+001B"),
    ],
)
def test_wrong_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    assert message in told(tmp_path, "c.csv")


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<i8", ">i2", "|u1", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_files(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=dtype, order="F" if order == "F" else "C")
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", W=array, b=array[0])
    np.savez_compressed(tmp_path / "z.npz", W=array)
    for found in (get(tmp_path, "a.npy"), get(tmp_path, "a.npz", "W"), get(tmp_path, "z.npz", "W")):
        assert isinstance(found, np.ndarray)
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.flags.writeable
        np.testing.assert_array_equal(found, array)


def test_numpy_scalars_and_keys(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.float64(2.5))
    assert get(tmp_path, "a.npy") == 2.5
    np.savez(tmp_path / "a.npz", W=np.ones(2), b=np.ones(3))
    assert "which one? (add key: NAME; it holds W, b)" in told(tmp_path, "a.npz")
    assert "no 'V' in 'a.npz'" in told(tmp_path, "a.npz", "V")
    assert "a .npy file has no keys" in told(tmp_path, "a.npy", "W")


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], dtype=object),
        np.array(["a"]),
        np.array([b"a"]),
        np.array([1j]),
        np.array([True]),
        np.zeros(2, dtype=[("a", "<f8")]),
        np.array(["2024-01-01"], dtype="M8[D]"),
    ],
    ids=["object", "text", "bytes", "complex", "bool", "record", "date"],
)
def test_only_plain_numbers(tmp_path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", W=array)
    assert "does not hold plain numbers" in told(tmp_path, "a.npy")
    assert "does not hold plain numbers" in told(tmp_path, "a.npz", "W")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a NumPy array"),
        (b"\x93NUMPY\x01\x00", "is not a NumPy array"),
        (npy(FLOATS.replace("SHAPE", "3,"), b"\0" * 16), "not as long as its header says"),
        (npy(FLOATS.replace("SHAPE", "3,"), b"\0" * 32), "not as long as its header says"),
        (npy(FLOATS.replace("SHAPE", "0,"), b""), "is empty"),
        (npy(FLOATS.replace("SHAPE", "99999, 99999"), b""), "has 9,999,800,001 elements"),
        (npy(FLOATS.replace("SHAPE", "9" * 5000 + ","), b""), "elements, limit"),
        (npy(FLOATS.replace("SHAPE", "1, " * 9), b""), "has 9 indices, limit 8"),
        (npy("{'descr': '<f3', 'fortran_order': False, 'shape': (3,), }", b""), "does not hold plain numbers"),
        (npy("__import__('os').system('touch pwned')", b""), "does not hold plain numbers"),
        (npy("(" * 9000, b""), "does not hold plain numbers"),
        (npy("(" * 90000, b"", version=2), "is not a NumPy array"),
        (b"\x80\x04\x95not a pickle that is read", "is not a NumPy array"),
    ],
)  # fmt: skip
def test_wrong_numpy_files(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    assert message in told(tmp_path, "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("W.npy", data)
    assert message in told(tmp_path, "a.npz", "W")


def test_version_2_headers(tmp_path: Path) -> None:
    header = FLOATS.replace("SHAPE", "1,")
    (tmp_path / "a.npy").write_bytes(npy(header, struct.pack("<d", 2.5), version=2))
    assert get(tmp_path, "a.npy") == np.array([2.5])


def test_not_finite(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1.0, 2.0], [np.nan, 3.0]]))
    assert "entry (2, 1) of 'a.npy' is nan (only finite numbers)" in told(tmp_path, "a.npy")


def test_zip_bomb(tmp_path: Path) -> None:
    header = npy(FLOATS.replace("SHAPE", "1,"), b"")
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("W.npy", "w") as member,
    ):
        member.write(header)
        for _ in range(100):
            member.write(b"\0" * 1_000_000)  # 100 MB of zeros in 100 kB
    assert "not as long as its header says" in told(tmp_path, "a.npz", "W")


@pytest.mark.parametrize("spoil", [b"PK", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_wrong_archives(tmp_path: Path, spoil: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(spoil)
    assert "a.npz" in told(tmp_path, "a.npz", "W")


def test_a_broken_archive_is_one_message(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, W=np.random.default_rng(1).random(1000))
    data = bytearray(buffer.getvalue())
    for at in range(40, 1500, 97):
        data[at] ^= 255
    (tmp_path / "a.npz").write_bytes(bytes(data))
    assert "a.npz" in told(tmp_path, "a.npz", "W")


def test_outside_is_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out.csv"
    folder.mkdir()
    outside.write_text("1\n")
    (folder / "link.csv").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    assert "a link that leaves the document's folder" in told(folder, "link.csv")
    assert "a link that leaves the document's folder" in told(folder, "up/out.csv")
    for name in ("../out.csv", str(outside), "a/../../out.csv", "~/out.csv", "C:\\out.csv"):
        with pytest.raises(ProblemError):
            get(folder, name)
    (folder / "sub").mkdir()
    (folder / "sub" / "a.csv").write_text("1\n")
    (folder / "inner.csv").symlink_to(folder / "sub" / "a.csv")
    assert get(folder, "sub/a.csv") == get(folder, "inner.csv") == [1]


def test_missing_large_and_folderless(tmp_path: Path) -> None:
    assert "x.yaml:1:14: cannot read a.csv: no such file" in told(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_text("1,2,3\n4,5,6\n")
    assert "a.csv has 12 bytes, limit 11" in told(tmp_path, "a.csv", None, "bytes=11")
    assert "more than 5 elements" in told(tmp_path, "a.csv", None, "elements=5")
    assert get(tmp_path, "a.csv", None, "elements=6", "bytes=12") == [[1, 2, 3], [4, 5, 6]]
    (tmp_path / "d.csv").mkdir()
    assert "a folder, not a file" in told(tmp_path, "d.csv")
    with pytest.raises(ProblemError, match="this document has no folder"):
        load(FileValue("a.csv", None, SPAN, None), None, Limits())


def test_entries_of_an_array_are_numbers(tmp_path: Path) -> None:
    """An array that is read with all its indices, or that has none, gives plain numbers."""
    np.savez(tmp_path / "a.npz", W=np.array([[1.5, 2.0], [3.0, 4.0]]), c=np.float32(0.5))
    (tmp_path / "problem.yaml").write_text(
        "equations: E = sum(c*W[i,j]**2 for i in 1..2, j in 1..2)\n"
        "parameters: {W: {file: a.npz, key: W}, c: {file: a.npz, key: c}}\n"
    )
    solution = bptt_solver.solve(bptt_solver.load(tmp_path / "problem.yaml"), check="full")
    assert solution.verified
    assert type(solution.values["W[1,1]"]) is type(solution.values["c"]) is float


def test_random_numbers_are_the_same_everywhere() -> None:
    numbers = draw((2, 2), 1)
    assert numbers.tolist() == [
        [0.023643249400513433, 0.9009273926518706],
        [-0.7116807745607325, 0.8972988942744877],
    ]
    expected = np.random.default_rng(7).random((3, 4)) * 2.0 - 1.0
    np.testing.assert_array_equal(draw((3, 4), 7), expected)
    np.testing.assert_array_equal(draw((3, 4), 7, scale=0.5), expected * 0.5)
    np.testing.assert_array_equal(draw((3, 4), 7, places=2), np.round(expected, 2))
    assert draw((), 1).shape == ()


def test_names_without_a_seed_differ() -> None:
    assert seed_of("W") == 655174618
    assert seed_of("y\u0302") == seed_of("ŷ")
    first, second = (draw_value(RandomValue(), name, (2,)) for name in ("W", "U"))
    assert not np.array_equal(first, second)
    assert draw_value(RandomValue(shape=(3,), seed=1), "W", (2,)).shape == (3,)
