"""The command speaks the language that is asked for, from its usage errors to its last line."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy
import pytest

import bptt_solver
from bptt_solver.__main__ import main
from bptt_solver.catalogues import LANGUAGES
from bptt_solver.cli import cli
from bptt_solver.output import speak
from bptt_solver.render.columns import columns

CHINESE = LANGUAGES[1:]
TEXT = "equations: |\n  z2 = 2*z1\n  E = 4*z2\nvalues: {z1: 1}\n"
WRONG = "equations: |\n  隐藏 = 2*z1\n  E = 4*隐藏 + 权9\nvalues: {z1: 1, 权: 2}\n"
SENTENCE = re.compile(r"(?<![\w-])[A-Za-z]{2,}(?: [a-z]{2,}){2,}")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run the command in ``tmp_path``; English is spoken again behind it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield run
    speak("en")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bptt_solver.api` is ``tests/fake_api.py`` in this test."""
    spec = importlib.util.spec_from_file_location("fake_api", Path(__file__).parents[1] / "fake_api.py")
    assert spec is not None and spec.loader is not None
    module: types.ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "bptt_solver.api", module)
    monkeypatch.setattr(bptt_solver, "api", module, raising=False)


def written(text: str = TEXT, name: str = "a.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


# ----------------------------------------------------------------------------- which language


@pytest.mark.parametrize(
    "arguments",
    [
        "--lang zh-Hans a.yaml",
        "--lang=zh-Hans a.yaml",
        "a.yaml --lang zh-Hans",
        "a.yaml --lang zh",
        "a.yaml --check fast --lang=zh_CN.UTF-8 -q",
        "solve --lang zh-Hans a.yaml",
        "--lang zh-Hans solve a.yaml",
        "--lang zh-Hant solve --lang zh-Hans a.yaml",
        "--lang zh-Hant --lang zh-Hans a.yaml",
    ],
)
def test_the_language_stands_anywhere(command: Command, arguments: str) -> None:
    written()
    ran = command(*arguments.split())
    assert (ran.code, ran.err) == (0, "") and "导数" in ran.out and "validated" not in ran.out
    assert ran.out == command("a.yaml", "--lang", "zh-Hans").out


def test_the_other_commands_have_it_too(command: Command) -> None:
    for arguments in ("plugins --lang zh-Hant", "--lang zh-Hant plugins"):
        assert "更新規則：\n" in command(*arguments.split()).out
    assert command("plugins").out.count("update rules:\n") == 1
    text = "network: {topology: elman, sizes: {input: 1, hidden: 2, output: 2}, output: softmax, loss: cross_entropy}\n"
    written(text + "data: {x: [[1], [2]], d: [[1, 0], [0, 1]]}\n")
    ran = command("lower", "--adjoint", "--lang", "zh-Hans", "a.yaml")
    assert (ran.code, ran.err) == (0, "") and "# sum(d[t]) = 1，对给定的每个 d\n" in ran.out
    assert "# sum(d[t]) = 1 for every given d\n" in command("lower", "--adjoint", "a.yaml").out
    for name in ("schema", "completion"):
        arguments = (name, "bash") if name == "completion" else (name,)
        assert command(*arguments, "--lang", "zh-Hans") == command(*arguments)


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"LC_ALL": "zh_CN.UTF-8"}, "错误："),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "zh_CN.UTF-8"}, "錯誤："),
        ({"LC_MESSAGES": "zh_HK.UTF-8"}, "錯誤："),
        ({"LANG": "zh_SG"}, "错误："),
        ({"LANG": "de_DE.UTF-8"}, "error:"),
        ({"LANG": "C"}, "error:"),
        ({}, "error:"),
    ],
)
def test_by_default_it_is_that_of_the_locale(
    command: Command, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], word: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert command("none.yaml").err.startswith(word)
    assert command("--nonesuch").err.startswith(word)
    assert command("--lang", "zh-Hant", "--nonesuch").err.startswith("錯誤：")
    assert command("--nonesuch", "--lang", "en").err.startswith("error:")


