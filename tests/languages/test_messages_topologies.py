"""Wrong options of networks are told in Chinese."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import bptt_solver

SIZES = {"input": 2, "hidden": 2, "output": 1}
LINE = "h[t] = tanh(W @ x[t] + U @ h[t-1])"
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("elman", {"form": "concat", "sizes": "scalar"}, "sizes 为 scalar", "sizes 為 scalar"),
    ("lstm", {"gates": "ifog"}, "未知的门顺序“ifog”", "未知的閘順序「ifog」"),
    ("lstm", {"gates": ["i", "f", "o"]}, "四个门 i、f、g、o", "四個閘 i、f、g、o"),
    ("bidirectional", {"readout": False}, "有两个输出矩阵时", "有兩個輸出矩陣時"),
    ("lags", {"lags": [1, 1]}, "滞后 1 出现了两次", "滯後 1 出現了兩次"),
    ("leaky", {"leak": 2}, "leak 必须是", "leak 必須是"),
    ("narx", {"mode": "series", "targets": "last", "steps": 3}, "每个时间步都要读目标输出", "每個時間步都要讀目標輸出"),
    ("ordered_net", {"lags": [3]}, "没有 3", "沒有 3"),
    ("encoder_decoder", {"steps": 3}, "{input: 3, output: 2}", "{input: 3, output: 2}"),
    ("encoder_decoder", {"lengths": {"input": [3, 2], "output": [1]}}, "有 2 个数，而", "有 2 個數，而"),
    ("cell", {"cell": "h[t] = h[t-1] for t in 1..T"}, "去掉 h[t] 的取值范围", "去掉 h[t] 的取值範圍"),
    ("cell", {"cell": LINE, "sends": "q"}, "没有哪一行定义“q”", "沒有哪一行定義「q」"),
    ("cell", {"cell": LINE, "state": 3}, "{c: hidden}", "{c: hidden}"),
    ("cell", {"cell": "h[t] = "}, "cell：", "cell："),
    ("tree", {"tree": 3}, "嵌套列表", "巢狀清單"),
    ("tree", {"tree": [[1, 2], 2]}, "叶子 2 有两个父节点", "葉子 2 有兩個父節點"),
    ("tree", {"tree": {"a": [1, 2], "b": ["a", 2]}}, "有两个父节点，“a”和“b”", "有兩個父節點，「a」和「b」"),
    ("tree", {"tree": [[1, 2], 3], "targets": [9]}, "没有节点 9", "沒有節點 9"),
    ("feedforward", {"layers": [{"activation": "tanh"}], "input": 2}, "需要给出大小", "需要給出大小"),
    ("feedforward", {"layers": [2], "input": 2, "samples": "many"}, "samples 必须是", "samples 必須是"),
]
ENGLISH = re.compile(r"(?<![\w'\"{\[(-])[a-z]{3,}(?: [a-z]{2,}){2,}")


def refused(topology: str, options: dict[str, Any]) -> bptt_solver.ProblemError:
    """What loading a network with such options raises."""
    whole = {**({} if topology in ("tree", "feedforward") else {"sizes": SIZES}), **options}
    whole |= {"sizes": {"hidden": 2, "output": 1}} if topology == "tree" else {}
    with pytest.raises(bptt_solver.ProblemError) as caught:
        bptt_solver.loads(json.dumps({"network": {"topology": topology, **whole}}))
    return caught.value


@pytest.mark.parametrize(("topology", "options", "simplified", "traditional"), WRONG)
def test_told_in_both_scripts(topology: str, options: dict[str, Any], simplified: str, traditional: str) -> None:
    error = refused(topology, options)
    for language, text in (("zh-Hans", simplified), ("zh-Hant", traditional)):
        told = error.problems[0].message.in_language(language)  # type: ignore[attr-defined]
        assert text in told
        assert not ENGLISH.search(told)


def test_english_would_be_found() -> None:
    assert ENGLISH.search("cell: leave out the range of h[t]")
