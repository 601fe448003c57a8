"""Programs that import tensorflow or keras, run as they are."""

import pytest

import graphopt as tf
from graphopt.aliases import as_tensorflow
from graphopt.aliases.program_version import find_version, version_of
from graphopt.aliases.usage import uses_of, uses_of_program
from graphopt.cli import main
from tests.aliases.test_namespaces import run_python

SESSION = """
import sys
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

x = tf.placeholder(tf.float32, [None, 3], name="x")
with ops.name_scope(None, "inner", [x]):
    w = tf.Variable(tf.zeros([x.get_shape()[1].value, 1]), name="w")
loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 1.0))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for _ in range(3):
        session.run(train, {x: np.ones([4, 3])})
    print("loss %.4f" % session.run(loss, {x: np.ones([4, 3])}), tf.__version__)
print(sys.argv[1:], __name__)
if "--fail" in sys.argv:
    sys.exit(7)
"""

EAGER = """
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras.layers import Dense
import keras as own

model = keras.Sequential([Dense(2, kernel_initializer="ones")])
print(model(tf.ones([1, 3])).numpy().tolist(), own is keras is tf.keras)
print(tf.version.VERSION.split(".")[0], tf.compat.v1.executing_eagerly())
"""


@pytest.fixture
def script(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_run_runs_a_program_of_version_1(script, capsys):
    assert main(["run", script(SESSION), "--lr", "3", "--", "-x"]) == 0
    assert capsys.readouterr().out == (
        "loss 0.0041 1.15.5\n['--lr', '3', '--', '-x'] __main__\n"
    )
    assert tf.executing_eagerly()


def test_run_runs_a_program_of_version_2(script, capsys):
    assert main(["run", script(EAGER)]) == 0
    assert capsys.readouterr().out == "[[3.0, 3.0]] True\n2 True\n"


def test_run_has_the_exit_code_of_the_script(script, capsys):
    assert main(["run", script(SESSION), "--fail"]) == 7
    assert main(["run", script("import sys; sys.exit('no data')")]) == 1
    assert capsys.readouterr().err == "no data\n"
    assert main(["run", "--tf", "2", script("def f():\n    1 / 0\nf()")]) == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error and "graphopt/" not in error


@pytest.mark.parametrize(
    "arguments", [["show"], ["export", "-f", "json", "-o", "-"], ["check"], ["kernels"]]
)
def test_other_verbs_take_such_programs(script, arguments, capsys):
    verb, *options = arguments
    assert main([verb, script(SESSION), *options]) == 0
    assert capsys.readouterr().out
    assert tf.executing_eagerly()


def test_install_in_a_process():
    program = (
        "import graphopt; graphopt.install_as_tensorflow(); "
        "graphopt.install_as_tensorflow(2)\n"
        "import tensorflow as tf, tensorflow.compat.v1 as tf1, tensorflow.keras.losses\n"
        "from tensorflow.keras.optimizers import Adam\n"
        "print(Adam is graphopt.keras.optimizers.Adam, tf1.Session is not None)\n"
        "print(tf.constant([1, 2]).numpy(), tf.__version__, 'Variable' in dir(tf))\n"
        "try:\n    import tensorflow.contrib\n"
        "except ImportError as error:\n    print(type(error).__name__)\n"
        "try:\n    graphopt.install_as_tensorflow(1)\n"
        "except RuntimeError as error:\n    print('cannot' in str(error))\n"
    )
    assert run_python(program) == (
        "True True\n[1 2] 2.15.1 True\nModuleNotFoundError\nTrue\n"
    )


def test_install_refuses_after_an_import():
    program = (
        "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "import graphopt\n"
        "try:\n    graphopt.install_as_tensorflow()\n"
        "except RuntimeError as error:\n    print('imported already' in str(error))\n"
    )
    assert run_python(program) == "True\n"


def test_the_mode_is_restored_after_an_error():
    with pytest.raises(KeyError), as_tensorflow(1):
        import tensorflow

        assert not tensorflow.executing_eagerly()
        raise KeyError
    assert tf.executing_eagerly()
    with pytest.raises(ImportError):
        import tensorflow.nothing


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("import numpy", None),
        ("import tensorflow as tf\ntf.Session()", 1),
        ("import tensorflow as tf\ntf.contrib.layers.flatten(1)", 1),
        ("import tensorflow as tf\nflags = tf.app.flags", 1),
        ("import tensorflow.compat.v1 as tf\ntf.Session()", 2),
        ("import tensorflow as tf\ntf = tf.compat.v1\ntf.Session()", 2),
        ("from tensorflow.keras.layers import Dense", 2),
        ("import keras", 2),
        ("import tensorflow as tf\nwith tf.GradientTape() as t: pass", 2),
        ("import tensorflow as tf\ntf.enable_eager_execution()\ntf.GradientTape()", 1),
        ("try:\n    import tensorflow.contrib\nexcept ImportError: pass", 2),
    ],
)
def test_versions_are_found(text, version):
    assert version_of(uses_of(text)) == version


