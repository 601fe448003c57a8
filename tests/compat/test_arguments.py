"""Arguments of version 1: other names and orders, the same results."""

import inspect

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
X = np.array([[1.0, -2.0, 3.0], [4.0, 0.0, -6.0]], np.float32)


@pytest.mark.parametrize(
    "name",
    ["sum", "mean", "max", "min", "prod", "logsumexp", "all", "any"],
)
def test_reductions(name):
    x = X > 0 if name in ("all", "any") else X
    old, new = getattr(v1, f"reduce_{name}"), getattr(tf, f"reduce_{name}")
    wanted = new(x, 1, keepdims=True).numpy()
    assert np.array_equal(old(x, reduction_indices=1, keep_dims=True).numpy(), wanted)
    assert np.array_equal(old(x, 1, True).numpy(), wanted)
    assert np.array_equal(old(x, reduction_indices=[0, 1]).numpy(), new(x).numpy())
    assert old is getattr(v1.math, f"reduce_{name}")
    with pytest.raises(ValueError, match="Cannot specify both"):
        old(x, axis=1, reduction_indices=1)


def test_places():
    assert v1.argmax(X, dimension=1).numpy().tolist() == [2, 0]
    assert v1.argmax(X, 1, output_type=tf.int32).dtype is tf.int32
    assert v1.arg_min(X, 0).numpy().tolist() == [0, 0, 1]
    assert v1.argmin(X).numpy().tolist() == [0, 0, 1]


def test_counts_and_norms():
    assert v1.count_nonzero(X, reduction_indices=1).numpy().tolist() == [3, 2]
    assert v1.count_nonzero(input=X).numpy() == 5
    assert v1.norm(X, axis=1, keep_dims=True).shape == (2, 1)
    norm = v1.global_norm([tf.constant([3.0]), tf.constant([4.0])])
    assert norm.numpy() == 5.0


def test_shapes():
    assert v1.shape(input=X, out_type=tf.int64).dtype is tf.int64
    assert v1.expand_dims(X, dim=0).shape == (1, 2, 3)
    assert v1.squeeze(X[None], squeeze_dims=[0]).shape == (2, 3)
    assert v1.transpose(X, name="t").shape == (3, 2)
    assert v1.pad(X, [[0, 0], [1, 0]], "CONSTANT", "name", 7.0).numpy()[0, 0] == 7
    assert v1.gather(X, [0], name="g", axis=1).shape == (2, 1)
    assert v1.gather_nd(X, [[1, 2]], "name").numpy() == [-6.0]
    assert v1.boolean_mask(X, [True, False], "name").shape == (1, 3)
    assert [s.numpy().tolist() for s in v1.shape_n([X, X[0]])] == [[2, 3], [3]]
    with pytest.raises(ValueError, match="axis"):
        v1.expand_dims(X)


def test_where_takes_rows():
    rows = v1.where([True, False], X, -X).numpy()
    assert np.array_equal(rows, [X[0], -X[1]])
    assert v1.where(X > 0).numpy().tolist() == [[0, 0], [0, 2], [1, 0]]


def test_constants():
    assert v1.constant(2.0, shape=[2, 2]).numpy().tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert v1.constant([1, 2], shape=[2, 2]).numpy().tolist() == [[1, 2], [2, 2]]
    assert v1.constant([1.5, 2.5], shape=[2]).dtype is tf.float32
    assert v1.constant(np.arange(4.0), shape=[2, 2]).dtype is tf.float64
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        v1.constant([1, 2], shape=[3], verify_shape=True)
    with pytest.raises(ValueError, match="Too many"):
        v1.constant([1, 2, 3], shape=[2])


def test_control_flow():
    with tf.Graph().as_default(), v1.Session() as session:
        p = v1.placeholder(tf.bool, [])
        one, two = (lambda: [tf.constant(1.0)]), (lambda: [tf.constant(2.0)])
        chosen = v1.cond(p, fn1=one, fn2=two)
        kept = v1.cond(p, one, two, strict=True)
        assert session.run([chosen, kept], {p: False}) == [2.0, [2.0]]
        with v1.name_scope(None, "default", [p]):
            assert tf.constant(1.0).name.startswith("default/")
        printed = v1.Print(tf.constant(3.0), [tf.constant([1, 2])], "values: ")
        assert session.run(printed) == 3.0


def test_writes():
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.Variable(1.0)
        session.run(w.initializer)
        assert session.run(v1.assign(w, 5.0, validate_shape=False)) == 5
        assert session.run(v1.assign_add(w, 2.0, use_locking=True)) == 7
        assert session.run(v1.assign_sub(w, 1.0, use_locking=False)) == 6


def test_assertions():
    v1.assert_equal(1, 1, [tf.constant(1)], 3, "message", "name")
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"):
        v1.assert_less(2, 1, data=[], message="mine")
    with pytest.raises(ValueError):
        v1.debugging.assert_rank(X, 3, data=[])
    assert v1.assert_same_float_dtype([tf.ones([])]) is tf.float32
    with pytest.raises(ValueError):
        v1.assert_same_float_dtype([tf.ones([]), tf.ones([], tf.float64)])
    with pytest.raises(TypeError):
        v1.assert_proper_iterable(tf.ones([2]))


