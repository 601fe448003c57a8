"""Programs in the manner of tutorials end with TensorFlow's values.

Each script says `import tensorflow as tf` and nothing of graphopt; `recorded.json` has what
it prints on TensorFlow 2.21 (`record.py`). Those in `scripts_v2` are of version 2, and are in
`recorded_v2.json` (`record_v2.py`).
"""

import json
import re
from pathlib import Path

import pytest

import graphopt as tf
from graphopt.cli import main
from graphopt.runtime.names import local

FOLDER = Path(__file__).parent
RECORDED = {
    f"{folder}/{name}": lines
    for folder, file in (
        ("scripts", "recorded.json"),
        ("scripts_v2", "recorded_v2.json"),
    )
    for name, lines in json.loads((FOLDER / file).read_text()).items()
}
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
# Of a printed number: float32 sums in another order, over up to 120 steps of training.
RELATIVE, ABSOLUTE = 2e-3, 3e-4


@pytest.fixture(autouse=True)
def leave_the_process_as_it_was():
    """Programs are run in this process: its modes and its default graph are theirs."""
    yield
    # An InteractiveSession stays the default one.
    local.sessions.clear()
    tf.compat.v1.enable_v2_behavior()
    tf.compat.v1.reset_default_graph()
    tf.config.strict_sessions(False)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_programs_print_what_they_print_on_tensorflow(name, capsys, recwarn):
    script = FOLDER / f"{name}.py"
    assert main(["run", str(script)]) == 0
    got = capsys.readouterr().out.splitlines()
    wanted = RECORDED[name]
    assert len(got) == len(wanted), got
    for mine, theirs in zip(got, wanted, strict=True):
        # The same words, and numbers that are close.
        assert _NUMBER.sub("#", mine) == _NUMBER.sub("#", theirs)
        numbers = [[float(n) for n in _NUMBER.findall(t)] for t in (mine, theirs)]
        assert numbers[0] == pytest.approx(numbers[1], rel=RELATIVE, abs=ABSOLUTE), mine


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_programs_need_nothing_that_is_missing(name, capsys):
    script = FOLDER / f"{name}.py"
    assert main(["check", "--port", str(script)]) == 0, capsys.readouterr().out
