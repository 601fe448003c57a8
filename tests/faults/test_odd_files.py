"""Files, names and folders that nobody would make by accident."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

import graphopt as tf
from graphopt.checkpoint.files import write_file
from graphopt.exchange.graph_def_reader import parse_graph_def, parse_text
from graphopt.exchange.reader import read_graph

v1 = tf.compat.v1
unix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices are Unix's")


@pytest.mark.parametrize(
    "text",
    [
        "#" * 28,
        "#" * 100_000,
        "# \n" * 50_000 + "!",
        " " * 100_000 + "!",
        '"' + "a" * 100_000,
        '"' + "\\" * 100_001,
        "a" * 100_000 + "!",
        "{" * 100_000,
    ],
    ids=range(8),
)
def test_no_text_takes_long_to_refuse(text):
    with pytest.raises(tf.errors.DataLossError):
        parse_graph_def(text)


def test_comments_are_passed_over():
    text = '# one\n#two ## \n node { # three\n name: "a#b" } # four'
    assert parse_text(text) == {"node": [{"name": ["a#b"]}]}


@unix
@pytest.mark.parametrize("suffix", [".json", ".pbtxt"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_holds_no_graph(kind, suffix, tmp_path):
    path = tmp_path / f"graph{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(tf.errors.OpError):
        read_graph(str(path))
    done = subprocess.run(
        [sys.executable, "-m", "graphopt", "show", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_numbers_that_are_too_large_for_json(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text('{"format": "graphopt graph", "version": 1e400}')
    with pytest.raises(tf.errors.DataLossError, match="too large"):
        read_graph(str(path))


@unix
def test_state_files_that_are_none(tmp_path):
    state = tmp_path / "checkpoint"
    os.mkfifo(state)
    with pytest.raises(tf.errors.DataLossError, match="no regular file"):
        tf.train.latest_checkpoint(tmp_path)
    state.unlink()
    state.write_text(f"model_checkpoint_path: {json.dumps('a' * 300_000)}\n")
    assert tf.train.latest_checkpoint(tmp_path) is None
    tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable(1.0)), tmp_path, 3)


def test_a_key_of_many_parts_takes_memory_by_its_length(tmp_path):
    from safetensors.numpy import save_file

    value = "v/.ATTRIBUTES/VARIABLE_VALUE"
    arrays = {"a/" * 30_000 + "x": np.ones(1, "f"), value: np.ones(1, "f")}
    save_file(arrays, str(tmp_path / "m.safetensors"))
    v = tf.Variable([0.0])
    tracemalloc.start()
    try:
        tf.train.Checkpoint(v=v).restore(str(tmp_path / "m"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6
    assert v.numpy().tolist() == [1.0]


@unix
def test_a_partial_file_of_another_user_is_not_in_the_way(tmp_path, monkeypatch):
    partial = tmp_path / f".{'0' * 32}.graphopt-partial"
    partial.write_text("old")
    os.utime(partial, (time.time() - 1e6,) * 2)
    unlink = os.unlink

    def refuse(path, **options):
        if str(path) == partial.name:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    write_file(str(tmp_path / "m"), b"data")
    assert (tmp_path / "m").read_bytes() == b"data"


def test_a_saver_wants_a_name(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0)
        session.run(v.initializer)
        saver = v1.train.Saver()
        for path in ("", str(tmp_path) + "/"):
            with pytest.raises(
                ValueError, match="save_path must be a path with a name"
            ):
                saver.save(session, path)
    assert list(tmp_path.iterdir()) == []


def test_a_variable_is_not_shared_with_another_dtype():
    with tf.Graph().as_default(), v1.variable_scope("a", reuse=v1.AUTO_REUSE):
        v = v1.get_variable("v", [2], tf.float32)
        assert v1.get_variable("v", [2]) is v
        with pytest.raises(ValueError, match="specified dtype float64 and found"):
            v1.get_variable("v", [2], tf.float64)


def test_sessions_without_a_seed_draw_other_numbers():
    tf.random.set_seed(None)
    with tf.Graph().as_default():
        x = tf.random.uniform([4])
        y = tf.random.uniform([4], seed=3)
        drawn = []
        for _ in range(3):
            with v1.Session() as session:
                drawn.append(session.run([x, y]))
    assert len({a.tobytes() for a, _ in drawn}) == 3
    assert len({b.tobytes() for _, b in drawn}) == 1


@pytest.mark.parametrize("seed", [None, 5])
def test_a_seed_restarts_traced_functions(seed):
    @tf.function
    def f():
        return tf.random.normal([3], seed=seed)

    tf.random.set_seed(7)
    first = [f().numpy().tobytes() for _ in range(4)]
    tf.random.set_seed(7)
    again = [f().numpy().tobytes() for _ in range(4)]
    assert again == first
    assert len(set(first)) == 4
