"""Runs the code of the guides and compares what it prints with what they say it prints.

    python -m tests.docs.guides --write examples/guide/quick_start.md

In a guide, a block of `python` runs, after those before it and in the same namespace. One
with a title, `python title="train.py"`, is written to a file. A block of `text` below a
block is what it prints; `...` stands for anything, as in doctests. A block of `sh` runs if
there is such a block below it. `--write` fills these in where they differ.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = ROOT / "examples" / "guide"
_BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<text>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_CHECKER = doctest.OutputChecker()


@dataclass
class Block:
    """A block of code and what is said of it.

    Attributes:
      language: `python` or `sh`.
      title: The file that it is.
      code: It.
      expected: What it prints; None if nothing is said.
      line: Where it begins.
    """

    language: str
    title: str | None
    code: str
    expected: str | None
    line: int

    @property
    def runs(self) -> bool:
        """Whether it is run: files and commands without an output are not."""
        if self.language == "sh":
            return self.expected is not None
        return self.language == "python" and self.title is None


def read_blocks(text: str) -> list[Block]:
    """Returns the blocks of a guide in order."""
    return [
        Block(
            found["language"],
            found["title"],
            found["code"],
            found["text"],
            text.count("\n", 0, found.start()) + 1,
        )
        for found in _BLOCK.finditer(text)
        if found["language"] in ("python", "sh")
    ]


def agrees(printed: str, block: Block) -> bool:
    """Whether a block printed what its guide says."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return _CHECKER.check_output(block.expected or "", printed, flags)


def run_blocks(path: Path) -> list[str]:
    """Runs a guide in a process and a folder of its own; returns what each block printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "tests.docs.guides",
            "--run",
            str(path),
            folder,
        ]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{path.name} fails:\n{done.stderr}")
    printed: list[str] = json.loads(done.stdout)
    return printed


def _run_here(path: Path) -> list[str]:
    namespace = {"__name__": "__main__"}
    printed = []
    for block in read_blocks(path.read_text()):
        output = io.StringIO()
        if block.title is not None:
            Path(block.title).write_text(block.code)
        elif block.runs and block.language == "sh":
            done = subprocess.run(
                ["bash", "-c", block.code], capture_output=True, text=True, check=False
            )
            output.write(done.stdout + done.stderr)
        elif block.runs:
            # Lines of the guide, for errors and for what names the user's line.
            code = "\n" * block.line + block.code
            with contextlib.redirect_stdout(output):
                exec(compile(code, path.name, "exec"), namespace)
        printed.append(output.getvalue())
    return printed


def write_outputs(path: Path) -> None:
    """Fills in what the blocks of a guide print where it is said otherwise.

    What is filled in moves the lines below it, which errors name: so again until it stays.
    """
    for _ in range(3):
        text = path.read_text()
        _write_once(path, text)
        if path.read_text() == text:
            return
    raise RuntimeError(
        f"{path.name} prints something else each time; write `...` there"
    )


def _write_once(path: Path, text: str) -> None:
    printed = iter(run_blocks(path))

    def fill(found: re.Match[str]) -> str:
        if found["language"] not in ("python", "sh"):
            return found[0]
        output = next(printed)
        (block,) = read_blocks(found[0])
        if not block.runs or agrees(output, block):
            return found[0]
        code = found[0].partition("\n\n```text\n")[0].rstrip("\n") + "\n"
        return code + (f"\n```text\n{output.rstrip()}\n```\n" if output else "")

    path.write_text(_BLOCK.sub(fill, text))


def _main(arguments: list[str]) -> None:
    if arguments[0] == "--run":
        path = Path(arguments[1]).resolve()
        # For the commands of the guide, and those who import from here.
        scripts = str(Path(sys.executable).parent)
        os.environ["PATH"] = scripts + os.pathsep + os.environ["PATH"]
        os.environ["PYTHONPATH"] = str(ROOT)
        os.environ["COLUMNS"] = "80"
        sys.path[:0] = [str(ROOT)]
        os.chdir(arguments[2])
        print(json.dumps(_run_here(path)))
    elif arguments[0] == "--write":
        for name in arguments[1:]:
            write_outputs(Path(name))


if __name__ == "__main__":
    _main(sys.argv[1:])