def test_modules_beside_a_program_are_read(tmp_path):
    (tmp_path / "net.py").write_text("import tensorflow as tf\nx = tf.placeholder\n")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("")
    (tmp_path / "lib" / "bad.py").write_text("print 'python 2'")
    main_file = tmp_path / "main.py"
    main_file.write_text("import net\nfrom lib import bad\n")
    uses, unread = uses_of_program([main_file])
    assert [use.path for use in uses] == ["", "placeholder"]
    assert len(unread) == 1 and "bad.py" in unread[0]
    assert find_version(main_file) == 1


def test_names_are_followed():
    text = (
        "import tensorflow as tf\nfrom tensorflow import nn as n\nl = tf.layers\n"
        "l.dense(n.relu(1), 2, name='a')\nclass A(tf.keras.Model):\n    pass\n"
    )
    uses = [(use.path, use.keywords, use.positional) for use in uses_of(text)]
    assert ("layers.dense", ("name",), 2) in uses
    assert ("nn.relu", (), 1) in uses
    assert ("keras.Model", None, 0) in uses


def test_port_lists_what_is_missing(script, capsys):
    text = (
        "import tensorflow as tf\nx = tf.placeholder(tf.float32)\n"
        "tf.reduce_sum(x, 0, keepdim=True)\ntf.contrib.tpu.rewrite(x)\ntf.sqart(x)\n"
        "tf.sqart(x)\ntry:\n    tf.nothing\nexcept AttributeError:\n    pass\n"
        "1 / 0\n"
    )
    path = script(text)
    assert main(["check", "--port", path]) == 1
    out = capsys.readouterr().out
    assert (
        f"{path}:3: warning[missing-keyword]: tf.reduce_sum takes no 'keepdim'" in out
    )
    assert f"{path}:4: error[missing-name]: tf.contrib.tpu.rewrite is not there" in out
    assert "no TPUs" in out and "'sqrt'" in out and "(also line 6)" in out
    assert "tf.nothing" not in out
    assert main(["check", "--port", script(SESSION)]) == 0
    assert main(["check", "--port", "nowhere"]) == 3


def test_port_reads_folders(script, capsys, tmp_path):
    script("import tensorflow as tf\ntf.Session()\ntf.foo()\n", "one.py")
    script("import tensorflow as tf\ntf.GradientTape()\ntf.bar()\n", "two.py")
    assert main(["check", "--port", str(tmp_path), "--json"]) == 1
    out = capsys.readouterr().out
    assert "tf.foo is not there" in out and "tf.bar is not there" in out


INTERNALS = """
import tensorflow as tf
from tensorflow.contrib import rnn
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops, tensor_array_ops
from tensorflow.python.ops.rnn_cell_impl import LSTMStateTuple, _linear

x = ops.convert_to_tensor([[1.0, 2.0], [3.0, 4.0]])
outputs, _ = rnn.static_rnn(rnn.BasicLSTMCell(2), [x], dtype=tf.float32)
array = tensor_array_ops.TensorArray(tf.float32, size=2)
_, array = control_flow_ops.while_loop(
    lambda i, _: i < 2, lambda i, a: (i + 1, a.write(i, 2.0 * x[0])), (0, array)
)
with tf.Session() as session:
    print(session.run(array.stack()).tolist(), rnn.LSTMStateTuple is LSTMStateTuple)
print([v.name for v in tf.global_variables()])
"""


def test_modules_behind_the_names_are_imported(script, capsys):
    assert main(["run", "--tf", "1", script(INTERNALS)]) == 0
    assert capsys.readouterr().out == (
        "[[2.0, 4.0], [2.0, 4.0]] True\n"
        "['rnn/basic_lstm_cell/kernel:0', 'rnn/basic_lstm_cell/bias:0']\n"
    )
