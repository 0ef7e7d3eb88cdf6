"""Gradients of data sets in other processes: the same bits as in this one, also when a worker is killed half way.

Every test here has a time limit: at its end all child processes are killed and the test fails, so that nothing waits.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

import data_sets
from data_sets import ELMAN, LSTM, assert_close, assert_same_bits, drawn, stacked

from bptt_solver.datasets import processes, shared
from bptt_solver.datasets.executors import ChunkLost
from bptt_solver.datasets.processes import Processes
from bptt_solver.datasets.sums import Summed, Sums, dataset_gradient
from bptt_solver.datasets.worker import ONE_THREAD, Program, run
from bptt_solver.errors import ProblemError

SECONDS = 60

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the time limit of these tests is an alarm"),
    pytest.mark.usefixtures("limit"),
]


@pytest.fixture
def limit() -> Iterator[None]:
    """Ends a test that waits for ever, and what it waits for."""

    def late(*_: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()
        raise TimeoutError(f"longer than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def long_task(steps: int = 40, count: int = 40) -> tuple[Any, Any]:
    """A problem and a data set of as many chunks of two."""
    plain, sequences = drawn(ELMAN, [steps] * count)
    return data_sets.problem_of(plain), {n: np.stack(items) for n, items in stacked(sequences).items()}


def kill_one(pids: list[int]) -> None:
    """Kill a process as the system does when there is no memory left."""
    with contextlib.suppress(ProcessLookupError):  # it was killed before
        os.kill(pids[0], signal.SIGKILL)


# ----------------------------------------------------------------------------- processes


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_bits_by_processes(workers: int) -> None:
    plain, sequences = drawn(LSTM, [3, 5, 3, 4, 5, 3, 3, 5])
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    serial = dataset_gradient(problem, data, chunk=2)
    summed = dataset_gradient(problem, data, workers, 2)
    assert_same_bits(summed, serial)
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert summed.told == f"by {workers} process{'es' if workers > 1 else ''}"


def test_single_precision_by_processes() -> None:
    problem, data = long_task()
    single = {name: array.astype(np.float32) for name, array in data.items()}
    summed = dataset_gradient(problem, single, 2, 3)
    assert_same_bits(summed, dataset_gradient(problem, single, chunk=3))
    assert summed.gradients["W_h"].dtype == np.float32


def test_a_step_of_more_chunks_than_there_is_room_for() -> None:
    """A slot for results is used again when its chunk was added, by a later chunk of another length."""
    plain, sequences = drawn(ELMAN, [2 + n % 3 for n in range(60)])
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    with Sums(problem, data, 2, chunk=1) as sums:
        summed = sums.gradient(progress=lambda at, _: time.sleep(0.05 if at == 10 else 0))
    assert summed.chunks == 60
    assert_same_bits(summed, dataset_gradient(problem, data, chunk=1))


def test_matrices_large_enough_for_threads() -> None:
    """BLAS shares products of this size among threads if it may, and sums in another order then."""
    problem, data = wide()
    assert_same_bits(dataset_gradient(problem, data, 2, 8), dataset_gradient(problem, data, chunk=8))


def wide() -> tuple[Any, dict[str, Any]]:
    """A network with matrices of 150 x 150."""
    random = np.random.default_rng(3)
    plain = {
        "equations": "h[t] = tanh(W @ h[t-1] + U @ x[t]) for t in 1..T\nE = sum(sum((h[t] - d[t])**2) for t in 1..T)",
        "data": {"x": np.zeros((2, 150)).tolist(), "d": np.zeros((2, 150)).tolist()},
        "values": {"h[0]": [0] * 150},
        "parameters": {"W": (random.normal(size=(150, 150)) / 20).tolist(), "U": np.eye(150).tolist()},
    }
    return data_sets.problem_of(plain), {name: random.normal(size=(32, 6, 150)) for name in ("x", "d")}


def test_steps_keep_the_processes() -> None:
    problem, data = long_task()
    weight = np.asarray(problem.given["W_h", ()]) * 0.5
    with Sums(problem, data, chunk=2) as sums:
        serial = [sums.gradient(), sums.gradient({"W_h": weight})]
    with Sums(problem, data, 2, chunk=2) as sums:
        assert_same_bits(sums.gradient(), serial[0])
        pids = sorted(pids_of(sums))
        assert_same_bits(sums.gradient({"W_h": weight}), serial[1])
        assert sorted(pids_of(sums)) == pids
    assert not multiprocessing.active_children()


def pids_of(sums: Sums) -> list[int]:
    """The processes that compute for an object."""
    assert isinstance(sums._way, Processes) and sums._way._pool is not None
    return list(sums._way._pool._processes)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_named(workers: int) -> None:
    """It is stopped before it is killed, so that it is certain that it dies at work and not between two chunks."""
    problem, data = long_task(steps=4000)
    with Sums(problem, data, workers, chunk=2) as sums:
        added: list[int] = []
        killed: list[int] = []

        def kill(at: int, _: int) -> None:
            added.append(at)
            while at >= 4 and not killed and waiting(sums) >= workers:
                if stopped_at_work(sums):
                    killed.append(at)
                    kill_one(pids_of(sums))
                time.sleep(0.002)

        with pytest.raises(ChunkLost) as caught:
            sums.gradient(progress=kill)
        message = str(caught.value)
        assert message.startswith("error: a worker process ended while it computed chunk ")
        assert message.endswith(
            "; nothing of it was added (was there enough memory? smaller chunks need less; retries=1 computes what is "
            "lost once more)"
        )
        assert len(caught.value.chunks) == workers
        assert all(
            f"chunk {n + 1} of 20 (sequences {2 * n + 1} to {2 * n + 2})" in message for n in caught.value.chunks
        )
        assert all(n >= len(added) for n in caught.value.chunks)
        assert_same_bits(sums.gradient(), dataset_gradient(problem, data, chunk=2))  # by new processes


def waiting(sums: Sums) -> int:
    """How many chunks are submitted and have no result yet."""
    assert isinstance(sums._way, Processes)
    return sum(not future.done() for future in sums._way._pending)


def stopped_at_work(sums: Sums) -> bool:
    """Stop all workers; whether each of them has begun a chunk that is not done. If not, they go on."""
    pids = pids_of(sums)
    assert isinstance(sums._way, Processes)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if len(shared.begun(sums._way._block, range(20))) == len(pids):
        return True
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return False


def test_what_a_killed_worker_lost_is_computed_again() -> None:
    problem, data = long_task(steps=300)
    serial = dataset_gradient(problem, data, chunk=2)
    with Sums(problem, data, 2, chunk=2, retries=2) as sums:
        for kills in ([3], [1, 12], []):
            told: list[int] = []

            def kill(at: int, _: int, kills: list[int] = kills, told: list[int] = told) -> None:
                told.append(at)
                if at in kills:
                    kill_one(pids_of(sums))

            assert_same_bits(sums.gradient(progress=kill), serial)
            assert told == list(range(1, 21))  # each chunk once


def test_retries_end() -> None:
    problem, data = long_task(steps=300)
    with Sums(problem, data, 2, chunk=2, retries=1) as sums, pytest.raises(ChunkLost, match="ended"):
        sums.gradient(progress=lambda at, _: [kill_one([pid]) for pid in pids_of(sums)])


def test_a_chunk_that_is_counted_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the sum of what was there before a worker was lost is added once more."""
    problem, data = long_task()
    serial = dataset_gradient(problem, data, chunk=2)
    add = processes.Processes.submit
    monkeypatch.setattr(Processes, "submit", lambda self, number: add(self, max(number - 1, 0)))
    with pytest.raises(AssertionError):
        assert_same_bits(dataset_gradient(problem, data, 2, 2), serial)


