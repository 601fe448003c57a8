"""The command line: targets, options, streams, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import graphopt
from graphopt.cli import main
from graphopt.graph.hooks import hooks
from graphopt.viz.loading import split_target
from graphopt.viz.target import TargetNotFoundError

ROOT = str(Path(graphopt.__file__).parents[1])


def run(*arguments: object, **keywords: object) -> subprocess.CompletedProcess[str]:
    """Runs `python -m graphopt` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    environment.update(keywords.pop("env", {}))
    return subprocess.run(
        [sys.executable, "-m", "graphopt", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        **keywords,
    )


def write(folder: Path, text: str, name: str = "program.py") -> Path:
    """Writes a script."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_show_prints_data_only(script):
    done = run("show", script, "--", "one", "--two")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{script}  ")
    assert "needed for" in done.stdout.splitlines()[0]
    assert "built with ['one', '--two']" not in done.stdout
    assert "built with ['one', '--two']" in done.stderr
    assert "passes\n" in done.stdout and "arena" in done.stdout


def test_what_subprocesses_print_is_no_data(tmp_path):
    program = write(
        tmp_path,
        "import os, graphopt as tf\n"
        "os.system('echo from a child')\n"
        "with tf.Graph().as_default(): tf.exp(tf.ones([2]))\n",
    )
    done = run("show", program, "--json")
    json.loads(done.stdout)
    assert "from a child" in done.stderr


def test_help_loads_nothing_large():
    code = (
        "import sys; sys.argv = ['graphopt', '--help']\n"
        "from graphopt.cli import main\n"
        "code = main()\n"
        "bad = {'numba', 'llvmlite', 'networkx', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {bad}' if bad else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "show" in done.stdout and "export" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["draw", "x.py"],
        ["show"],
        ["show", "x.py", "--depth", "-1"],
        ["show", "x.py", "--colour"],
        ["export", "x.py"],
        ["export", "x.py", "-o", "x.txt"],
        ["export", "x.py", "-o", "x.svg", "-f", "pdf"],
    ],
)
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_file.py", "there is no file"),
        ("no_such_file.py:graph", "there is no file"),
        ("no_such_module:graph", "there is no module"),
        ("nonsense", "no target"),
        ("train_script.py:nothing", "no attribute 'nothing'"),
        ("train_script.py:graph.nothing", "no attribute 'nothing'"),
        ("train_script.py:np", "of type module"),
    ],
)
def test_target_not_found(target, words, capsys, monkeypatch, script):
    monkeypatch.chdir(script.parent)
    assert main(["show", target]) == 3
    assert words in capsys.readouterr().err


def test_fetch_not_found(script, capsys):
    assert main(["show", str(script), "--fetch", "nothing"]) == 3
    assert "nothing" in capsys.readouterr().err


def test_no_graph(tmp_path, capsys):
    assert main(["show", str(write(tmp_path, "x = 1\n"))]) == 3
    assert "built no graph" in capsys.readouterr().err


@pytest.mark.parametrize(
    "attribute", ["graph", "train_op", "loss", "w", "make_graph", "loss.op"]
)
def test_attributes(attribute, script, capsys):
    assert main(["show", f"{script}:{attribute}", "-q"]) == 0
    whole = attribute in ("graph", "make_graph")
    assert ("passes\n" not in capsys.readouterr().out) == whole


def test_module_attribute(script, capsys, monkeypatch):
    monkeypatch.chdir(script.parent)
    assert main(["show", "train_script:graph"]) == 0
    assert "forward" in capsys.readouterr().out
    assert "train_script" in sys.modules
    monkeypatch.delitem(sys.modules, "train_script")


def test_fetch(script, capsys):
    assert main(["show", str(script), "--fetch", "loss/mean:0"]) == 0
    out = capsys.readouterr().out
    assert "needed for loss/mean" in out
    assert "gradients" not in out


def test_last_graph_without_train_op(tmp_path, capsys):
    program = write(
        tmp_path,
        "import graphopt as tf\n"
        "for name in ('first', 'second'):\n"
        "    with tf.Graph().as_default(): tf.exp(tf.ones([2]), name=name)\n"
        "empty = tf.Graph()\n",
    )
    assert main(["show", str(program)]) == 0
    out = capsys.readouterr().out
    assert "second" in out and "first" not in out


def test_no_run_stops_at_the_first_run(script, tmp_path):
    done = run("show", script, "--no-run", "--", "--train")
    assert done.returncode == 0
    assert "built with" in done.stderr and "trained" not in done.stderr
    assert "passes\n" in done.stdout
    done = run("show", script, "--", "--train")
    assert "trained" in done.stderr
    loop = write(
        tmp_path,
        "import graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    v = tf.Variable(1.0)\n"
        "    step = v.assign_add(1.0, read_value=False)\n"
        "    while True:\n"
        "        try: step.run()\n"
        "        except Exception: pass\n",
    )
    assert main(["show", str(loop), "--no-run", "-q"]) == 0


def test_users_errors_are_shown_without_our_frames(tmp_path):
    program = write(
        tmp_path,
        "import graphopt as tf\n"
        "def build():\n"
        "    tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))\n"
        "with tf.Graph().as_default():\n"
        "    build()\n",
    )
    done = run("show", program)
    assert done.returncode == 4
    # What was built before shows.
    assert "ones_1  Fill" in done.stdout and "2 ops" not in done.stdout
    assert "failed; this is what it had built" in done.stderr
    files = [x for x in done.stderr.splitlines() if x.lstrip().startswith("File ")]
    assert len(files) == 2
    assert all(str(program) in line for line in files)
    assert "viz/script.py" in run("show", program, "-v").stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise ValueError('mine')", 4),
        ("syntax error", 4),
        ("import sys; sys.exit(3)", 4),
        ("import no_such_module_at_all", 4),
        ("import sys; sys.exit(0)", 3),
        ("raise KeyboardInterrupt", 130),
    ],
)
def test_exit_codes_of_scripts(text, code, tmp_path):
    assert run("show", write(tmp_path, text + "\n")).returncode == code


def test_missing_import_of_a_module_is_the_users_error(tmp_path, monkeypatch, capsys):
    write(tmp_path, "import no_such_module_at_all\n", "broken_module_xyz.py")
    monkeypatch.chdir(tmp_path)
    assert main(["show", "broken_module_xyz:graph"]) == 4
    assert "no_such_module_at_all" in capsys.readouterr().err


def test_interrupt(tmp_path):
    program = write(
        tmp_path,
        "import sys, time\nsys.stderr.write('ready\\n')\nsys.stderr.flush()\n"
        "time.sleep(60)\n",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "graphopt", "show", program],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == ""


def test_closed_pipe_is_silent(script):
    done = subprocess.run(
        f"{sys.executable} -m graphopt show {script} -v | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
        timeout=60,
    )
    assert len(done.stdout) == 10
    assert done.stderr.replace("built with []\n", "") == ""


def test_json_loads(script, capsys):
    assert main(["show", str(script), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["format"] == "graphopt.show"
    assert values["plan"]["steps"]


def test_colors(script, capsys, monkeypatch):
    assert main(["show", str(script), "--color", "always"]) == 0
    colored = capsys.readouterr().out
    assert "\x1b[" in colored
    assert main(["show", str(script)]) == 0
    assert "\x1b[" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["show", str(script)]) == 0
    assert "\x1b[" not in capsys.readouterr().out


def test_quiet_and_verbose(script, capsys):
    assert main(["show", str(script), "-q"]) == 0
    assert "%0 =" not in capsys.readouterr().out
    assert main(["show", str(script), "-v", "--shapes"]) == 0
    out = capsys.readouterr().out
    assert "%0 =" in out and "float32[8, 1]" in out


def test_export(script, tmp_path, capsys):
    out = tmp_path / "graph.svg"
    assert main(["export", str(script), "-o", str(out)]) == 0
    assert "wrote" in capsys.readouterr().err
    first = out.read_text(encoding="utf-8")
    ElementTree.fromstring(first)
    assert main(["export", str(script), "-o", str(out), "--depth", "0"]) == 2
    assert out.read_text(encoding="utf-8") == first
    arguments = ["export", str(script), "-o", str(out), "--collapse", "0", "--force"]
    assert main(arguments) == 0
    assert out.read_text(encoding="utf-8") != first
    assert [path.name for path in tmp_path.iterdir()] == ["graph.svg"]


def test_export_to_stdout(script):
    done = run("export", script, "-o", "-")
    ElementTree.fromstring(done.stdout)
    assert done.returncode == 0


def test_export_refuses_before_it_runs(script, tmp_path, capsys):
    out = write(tmp_path, "mine", "graph.svg")
    assert main(["export", str(script), "-o", str(out)]) == 2
    captured = capsys.readouterr()
    assert "--force" in captured.err and "built with" not in captured.err
    assert out.read_text() == "mine"


@pytest.mark.parametrize("place", ["missing/graph.svg", "/dev/full"])
def test_export_that_cannot_be_written(place, script, tmp_path, capsys):
    out = place if place.startswith("/") else str(tmp_path / place)
    arguments = ["export", str(script), "-o", out, "-f", "svg", "--force"]
    assert main(arguments) == 2
    assert "cannot write" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_hooks_are_put_back(script, tmp_path, capsys):
    before = hooks.on_graph, hooks.on_train_op, hooks.run_operation
    path, arguments = sys.path[:], sys.argv[:]
    assert main(["show", str(script), "--no-run"]) == 0
    main(["show", str(write(tmp_path, "raise ValueError\n"))])
    assert (hooks.on_graph, hooks.on_train_op, hooks.run_operation) == before
    assert (sys.path, sys.argv) == (path, arguments)


def test_split_target():
    assert split_target("pkg.mod:a.b") == ("pkg.mod", "a.b")
    assert split_target("/a/b.py") == ("/a/b.py", "")
    for text in ("", ":", "a", "a:", ":b", "a:1b", "a:b c"):
        with pytest.raises(TargetNotFoundError):
            split_target(text)
