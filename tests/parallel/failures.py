"""Has ranks fail in every way there is, and looks at what becomes of the others.

`training_that_fails` is the program, which `graphopt run` starts; here its output is read
with the times at which it comes, and what it leaves behind is compared with a run in which
nothing happened. `Network` makes two machines of this one, whose cable can be pulled.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import graphopt as tf
from tests.parallel.launching import environment
from tests.parallel.training_that_fails import digest

PROGRAM = Path(__file__).with_name("training_that_fails.py")
WITHIN = 3.0
"""Seconds after which everybody has to know of a failure."""
LOCAL_KINDS = ("raise", "exit", "kill", "freeze", "out_of_data", "other_graph")
NETWORK_KINDS = ("cut", "node")
KINDS = (*LOCAL_KINDS, *NETWORK_KINDS)
# What takes longer hangs: start, training and end are over after some seconds.
LIMIT = 90.0
# How long a pulled cable stays so: longer than anyone waits.
CUT_FOR = 6.0


@dataclass
class Outcome:
    """What became of a run.

    Attributes:
      code: The exit code; None if it hung.
      seconds: How long it took.
      event: When the failure was, as `time.time()`; None if there was none.
      named: Seconds from then until a line named the rank.
      told: Seconds from then until a rank had its error, by rank.
      saved: Hashes of the weights when a checkpoint was written, by step.
      ends: Hashes at the end, of the ranks that came there.
      damaged: Checkpoints that do not hold what was saved.
      lines: All that was printed.
    """

    code: int | None = None
    seconds: float = 0.0
    event: float | None = None
    named: float | None = None
    told: dict[int, float] = field(default_factory=dict)
    saved: dict[int, set[str]] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    # When lines that name rank 1 came; streams come in no order.
    names: list[float] = field(default_factory=list)

    def faults(self, undisturbed: Outcome, *, restarted: bool = False) -> list[str]:
        """Returns what is not as it has to be.

        Args:
          undisturbed: A run of as many ranks without a failure.
          restarted: Whether the ranks were started again and had to come to the end.
        """
        found = [f"damaged checkpoint {name}" for name in self.damaged]
        again = any("starting again" in line for line in self.lines)
        if self.code == 0 and not again and self.ends == undisturbed.ends:
            # A cable that was back before anybody gave up.
            return found
        if self.code is None:
            found.append("it hangs")
        if self.event is None:
            found.append("the failure did not happen")
        elif self.named is None:
            found.append("nobody names rank 1")
        elif self.named > WITHIN:
            found.append(f"rank 1 is named after {self.named:.1f} s")
        if restarted:
            if self.code != 0:
                found.append(f"exit code {self.code} after a restart")
            if set(self.ends) != set(undisturbed.ends):
                found.append(f"other weights at the end: {set(self.ends)}")
        elif self.code == 0:
            found.append("exit code 0")
        return found


def run_training(
    how: str,
    ranks: int,
    *options: str,
    folder: Path,
    undisturbed: Outcome | None = None,
    network: Network | None = None,
    limit: float = LIMIT,
) -> Outcome:
    """Runs the program.

    Args:
      how: One of `KINDS`, or `nothing`.
      ranks: How many.
      *options: Further ones of `graphopt run`.
      folder: Where checkpoints go.
      undisturbed: The run with which they are compared; its own hashes by default.
      network: The machines, for `NETWORK_KINDS`.
      limit: After how many seconds it hangs.
    """
    begun, outcome = time.monotonic(), Outcome()
    told = "wait" if how in NETWORK_KINDS else how
    command = [sys.executable, "-m", "graphopt", "run", "-n", str(ranks), *options]
    variables = environment()
    if network is not None:
        command += ["--hosts", ",".join(network.slots(ranks))]
        variables |= network.environment()
    process = subprocess.Popen(
        [*command, str(PROGRAM), str(folder), told],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[tuple[float, str] | None] = queue.Queue()

    def read(stream) -> None:
        with stream:
            for line in stream:
                lines.put((time.time(), line.rstrip("\n")))
        lines.put(None)

    for stream in (process.stdout, process.stderr):
        threading.Thread(target=read, args=(stream,), daemon=True).start()
    open_streams = 2
    while open_streams and time.monotonic() < begun + limit:
        with contextlib.suppress(queue.Empty):
            found = lines.get(timeout=0.2)
            if found is None:
                open_streams -= 1
                continue
            _note(outcome, *found)
            if network is not None and re.match(r"\[1\] ready", found[1]):
                outcome.event = time.time()
                threading.Thread(target=network.fail, args=(how,), daemon=True).start()
    if open_streams:
        process.terminate()
    outcome.code = process.wait(30) if not open_streams else None
    outcome.seconds = time.monotonic() - begun
    if outcome.event is not None:
        after = [when for when in outcome.names if when >= outcome.event]
        outcome.named = min(after) - outcome.event if after else None
    saved = (undisturbed or outcome).saved
    outcome.damaged = list(damaged_checkpoints(folder, saved))
    return outcome


def _note(outcome: Outcome, when: float, line: str) -> None:
    outcome.lines.append(line)
    mark = re.match(r"\[(\d+)\] ", line)
    rank = None if mark is None else int(mark[1])
    words = line[mark.end() if mark else 0 :].split()
    match words:
        case ["event", moment] if outcome.event is None:
            outcome.event = float(moment)
        case ["saved", step, found]:
            outcome.saved.setdefault(int(step), set()).add(found)
        case ["end", found]:
            outcome.ends.append(found)
        case ["told", moment, *_] if rank is not None and outcome.event is not None:
            outcome.told.setdefault(rank, float(moment) - outcome.event)
    if re.search(r"\brank 1\b|\branks [\d, and]*\b1\b", line):
        outcome.names.append(when)


def damaged_checkpoints(folder: Path, saved: dict[int, set[str]]) -> Iterator[str]:
    """Yields the checkpoints whose weights are not those that were saved."""
    names = {
        match[0]: int(match[1])
        for file in folder.iterdir()
        if (match := re.match(r"model-(\d+)", file.name)) and "tmp" not in file.name
    }
    for name, step in names.items():
        try:
            reader = tf.train.load_checkpoint(str(folder / name))
            found = digest([reader.get_tensor(each) for each in ("w", "b", "v")])
        except Exception as error:
            yield f"{name}: {type(error).__name__}: {error}"
            continue
        if saved.get(step) != {found}:
            yield f"{name}: {found} and not {saved.get(step)}"


class Network:
    """Two machines: namespaces of their own for network and host name, and a bridge."""

    # Other processes may have machines of their own.
    SUBNET = f"10.78.{os.getpid() % 256}"
    made = 0
    # What takes the place of ssh: the host's last number is the machine's.
    SHELL = """#!/bin/bash
