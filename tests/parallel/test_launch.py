"""`graphopt run -n`: output, exit codes, threads, signals, restarts."""

from __future__ import annotations

import os
import signal
import textwrap
import time
from pathlib import Path

import pytest

from tests.parallel.launching import Finished, finish, needs_mpi, run_ranks, start


@pytest.fixture(autouse=True)
def launcher():
    return needs_mpi()


def write(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(textwrap.dedent(text))
    return path


HEAD = """
import os, sys, time
import tensorflow as tf
import numpy as np
from graphopt.parallel.communicator import world
ranks = world()
"""


def test_ranks_compute_together(tmp_path):
    program = write(
        tmp_path,
        HEAD
        + """
total = ranks.all_reduce(np.full(3, 1.0 + ranks.rank))
print(ranks.rank, "of", ranks.size, total.tolist(), sys.argv[1:])
print("x" * 20000)
sys.stderr.write("half a line")
print(os.environ["GRAPHOPT_THREADS"], os.environ["GRAPHOPT_ATTEMPT"], sys.stdout.isatty())
""",
    )
    done = run_ranks("-n", "2", "--threads", "3", program, "-n", "--lr", "1")
    assert done.code == 0, done
    for rank in range(2):
        first, long, last = done.lines_of(rank)
        assert first == f"{rank} of 2 [3.0, 3.0, 3.0] ['-n', '--lr', '1']"
        assert long == "x" * 20000
        assert last == "3 0 False"
    assert sorted(done.err) == ["[0] half a line", "[1] half a line"]


def test_one_rank_and_one_of_several(tmp_path):
    program = write(tmp_path, HEAD + "print(ranks.rank)\nprint(1, file=sys.stderr)")
    done = run_ranks("-n", "1", program)
    assert (done.code, done.out, done.err) == (0, ["0"], ["1"])
    done = run_ranks("-n", "2", "--only-rank", "1", program)
    assert (done.code, done.out) == (0, ["[1] 1"])
    assert sorted(done.err) == ["[0] 1", "[1] 1"]


def test_each_rank_gets_its_share_of_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHOPT_THREADS", raising=False)
    program = write(
        tmp_path,
        "import os, tensorflow as tf\n"
        "from graphopt.runtime.threads import available_threads\n"
        "print(available_threads(), len(os.sched_getaffinity(0)))",
    )
    done = run_ranks("-n", "2", program)
    cores = len(os.sched_getaffinity(0))
    threads = {int(line.split()[1]) for line in done.out}
    # A container may be allowed less than its cores.
    assert len(threads) == 1 and max(threads) <= max(1, cores // 2)
    # Nothing is bound to one of them.
    assert {int(line.split()[2]) for line in done.out} == {cores}


@pytest.mark.parametrize(
    ("statement", "code", "words"),
    [
        ("raise ValueError('a bad batch')", 1, "(ValueError)"),
        ("sys.exit(3)", 3, "exit code 3"),
        ("sys.exit('a message')", 1, "exit code 1"),
        ("os._exit(4)", 4, "exit code 4"),
        ("os._exit(0)", 1, ""),
        ("os.kill(os.getpid(), 9)", None, ""),
    ],
)
def test_a_failure_is_the_exit_code(statement, code, words, tmp_path):
    program = write(
        tmp_path, HEAD + f"if ranks.rank == 1: {statement}\nranks.barrier()"
    )
    done = run_ranks("-n", "2", program)
    assert done.code == code if code else done.code != 0, done
    assert any(words in line and line.startswith("graphopt: ") for line in done.err)


def test_it_starts_again(tmp_path):
    program = write(
        tmp_path,
        HEAD
        + """
attempt = int(os.environ["GRAPHOPT_ATTEMPT"])
if attempt < 2 and ranks.rank == 0:
    sys.exit(5)
ranks.barrier()
print("attempt", attempt)
""",
    )
    done = run_ranks("-n", "2", "--restarts", "3", program)
    assert done.code == 0, done
    assert sorted(done.out) == ["[0] attempt 2", "[1] attempt 2"]
    again = [line for line in done.err if "starting again" in line]
    assert again == [
        f"graphopt: starting again, {i} of at most 3 times" for i in (1, 2)
    ]
    assert run_ranks("-n", "2", "--restarts", "1", program).code == 5


def processes_that_mention(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            text = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in text:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_stays_behind(number, tmp_path):
    mark = tmp_path / "began"
    program = write(
        tmp_path,
        HEAD
        + f"""
import pathlib, subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)",
                          {str(tmp_path)!r}])
ranks.barrier()
pathlib.Path({str(mark)!r}).write_text("")
time.sleep(600)
""",
    )
    process = start("-n", "2", program)
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    done = finish(process)
    assert done.code == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -9), done
    # Who is killed cannot end what ranks have started; the ranks go by themselves.
    wanted = str(program) if number == signal.SIGKILL else str(tmp_path)
    deadline = time.monotonic() + 30
    while (left := processes_that_mention(wanted)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in processes_that_mention(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_ranks_that_stay_are_ended(tmp_path, monkeypatch):
    """A rank that goes on after another failed is ended some seconds later."""
    program = write(
        tmp_path,
        """
import os, sys, time
from graphopt.parallel.reports import local_ranks
rank = os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ.get("PMI_RANK")
if rank == "1":
    sys.exit(7)
time.sleep(600)
""",
    )
    done: Finished = run_ranks("-n", "2", program)
    assert done.code == 7
    assert any("rank 1 ended with exit code 7" in line for line in done.err)


def test_output_that_nobody_reads(tmp_path):
    program = write(tmp_path, "for i in range(100000): print(i)")
    process = start("-n", "2", program)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert finish(process).code == 0