def test_the_step_is_given_up() -> None:
    """What the caller raises ends the step; the next one begins anew."""
    problem, data = long_task()

    def stop(at: int, _: int) -> None:
        if at == 2:
            raise KeyboardInterrupt

    with Sums(problem, data, 2, chunk=2) as sums:
        with pytest.raises(KeyboardInterrupt):
            sums.gradient(progress=stop)
        weight = np.asarray(problem.given["W_h", ()]) * 2
        changed = sums.gradient({"W_h": weight})
    with Sums(problem, data, chunk=2) as sums:
        assert_same_bits(changed, sums.gradient({"W_h": weight}))


SCRIPT = """\
import numpy, os, signal, sys
import bptt_solver.api as api
from bptt_solver.datasets.sums import Sums
TEXT = '''
equations: |
  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T
  E = sum(h[t]**2 for t in 1..T)
data: {x: [1, 2]}
values: {"h[0]": 0}
parameters: {w: 1, u: 0.5}
'''
def main():
    data = {"x": numpy.ones((40, 3))}
    with Sums(api.loads(TEXT), data, 2, chunk=2) as sums:
        ACTION
"""


def script(tmp_path: Path, action: str, end: str = "if __name__ == '__main__':\n    main()\n") -> Any:
    """Run a script of its own, with a time limit; its group is killed then."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.replace("ACTION", action) + end, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, out, err


def gone(pids: list[int]) -> bool:
    """Whether no such process is running (a zombie is not), after some seconds at most."""
    for _ in range(100):
        left = [
            p
            for p in pids
            if Path(f"/proc/{p}/stat").exists() and Path(f"/proc/{p}/stat").read_text().split()[2] != "Z"
        ]
        if not left:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    before = set(os.listdir("/dev/shm"))
    action = "sums.gradient(); print(*sums._way._pool._processes, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    code, out, _ = script(tmp_path, action)
    assert code == -signal.SIGKILL
    pids = [int(word) for word in out.split()]
    assert len(pids) == 2
    assert gone(pids)
    for _ in range(50):  # the tracker of Python's own gives the memory back
        if not {n for n in set(os.listdir("/dev/shm")) - before if n.startswith("psm_")}:
            break
        time.sleep(0.1)
    else:
        pytest.fail("shared memory is left")


def test_a_script_without_a_guard(tmp_path: Path) -> None:
    code, _, err = script(tmp_path, "sums.gradient()", "main()\n")
    assert code == 1
    assert "ChunkLost: error: the worker processes did not start, or ended between two chunks" in err
    assert "(a script that starts workers needs `if __name__ == '__main__':`)" in err


def test_nothing_is_told_at_the_end(tmp_path: Path) -> None:
    """No warnings of memory that is left over."""
    assert script(tmp_path, "print(sums.gradient().chunks)") == (0, "20\n", "")


def test_not_enough_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, data = long_task()
    monkeypatch.setattr(shared, "_FOLDER", "/proc")  # which has no room
    with pytest.raises(ProblemError, match=r"needs 0 MB of shared memory, /proc has 0 MB free"):
        dataset_gradient(problem, data, 2)


def test_one_thread_for_blas() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = threads()
    with ONE_THREAD:
        with ONE_THREAD:
            assert all(count == 1 for count in threads())
        assert all(count == 1 for count in threads())
    assert threads() == before


def test_a_worker_keeps_few_programs() -> None:
    source = "import numpy as np\ndef make(dtype):\n    return lambda given: {'E': given['x'].sum(), 'g': given['x']}\n"
    one = np.ones(3)
    for count in range(300):
        program = Program(f"{source}# {count}", "float64", 1, "E", (), (("g", (), None),))
        found = run(program, {}, {"x": one})
        assert found.loss == 3.0 and found.gradients[0] is not one


# ----------------------------------------------------------------------------- a Dask cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as found:
        yield found


def on_cluster(problem: Any, data: Any, cluster: Any, chunk: int = 2) -> Sums:
    """Sums by both workers of the cluster."""
    cluster.wait_for_workers(2, timeout=60)
    return Sums(problem, data, cluster.scheduler_address, chunk)


def test_the_same_bits_by_a_cluster(cluster: Any) -> None:
    plain, sequences = drawn(LSTM, [3, 5, 3, 4, 5, 3, 3, 5])
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    with on_cluster(problem, data, cluster) as sums:
        summed = sums.gradient()
    assert_same_bits(summed, dataset_gradient(problem, data, chunk=2))
    assert_same_bits(summed, dataset_gradient(problem, data, 2, 2))
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert summed.told == f"by 2 threads of the Dask cluster at {cluster.scheduler_address}"


def test_wide_matrices_on_a_cluster(cluster: Any) -> None:
    problem, data = wide()
    with on_cluster(problem, data, cluster, 8) as sums:
        assert_same_bits(sums.gradient(), dataset_gradient(problem, data, chunk=8))


def test_any_executor(cluster: Any) -> None:
    """Dask's own executor, made by the caller: no more than the interface."""
    from distributed import Client

    problem, data = long_task()
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        summed: Summed = dataset_gradient(problem, data, client.get_executor(pure=False), 2)
        assert client.status == "running"
    assert summed.told == "through ClientExecutor"
    assert_same_bits(summed, dataset_gradient(problem, data, chunk=2))