@pytest.mark.parametrize("arguments", ["--lang fr a.yaml", "a.yaml --lang fr", "lower --lang=fr a.yaml", "--lang fr"])
def test_an_unknown_language(command: Command, monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    written()
    ran = command(*arguments.split())
    if arguments == "--lang fr":  # nothing to do: the help
        assert ran.code == 2
        return
    assert (ran.code, ran.out) == (2, "")
    told = "Invalid value for '--lang': unknown language 'fr' (known: en, zh-Hans and zh-Hant)"
    assert ran.err.startswith(f"error: {told}\n")
    monkeypatch.setenv("LC_ALL", "zh_TW.UTF-8")
    assert command(*arguments.split()).err.startswith(
        "錯誤：'--lang' 的值無效：未知的語言 'fr'（可用：en、zh-Hans 和 zh-Hant）\n"
    )


def test_one_run_does_not_change_the_next(command: Command) -> None:
    assert command("none.yaml", "--lang", "zh").err.startswith("错误：")
    assert command("none.yaml").err.startswith("error:")


# ----------------------------------------------------------------------------- usage and help


@pytest.mark.parametrize(
    ("arguments", "simplified", "traditional"),
    [
        ("--fo a.yaml", "错误：没有选项 '--fo'（是不是其中之一：", "錯誤：沒有選項 '--fo'（是不是其中之一："),
        ("--simplif a.yaml", "错误：没有选项 '--simplif'，是不是 '--", "錯誤：沒有選項 '--simplif'，是不是 '--"),
        ("a.yaml --xyzzy", "错误：没有选项 '--xyzzy'。\n", "錯誤：沒有選項 '--xyzzy'。\n"),
        (
            "a.yaml -f xml",
            "错误：'-f' / '--format' 的值无效：'xml' 不在 'text'",
            "錯誤：'-f' / '--format' 的值無效：'xml' 不在",
        ),
        (
            "a.yaml --chunk 0",
            "错误：'--chunk' 的值无效：0 不在范围 x>=1 内。",
            "錯誤：'--chunk' 的值無效：0 不在範圍 x>=1 內。",
        ),
        ("a.yaml --chunk x", "错误：'--chunk' 的值无效：'x' 不是整数。", "錯誤：'--chunk' 的值無效：'x' 不是整數。"),
        ("a.yaml --target", "错误：选项 '--target' 需要一个值。", "錯誤：選項 '--target' 需要一個值。"),
        ("a.yaml --quiet=3", "错误：选项 '--quiet' 不带值。", "錯誤：選項 '--quiet' 不帶值。"),
        ("a.yaml --wrt a,,b", "错误：'--wrt' 的值无效：逗号之间缺少名称", "錯誤：'--wrt' 的值無效：逗號之間缺少名稱"),
        ("a.yaml --schedule", "错误：--schedule 要与 --memory 合用", "錯誤：--schedule 要與 --memory 合用"),
        ("a.yaml --workers 2", "错误：--workers、--scheduler、--chunk 和", "錯誤：--workers、--scheduler、--chunk 和"),
        ("a.yaml --animate", "错误：--picture 和 --show 要与", "錯誤：--picture 和 --show 要與"),
        ("solve", "错误：缺少参数 'FILE...'。", "錯誤：缺少引數 'FILE...'。"),
        ("completion", "错误：缺少参数 '{bash|zsh|fish}'。可选：bash", "錯誤：缺少引數 '{bash|zsh|fish}'。可選：bash"),
        (
            "completion tcsh",
            "错误：'{bash|zsh|fish}' 的值无效：'tcsh' 不在 'bash'",
            "錯誤：'{bash|zsh|fish}' 的值無效：'tcsh' 不",
        ),
        ("schema x", "错误：多出一个参数（x）", "錯誤：多出一個引數（x）"),
        ("schema x y", "错误：多出几个参数（x y）", "錯誤：多出幾個引數（x y）"),
        ("lowr a.yaml", "错误：没有名为“lowr”的文件或命令（", "錯誤：沒有名為「lowr」的檔案或命令（"),
    ],
)
def test_usage_errors(command: Command, arguments: str, simplified: str, traditional: str) -> None:
    written()
    for language, start in zip(CHINESE, (simplified, traditional), strict=True):
        ran = command(*arguments.split(), "--lang", language)
        if arguments.startswith("a.yaml --target"):
            ran = command("--lang", language, *arguments.split())
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(start)
        assert re.search(r"请看“bptt-solve( \w+)? --help”。\n$|請看「bptt-solve( \w+)? --help」。\n$", ran.err)
        assert not SENTENCE.search(ran.err)


@pytest.mark.parametrize("language", CHINESE)
@pytest.mark.parametrize("name", ["", *sorted(cli.commands)])
def test_help_is_chinese(command: Command, language: str, name: str) -> None:
    ran = command("--lang", language, *([name] if name else []), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert SENTENCE.findall(ran.out) == []
    for word in ("Usage", "Options", "Commands", "default:", "Exit codes"):
        assert word not in ran.out
    for line in ran.out.splitlines():
        assert columns(line) <= 80 or " [" in line or "[COMMAND]" in line, line


@pytest.mark.parametrize("language", CHINESE)
def test_every_option_is_explained(language: str) -> None:
    """An option whose help is given as English text where it is declared is not in a catalogue."""
    speak(language)
    try:
        for name, found in {"": cli, **cli.commands}.items():
            context = click.Context(found, info_name=name)
            for parameter in found.get_params(context):
                if isinstance(parameter, click.Option):
                    assert re.search("[\u4e00-\u9fff]", parameter.help or ""), (name, parameter.name)
            assert re.search("[\u4e00-\u9fff]", found.help or "")
            assert re.search("[\u4e00-\u9fff]", found.get_short_help_str(80) or "")
    finally:
        speak("en")


def test_help_without_arguments(command: Command) -> None:
    assert command("--lang", "zh-Hans") == Ran(2, "", command("--lang", "zh-Hans", "-h").out)


def test_the_terms_are_those_of_each_script(command: Command) -> None:
    simplified, traditional = (command("--lang", language, "-h").out for language in CHINESE)
    for word, other in (("默认", "預設"), ("文件", "檔案"), ("打印", "印出"), ("数", "數"), ("损失", "損失")):
        assert word in simplified and other in traditional
        assert other not in simplified and (word not in traditional or word == "文件")  # 文件 is a document there


# ----------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("language", CHINESE)
def test_an_error_with_its_place(command: Command, language: str) -> None:
    ran = command("--lang", language, written(WRONG))
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert lines[0].startswith("a.yaml:3:") and re.search("[\u4e00-\u9fff]{4}", lines[0])
    assert not SENTENCE.search(lines[0])
    at = next(n for n, line in enumerate(lines) if set(line.strip()) == {"^"})
    shown, caret = lines[at - 1], lines[at]
    assert len(caret) - len(caret.lstrip()) == columns(shown[: shown.index("权9")])
    assert caret.count("^") == columns("权9") == 3


def test_lines_around_the_work(command: Command, fake: None) -> None:
    names = written("unverified x"), written("raise oops", "b.yaml"), written("warning broken", "c.yaml"), "d.yaml"
    ran = command("--lang", "zh-Hans", *names)
    assert ran.code == 70
    told = ran.err.splitlines()
    assert told[0] == "a.yaml：验算不符：有一个导数与验算结果不一致；结果中写明是哪一个"
    assert told[1] == "b.yaml：内部错误：ZeroDivisionError: oops；请报告此问题（用 --traceback 显示位置）"
    assert told[2] == "c.yaml：警告：broken"
    assert told[-1] == "4 个文件：1 个已完成、1 个未通过验算、1 个未求解、1 个因内部错误停止"
    ran = command("--lang", "zh-Hant", *names)
    assert ran.err.splitlines()[-1] == "4 個檔案：1 個已完成、1 個未通過驗算、1 個未求解、1 個因內部錯誤停止"
    assert command("--lang", "en", *names).err.splitlines()[-1].startswith("4 files: 1 done, 1 not verified, ")


def test_limits_of_the_run(command: Command, fake: None) -> None:
    for text, word in (("raise deep", "嵌套太深"), ("raise memory", "内存不足"), ("raise system", "Permission denied")):
        assert word in command("--lang", "zh", written(text)).err
    ran = command("--lang", "zh-Hant", written("sleep 9"), "--limit", "seconds=1")
    assert ran.err.splitlines()[-1] == "a.yaml：錯誤：用時超過 1 秒（用 --limit seconds=N 放寬）"


def test_places_of_results(command: Command) -> None:
    written()
    assert command("a.yaml", "-o", "a.yaml", "--lang", "zh").err == "错误：a.yaml：是本次运行的输入，不会被覆盖\n"
    assert command("a.yaml", "-o", "no/o.txt", "--lang", "zh-Hant").err == "錯誤：no/o.txt：資料夾不存在\n"
    assert command("-", "-", "--lang", "zh").err.startswith("bptt-solve：错误：标准输入（-）只能读一次")


def test_a_traceback_is_there_with_the_message(command: Command, fake: None) -> None:
    told = command("--lang", "zh", "--traceback", written("raise oops")).err
    assert told.startswith("Traceback") and told.rstrip().splitlines()[-1].startswith("a.yaml：内部错误：")


# ----------------------------------------------------------------------------- data sets, programs, training

SEQUENCES = """\
equations: |
  h[t] = w*h[t-1] + x[t] for t in 1..T
  E = sum((h[t] - d[t])**2 for t in 1..T)
sizes: {T: 3}
values: {"h[0]": 0}
parameters: {w: 0.5}
data: {x: [1, 2, 3], d: [1, 1, 1]}
"""
RANDOM = "{random: {shape: [300], seed: 1}}"


@pytest.mark.parametrize("language", CHINESE)
def test_a_data_set(command: Command, language: str) -> None:
    written(SEQUENCES)
    numpy.savez("set.npz", x=numpy.ones((4, 3)), d=numpy.zeros((4, 3)))
    ran = command("--lang", language, "a.yaml", "--data-set", "set.npz")
    assert ran.code == 0 and not SENTENCE.search(ran.out + ran.err)
    assert "序列" in ran.out and ran.err == {"zh-Hans": "在本进程中\n", "zh-Hant": "在本行程中\n"}[language]
    numpy.savez("bad.npz", x=numpy.ones((4, 3)), d=numpy.zeros((5, 3)))
    told = command("--lang", language, "a.yaml", "--data-set", "bad.npz").err
    assert re.search(
        "有 4 . x 的序列，却有 5 . d 的序列|有 4 . x 的序列，卻有 5 . d 的序列", told
    ) and not SENTENCE.search(told)
    told = command("--lang", language, "a.yaml", "--data-set", "set.npz", "--retries", "1", "--workers", "99999").err
    assert "99999 " in told and not SENTENCE.search(told)


@pytest.mark.parametrize("language", CHINESE)
def test_a_plan_of_memory(command: Command, language: str) -> None:
    written(SEQUENCES.replace("T: 3", "T: 300").replace("[1, 2, 3]", RANDOM).replace("[1, 1, 1]", RANDOM))
    told = command("--lang", language, "a.yaml", "--backend", "numpy", "--memory", "1B").err
    assert "300 " in told and "--memory" in told and not SENTENCE.search(told)
    ran = command("--lang", language, "a.yaml", "--backend", "numpy", "--memory", "90kB", "-q")
    if ran.code == 0:
        assert re.search("分成|一次算完", ran.out) and not SENTENCE.search(ran.out)
    told = command("--lang", language, "a.yaml", "--memory", "1 potato").err
    assert re.search("不是内存的大小|不是記憶體的大小", told)


@pytest.mark.parametrize("language", CHINESE)
def test_a_program_that_is_not_there(command: Command, language: str) -> None:
    written("equations: |\n  h[t] = h[t-1]*z for t in 1..T\n  E = h[T]\nsizes: {T: 3}\nvalues: {z: 2, 'h[0]': 1}\n")
    told = command("--lang", language, "a.yaml", "--emit", "python", "--dtype", "float32").err
    assert re.search("没有 python 程序：无循环的代码用 64 位数|沒有 python 程式：無迴圈的程式碼用 64 位元數", told)


@pytest.mark.parametrize("language", CHINESE)
def test_training(command: Command, language: str) -> None:
    written(SEQUENCES + "update: {rule: sgd, learning_rate: 90000, steps: 400}\n")
    told = command("--lang", language, "a.yaml", "-q").err
    assert re.search("训练发散：第 .* 步之后，|訓練發散：第 .* 步之後，", told) and not SENTENCE.search(told)
    written(SEQUENCES)
    told = command("--lang", language, "a.yaml", "--save", "o.npz").err
    assert re.search("没有可保存的内容：这份文档没有声明训练|沒有可儲存的內容：這份文件沒有宣告訓練", told)
