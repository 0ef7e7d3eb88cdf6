"""Limits: at n and n + 1, the flag in the message, and what `--limit` refuses."""

from __future__ import annotations

import pytest

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError
from bptt_solver.limits import TABLE, Limits


@pytest.mark.parametrize("name", [name for name in TABLE if name != "seconds"])
def test_n_and_n_plus_1(name: str) -> None:
    limits = Limits()
    value = limits.get(name)
    limits.check(name, value, "it")
    with pytest.raises(ProblemError) as caught:
        limits.check(name, value + 1, "it")
    told = str(caught.value)
    assert f"it has {value + 1:,} {message(TABLE[name].counts)}, limit {value:,}" in told
    if value < TABLE[name].most:
        assert f"--limit {name}={value + 1}" in told
        Limits.parse([f"{name}={value + 1}"]).check(name, value + 1, "it")


def test_above_the_hard_cap_no_flag_is_offered() -> None:
    with pytest.raises(ProblemError, match=r"no --limit lifts this above 300"):
        Limits().check("depth", 301, "equation E")


def test_stopped_counting() -> None:
    told = str(Limits().exceeded("yaml_depth", 21, "the document", or_more=True))
    assert "the document has more than 20 levels of nesting (--limit yaml_depth=N lifts it, up to 64)" in told


def test_seconds_are_unlimited_until_set() -> None:
    Limits().check("seconds", 1e9, "the solve")
    with pytest.raises(ProblemError, match=r"took 2\.5 seconds, limit 2 \(--limit seconds=3\)"):
        Limits.parse(["seconds=2"]).check("seconds", 2.5, "the solve")


def test_the_last_setting_counts() -> None:
    limits = Limits.parse(["depth=50", " depth = 60 "])
    assert limits.get("depth") == 60
    assert limits.get("digits") == 100


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("nodes=5", "unknown limit 'nodes' (did you mean 'equation_nodes'?)"),
        ("yaml_dept=5", "unknown limit 'yaml_dept' (did you mean 'yaml_depth'?)"),
        ("xyz=5", "unknown limit 'xyz' (the limits are bytes,"),
        ("depth", "'depth' is not of the form name=value"),
        ("depth=", "limit 'depth' needs a whole number, got ''"),
        ("depth=1e3", "limit 'depth' needs a whole number, got '1e3'"),
        ("depth=-1", "limit 'depth' needs a whole number, got '-1'"),
        ("depth=²", "limit 'depth' needs a whole number, got '²'"),
        ("depth=301", "limit 'depth' cannot be 301 (its hard cap is 300)"),
        ("depth=" + "9" * 5000, "needs a whole number, got '999999"),
    ],
)
def test_refused_settings(setting: str, told: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Limits.parse([setting])
    assert told in str(caught.value)


def test_unknown_name_in_code_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Limits().get("nodes")