def test_steps_send_the_data_once(cluster: Any) -> None:
    problem, data = long_task()
    weight = np.asarray(problem.given["W_h", ()]) * 0.5
    with Sums(problem, data, chunk=2) as sums:
        serial = [sums.gradient(), sums.gradient({"W_h": weight}), sums.gradient()]
    with on_cluster(problem, data, cluster) as sums:
        way: Any = sums._way
        sent: list[str] = []
        send = way._sent

        def told(value: Any) -> str:
            return "a program" if isinstance(value, Program) else "slices" if "x" in value else "parameters"

        way._sent = lambda value: sent.append(told(value)) or send(value)
        for parameters, expected in zip([None, {"W_h": weight}, None], serial, strict=True):
            assert_same_bits(sums.gradient(parameters), expected)
    assert sent == ["parameters", "a program", *["slices"] * 20, "parameters", "parameters"]


def test_a_killed_worker_of_a_cluster(cluster: Any) -> None:
    """Its chunks are computed by the other one, with slices that are sent again; then both go on."""
    problem, data = long_task(steps=300)
    serial = dataset_gradient(problem, data, chunk=2)
    with on_cluster(problem, data, cluster) as sums:
        way: Any = sums._way
        told: list[int] = []
        pids = dict(way._client.run(os.getpid))

        def kill(at: int, _: int) -> None:
            told.append(at)
            if at == 8:
                kill_one(list(pids.values()))

        assert_same_bits(sums.gradient(progress=kill), serial)
        assert told == list(range(1, 21))
        cluster.wait_for_workers(2, timeout=60)
        assert set(way._client.run(os.getpid).values()) != set(pids.values())
        told.clear()
        assert_same_bits(sums.gradient(progress=lambda at, _: told.append(at)), serial)
        assert told == list(range(1, 21))


