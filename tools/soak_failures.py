"""Has ranks fail in each way many times, and tells what becomes of the others.

python3 tools/soak_failures.py [--times 20] [--ranks 2,4] [--kinds kill,cut] [--json FILE]

Each kind of failure happens so often, once without and once with a restart: an exception,
sys.exit, kill -9, SIGSTOP, a rank that is out of data, one that runs another graph; and,
where namespaces can be made (as root), a pulled cable and a machine that dies. What has to
hold stands in `Outcome.faults`: nothing hangs, a line names the rank within 3 s, the exit
code says it, no checkpoint is damaged, and after a restart the weights at the end are those
of a run in which nothing happened. The exit code is 1 if it does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from graphopt.commands.shared import plain_table
from graphopt.parallel.launchers import find_launcher
from tests.parallel.failures import (
    KINDS,
    NETWORK_KINDS,
    Network,
    Outcome,
    networks_or_reason,
    run_training,
)

HEADINGS = ["failure", "ranks", "again", "runs", "faults", "hangs"]
HEADINGS += ["named, s", "told, s", "told ranks", "codes"]


def run_one(how: str, ranks: int, restarts: int, undisturbed: Outcome) -> Outcome:
    """Runs a training with one failure."""
    options = ["--restarts", str(restarts)] if restarts else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if how not in NETWORK_KINDS:
            return run_training(
                how, ranks, *options, folder=folder, undisturbed=undisturbed
            )
        with Network() as network:
            return run_training(
                how,
                ranks,
                *options,
                folder=folder,
                undisturbed=undisturbed,
                network=network,
            )


def row(
    how: str, ranks: int, restarts: int, found: list[Outcome], undisturbed: Outcome
) -> list[str]:
    """Returns a row of the table."""
    faults = [each.faults(undisturbed, restarted=restarts > 0) for each in found]
    named = [each.named for each in found if each.named is not None]
    told = [seconds for each in found for seconds in each.told.values()]
    survivors = (ranks - 1) * len(found)
    codes = sorted({str(each.code) for each in found})
    return [
        how,
        str(ranks),
        "yes" if restarts else "no",
        str(len(found)),
        str(sum(map(bool, faults))),
        str(sum(each.code is None for each in found)),
        f"{max(named):.2f}" if named else "-",
        f"{max(told):.2f}" if told else "-",
        f"{sum(len([r for r in each.told if r != 1]) for each in found)} of {survivors}",
        " ".join(codes),
    ]


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}"
        )
    reason = networks_or_reason() if set(kinds) & set(NETWORK_KINDS) else None
    if reason is not None:
        print(f"no pulled cables and dead machines here: {reason}", file=sys.stderr)
        kinds = [how for how in kinds if how not in NETWORK_KINDS]
    print(find_launcher().library.version, file=sys.stderr)
    rows, outcomes, failed = [], [], False
    for ranks in map(int, options.ranks.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            undisturbed = run_training("nothing", ranks, folder=Path(folder))
        if undisturbed.code != 0:
            sys.exit("the training fails by itself:\n" + "\n".join(undisturbed.lines))
        for how in kinds:
            for restarts in (0, 1):
                found = []
                for _ in range(options.times):
                    one = run_one(how, ranks, restarts, undisturbed)
                    found.append(one)
                    outcomes.append({"how": how, "ranks": ranks, **asdict(one)})
                    if faults := one.faults(undisturbed, restarted=restarts > 0):
                        failed = True
                        print(how, ranks, faults, *one.lines, sep="\n", file=sys.stderr)
                rows.append(row(how, ranks, restarts, found, undisturbed))
                print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    print("\n".join(plain_table(HEADINGS, rows, 1)))
    if options.json:
        options.json.write_text(json.dumps(outcomes, default=sorted, indent=1))
    sys.exit(failed)


if __name__ == "__main__":
    main()
