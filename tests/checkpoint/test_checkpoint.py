"""`tf.train.Checkpoint`: round trips, what is made later, what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt import dtypes

v1 = tf.compat.v1
X = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)

V2 = {
    **tf.keras.optimizers.CLASSES,
    "lossscaleoptimizer": lambda: tf.keras.optimizers.LossScaleOptimizer(
        tf.keras.optimizers.Adam(), dynamic_growth_steps=2
    ),
    "every option": lambda: tf.keras.optimizers.AdamW(
        use_ema=True,
        ema_overwrite_frequency=3,
        gradient_accumulation_steps=2,
        on_nonfinite="skip",
        loss_scale_factor=4.0,
    ),
}
V1 = sorted(
    name for name in dir(v1.train) if name.endswith("Optimizer") and name != "Optimizer"
)


def v1_optimizer(name):
    options = {"MomentumOptimizer": {"momentum": 0.9}}.get(name, {})
    if name == "AdagradDAOptimizer":
        options = {"global_step": v1.train.get_or_create_global_step()}
    return getattr(v1.train, name)(learning_rate=0.05, **options)


class Training:
    """A small network with a table of rows, whose gradient is sparse."""

    def __init__(self, make_optimizer):
        self.model = tf.keras.Sequential(
            [tf.keras.layers.Dense(4, activation="tanh"), tf.keras.layers.Dense(2)]
        )
        self.table = tf.Variable(np.ones((5, 3), np.float32))
        self.optimizer = make_optimizer()
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, table=self.table, optimizer=self.optimizer
        )

    def loss(self):
        rows = tf.gather(self.table, [0, 3, 3, 1, 0, 1, 3, 0])
        return tf.reduce_mean(tf.square(self.model(X * rows) - 1.0))

    def variables(self):
        return [self.table, *self.model.trainable_weights]

    def step(self):
        if isinstance(self.optimizer, tf.keras.optimizers.Optimizer):
            self.optimizer.minimize(self.loss, self.variables)
        else:
            self.model(X)
            self.optimizer.minimize(self.loss, var_list=self.variables())

    def state(self):
        weights = (
            self.optimizer.weights
            if isinstance(self.optimizer, tf.keras.optimizers.Optimizer)
            else self.optimizer.variables()
        )
        return [v.numpy() for v in [*self.variables(), *weights]]


def assert_same(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("name", [*V2, *V1])
def test_a_resumed_training_has_the_same_bits(name, tmp_path):
    make = V2[name] if name in V2 else lambda: v1_optimizer(name)
    first = Training(make)
    for _ in range(3):
        first.step()
    path = first.checkpoint.save(tmp_path / "model")
    for _ in range(3):
        first.step()
    second = Training(make)
    # Nothing but the table exists: weights and slots get their values when made.
    status = second.checkpoint.restore(path)
    for _ in range(3):
        second.step()
    status.assert_consumed()
    assert_same(second.state(), first.state())
    # Back again, where everything exists.
    first.checkpoint.restore(path).assert_consumed()
    second.checkpoint.restore(path).assert_consumed()
    assert_same(second.state(), first.state())


@pytest.mark.parametrize("name", [*V2, *V1])
def test_a_resumed_graph_has_the_same_bits(name, tmp_path):
    make = V2[name] if name in V2 else lambda: v1_optimizer(name)

    def build():
        training = Training(make)
        optimizer = training.optimizer
        training.model(X)
        if isinstance(optimizer, tf.keras.optimizers.Optimizer):
            return training, optimizer.minimize(training.loss, training.variables)
        loss = training.loss()
        return training, optimizer.minimize(loss, var_list=training.variables())

    with tf.Graph().as_default(), v1.Session() as session:
        training, train = build()
        session.run(v1.global_variables_initializer())
        session.run_steps(train, 3)
        path = training.checkpoint.save(tmp_path / "model")
        assert session.run(training.checkpoint.save_counter) == 1
        session.run_steps(train, 3)
        want = session.run(v1.global_variables())
    with tf.Graph().as_default(), v1.Session() as session:
        training, train = build()
        status = training.checkpoint.restore(path)
        status.assert_consumed().initialize_or_restore(session)
        if name == "AdagradDAOptimizer":
            session.run(v1.train.get_global_step().initializer)
        session.run_steps(train, 3)
        assert_same(session.run(v1.global_variables()), want)


def test_graph_and_eager_files_are_the_same(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable([1.0, 2.0], name="a")
        session.run(w.initializer)
        path = tf.train.Checkpoint(w=w).write(tmp_path / "m", session=session)
    w = tf.Variable([0.0, 0.0], name="b")
    tf.train.Checkpoint(w=w).read(path).assert_consumed()
    assert w.numpy().tolist() == [1.0, 2.0]


def test_variables_of_a_graph_made_after_the_restore_get_their_values(tmp_path):
    path = tf.train.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0)).write(
        tmp_path / "m"
    )
    with tf.Graph().as_default(), v1.Session() as session:
        checkpoint = tf.train.Checkpoint(a=tf.Variable(0.0))
        status = checkpoint.read(path)
        status.run_restore_ops(session)
        checkpoint.b = tf.Variable(0.0)
        assert session.run([checkpoint.a, checkpoint.b]) == [1.0, 2.0]
        status.assert_consumed()
    with tf.Graph().as_default():
        checkpoint.b = tf.Variable(0.0)  # The session is closed; nothing happens.


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d.name != "bool"])
def test_every_dtype_and_shape(dtype, tmp_path):
    values = {
        "scalar": np.array(3, dtype.numpy),
        "empty": np.zeros((0, 3), dtype.numpy),
        "matrix": np.arange(6).reshape(2, 3).astype(dtype.numpy),
    }
    if dtype.is_floating:
        values["special"] = np.array([np.nan, -0.0, np.inf, 5e-8], dtype.numpy)
    saved = tf.train.Checkpoint(v={n: tf.Variable(a) for n, a in values.items()})
    path = saved.write(tmp_path / "m")
    made = {n: tf.Variable(np.ones_like(a)) for n, a in values.items()}
    tf.train.Checkpoint(v=made).read(path).assert_consumed()
    for name, value in values.items():
        assert made[name].numpy().tobytes() == value.tobytes()
        key = f"v/{name}/.ATTRIBUTES/VARIABLE_VALUE"
        loaded = tf.train.load_variable(path, key)
        assert loaded.dtype == value.dtype and loaded.shape == value.shape


def test_bools(tmp_path):
    v = tf.Variable([True, False, True])
    checkpoint = tf.train.Checkpoint(v=v)
    path = checkpoint.write(tmp_path / "m")
    v.assign([False, False, False])
    checkpoint.read(path).assert_consumed()
    assert v.numpy().tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex_variables_are_refused_before_anything_is_saved(tmp_path, name):
    v = tf.Variable(np.array([1 + 2j], name))
    with pytest.raises(NotImplementedError, match=name):
        tf.train.Checkpoint(v=v).write(tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["bfloat16", "uint32"])
def test_dtypes_that_variables_cannot_have_are_refused_before_they_are_saved(name):
    with pytest.raises(NotImplementedError, match=name):
        tf.Variable(1.0, dtype=name)


def test_a_part_in_two_places_is_saved_once_and_found_in_each(tmp_path):
    w = tf.Variable([1.0, 2.0])
    path = tf.train.Checkpoint(a=w, b={"c": w}).write(tmp_path / "m")
    assert len(tf.train.list_variables(path)) == 1
    other = tf.Variable([0.0, 0.0])
    tf.train.Checkpoint(b={"c": other}).read(path).assert_consumed()
    assert other.numpy().tolist() == [1.0, 2.0]


def test_a_part_with_a_new_second_place_is_found_in_the_old_one(tmp_path):
    class Node(tf.keras.layers.Layer):
        pass

    def make():
        node = Node()
        node.w = tf.Variable([0.0])
        node.me = [node]
        return node

    node = make()
    node.w.assign([4.0])
    path = tf.train.Checkpoint(deep={"node": node}).write(tmp_path / "m")
    again = make()
    # The nearest path to it, `short`, is not in the file.
    checkpoint = tf.train.Checkpoint(short=again, deep={"node": again})
    checkpoint.read(path).assert_consumed()
    assert again.w.numpy().tolist() == [4.0]


def test_names_with_slashes_and_dots(tmp_path):
    parts = {
        "a/b": tf.Variable(1.0),
        "a": {"b": tf.Variable(2.0)},
        "..": tf.Variable(3.0),
    }
    checkpoint = tf.train.Checkpoint(parts=parts)
    path = checkpoint.write(tmp_path / "m")
    for part in (parts["a/b"], parts["a"]["b"], parts[".."]):
        part.assign(0.0)
    checkpoint.read(path).assert_consumed()
    values = [float(parts["a/b"]), float(parts["a"]["b"]), float(parts[".."])]
    assert values == [1.0, 2.0, 3.0]


def test_an_optimizer_without_its_variables_keeps_slots_by_name(tmp_path):
    w = tf.Variable([1.0, 2.0], name="w")
    opt = tf.keras.optimizers.SGD(0.1, momentum=0.5)
    opt.minimize(lambda: w * w, [w])
    path = tf.train.Checkpoint(optimizer=opt).write(tmp_path / "m")
    again = tf.keras.optimizers.SGD(0.1, momentum=0.5)
    status = tf.train.Checkpoint(optimizer=again).read(path)
    again.minimize(lambda: w * w, [w])
    opt.minimize(lambda: w * w, [w])
    status.assert_consumed()
    assert again.get_slot(w, "momentum").shape == [2]
    assert int(again.iterations) == 2


class Averaging(tf.keras.optimizers.SGD):
    """Keeps variables that are no slots, and another optimizer."""

    def __init__(self, inner=None):
        super().__init__(0.1)
        self._inner = inner

    def _create_all(self, variables):
        super()._create_all(variables)
        if not hasattr(self, "averages"):
            self.averages = [
                self.add_weight(f"{v.key.name}/average", v.shape) for v in variables
            ]


def test_optimizers_with_weights_of_their_own(tmp_path):
    def make():
        variables = [tf.Variable(x, name=n) for n, x in (("a", 1.0), ("b", 2.0))]
        inner = tf.keras.optimizers.Adam(0.1)
        outer = Averaging(inner)
        checkpoint = tf.train.Checkpoint(optimizer=outer, variables=variables)

        def step():
            for opt in (outer, inner):
                opt.minimize(lambda: variables[0] * variables[1], variables)

        return checkpoint, outer, step

    checkpoint, outer, step = make()
    step()
    for i, average in enumerate(outer.averages):
        average.assign(i + 5.0)
    path = checkpoint.write(tmp_path / "m")
    names = [name for name, _ in tf.train.list_variables(path)]
    assert "optimizer/a.Saverage/.ATTRIBUTES/VARIABLE_VALUE" in names
    assert "optimizer/inner/iter/.ATTRIBUTES/VARIABLE_VALUE" in names
    again, outer, step = make()
    status = again.read(path)
    step()
    assert [float(average) for average in outer.averages] == [5.0, 6.0]
    assert int(outer._inner.iterations) == 2
    status.assert_consumed()


def test_two_variables_of_one_name_cannot_be_told_apart():
    a, b = tf.Variable(1.0, name="w"), tf.Variable(1.0, name="w")
    opt = tf.keras.optimizers.SGD(0.1, momentum=0.5)
    opt.minimize(lambda: a * b, [a, b])
    with pytest.raises(ValueError, match="Two variables 'w' have slots 'momentum'"):
        tf.train.Checkpoint(optimizer=opt).write("/nowhere/m")


def test_a_root(tmp_path):
    layer = tf.keras.layers.Dense(2)
    layer(X)
    path = tf.train.Checkpoint(layer, step=tf.Variable(3)).save(tmp_path / "m")
    names = [name for name, _ in tf.train.list_variables(path)]
    assert [name.partition("/")[0] for name in names] == [
        "bias",
        "kernel",
        "save_counter",
        "step",
    ]
    again = tf.keras.layers.Dense(2)
    checkpoint = tf.train.Checkpoint(again, step=tf.Variable(0))
    status = checkpoint.restore(path)
    again(X)
    status.assert_consumed()
    assert_same(again.get_weights(), layer.get_weights())
    assert int(checkpoint.step) == 3


def test_layers_added_to_a_restored_model_get_their_weights(tmp_path):
    def make():
        return [tf.keras.layers.Dense(3, input_shape=(3,)), tf.keras.layers.Dense(2)]

    model = tf.keras.Sequential(make())
    path = tf.train.Checkpoint(model=model).write(tmp_path / "m")
    again = tf.keras.Sequential()
    status = tf.train.Checkpoint(model=again).read(path)
    for layer in make():
        again.add(layer)
    status.assert_consumed()
    assert_same(again.get_weights(), model.get_weights())


def test_status(tmp_path):
    a, b = tf.Variable(1.0), tf.Variable(2.0)
    path = tf.train.Checkpoint(a=a).save(tmp_path / "m")
    both = tf.train.Checkpoint(a=a, b=b)
    status = both.restore(path).expect_partial()
    status.assert_nontrivial_match()
    with pytest.raises(AssertionError, match="No values in checkpoint"):
        status.assert_existing_objects_matched()
    path = both.save(tmp_path / "m")
    status = tf.train.Checkpoint(a=a).restore(path)
    status.assert_existing_objects_matched()
    with pytest.raises(AssertionError, match=r"Unresolved object in checkpoint .*'b/"):
        status.assert_consumed()
    with pytest.raises(AssertionError, match="Nothing except the save counter"):
        tf.train.Checkpoint(c=b).restore(path).assert_nontrivial_match()
    nothing = both.restore(None).expect_partial()
    nothing.initialize_or_restore()
    for check in (nothing.assert_consumed, nothing.run_restore_ops):
        with pytest.raises(AssertionError, match="No checkpoint specified"):
            check()


def test_initialize_or_restore_initializes_what_was_not_saved(tmp_path):
    path = tf.train.Checkpoint(a=tf.Variable(5.0)).save(tmp_path / "m")
    with tf.Graph().as_default(), v1.Session() as session:
        a, b = tf.Variable(1.0), tf.Variable(2.0)
        checkpoint = tf.train.Checkpoint(a=a, b=b)
        checkpoint.restore(path).initialize_or_restore(session)
        assert session.run([a, b]) == [5.0, 2.0]
        checkpoint.restore(None).initialize_or_restore()
        assert session.run([a, b]) == [1.0, 2.0]


def test_a_wrong_shape_or_dtype_changes_nothing(tmp_path):
    path = tf.train.Checkpoint(a=tf.Variable(5.0), b=tf.Variable([1.0, 2.0])).write(
        tmp_path / "m"
    )
    for wrong in (tf.Variable([1.0]), tf.Variable(np.zeros(2))):
        a = tf.Variable(1.0)
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"key b/.*float32\[2\]; expected"
        ):
            tf.train.Checkpoint(a=a, b=wrong).read(path)
        assert float(a) == 1.0


def test_a_wrong_shape_is_noticed_when_the_variable_is_made(tmp_path):
    path = tf.train.Checkpoint(b=tf.Variable([1.0, 2.0])).write(tmp_path / "m")
    checkpoint = tf.train.Checkpoint()
    checkpoint.read(path)
    with pytest.raises(ValueError, match="cannot be restored"):
        checkpoint.b = tf.Variable(1.0)


def test_a_failed_restore_waits_for_nothing(tmp_path):
    v = tf.Variable(2.0)
    path = tf.train.Checkpoint(a=tf.Variable([5.0]), b=v).write(tmp_path / "m")
    checkpoint = tf.train.Checkpoint(a=tf.Variable(1.0))
    with pytest.raises(ValueError, match="cannot be restored"):
        checkpoint.read(path)
    checkpoint.b = tf.Variable(7.0)
    assert float(checkpoint.b) == 7.0


def test_the_last_restore_is_the_one_that_waits(tmp_path):
    paths = [
        tf.train.Checkpoint(a=tf.Variable(x), b=tf.Variable(-x)).write(
            tmp_path / f"{x}"
        )
        for x in (1.0, 2.0)
    ]
    checkpoint = tf.train.Checkpoint(a=tf.Variable(0.0))
    for _ in range(10):
        for path in paths:
            status = checkpoint.read(path)
    assert len(vars(checkpoint)["_waiting_restores"]) == 1
    checkpoint.b = tf.Variable(0.0)
    assert float(checkpoint.b) == -2.0
    status.assert_consumed()


def test_what_is_no_object_is_refused():
    with pytest.raises(ValueError, match="expecting a to be a trackable object"):
        tf.train.Checkpoint(a=3)


def test_eager_and_graph_variables_in_one_checkpoint_are_refused(tmp_path):
    eager = tf.Variable(1.0)
    with tf.Graph().as_default(), v1.Session():
        both = tf.train.Checkpoint(a=eager, b=tf.Variable(1.0))
        with pytest.raises(ValueError, match="variables of one graph, or eager ones"):
            both.write(tmp_path / "m")


def test_inside_of_a_step_its_start_is_saved_and_nothing_restored(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(1.0)
        session.run(w.initializer)
        checkpoint = tf.train.Checkpoint(w=w)
        path = checkpoint.write(tmp_path / "m", session=session)
        status = checkpoint.read(path)

        def save(x):
            checkpoint.write(tmp_path / "inside", session=session)
            return x

        def restore(x):
            status.run_restore_ops(session)
            return x

        session.run(w.assign(tf.numpy_function(save, [w * 2.0], tf.float32)))
        assert session.run(w) == 2.0
        refused = w.assign(tf.numpy_function(restore, [w * 2.0], tf.float32))
        with pytest.raises(ValueError, match="restored inside of a run"):
            session.run(refused)
        assert session.run(w) == 2.0
        checkpoint.read(str(tmp_path / "inside")).run_restore_ops(session)
        assert session.run(w) == 1.0


def test_a_failed_save_does_not_count(tmp_path):
    checkpoint = tf.train.Checkpoint(a=tf.Variable(5.0))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Saving failed"):
        checkpoint.save(tmp_path / "file" / "m")
    assert int(checkpoint.save_counter) == 0
    assert checkpoint.save(tmp_path / "m").endswith("m-1")


def test_manager_keeps_the_last(tmp_path):
    w = tf.Variable(0.0)
    checkpoint = tf.train.Checkpoint(w=w)
    manager = tf.train.CheckpointManager(checkpoint, tmp_path / "new", max_to_keep=3)
    assert manager.latest_checkpoint is None and manager.restore_or_initialize() is None
    for i in range(5):
        w.assign(float(i))
        manager.save()
    kept = [str(tmp_path / "new" / f"ckpt-{i}") for i in (3, 4, 5)]
    assert manager.checkpoints == kept
    assert manager.latest_checkpoint == tf.train.latest_checkpoint(tmp_path / "new")
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["checkpoint", *(f"ckpt-{i}.safetensors" for i in (3, 4, 5))]
    # A second program goes on where the first one ended.
    again = tf.train.Checkpoint(w=tf.Variable(0.0))
    manager = tf.train.CheckpointManager(again, tmp_path / "new", max_to_keep=3)
    assert manager.checkpoints == kept
    assert manager.restore_or_initialize() == kept[-1]
    assert float(again.w) == 4.0
    assert manager.save().endswith("ckpt-6")
    assert len(list((tmp_path / "new").iterdir())) == 4
    assert manager.save(checkpoint_number=tf.Variable(100)).endswith("ckpt-100")


def test_manager_keeps_one_in_n_hours(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    checkpoint = tf.train.Checkpoint(w=tf.Variable(0.0))
    manager = tf.train.CheckpointManager(
        checkpoint, tmp_path, 1, keep_checkpoint_every_n_hours=2.0
    )
    for hour in range(8):
        now[0] = 3600.0 * hour
        manager.save()
    # Saved 3 and 6 hours after the beginning: the first ones more than two hours later.
    left = {path.stem for path in tmp_path.glob("*.safetensors")}
    assert left == {"ckpt-4", "ckpt-7", "ckpt-8"}


def test_manager_waits_for_the_interval(tmp_path):
    step = tf.Variable(0)
    called = []
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step),
        tmp_path,
        5,
        step_counter=step,
        checkpoint_interval=10,
        init_fn=lambda: called.append(1),
    )
    manager.restore_or_initialize()
    assert called == [1]
    saved = []
    for i in range(25):
        step.assign(i)
        saved.append(manager.save() is not None)
    assert [i for i, done in enumerate(saved) if done] == [0, 10, 20]
    assert manager.save(check_interval=False) is not None
    with pytest.raises(ValueError, match="`step_counter` should be passed"):
        tf.train.CheckpointManager(
            tf.train.Checkpoint(), tmp_path, 5, checkpoint_interval=3
        )
    with pytest.raises(ValueError, match="Expected a positive integer or `None`"):
        tf.train.CheckpointManager(tf.train.Checkpoint(), tmp_path, 0)


def test_manager_removes_nothing_outside_of_its_folder(tmp_path):
    outside = tmp_path / "precious.safetensors"
    outside.write_bytes(b"precious")
    folder = tmp_path / "run"
    checkpoint = tf.train.Checkpoint(w=tf.Variable(0.0))
    path = checkpoint.save(folder / "ckpt")
    v1.train.update_checkpoint_state(folder, path, [str(tmp_path / "precious"), path])
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1)
    manager.save()
    assert outside.read_bytes() == b"precious"
    assert len(list(folder.glob("*.safetensors"))) == 1


def test_a_snapshot_is_of_one_moment(tmp_path):
    import threading

    with tf.Graph().as_default(), v1.Session() as session:
        a, b = tf.Variable(np.zeros(1000)), tf.Variable(np.zeros(1000))
        step = tf.group(a.assign_add(np.ones(1000)), b.assign_add(np.ones(1000)))
        session.run([a.initializer, b.initializer])
        session.run(step)
        checkpoint = tf.train.Checkpoint(a=a, b=b)
        over = threading.Event()

        def train():
            while not over.is_set():
                session.run_operation(step)

        thread = threading.Thread(target=train)
        thread.start()
        try:
            for _ in range(50):
                path = checkpoint.write(tmp_path / "m", session=session)
                values = [
                    tf.train.load_variable(path, f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
                    for name in "ab"
                ]
                assert len({float(x) for value in values for x in value}) == 1
        finally:
            over.set()
            thread.join()