def test_a_chunk_that_dask_gives_up(cluster: Any) -> None:
    from distributed import KilledWorker

    problem, data = long_task()
    with on_cluster(problem, data, cluster) as sums:
        way: Any = sums._way
        with pytest.raises(
            ChunkLost, match=r"Dask gave up chunk 6 of 20 \(sequences 11 to 12\): every worker"
        ) as caught:
            way.again(KilledWorker("key", None, 3), [5, 7])
        assert caught.value.chunks == (5,)
        with pytest.raises(ChunkLost, match=r"dropped chunk 4 of 20 \(sequences 7 to 8\); nothing of it was added"):
            way.again(CancelledError(), [3, 4])
        assert not way.again(ZeroDivisionError(), [5])


def test_a_cluster_without_workers() -> None:
    distributed = pytest.importorskip("distributed")
    problem, data = long_task()
    from bptt_solver.datasets import cluster as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ANSWER", 0.5)
        with (
            distributed.LocalCluster(
                n_workers=0, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1", scheduler_port=0
            ) as empty,
            pytest.raises(ProblemError, match=r"the Dask cluster at tcp://127.0.0.1:\d+ has no workers"),
        ):
            dataset_gradient(problem, data, empty.scheduler_address)


def test_a_cluster_that_loses_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    from bptt_solver.datasets import cluster as module
    from bptt_solver.datasets import sums as summing

    monkeypatch.setattr(module, "PATIENCE", 0.5)
    monkeypatch.setattr(summing, "_LOOK", 0.2)
    problem, data = long_task()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as small,
        Sums(problem, data, small.scheduler_address, 2) as sums,
        pytest.raises(ChunkLost, match=r"has had no workers for \d+ seconds|dropped chunk \d+"),
    ):
        sums.gradient(progress=lambda at, _: small.scale(0) if at == 2 else None)


