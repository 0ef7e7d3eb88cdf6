"""The terms of the two Chinese scripts: those of the glossary, and none of the other script's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "bptt_solver" / "locale", ROOT / "plugins" / "bptt_plugins" / "locale")
HANS, HANT = "zh-Hans", "zh-Hant"
# Every character of the one script is in the standard set of the one, and few of the other's are.
CHARACTERS = {HANS: "gb2312", HANT: "big5"}
CITED = re.compile("《[^》]+》")  # a title is written as its author writes it
HAN = "\u4e00-\u9fff"


class Word(NamedTuple):
    """A word that a script does not use (a pattern), the word in its place, and what it means."""

    pattern: str
    instead: str
    means: str


# Taiwan's words in simplified characters.
NOT_HANS = (
    Word("变数", "变量", "variable"),
    Word("程式", "程序", "program"),
    Word("程式码|程序码", "代码", "code"),
    Word("资料", "数据、文件夹", "data, folder"),
    Word("档案|档名", "文件、文件名", "file, name of a file"),
    Word("记忆体", "内存", "memory"),
    Word("预设", "默认", "default"),
    Word("回圈|迴圈", "循环", "loop"),
    Word("阵列", "数组", "array"),
    Word("清单", "列表", "list"),
    Word("巢状", "嵌套", "nested"),
    Word("字元", "字符", "character"),
    Word("位元", "位、字节", "bit, byte"),
    Word("函式", "函数、库", "function, library"),
    Word("外挂", "插件", "plugin"),
    Word("套件", "软件包", "package"),
    Word("支援", "支持", "to support"),
    Word("执行绪", "线程", "thread"),
    Word("行程", "进程", "process"),
    Word("丛集", "集群", "cluster"),
    Word("排程", "调度", "scheduler"),
    Word("网路", "网络", "network"),
    Word("视窗", "窗口", "window"),
    Word("终端机", "终端", "terminal"),
    Word("列印|印出", "打印", "to print"),
    Word("储存", "保存", "to save"),
    Word("范本", "模板", "template"),
    Word("引数|自变数", "自变量、参数", "argument"),
    Word("运算式", "表达式", "expression"),
    Word("运算元|运算子", "操作数、运算符", "operand, operator"),
    Word("对映", "映射", "map"),
    Word("物件", "对象", "object"),
    Word("缩排", "缩进", "indentation"),
    Word("乱数", "随机数", "random number"),
    Word("机率", "概率", "probability"),
    Word("变异数", "方差", "variance"),
    Word("常态", "正态", "normal (distribution)"),
    Word("纯量", "标量", "scalar"),
    Word("连锁律|链锁律", "链式法则", "chain rule"),
    Word("激励", "激活函数", "activation"),
    Word("活化", "激活函数", "activation"),
    Word("讯号", "信号", "signal"),
    Word("遗忘闸|闸", "门", "gate"),
    Word("隐藏状态", "隐状态", "hidden state"),
    Word("倒传递", "反向传播", "backpropagation"),
    Word("海森", "黑塞矩阵", "Hessian"),
)
# The mainland's words in traditional characters.
NOT_HANT = (
    Word("變量", "變數、引數", "variable, argument"),
    Word("程序", "程式", "program"),
    Word("(?<!結束)代碼", "程式碼", "code"),
    Word("數據", "資料", "data"),
    Word("文件[夾名]", "資料夾、檔名", "folder, name of a file"),
    Word("文檔", "文件", "document"),
    Word("內存", "記憶體", "memory"),
    Word("默認|缺省", "預設", "default"),
    Word("數組", "陣列", "array"),
    Word("列表", "清單", "list"),
    Word("嵌套", "巢狀", "nested"),
    Word("字符", "字元", "character"),
    Word("字節|比特", "位元組、位元", "byte, bit"),
    Word("插件", "外掛", "plugin"),
    Word("軟件", "套件", "package"),
    Word("支持", "支援", "to support"),
    Word("線程", "執行緒", "thread"),
    Word("進程", "行程", "process"),
    Word("集群", "叢集", "cluster"),
    Word("調度", "排程", "scheduler"),
    Word("網絡", "網路", "network"),
    Word("窗口", "視窗", "window"),
    Word("終端(?!機)", "終端機", "terminal"),
    Word("端口", "連接埠", "port"),
    Word("地址", "位址", "address"),
    Word("打印", "印出、列印", "to print"),
    Word("保存", "儲存", "to save"),
    Word("運行", "執行", "to run"),
    Word("調用", "呼叫", "to call"),
    Word("返回", "傳回", "to return"),
    Word("模板", "範本", "template"),
    Word("腳本", "指令稿", "script"),
    Word("補全", "自動完成", "completion"),
    Word("擴展名", "副檔名", "ending of a file's name"),
    Word("表達式", "運算式", "expression"),
    Word("操作數|運算符", "運算元、運算子", "operand, operator"),
    Word("映射", "對映", "map"),
    Word("縮進", "縮排", "indentation"),
    Word("轉義", "跳脫序列", "escape"),
    Word("隨機數", "亂數", "random number"),
    Word("概率", "機率", "probability"),
    Word("方差", "變異數", "variance"),
    Word("正態", "常態", "normal (distribution)"),
    Word("標量", "純量", "scalar"),
    Word("鏈式法則", "連鎖律", "chain rule"),
    Word("激活|啟動函數", "激勵函數", "activation"),
    Word("信號", "訊號", "signal"),
    Word("[入出忘置新合]門|門控單元的門", "閘", "gate"),
    Word("隱狀態", "隱藏狀態", "hidden state"),
    Word("偏置", "偏差", "bias"),
    Word("拓樸", "拓撲", "topology"),
    Word("高亮", "醒目標示", "lit"),
    Word("黑塞", "海森矩陣", "Hessian"),
)
# One word for one thing: these are understood, and there is another word for it everywhere.
NOT_HERE = {
    HANS: (
        Word("扫描", "反向传播", "sweep"),
        Word("检验", "验算", "check"),
        Word("灵敏|敏感性", "敏感度", "sensitivity"),
        Word("记法", "记号", "notation"),
        Word("方程", "式子", "equation"),
        Word("简单偏导", "局部偏导数", "simple partial"),
        Word("(?<!随)时间反向传播|沿时间反向传播", "随时间反向传播", "backpropagation through time"),
        Word("细胞", "单元状态", "cell state"),
        Word("延迟", "滞后", "lag"),
        Word("预激活", "净输入", "pre-activation"),
        Word("闭式", "封闭形式", "closed form"),
        Word("直线(式)?代码", "无循环的代码", "straight-line code"),
        Word("程序包", "软件包", "package"),
        Word("缺一个", "缺少", "is missing"),
    ),
    HANT: (
        Word("掃描", "反向傳播", "sweep"),
        Word("檢驗", "驗算", "check"),
        Word("靈敏|敏感性", "敏感度", "sensitivity"),
        Word("記法", "記號", "notation"),
        Word("方程", "式子", "equation"),
        Word("簡單偏導", "局部偏導數", "simple partial"),
        Word("(?<!隨)時間反向傳播|沿時間反向傳播", "隨時間反向傳播", "backpropagation through time"),
        Word("細胞", "單元狀態", "cell state"),
        Word("延遲", "滯後", "lag"),
        Word("自變數", "引數", "argument"),
        Word("閉式", "封閉形式", "closed form"),
        Word("直線程式碼", "無迴圈的程式碼", "straight-line code"),
        Word("缺一個", "缺少", "is missing"),
    ),
}
UNWANTED = {HANS: NOT_HANS + NOT_HERE[HANS], HANT: NOT_HANT + NOT_HERE[HANT]}
HALF = re.compile(f"[{HAN}][,;:?!()]|[,;:?!()][{HAN}]")
CLOSE = re.compile(f"[{HAN}][A-Za-z0-9]|[A-Za-z0-9][{HAN}]")
PYTHON = re.compile(r"（序列, ?(\{axes\})?）")  # a shape as NumPy prints it
LINE = re.compile("[「“](名称|名稱): 值[」”]")  # a line of YAML
QUOTES = {HANS: "「」『』", HANT: "“”‘’"}
# Row and column are swapped between the scripts; the column of a text file is 欄 in Taiwan.
SIDES = {r"\brows?\b": ("行", "列"), r"\bcolumns?\b": ("列", "[行欄]")}
NO_SIDE = re.compile(r"n×1|1×n|字符|第 \{row\} 个元素|d2l-rows|转置出现")  # said without the word


@cache
def catalogue(language: str) -> dict[tuple[str, str], str]:
    """Every sentence of a language, by its file (without the language) and its key."""
    found = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob(f"*{language}.toml")):
            kind = f"{folder.parent.name}/{path.name.removesuffix(f'{language}.toml')}"
            for key, text in tomllib.loads(path.read_text(encoding="utf-8")).items():
                found[kind, key] = text
    return found


def unwanted(text: str, language: str) -> list[str]:
    """What of a sentence belongs to the other script, or has another word here."""
    text = CITED.sub("", text)
    words = [f"{m[0]}: {w.instead} ({w.means})" for w in UNWANTED[language] for m in [re.search(w.pattern, text)] if m]
    return words + [f"character {sign}" for sign in text if not _known(sign, language)]


def _known(sign: str, language: str) -> bool:
    if not "\u4e00" <= sign <= "\u9fff":
        return True
    try:
        sign.encode(CHARACTERS[language])
    except UnicodeEncodeError:
        return False
    return True


def misprinted(text: str, language: str) -> list[str]:
    """Half-width punctuation beside Chinese, a missing space beside Latin letters, the other script's quotes."""
    text = LINE.sub("", PYTHON.sub("", text))
    found = [m[0] for pattern in (HALF, CLOSE) for m in pattern.finditer(text)]
    return found + [sign for sign in QUOTES[language] if sign in text]


