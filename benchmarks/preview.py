"""The live preview: from the rename of the file to the new derivation on the screen, in headless Chromium.

    python benchmarks/preview.py [example ...]

Goal: 0.3 s. It needs what the tests of the preview need: the extra ``test`` and a chromium.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _common as common

GOAL = 0.3
# The next page that is shown, and when that was: `swap` in shell.js counts the pages in data-shown.
NEXT = """() => { const root = document.documentElement; window.seen = new Promise((done) => new MutationObserver(() =>
  requestAnimationFrame(() => done(Date.now() / 1000))).observe(root, { attributeFilter: ["data-shown"] })); }"""


def measured(browser: Any, example: Path, rounds: int) -> list[float]:
    """Seconds from a save to the screen, for an example; a first round is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.yaml"
        text = example.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "bptt_solver", "serve", str(path), "--no-open"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            tab = browser.new_page()
            tab.goto(server.stdout.readline().strip())
            tab.wait_for_selector("html[data-shown]")
            times = []
            for number in range(rounds + 1):
                time.sleep(0.5)  # as long as nobody saves twice
                tab.evaluate(NEXT)
                beside = path.with_suffix(".tmp")
                beside.write_text(f"{text}# {number}\\n", encoding="utf-8")
                begun = time.time()
                os.replace(beside, path)
                times.append(tab.evaluate("() => window.seen") - begun)
            tab.close()
            server.terminate()
    return times[1:]


def main() -> None:
    """Print one table."""
    from playwright.sync_api import sync_playwright

    wanted = sys.argv[1:]
    examples = sorted((common.ROOT / "examples").glob("*/problem.yaml"))
    rows, medians = [], []
    with sync_playwright() as running:
        place = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        browser = running.chromium.launch(executable_path=place, args=["--no-sandbox"])
        for example in examples:
            name = example.parent.name
            if wanted and not any(name.startswith(word) for word in wanted):
                continue
            times = measured(browser, example, max(common.ROUNDS, 5))
            medians.append(statistics.median(times))
            rows.append([name, common.shown(min(times)), common.shown(medians[-1]), common.shown(max(times))])
        browser.close()
    common.table("The live preview: from a save to the screen", ["example", "least", "median", "most"], rows)
    print(f"Goal, {GOAL:g} s: kept by the median of {sum(m <= GOAL for m in medians)} of {len(medians)} examples.")


if __name__ == "__main__":
    main()
