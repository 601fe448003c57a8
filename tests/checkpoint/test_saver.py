"""`tf.compat.v1.train.Saver`, state files, and looking into checkpoints."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.errors import storage_error

v1 = tf.compat.v1


@pytest.fixture
def graph():
    with tf.Graph().as_default(), v1.Session() as session:
        yield session


def test_a_session_saves_all_variables_with_slots(graph, tmp_path):
    w = tf.Variable([1.0, 2.0], name="w")
    train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w * w))
    saver = v1.train.Saver()
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
        saver.save(graph, tmp_path / "model")
    graph.run(v1.global_variables_initializer())
    graph.run(train)
    path = saver.save(graph, str(tmp_path / "model"), global_step=1)
    assert path == str(tmp_path / "model-1")
    assert tf.train.list_variables(path) == [
        ("beta1_power", []),
        ("beta2_power", []),
        ("w", [2]),
        ("w/Adam", [2]),
        ("w/Adam_1", [2]),
    ]
    before = graph.run(v1.global_variables())
    graph.run(train)
    saver.restore(graph, path)
    after = graph.run(v1.global_variables())
    assert [a.tobytes() for a in before] == [a.tobytes() for a in after]
    # The kernels of the step know that the arrays are others now.
    graph.run(train)
    assert not np.array_equal(graph.run(w), before[0])


def test_names_of_a_dict_and_steps_of_variables(graph, tmp_path):
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    step = v1.train.get_or_create_global_step()
    graph.run(v1.global_variables_initializer())
    saver = v1.train.Saver({"x": a, "y/z": b}, pad_step_number=True)
    path = saver.save(graph, tmp_path / "model", global_step=step)
    assert path.endswith("model-00000000")
    swapped = v1.train.Saver({"x": b, "y/z": a})
    swapped.restore(graph, path)
    assert graph.run([a, b]) == [2.0, 1.0]


def test_the_last_are_kept(graph, tmp_path):
    w = tf.Variable(0.0)
    graph.run(w.initializer)
    saver = v1.train.Saver([w], max_to_keep=2)
    for i in range(4):
        saver.save(graph, tmp_path / "m", global_step=i)
    names = [str(tmp_path / f"m-{i}") for i in (2, 3)]
    assert saver.last_checkpoints == names
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "checkpoint",
        "m-2.safetensors",
        "m-3.safetensors",
    ]
    assert tf.train.latest_checkpoint(tmp_path) == names[1]
    state = tf.train.get_checkpoint_state(tmp_path)
    assert state.all_model_checkpoint_paths == names
    # Another saver takes them over.
    saver = v1.train.Saver([w], max_to_keep=2)
    saver.recover_last_checkpoints([str(tmp_path / "gone"), *names])
    assert saver.last_checkpoints == names
    saver.save(graph, tmp_path / "m", global_step=3)
    assert saver.last_checkpoints == names
    saver.save(graph, tmp_path / "m", global_step=4)
    assert saver.last_checkpoints == [names[1], str(tmp_path / "m-4")]
    saver.set_last_checkpoints_with_time([(names[1], 0.0)])
    assert saver.last_checkpoints == [names[1]]


@pytest.mark.parametrize("limit", [0, None])
def test_all_are_kept(graph, tmp_path, limit):
    w = tf.Variable(0.0)
    graph.run(w.initializer)
    saver = v1.train.Saver([w], max_to_keep=limit)
    for i in range(8):
        saver.save(graph, tmp_path / "m", global_step=i)
    assert len(list(tmp_path.glob("*.safetensors"))) == 8
    assert saver.last_checkpoints == []
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m-7")


def test_a_saver_of_eager_variables(tmp_path):
    w = tf.Variable([1.0, 2.0], name="w")
    with pytest.raises(RuntimeError, match="`var_list` must specify"):
        v1.train.Saver()
    saver = v1.train.Saver([w])
    path = saver.save(None, tmp_path / "m", global_step=tf.Variable(7))
    seen = w.read_value()
    w.assign([0.0, 0.0])
    saver.restore(None, path)
    assert w.numpy().tolist() == [1.0, 2.0] == seen.numpy().tolist()


def test_what_a_saver_refuses(graph, tmp_path):
    a, b = tf.Variable(1.0, name="a"), tf.Variable([2.0], name="b")
    graph.run(v1.global_variables_initializer())
    with pytest.raises(ValueError, match="No variables to save"):
        v1.train.Saver([])
    with pytest.raises(TypeError, match="not a Variable: 3"):
        v1.train.Saver([3])
    with tf.Graph().as_default():
        other = tf.Variable(1.0, name="a")
    with pytest.raises(ValueError, match="same name: a"):
        v1.train.Saver([a, other])
    with pytest.raises(ValueError, match="max_to_keep must not be negative"):
        v1.train.Saver([a], max_to_keep=-1)
    with pytest.raises(ValueError, match="every_n_hours must be positive"):
        v1.train.Saver([a], keep_checkpoint_every_n_hours=0)
    saver = v1.train.Saver([a])
    with pytest.raises(ValueError, match="must not contain path components"):
        saver.save(graph, tmp_path / "m", latest_filename="x/y")
    with pytest.raises(ValueError, match="collides"):
        saver.save(graph, tmp_path / "checkpoint")
    with pytest.raises(ValueError, match="when it is None"):
        saver.restore(graph, None)
    with pytest.raises(FileNotFoundError, match="not a valid checkpoint") as caught:
        saver.restore(graph, tmp_path / "nothing")
    assert isinstance(caught.value, tf.errors.NotFoundError)
    path = saver.save(graph, tmp_path / "m")
    graph.run(a.assign(5.0))
    both = v1.train.Saver([a, b])
    with pytest.raises(tf.errors.NotFoundError, match="Key b not found in checkpoint"):
        both.restore(graph, path)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected float32\[1\]"):
        v1.train.Saver({"a": b}).restore(graph, path)
    assert graph.run(a) == 5.0
    v1.train.Saver({"a": b}, reshape=True).restore(graph, path)
    assert graph.run(b).tolist() == [1.0]
    with pytest.raises(ValueError, match="different from the session's graph"):
        v1.train.Saver([other]).restore(graph, path)
    graph.close()
    with pytest.raises(RuntimeError, match="closed Session"):
        saver.restore(graph, path)


def test_a_folder_can_be_moved(graph, tmp_path):
    w = tf.Variable(3.0, name="w")
    graph.run(w.initializer)
    (tmp_path / 'a "quoted" é').mkdir()
    v1.train.Saver().save(graph, tmp_path / 'a "quoted" é' / 'm"\\é')
    shutil.move(tmp_path / 'a "quoted" é', tmp_path / "b")
    found = tf.train.latest_checkpoint(tmp_path / "b")
    assert found == str(tmp_path / "b" / 'm"\\é')
    assert tf.train.load_variable(tmp_path / "b", "w:0") == 3.0


def test_relative_paths(graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    w = tf.Variable(3.0, name="w")
    graph.run(w.initializer)
    saver = v1.train.Saver()
    assert saver.save(graph, "m") == "m"
    assert tf.train.latest_checkpoint(".") == "./m"
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m")
    saver.restore(graph, "m.safetensors")
    assert v1.train.checkpoint_exists("m")
    v1.train.remove_checkpoint("m")
    assert not v1.train.checkpoint_exists("m")
    assert tf.train.latest_checkpoint(".") is None


def test_state_files(tmp_path):
    assert tf.train.get_checkpoint_state(tmp_path) is None
    assert tf.train.latest_checkpoint(tmp_path) is None
    v1.train.update_checkpoint_state(
        tmp_path, "/elsewhere/b", ["a", "/elsewhere/b"], "mine", [1.5, 2.5], 0.5
    )
    state = tf.train.get_checkpoint_state(tmp_path, "mine")
    assert state.model_checkpoint_path == "/elsewhere/b"
    assert state.all_model_checkpoint_timestamps == [1.5, 2.5]
    assert state.last_preserved_timestamp == 0.5
    with pytest.raises(ValueError, match="must match checkpoint paths"):
        v1.train.update_checkpoint_state(
            tmp_path, "a", ["a"], all_model_checkpoint_timestamps=[]
        )
    # As TensorFlow writes it.
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "model-2"\n'
        'all_model_checkpoint_paths: "model-1"\n'
        'all_model_checkpoint_paths: "model-2"\n'
        "all_model_checkpoint_timestamps: 1764000000.25\n"
        "all_model_checkpoint_timestamps: 1764000001.5\n"
        "last_preserved_timestamp: 1763999999.0\n"
    )
    state = tf.train.get_checkpoint_state(tmp_path)
    assert state.all_model_checkpoint_paths == [
        str(tmp_path / "model-1"),
        str(tmp_path / "model-2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model_checkpoint_path: m",
        'model_checkpoint_path: "m',
        'model_checkpoint_path: "\\x"',
        'model_checkpoint_path: "a\\u0000b"',
        "all_model_checkpoint_timestamps: 1.0e",
        "\0\xff",
        pytest.param(" " * (17 << 20), id="long"),
    ],
)
def test_damaged_state_files(tmp_path, text):
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(tf.errors.DataLossError, match=r"state file .* is damaged"):
        tf.train.latest_checkpoint(tmp_path)


def test_a_reader(graph, tmp_path):
    w = tf.Variable([[1.0, 2.0]], name="w")
    n = tf.Variable(3, name="n")
    graph.run([w.initializer, n.initializer])
    path = v1.train.Saver().save(graph, tmp_path / "m")
    reader = tf.train.load_checkpoint(tmp_path)
    assert reader.get_variable_to_shape_map() == {"w": [1, 2], "n": []}
    assert reader.get_variable_to_dtype_map() == {"w": tf.float32, "n": tf.int32}
    assert reader.has_tensor("w") and not reader.has_tensor("v")
    assert reader.get_tensor("w").tolist() == [[1.0, 2.0]]
    assert reader.debug_string() == "n (int32) []\nw (float32) [1, 2]"
    with pytest.raises(tf.errors.NotFoundError, match="Key v not found"):
        tf.train.load_variable(path, "v")
    with pytest.raises(tf.errors.NotFoundError, match="there is no such file"):
        tf.train.load_checkpoint(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Couldn't find 'checkpoint' file"):
        tf.train.load_checkpoint(tmp_path / "empty")


def test_files_of_other_programs(tmp_path):
    from safetensors.numpy import save_file

    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_file({"w": w, "u": np.arange(2, dtype=np.uint16)}, tmp_path / "m.safetensors")
    assert tf.train.list_variables(tmp_path / "m") == [("u", [2]), ("w", [2, 3])]
    v = tf.Variable(np.zeros((2, 3), np.float32), name="w")
    v1.train.Saver([v]).restore(None, tmp_path / "m")
    np.testing.assert_array_equal(v.numpy(), w)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got dtype U16"):
        tf.train.load_variable(tmp_path / "m", "u")


def test_other_programs_read_our_files(tmp_path):
    from safetensors.numpy import load_file

    w = tf.Variable([[1.0, 2.0]], name="w")
    path = v1.train.Saver([w]).save(None, tmp_path / "m")
    assert load_file(path + ".safetensors")["w"].tolist() == [[1.0, 2.0]]


def test_too_many_names_for_one_file(tmp_path):
    v = tf.Variable(0.0)
    saver = v1.train.Saver({f"{i:0100}": v for i in range(40000)})
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many for one"):
        saver.save(None, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_modes_and_links(tmp_path):
    saver = v1.train.Saver([tf.Variable(0.0, name="w")])
    before = os.umask(0o027)
    try:
        path = saver.save(None, tmp_path / "m")
    finally:
        os.umask(before)
    assert Path(path + ".safetensors").stat().st_mode & 0o777 == 0o640
    # A link in the place of a file is replaced, not followed.
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "l.safetensors").symlink_to(target)
    saver.save(None, tmp_path / "l")
    assert target.read_text() == "precious"
    saver.restore(None, tmp_path / "l")


def test_what_a_killed_writer_left_is_removed_later(tmp_path):
    old = tmp_path / f".{'0' * 32}.graphopt-partial"
    new = tmp_path / f".{'1' * 32}.graphopt-partial"
    other = tmp_path / ".mine.partial"
    for path in (old, new, other):
        path.write_text("")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    v1.train.Saver([tf.Variable(0.0)]).save(None, tmp_path / "m")
    assert not old.exists() and new.exists() and other.exists()


@pytest.mark.parametrize(
    ("number", "error", "builtin"),
    [
        (errno.ENOSPC, tf.errors.ResourceExhaustedError, OSError),
        (errno.EDQUOT, tf.errors.ResourceExhaustedError, OSError),
        (errno.EACCES, tf.errors.PermissionDeniedError, PermissionError),
        (errno.EROFS, tf.errors.PermissionDeniedError, OSError),
        (errno.ENOENT, tf.errors.NotFoundError, FileNotFoundError),
        (errno.EIO, tf.errors.UnknownError, OSError),
    ],
)
def test_errors_of_the_system_are_both_of_tensorflow_and_of_python(
    number, error, builtin
):
    cause = OSError(number, os.strerror(number))
    made = storage_error(cause, "Saving failed", "/a/b")
    assert isinstance(made, error) and isinstance(made, builtin)
    assert made.errno == number and type(made).__name__ == error.__name__
    assert str(made).startswith(f"Saving failed; got {os.strerror(number)} (/a/b); try")