def test_a_task_that_dask_drops_while_its_result_is_taken() -> None:
    """Dask gives a ValueError of its own then; one of a worker's is told as it is."""
    pytest.importorskip("distributed")
    from bptt_solver.datasets import cluster

    def unpack(result: tuple[int, ...]) -> None:
        _type, _error, _trace = result

    def failed(module: str) -> ValueError:
        with pytest.raises(ValueError, match="not enough values") as caught:
            types.FunctionType(unpack.__code__, {"__name__": module})((1, 2))
        return caught.value

    assert cluster._is_of_dask(failed("distributed.cfexecutor"))
    assert not cluster._is_of_dask(failed("bptt_solver.datasets.worker"))


def test_no_cluster() -> None:
    pytest.importorskip("distributed")
    from bptt_solver.datasets import cluster as module

    problem, data = long_task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ANSWER", 0.5)
        with pytest.raises(ProblemError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 "):
            dataset_gradient(problem, data, "tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "tcp://:8786", "tcp://host:99999", "tcp://host:port", "tcp://[bad:1", "127.0.0.1:1"]
)
def test_what_is_no_address(address: str) -> None:
    pytest.importorskip("distributed")
    problem, data = long_task()
    with pytest.raises(ProblemError, match="is not the address of a Dask scheduler"):
        dataset_gradient(problem, data, address)


COMMAND = """\
import sys
from bptt_solver.datasets import cluster
cluster.ANSWER = 1.0
from bptt_solver.cli import cli
sys.exit(cli.main([*sys.argv[1:]], standalone_mode=True))
"""


def test_something_else_that_answers(tmp_path: Path) -> None:
    """A server that is no scheduler: one line and exit code 2, soon, and no tracebacks when the command ends."""
    pytest.importorskip("distributed")
    import json
    import socket
    import threading

    plain, sequences = drawn(ELMAN, [3] * 4)
    (tmp_path / "p.yaml").write_text(json.dumps(plain), encoding="utf-8")
    np.savez(tmp_path / "d.npz", **{n: np.stack(items) for n, items in stacked(sequences).items()})
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            with contextlib.suppress(OSError):
                while True:
                    found, _ = server.accept()
                    found.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)

        threading.Thread(target=babble, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "solve", "p.yaml", "--data-set", "d.npz", "--scheduler", address],
            cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(f"p.yaml: error: no Dask scheduler answers at {address}")
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert time.monotonic() - started < 20


def test_dask_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, data = long_task()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ProblemError, match=r"needs the package distributed.*pip install 'bptt-solver\[dask\]'"):
        dataset_gradient(problem, data, "tcp://127.0.0.1:9")


def test_workers_of_other_versions(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, data = long_task()
    with on_cluster(problem, data, cluster) as sums:
        way: Any = sums._way
        for answer, message in (
            (("9", "9"), r"the Dask worker tcp://here:1 has bptt-solver 9 and NumPy 9, here are .* \(install the same"),
            (ImportError("No module"), r"the Dask worker tcp://here:1 cannot import bptt-solver: No module"),
        ):
            monkeypatch.setattr(way._client, "run", lambda *_, answer=answer, **__: {"tcp://here:1": answer})
            with pytest.raises(ProblemError, match=message):
                way._check()
