"""The verbs besides `show`: what they print, their files, their exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import graphopt
from graphopt.cli import main
from graphopt.commands.completion import SHELLS
from graphopt.commands.doctor import cgroup_cpus
from graphopt.commands.verbs import SUMMARIES, load_verb, make_parser
from graphopt.config import config
from tests.viz.conftest import SCRIPT

ROOT = str(Path(graphopt.__file__).parents[1])
TRAIN = str(SCRIPT)


def write(folder: Path, text: str, name: str = "program.py") -> str:
    """Writes a script."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


# ---- all verbs


@pytest.mark.parametrize("verb", SUMMARIES)
def test_every_verb_explains_itself(verb, capsys):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert SUMMARIES[verb][1:] in " ".join(out.split())


def test_the_list_of_verbs_is_that_of_the_files():
    parser, verbs = make_parser(SUMMARIES)
    assert list(verbs) == list(SUMMARIES)
    for verb in SUMMARIES:
        assert callable(load_verb(verb).run)
    assert parser.prog == "graphopt"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"graphopt {graphopt.__version__}\n"


def test_help_is_quick():
    code = (
        "import contextlib, io, sys, time, graphopt\n"
        "start = time.perf_counter()\n"
        "from graphopt.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['--help'])\n"
        "print(time.perf_counter() - start)\n"
    )
    taken = [
        float(subprocess.check_output([sys.executable, "-c", code], text=True))
        for _ in range(3)
    ]
    # A tenth of a second is the goal, 0.01 to 0.02 was measured; others may be busy.
    assert min(taken) < 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", TRAIN],
        ["diff", TRAIN, TRAIN, "--pass", "all"],
        ["diff", TRAIN, "--pass", "nothing"],
        ["profile", TRAIN, "--steps", "0"],
        ["profile", TRAIN, "-o", "profile.txt2"],
        ["kernels", TRAIN, "--source", "nothing"],
        ["check", TRAIN, "--steps", "x"],
        ["cache"],
        ["cache", "burn"],
        ["completion", "tcsh"],
        ["export", TRAIN, "-o", "graph.tiff"],
    ],
)
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err and not captured.out


@pytest.mark.parametrize("verb", ["profile", "kernels", "check", "diff"])
def test_targets_that_are_not_there(verb, capsys):
    other = ["no_such_file.py"] if verb == "diff" else []
    assert main([verb, "no_such_file.py", *other]) == 3
    assert "no file" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["profile", "kernels"])
def test_a_graph_without_anything_to_run(verb, tmp_path, capsys):
    program = write(
        tmp_path,
        "import graphopt as tf\nwith tf.Graph().as_default(): tf.exp(tf.ones([2]))\n",
    )
    assert main([verb, program]) == 3
    assert "--fetch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--llvm", ("define", "ret void")), ("--asm", (".globl", "ret"))],
)
def test_code_of_a_kernel(flag, words, capsys):
    assert main(["kernels", TRAIN, "--source", "prediction", flag, "-q"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in words) and "def kernel" not in out
    assert main(["kernels", TRAIN, "--source", "prediction", flag, "--json"]) == 0
    (kernel,) = json.loads(capsys.readouterr().out)
    assert words[0] in kernel[flag[2:]]


# ---- export, and files as targets


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("graph.dot", "digraph"),
        ("graph.gv", "digraph"),
        ("graph.graphml", "<?xml"),
        ("graph.json", "{"),
        ("graph.mmd", "flowchart"),
        ("graph.mermaid", "flowchart"),
        ("graph.pbtxt", "node {"),
        ("graph.svg", "<svg"),
    ],
)
def test_formats_by_suffix(name, begins, tmp_path, capsys):
    out = tmp_path / name
    assert main(["export", TRAIN, "-o", str(out), "-q"]) == 0
    assert out.read_text(encoding="utf-8").startswith(begins)
    assert "wrote" not in capsys.readouterr().err


def test_formats_by_name(capsys):
    assert main(["export", TRAIN, "-o", "-", "-f", "mermaid"]) == 0
    assert capsys.readouterr().out.startswith("flowchart")


def test_mermaid_of_too_much(tmp_path, capsys):
    program = write(
        tmp_path,
        "import graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    for i in range(600):\n"
        "        tf.exp(tf.compat.v1.placeholder(tf.float32, [1], name=f'x{i}'))\n",
    )
    out = str(tmp_path / "graph.mmd")
    assert main(["export", program, "-o", out, "--depth", "9"]) == 2
    assert "500 edges" in capsys.readouterr().err
    assert not Path(out).exists()


