"""What stands under which name, and what is said of names that are not there."""

import subprocess
import sys
from pathlib import Path

import pytest

import graphopt as tf
from graphopt.aliases.internals import SOURCES, _look_up, load

PACKAGE = Path(tf.__file__).parent


def run_python(program: str, *arguments: str) -> str:
    """Runs a program in a process of its own and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_folders_of_the_package_are_public_or_hidden():
    names = {p.stem for p in PACKAGE.iterdir() if not p.name.startswith("_")}
    names -= {"py"}
    unknown = names - tf._INTERNAL - set(dir(tf))
    assert not unknown, (
        f"list {unknown} in _MODULES or _INTERNAL of graphopt/__init__.py"
    )


@pytest.mark.parametrize("name", ["ops", "graph", "schedule", "runtime", "aliases"])
def test_internals_are_no_attributes(name):
    __import__(f"graphopt.{name}")
    assert name not in dir(tf)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(tf, name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Session", "TensorFlow 1: tf.compat.v1.Session"),
        ("placeholder", "import graphopt.v1 as tf"),
        ("contrib", "TensorFlow 1.15"),
        ("tpu", "out of scope"),
        ("reduce_summ", "Did you mean 'reduce_sum'"),
    ],
)
def test_missing_names_say_what_they_are(name, said):
    with pytest.raises(AttributeError, match=said):
        getattr(tf, name)
    assert not hasattr(tf, name)


def test_names_of_modules_are_listed():
    for module in (tf, tf.compat.v1):
        assert set(module.__all__) == set(dir(module))
        for name in module.__all__:
            getattr(module, name)


def test_compat_v1_leaves_the_mode_alone():
    program = (
        "import graphopt as tf; import graphopt.compat.v1 as tf1\n"
        "print(tf1.executing_eagerly(), tf1.__version__[0]); tf1.disable_v2_behavior()\n"
        "print(tf1.executing_eagerly(), tf1.placeholder(tf.float32, [2]).shape[0].value)\n"
        "tf1.enable_v2_behavior(); print(tf.executing_eagerly(), tf.ones([3]).shape[0])"
    )
    assert run_python(program) == "True 2\nFalse 2\nTrue 3\n"


def test_version_1_makes_graphs():
    program = (
        "import graphopt.v1 as tf; print(tf.executing_eagerly(), tf.__version__)\n"
        "from graphopt.v1.python.framework import ops\n"
        "from graphopt.v1.python.ops import math_ops\n"
        "x = ops.convert_to_tensor([1.0]); print(math_ops.cast(x, tf.int32).dtype.name)\n"
        "print(x.get_shape()[0].value, x.get_shape().as_list())\n"
        "import graphopt; print(graphopt.__version__ != tf.__version__)"
    )
    assert run_python(program) == "False 1.15.5\nint32\n1 [1]\nTrue\n"


def test_importing_the_package_loads_no_family():
    program = (
        "import sys, graphopt\n"
        "print([m for m in sys.modules if m.startswith(('graphopt.compat.v1',\n"
        "    'graphopt.v1', 'graphopt.aliases', 'graphopt.viz'))])"
    )
    assert run_python(program) == "[]\n"


def test_internal_modules_have_sources():
    for path, sources in SOURCES.items():
        for source in sources:
            assert _look_up(source) is not None, f"{path} looks in {source!r}"


def test_internal_modules_list_and_find_names():
    ops = load("tensorflow.python", "framework.ops")
    try:
        assert ops.name_scope is tf.compat.v1.name_scope
        assert "convert_to_tensor" in dir(ops)
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = ops.nothing
    finally:
        for name in [n for n in sys.modules if n.startswith("tensorflow.python")]:
            del sys.modules[name]
