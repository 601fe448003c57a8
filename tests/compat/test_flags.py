"""`tf.flags`, with absl-py's and without, and `tf.app`."""

import subprocess
import sys

import pytest

from graphopt.compat.v1 import own_flags

PROGRAM = """
import sys
if {hide}:
    sys.modules["absl"] = None
    import importlib.util
    find = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *a: None if name == "absl" else find(name, *a)
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_string("name", "x", "a name")
flags.DEFINE_integer("count", 3, "how many", lower_bound=0)
flags.DEFINE_float("rate", 1, "a rate")
flags.DEFINE_boolean("fast", True, None)
flags.DEFINE_bool("loud", False, "")
flags.DEFINE_enum("mode", "a", ["a", "b"], "which")
flags.DEFINE_list("names", "p,q", "")
flags.DEFINE_multi_integer("sizes", [1], "")
FLAGS = tf.flags.FLAGS


def main(rest):
    f = FLAGS
    print(f.name, f.count, f.rate, f.fast, f.loud, f.mode, f.names, f.sizes, rest[1:])
    f.count = 9
    print(FLAGS.count, sorted(FLAGS.flag_values_dict())[:2] != [], "name" in FLAGS)
    return 4


if __name__ == "__main__":
    tf.app.run()
"""


@pytest.fixture(params=[False, True], ids=["absl", "own"])
def run(request, tmp_path):
    if not request.param:
        pytest.importorskip("absl")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(hide=request.param))

    def call(*arguments):
        command = [sys.executable, "-m", "graphopt", "run", "--tf", "1", str(path)]
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def test_defaults_and_values(run):
    first = "x 3 1.0 True False a ['p', 'q'] [1] []\n9 True True\n"
    assert run()[:2] == (4, first)
    code, out, _ = run(
        "--name=n",
        "--count",
        "5",
        "-rate=2",
        "--nofast",
        "--loud",
        "--mode=b",
        "--names=",
        "--sizes=2",
        "--sizes=3",
        "rest",
        "--",
        "--more",
    )
    assert code == 4
    assert out.startswith("n 5 2.0 False True b [] [2, 3] ['rest', '--', '--more']\n")


@pytest.mark.parametrize(
    ("argument", "said"),
    [("--count=x", "count"), ("--count=-1", "count"), ("--mode=c", "mode")],
)
def test_mistakes(run, argument, said):
    code, _, error = run(argument)
    assert code == 1 and "FATAL Flags parsing error" in error and said in error


def test_unknown_flags_are_left_over(run):
    assert "['--what=1']" in run("--what=1")[1]


def test_help(run):
    code, out, error = run("--help")
    assert code == 1 and "--[no]fast" in out + error and "how many" in out + error


def test_own_validators_and_errors():
    values = own_flags.FlagValues()
    own_flags.DEFINE_integer("n", None, "", flag_values=values)
    own_flags.mark_flag_as_required("n", values)
    with pytest.raises(own_flags.UnparsedFlagAccessError):
        _ = values.n
    with pytest.raises(own_flags.IllegalFlagValueError, match="other than None"):
        values(["program"])
    assert values(["program", "--n=0x10"]) == ["program"] and values.n == 16
    with pytest.raises(own_flags.UnrecognizedFlagError, match="'m'"):
        values(["program", "--m=1"])
    with pytest.raises(own_flags.DuplicateFlagError):
        own_flags.DEFINE_integer("n", 1, "", flag_values=values)
    with pytest.raises(AttributeError):
        values.other = 1
    with pytest.raises(own_flags.Error, match="Missing value"):
        values(["program", "--n"])