while [[ "$1" == -* ]]; do shift; done
machine={prefix}${{1##*.}}; shift
exec ip netns exec $machine unshare -u bash -c "hostname $machine; $*"
"""

    def __init__(self) -> None:
        # Names of devices have at most 15 letters. What is left of a network that was
        # just taken away may hold its names for a while.
        Network.made += 1
        self.prefix = f"g{os.getpid() % 100000}-{Network.made % 1000}-"
        self.bridge = f"{self.prefix}b"
        self.folder = tempfile.TemporaryDirectory()
        self.shell = Path(self.folder.name) / "shell"

    def __enter__(self) -> Network:
        self.shell.write_text(self.SHELL.format(prefix=self.prefix))
        self.shell.chmod(0o755)
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{self.SUBNET}.254/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        for i in (1, 2):
            name, cable = f"{self.prefix}{i}", f"{self.prefix}v{i}"
            _ip("netns", "add", name)
            peer = ("peer", "name", "eth0", "netns", name)
            _ip("link", "add", cable, "type", "veth", *peer)
            _ip("link", "set", cable, "master", self.bridge, "up")
            _ip("-n", name, "addr", "add", f"{self.SUBNET}.{i}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def __exit__(self, *exception: object) -> None:
        for i in (1, 2):
            with contextlib.suppress(OSError):
                _ip("link", "del", f"{self.prefix}v{i}")
            with contextlib.suppress(OSError):
                _ip("netns", "del", f"{self.prefix}{i}")
        with contextlib.suppress(OSError):
            _ip("link", "del", self.bridge)
        self.folder.cleanup()

    def slots(self, ranks: int) -> list[str]:
        """Returns the hosts, which have equal numbers of ranks."""
        return [f"{self.SUBNET}.{i}:{ranks // 2}" for i in (1, 2)]

    def environment(self) -> dict[str, str]:
        """Returns what makes launchers take these networks and this shell."""
        subnet = f"{self.SUBNET}.0/24"
        return {
            "PRTE_MCA_plm_ssh_agent": str(self.shell),
            "PRTE_MCA_prte_if_include": subnet,
            "PMIX_MCA_ptl_tcp_if_include": subnet,
            "OMPI_MCA_btl_tcp_if_include": subnet,
            "HYDRA_LAUNCHER": "ssh",
            "HYDRA_LAUNCHER_EXEC": str(self.shell),
            "HYDRA_IFACE": self.bridge,
            "FI_TCP_IFACE": "eth0",
            # They share this machine's memory, which UCX would find out.
            "UCX_TLS": "tcp",
            "UCX_NET_DEVICES": "eth0",
        }

    def fail(self, how: str) -> None:
        """Pulls the cable of machine 2 for a while, or kills all that runs there."""
        if how == "node":
            for pid in _ip("netns", "pids", f"{self.prefix}2").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            return
        _ip("link", "set", f"{self.prefix}v2", "down")
        time.sleep(CUT_FOR)
        _ip("link", "set", f"{self.prefix}v2", "up")


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def networks_or_reason() -> str | None:
    """Returns why machines cannot be made of this one; None if they can."""
    try:
        with Network():
            return None
    except OSError as error:
        return str(error)