@pytest.mark.parametrize("suffix", [".json", ".pbtxt"])
def test_files_are_targets(suffix, tmp_path, capsys):
    out = str(tmp_path / f"graph{suffix}")
    assert main(["export", TRAIN, "-o", out]) == 0
    capsys.readouterr()
    assert main(["show", TRAIN, "-q"]) == 0
    direct = capsys.readouterr().out.splitlines()[1:]
    assert main(["show", out, "-q"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == direct
    assert main(["show", out, "-q", "--fetch", "loss/mean"]) == 0
    assert "needed for loss/mean" in capsys.readouterr().out
    assert main(["diff", TRAIN, out]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_files_that_hold_no_graph(tmp_path, capsys):
    assert main(["show", write(tmp_path, "{}", "graph.json")]) == 3
    assert "another format" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "missing.json")]) == 3
    assert "no file" in capsys.readouterr().err


# ---- diff


def test_diff_of_two_graphs(capsys):
    assert main(["diff", f"{TRAIN}:loss", f"{TRAIN}:train_op", "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert values["differs"] and not values["removed"]
    assert "SGD/SGD/update_w/sub" in values["added"]


def test_diff_of_a_pass(capsys):
    assert main(["diff", TRAIN, "--pass", "fuse_elementwise"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("--- before fuse_elementwise\n+++ after fuse_elementwise\n")
    assert "+fused_0 = FusedElementwise(" in out
    assert main(["diff", TRAIN, "--pass", "fold_transposes"]) == 0
    assert capsys.readouterr().out == "no difference\n"
    assert main(["diff", TRAIN, "--pass", "all", "--color", "always", "-q"]) == 1
    assert "\x1b[32m+fused_0" in capsys.readouterr().out


# ---- kernels


def test_kernels_are_listed(capsys):
    assert main(["kernels", TRAIN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kernel", "family", "first", "step", "steps", "lines"]
    assert any("gemm" in line and "forward/MatMul" in line for line in lines)


@pytest.mark.parametrize("name", ["fused_0", "loss/sub", "sub", "all"])
def test_source_of_a_kernel(name, capsys):
    assert main(["kernels", TRAIN, "--source", name]) == 0
    assert "def kernel(args, lo, hi):" in capsys.readouterr().out


def test_kernels_as_json(capsys):
    assert main(["kernels", TRAIN, "--json"]) == 0
    kernels = json.loads(capsys.readouterr().out)
    assert {kernel["family"] for kernel in kernels} >= {"gemm", "elementwise"}
    beginning = kernels[0]["name"][:12]
    assert main(["kernels", TRAIN, "--json", "--source", beginning]) == 0
    assert json.loads(capsys.readouterr().out) == kernels[:1]


# ---- profile


def training(tmp_path: Path) -> str:
    """A script that trains with feeds, and says how far it came."""
    return write(
        tmp_path,
        "import numpy as np, graphopt as tf\n"
        "with tf.Graph().as_default(), tf.compat.v1.Session() as session:\n"
        "    x = tf.compat.v1.placeholder(tf.float32, [None, 3], name='x')\n"
        "    w = tf.Variable(np.ones((3, 1), np.float32), name='w')\n"
        "    loss = tf.reduce_mean(tf.square(tf.matmul(x, w)), name='loss')\n"
        "    step = tf.keras.optimizers.SGD(0.1).minimize(loss, [w])\n"
        "    session.run(tf.compat.v1.global_variables_initializer())\n"
        "    session.run(loss, {x: np.ones((7, 3))})\n"
        "    for i in range(3):\n"
        "        session.run([step, loss], {x: np.ones((5, 3))})\n"
        "        print('step', i)\n",
    )


def test_profile_of_a_script(tmp_path, capsys):
    program = training(tmp_path)
    trace, times = str(tmp_path / "trace.json"), str(tmp_path / "times.json")
    arguments = ["profile", program, "--steps", "3", "--trace", trace]
    assert main([*arguments, "--times", times]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("profile of loss:0, SGD/SGD/AssignAddVariableOp: ")
    assert "gemm" in captured.out and "median of 3" in captured.out
    # It is measured in the first training step, and the script ends there.
    assert "step 0" not in captured.err
    events = json.loads(Path(trace).read_text())["traceEvents"]
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert "MatMul" in names
    assert json.loads(Path(times).read_text())["steps"].keys() == names
    assert main([*arguments, "--times", times]) == 2
    assert "--force" in capsys.readouterr().err


def test_profile_of_a_fetch(tmp_path, capsys):
    arguments = ["--fetch", "loss:0", "--steps", "2", "--json"]
    assert main(["profile", training(tmp_path), *arguments]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["fetches"] == ["loss:0"]
    (product,) = [step for step in values["steps"] if step["kernel"] == "gemm"]
    assert product["flops"] == 2 * 7 * 3


def test_profile_without_running(tmp_path, capsys):
    assert main(["profile", f"{TRAIN}:loss", "--steps", "2"]) == 0
    assert "fed zeros" in capsys.readouterr().err
    for suffix, begins in ((".html", "<!doctype"), (".json", "{"), (".txt", "profile")):
        out = tmp_path / f"profile{suffix}"
        arguments = ["profile", TRAIN, "--steps", "2", "-q", "-o", str(out)]
        assert main(arguments) == 0
        assert out.read_text().startswith(begins)
    assert capsys.readouterr().out == ""


def test_profile_of_an_eager_program(tmp_path, capsys):
    program = write(
        tmp_path,
        "import graphopt as tf\n"
        "v = tf.Variable([1.0, 2.0])\n"
        "opt = tf.keras.optimizers.SGD(0.1)\n"
        "opt.minimize(lambda: tf.reduce_sum(v * v), [v])\n"
        "print('done')\n",
    )
    assert main(["profile", program, "--steps", "2"]) == 0
    captured = capsys.readouterr()
    assert "elementwise" in captured.out and "done" not in captured.err


# ---- check


def check(tmp_path: Path, body: str, capsys, *options: str) -> tuple[int, list[dict]]:
    """Checks a script; returns the exit code and the findings."""
    head = (
        "import numpy as np, graphopt as tf\n"
        "v1 = tf.compat.v1\n"
        "graph = tf.Graph()\n"
        "with graph.as_default():\n"
    )
    program = write(tmp_path, head + textwrap.indent(body, "    "))
    code = main(["check", program, "--json", *options])
    return code, json.loads(capsys.readouterr().out)["findings"]


TRAINING = (
    "w = tf.Variable([1.0, 2.0], name='w')\n"
    "x = v1.placeholder(tf.float32, [2], name='x')\n"
    "loss = tf.reduce_sum(w * w * x, name='loss')\n"
)
STEP = "step = tf.keras.optimizers.SGD(0.1).minimize(loss, {})\n"
RUN = (
    "with v1.Session() as session:\n"
    "    session.run(v1.global_variables_initializer())\n"
    "    for i in range(8):\n"
    "        session.run([step, loss], {x: np.ones(2, np.float32)})\n"
)


def warnings_of(findings: list[dict]) -> list[str]:
    return [f["check"] for f in findings if f["severity"] != "note"]


def test_nothing_is_found_in_a_good_program(tmp_path, capsys):
    code, found = check(tmp_path, TRAINING + STEP.format("[w]") + RUN, capsys)
    assert (code, warnings_of(found)) == (0, [])


def test_unused_variable(tmp_path, capsys):
    body = TRAINING + "tf.Variable(1.0, name='idle')\n" + STEP.format("[w]") + RUN
    code, found = check(tmp_path, body, capsys)
    assert (code, warnings_of(found)) == (1, ["unused-variable"])
    assert "'idle'" in found[0]["message"]
    assert found[0]["site"].endswith("program.py:8")


# The optimizer says so too, when it is asked to minimize.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("tf.stop_gradient(u)", "StopGradient"),
        ("tf.cast(tf.argmax(u), tf.float32)", "Cast"),
        ("1.0", "does not depend on it"),
    ],
)
def test_variable_without_gradient(use, words, tmp_path, capsys):
    body = TRAINING + "u = tf.Variable([1.0, 2.0], name='u')\n"
    body += f"loss = loss + tf.reduce_sum({use})\n" + STEP.format("[w, u]") + RUN
    body += "    session.run(u)\n"
    code, found = check(tmp_path, body, capsys)
    assert (code, warnings_of(found)) == (1, ["no-gradient"])
    assert "'u'" in found[0]["message"] and words in found[0]["message"]


def test_update_that_is_never_run(tmp_path, capsys):
    body = TRAINING + "count = tf.Variable(0.0, name='count', trainable=False)\n"
    body += "tick = count.assign_add(1.0)\n" + STEP.format("[w]") + RUN
    code, found = check(tmp_path, body + "    session.run(count)\n", capsys)
    assert (code, warnings_of(found)) == (1, ["dead-op"])
    assert found[0]["site"].endswith("program.py:9")
    # What is cut short may still have run it.
    code, found = check(tmp_path, body, capsys, "--no-run")
    assert (code, warnings_of(found)) == (0, [])


def test_writes_without_an_order(tmp_path, capsys):
    body = TRAINING + "a, b = w.assign(x), w.assign_add(x)\nstep = tf.group(a, b)\n"
    program = body + RUN
    for options in ((), ("--fetch", "group_deps")):
        code, found = check(tmp_path, program, capsys, *options)
        assert (code, warnings_of(found)) == (1, ["race"])
        assert "twice in one step" in found[0]["message"]
    ordered = body.replace(
        "a, b = w.assign(x), w.assign_add(x)\n",
        "a = w.assign(x)\nwith tf.control_dependencies([a]): b = w.assign_add(x)\n",
    )
    code, found = check(tmp_path, ordered + RUN, capsys, "--fetch", "group_deps")
    assert (code, warnings_of(found)) == (0, [])


def test_graph_that_grows(tmp_path, capsys):
    body = TRAINING + STEP.format("[w]")
    body += RUN + "        session.run(tf.reduce_sum(w * 2.0))\n"
    code, found = check(tmp_path, body, capsys)
    assert code == 1
    assert "graph-growth" in warnings_of(found)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("np.array([1e300, 1.0])", "infinite"),
        ("np.array([1e-300, 1.0])", "zero"),
        ("np.array([2**24 + 1, 0])", "rounds 1 of 2 integers"),
    ],
)
def test_feeds_that_lose_digits(value, words, tmp_path, capsys):
    body = TRAINING + STEP.format("[w]")
    body += RUN.replace("range(8)", "range(1)").replace("np.ones(2, np.float32)", value)
    code, found = check(tmp_path, body, capsys)
    more = ["not-finite"] if words == "infinite" else []
    assert (code, warnings_of(found)) == (1, [*more, "lossy-feed"])
    assert words in found[0]["message"]


def test_hunt_for_nan(tmp_path, capsys):
    body = TRAINING.replace("w * w * x", "tf.math.log(w - 1.5) * x")
    body += STEP.format("[w]") + RUN + "raise SystemExit(7)\n"
    code, found = check(tmp_path, body, capsys, "--steps", "3")
    assert (code, warnings_of(found)) == (1, ["not-finite"])
    assert found[0]["op"] == "Log"
    assert found[0]["site"].endswith("program.py:7")
    good = TRAINING + STEP.format("[w]") + RUN + "raise SystemExit(7)\n"
    assert check(tmp_path, good, capsys, "--steps", "3") == (0, [])


def test_findings_as_text(tmp_path, capsys):
    program = write(
        tmp_path,
        "import graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    v, u = tf.Variable(1.0, name='v'), tf.Variable(1.0, name='u')\n"
        "    tf.keras.optimizers.SGD(0.1).minimize(v * v, [v])\n",
    )
    assert main(["check", program]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{program}:3: warning[unused-variable]: variable 'u'")
    assert main(["check", program, "--color", "always", "-v"]) == 1
    assert "\x1b[33mwarning[unused-variable]\x1b[0m" in capsys.readouterr().out


def test_errors_of_the_script_are_its_own(tmp_path, capsys):
    assert main(["check", write(tmp_path, "raise KeyError('mine')\n")]) == 4
    assert "mine" in capsys.readouterr().err


# ---- doctor, cache, completion


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["graphopt"] == graphopt.__version__
    assert found["packages"]["numba"] and found["cpus"]["usable"]
    assert found["cpu"]["model"]
    assert found["cpu"]["vector_bits"] in (128, 256, 512)
    # The tests run without the cache.
    assert any("cache" in problem for problem in found["problems"])
    assert main(["doctor"]) == 0
    assert "problem: the kernel cache is not used" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, None),
    ],
)
def test_limits_of_containers(files, cpus, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup_cpus(tmp_path) == cpus


def test_cache_is_filled_looked_at_and_emptied(tmp_path, capsys):
    folder = tmp_path / "cache"
    with config(cache=True, cache_dir=str(folder)):
        assert main(["cache", "warm", TRAIN, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kernels"] > 3
        # The kernels of other tests are in this process already, and not on disk.
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / ("0" * 64 + ".o")).write_bytes(b"x" * 10)
        (folder / "mine.txt").write_text("kept")
        entries = len(list(folder.glob("*.o")))
        assert main(["cache", "info", "--json"]) == 0
        state = json.loads(capsys.readouterr().out)
        assert (state["entries"], state["folder"]) == (entries, str(folder))
        assert main(["cache", "clear"]) == 0
        assert f"removed {entries} file" in capsys.readouterr().out
        assert [path.name for path in folder.iterdir()] == ["mine.txt"]
        folder.chmod(0o777)
        assert main(["cache", "clear"]) == 2
        assert "written by other users" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*SUMMARIES, "trace", "warm"):
        assert word in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = write(tmp_path, script, "script")
    subprocess.run([program, "-n", path], check=True)


def test_completion_in_bash(capsys, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    assert main(["completion", "bash"]) == 0
    path = write(tmp_path, capsys.readouterr().out, "script")
    ask = (
        f"source {path}; compopt() {{{{ :; }}}}; "
        'COMP_WORDS=({}); COMP_CWORD={}; _graphopt; echo "${{COMPREPLY[@]}}"'
    )

    def completed(words: str, at: int) -> set[str]:
        done = subprocess.check_output([bash, "-c", ask.format(words, at)], text=True)
        return set(done.split())

    assert completed("graphopt pro", 1) >= {"profile"}
    assert completed("graphopt profile --tr", 2) == {"--trace"}
    assert completed("graphopt cache w", 2) >= {"warm"}
    assert completed("graphopt show a.py --color a", 4) >= {"always", "auto"}


# ---- streams


def test_streams_of_a_process(tmp_path):
    """Data to stdout, the script's own output to stderr; a full disk is reported."""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-m", "graphopt", "profile", training(tmp_path)]
    done = subprocess.run(
        [*command, "--steps", "2", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == 2
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        done = subprocess.run(
            [sys.executable, "-m", "graphopt", "completion", "bash"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr == "graphopt: cannot write the output: No space left on device\n"


# ---- doctor


def test_doctor_says_how_far_a_step_is_from_the_limits(tmp_path, capsys):
    program = training(tmp_path)
    assert main(["doctor", program, "--steps", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["limits"]["float32"] > found["limits"]["float64"] > 1e8
    step = found["step"]
    assert 0 < step["at_limits"] <= step["kernels"] * 1.0001
    for each in step["furthest"]:
        assert each["at_limit"] < each["seconds"] and each["bound"]
    assert main(["doctor", program, "--steps", "3"]) == 0
    out = capsys.readouterr().out
    assert "at the limits of a core" in out and "one core" in out


# ---- what is misspelt


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shwo", TRAIN], "did you mean 'show'?"),
        (["show", TRAIN, "--depht", "2"], "did you mean '--depth'?"),
        (["show", TRAIN, "--fetch", "forward/predction"], "'forward/prediction'?"),
        (["frobnicate"], "there is no verb 'frobnicate'; --help lists them"),
    ],
)
def test_misspelt_words_are_told_what_is_like_them(arguments, words, capsys):
    assert main(arguments) in (2, 3)
    assert words in capsys.readouterr().err


def test_bare_and_h_print_help_with_examples(capsys):
    texts = []
    for arguments in ([], ["-h"], ["--help"]):
        assert main(arguments) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    for words in ("examples:", "exit codes:", "environment:", *SUMMARIES):
        assert words in texts[0]
    # All settings that the process takes from outside are listed.
    settings = re.findall(r"`(GRAPHOPT_\w+)`", graphopt.config.__doc__ or "")
    assert len(settings) > 5 and all(name in texts[0] for name in settings)


@pytest.mark.parametrize("verb", ["", *SUMMARIES])
def test_help_fits_eighty_columns(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([verb, "--help"] if verb else []) == 0
    assert [
        line for line in capsys.readouterr().out.splitlines() if len(line) > 80
    ] == []