def swapped(english: str, hans: str, hant: str) -> list[str]:
    """Which of row and column is not the word that its script has for it."""
    return [
        english_word
        for english_word, (in_hans, in_hant) in SIDES.items()
        if re.search(english_word, english)
        and not NO_SIDE.search(hans)
        and not (re.search(in_hans, hans) and re.search(in_hant, hant))
    ]


@pytest.mark.parametrize("language", [HANS, HANT])
def test_words_of_the_other_script(language: str) -> None:
    assert {key: u for key, text in catalogue(language).items() if (u := unwanted(text, language))} == {}


@pytest.mark.parametrize("language", [HANS, HANT])
def test_punctuation(language: str) -> None:
    assert {key: m for key, text in catalogue(language).items() if (m := misprinted(text, language))} == {}


def test_rows_and_columns() -> None:
    hans, hant = catalogue(HANS), catalogue(HANT)
    found = {key: swapped(text, hans[key], hant[key]) for key, text in catalogue("en").items() if key in hans}
    assert {key: words for key, words in found.items() if words} == {}


def glossary() -> Iterator[tuple[str, str, str]]:
    """The rows of the table of terms in the manual."""
    page = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
    table = page.partition("## Terms")[2].partition("\n## ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] != "`zh-Hans`" and not cells[0].startswith("---"):
            yield cells[0], cells[1], cells[2]


def test_the_glossary_is_what_is_printed() -> None:
    rows = list(glossary())
    assert len(rows) > 60
    for language, place in ((HANS, 1), (HANT, 2)):
        said = "\n".join(catalogue(language).values())
        for row in rows:
            words = row[place].split("、")
            assert [word for word in words if word not in said] == [], f"{row[0]}: not said anywhere"
            assert unwanted(row[place], language) == []


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("打印这个程式", HANS, ["程式: 程序 (program)"]),
        ("印出這個程序", HANT, ["程序: 程式 (program)"]),
        ("對每個变數", HANT, ["character 变"]),
        ("反向掃描有 3 步", HANT, ["掃描: 反向傳播 (sweep)"]),
        ("CSDN 筆記《简单的循环神经网络》", HANT, []),
        ("結束代碼", HANT, []),
    ],
)
def test_a_word_of_the_other_script_is_found(text: str, language: str, found: list[str]) -> None:
    assert unwanted(text, language) == found


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("数组,形状", HANS, ["组,"]),
        ("共3步", HANS, ["共3"]),
        ("没有「x」", HANS, ["「", "」"]),
        ("沒有“x”", HANT, ["“", "”"]),
        ("应为“名称: 值”，形状为（序列, {axes}）", HANS, []),
    ],
)
def test_a_misprint_is_found(text: str, language: str, found: list[str]) -> None:
    assert misprinted(text, language) == found


def test_a_row_that_a_converter_made_is_found() -> None:
    assert swapped("the sum of a row", "行和", "列和") == []
    assert swapped("the sum of a row", "行和", "行和") == [r"\brows?\b"]
    assert swapped("the sum of a column", "列和", "列和") == [r"\bcolumns?\b"]
