"""Runs unit tests of tf_keras on graphopt.

python3 tools/run_keras_tests.py FOLDER [FILE ...]

FOLDER holds the sources of tf_keras (https://github.com/keras-team/tf-keras); a FILE is a
path in it, as `tf_keras/losses_test.py`. By default those of layers, losses, metrics and the
training of models are run, each in a process of its own. Needs absl-py and pytest.

Prints what passed and failed for each file, and at the end the first lines of failures, counted.
Tests of TensorFlow's insides, of messages word by word and of what graphopt has not (SavedModel,
`.h5` files, distribution, sparse and ragged inputs) fail.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FAMILIES = ("layers", "metrics", "losses_test.py", "callbacks_test.py")
ENGINE = ("training", "sequential", "base_layer", "compile_utils")
# What is not here: other formats, TensorFlow's graphs of version 1, several machines.
LEFT_OUT = re.compile(r"saved|distribut|benchmark|legacy|_v1_|experimental|correctness")
CONFTEST = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tools!r}]
from keras_tests.shim import install
install(Path({folder!r}))
"""


def list_files(folder: Path) -> list[Path]:
    """Returns the test files that are run by default."""
    package = folder / "tf_keras"
    found = [file for name in FAMILIES for file in _tests_in(package / name)]
    found += [package / "engine" / f"{name}_test.py" for name in ENGINE]
    return [file for file in found if file.exists() and not LEFT_OUT.search(str(file))]


def _tests_in(path: Path) -> list[Path]:
    return sorted(path.rglob("*_test.py")) if path.is_dir() else [path]


def run_file(folder: Path, file: Path, scratch: Path) -> str:
    """Runs the tests of a file; returns what pytest printed."""
    name = "test_" + "_".join(file.relative_to(folder).with_suffix("").parts)
    source = re.sub(
        r"from tensorflow\.python\.\S+ import \(([^)]*)\)", "", file.read_text()
    )
    (scratch / f"{name}.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--timeout=60", f"{name}.py"],
        cwd=scratch,
        env={**os.environ, "GRAPHOPT_CACHE": "off"},
        capture_output=True,
        text=True,
    )
    return done.stdout


def main() -> None:
    """Runs the files and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    folder = options.folder.resolve()
    files = [folder / name for name in options.files] or list_files(folder)
    reasons: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    tools = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as scratch:
        text = CONFTEST.format(
            root=str(tools.parent), tools=str(tools), folder=str(folder)
        )
        (Path(scratch) / "conftest.py").write_text(text)
        for file in files:
            out = run_file(folder, file, Path(scratch))
            last = (out.strip().splitlines() or ["nothing"])[-1]
            print(f"{file.relative_to(folder)}: {last}", flush=True)
            for number, kind in re.findall(r"(\d+) (passed|failed|error)", last):
                counts[kind] += int(number)
            for line in re.findall(r"^E   +(\w*(?:Error|Warning)\b.*)$", out, re.M):
                reasons[re.sub(r"; got.*|0x\w+|created at.*", "", line)[:100]] += 1
    print(dict(counts))
    for reason, number in reasons.most_common(25):
        print(f"{number:5} {reason}")


if __name__ == "__main__":
    main()