def test_casts_and_divisions():
    assert v1.to_float(1).dtype is tf.float32 and v1.to_int32(2.7).numpy() == 2
    assert v1.div(7, -2).numpy() == -4 and v1.div(7.0, 2.0).numpy() == 3.5
    assert v1.scalar_mul(2.0, X).numpy()[0, 0] == 2


def test_diagonals():
    assert v1.diag([1, 2]).numpy().tolist() == [[1, 0], [0, 2]]
    square = v1.diag(X)
    assert square.shape == (2, 3, 2, 3) and square[1, 2, 1, 2].numpy() == -6
    assert np.array_equal(v1.diag_part(square).numpy(), X)


def test_small_functions():
    assert v1.setdiff1d([1, 2, 3, 2], [2])[0].numpy().tolist() == [1, 3]
    assert v1.setdiff1d([1, 2, 3, 2], [2])[1].numpy().tolist() == [0, 2]
    assert v1.is_non_decreasing([1, 1, 2]).numpy()
    assert not v1.is_strictly_increasing([1, 1, 2]).numpy()
    assert v1.lbeta([1.0, 2.0]).numpy() == pytest.approx(-np.log(2), abs=1e-6)
    assert [each.numpy() for each in v1.tuple([tf.constant(1)])] == [1]
    assert v1.broadcast_dynamic_shape([2, 1], [3]).numpy().tolist() == [2, 3]
    assert v1.batch_gather(X, [[0], [2]]).numpy().tolist() == [[1.0], [-6.0]]
    average = v1.clip_by_average_norm(tf.constant([3.0, 4.0]), 1.0).numpy()
    np.testing.assert_allclose(average, np.array([3.0, 4.0]) / 2.5)


def test_shapes_are_ensured():
    assert v1.ensure_shape(X, [2, None]).shape == (2, 3)
    with pytest.raises(ValueError):
        v1.ensure_shape(X, [3, 3])
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        y = v1.ensure_shape(x, [2, 3])
        assert y.shape == (2, 3)
        assert session.run(y, {x: X}).shape == (2, 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="another shape"):
            session.run(y, {x: X[:1]})


def test_templates_share_variables():
    with tf.Graph().as_default():

        def layer(x, units):
            return tf.matmul(x, v1.get_variable("w", [3, units]))

        shared = v1.make_template("layer", layer, units=4)
        first, second = shared(X), shared(X)
        other = v1.make_template("layer", layer, units=4)
        other(X)
        names = [variable.name for variable in v1.global_variables()]
        assert names == ["layer/w:0", "layer_1/w:0"]
        assert first.shape == second.shape == (2, 4)


def test_options_are_accepted():
    config = v1.ConfigProto(
        allow_soft_placement=True,
        gpu_options=v1.GPUOptions(per_process_gpu_memory_fraction=0.5),
        graph_options=v1.GraphOptions(
            optimizer_options=v1.OptimizerOptions(opt_level=v1.OptimizerOptions.L0)
        ),
    )
    config.gpu_options.allow_growth = True
    config.graph_options.rewrite_options.off = 1
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.5
    with v1.Session(config=config, graph=tf.Graph()) as session:
        assert session is not None


def test_initializers_take_a_dtype():
    for name in ("glorot_uniform", "glorot_normal", "orthogonal", "variance_scaling"):
        made = getattr(v1, f"{name}_initializer")(seed=1, dtype=tf.float64)
        assert made([3, 3]).dtype is tf.float64
        assert getattr(v1.initializers, name)(seed=1)([3, 3]).dtype is tf.float32
    assert v1.initializers.he_normal(seed=3)([4, 4]).shape == (4, 4)
    limit = np.sqrt(3.0 / 4.0)
    drawn = v1.uniform_unit_scaling_initializer(seed=1)([4, 100]).numpy()
    assert 0.9 * limit < np.abs(drawn).max() <= limit


def test_names_keep_their_arguments():
    # Each is what a program of version 1 may call with all arguments by position.
    wanted = {
        "cond": "pred true_fn false_fn strict name fn1 fn2",
        "gather": "params indices validate_indices name axis batch_dims",
        "argmax": "input axis name dimension output_type",
        "zeros_like": "tensor dtype name optimize",
        "multinomial": "logits num_samples seed name output_dtype",
        "while_loop": "cond body loop_vars shape_invariants parallel_iterations "
        "back_prop swap_memory name maximum_iterations return_same_structure",
    }
    for name, arguments in wanted.items():
        found = list(inspect.signature(getattr(v1, name)).parameters)
        assert found == arguments.split(), name


def test_nests():
    nest = tf.nest
    packed = nest.pack_sequence_as({"b": [1, (2,)], "a": 3}, [7, 8, 9])
    assert packed == {"b": [8, (9,)], "a": 7}
    nest.assert_same_structure([1, {"a": 2}], [3, {"a": 4}])
    with pytest.raises(TypeError, match="sequence type"):
        nest.assert_same_structure([1], (1,))
    nest.assert_same_structure([1], (1,), check_types=False)
    for first, second in (([1], [1, 2]), ([1], 1), ({"a": 1}, {"b": 1})):
        with pytest.raises(ValueError, match="don't have the same"):
            nest.assert_same_structure(first, second)
    assert v1.fixed_size_partitioner(3)([2, 5]) == [2, 1]
