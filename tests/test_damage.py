"""Documents with random damage, the same on every run: solved or refused with a place, never a traceback or a hang."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import signal
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from bptt_solver.cli import run

ROOT = Path(__file__).parents[1]


def assert_harmless(text: str) -> None:
    """Nothing in it that a terminal obeys."""
    bad = [c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")]
    assert not bad, f"U+{ord(bad[0]):04X}"


PIECES = """
h x W E t T 1 0 -1 1/3 1e308 [ ] ( ) [t] [t-1] [T] [0] + - * / @ ** , : = .. for in where sum( exp( log( sqrt(
softmax( concat( part( entry( dot( outer( max( .T ² ∂⁺ # | ' " { } & ! % random null 9**9**9 1000000000 é ₁ 1..3 3..1
0..0 [t==1] values: sizes: target: wrt: maps: from: file: network:
"""


def damaged(text: str, others: list[str], chance: random.Random) -> str:
    """A document with one to four things wrong."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(max(1, len(text)))
        end = at + chance.choice([0, 1, 2, 5, 20])
        lines = text.split("\n")
        line = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + chance.choice(PIECES.split()) + text[end:]
            case 2:
                lines.insert(chance.randrange(len(lines)), lines[line])
                text = "\n".join(lines)
            case 3:
                del lines[line]
                text = "\n".join(lines)
            case 4:
                lines[line] = chance.choice(chance.choice(others).split("\n"))
                text = "\n".join(lines)
            case _:
                words = list(re.finditer(r"[A-Za-z_]+|[0-9.]+|[-+*/@]", text))
                if words:
                    one, other = chance.choice(words), chance.choice(words)
                    text = text[: one.start()] + other.group() + text[one.end() :]
    return text


class TooSlow(BaseException):
    """Not an `Exception`, so that nothing handles it."""


@contextlib.contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Give up on what hangs."""

    def stop(_number: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs a timer")
@pytest.mark.parametrize("seed", range(4))
def test_damaged_documents(tmp_path: Path, seed: int) -> None:
    """``BPTT_FUZZ=20000`` tries that many for each seed; the four seeds are the same on every run."""
    sources = sorted((ROOT / "tests" / "acceptance").glob("documents*/*.yaml"))
    texts = [text for text in (path.read_text(encoding="utf-8") for path in sources) if len(text) < 3000]
    assert len(texts) > 40
    chance = random.Random(seed)
    path = tmp_path / "bad.yaml"
    for _ in range(int(os.environ.get("BPTT_FUZZ", "60"))):
        text = damaged(chance.choice(texts), texts, chance)
        path.write_text(text, encoding="utf-8")
        out, told = io.StringIO(), io.StringIO()
        form = chance.choice(["text", "markdown", "latex", "json"])
        with patience(30), contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
            code = run([str(path), "-f", form])
        assert code in (0, 1, 2), text
        assert "Traceback" not in told.getvalue(), text
        assert_harmless(out.getvalue())
        assert_harmless(told.getvalue())
        if code == 2:
            assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", told.getvalue()), text + told.getvalue()
        elif code == 0:
            assert told.getvalue() == "", text


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    alphabet = "abETx0123456789 \t\n:-[]{}()+*/=#'\"|>&!%@,.?^~\\_é∂⁺²ᵀ\u0301\ufeff\u2028"
    path = tmp_path / "bad.yaml"
    for _ in range(200):
        text = "".join(chance.choices(alphabet, k=chance.randrange(1, 120)))
        data = text.encode() if chance.random() < 0.8 else bytes(chance.choices(range(256), k=60))
        path.write_bytes(chance.choice([b"", b"equations: |\n  ", b"values: "]) + data)
        told = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
            assert run([str(path)]) == 2
        assert "Traceback" not in told.getvalue()
        assert_harmless(told.getvalue())
