"""Pipelines whose elements are the same in TensorFlow; each takes `tf`, returns a data set."""

import numpy as np

ROWS = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
LABELS = np.array([3, 1, 4, 1, 5, 9])


def ragged(tf, n=6):
    return tf.data.Dataset.range(1, n + 1).map(lambda n: tf.range(n) * 10)


def names(tf):
    return tf.data.Dataset.from_tensor_slices(["b", "a", "b", "c", "a"])


PIPELINES = {
    "slices": lambda tf: tf.data.Dataset.from_tensor_slices((ROWS, LABELS)),
    "slices_of_dict": lambda tf: tf.data.Dataset.from_tensor_slices(
        {"z": [1, 2, 3], "a": {"q": [0.5, 1.5, 2.5]}}
    ),
    "lists_are_tensors": lambda tf: tf.data.Dataset.from_tensor_slices(
        [[1, 2], [3, 4]]
    ),
    "tensors": lambda tf: tf.data.Dataset.from_tensors(([1, 2], {"a": 3.5})),
    "strings": names,
    "range": lambda tf: tf.data.Dataset.range(3, 17, 4),
    "range_down": lambda tf: tf.data.Dataset.range(5, 0, -2),
    "range_float": lambda tf: tf.data.Dataset.range(3, output_type=tf.float32),
    "batch": lambda tf: tf.data.Dataset.range(10).batch(4),
    "batch_drop": lambda tf: tf.data.Dataset.range(10).batch(4, drop_remainder=True),
    "batch_of_batches": lambda tf: tf.data.Dataset.range(10).batch(2).batch(3),
    "batch_tuple": lambda tf: tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).batch(
        4
    ),
    "map": lambda tf: tf.data.Dataset.range(7).map(lambda x: x * x - 3),
    "map_two": lambda tf: tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).map(
        lambda x, y: (x * 2 + 1, y)
    ),
    "map_to_dict": lambda tf: tf.data.Dataset.range(4).map(
        lambda x: {"x": x, "y": [x, x + 1]}
    ),
    "map_keeps": lambda tf: tf.data.Dataset.range(4).map(
        lambda x: (x, x, tf.constant(7))
    ),
    "map_dict": lambda tf: tf.data.Dataset.from_tensor_slices(
        {"a": [1, 2], "b": [3, 4]}
    ).map(lambda d: d["a"] * d["b"]),
    "map_batch": lambda tf: (
        tf.data.Dataset.from_tensor_slices(ROWS)
        .batch(4)
        .map(lambda x: tf.reduce_sum(x, axis=[1, 2]))
    ),
    "map_grows": ragged,
    "map_nested": lambda tf: tf.data.Dataset.from_tensor_slices(
        (([1, 2], [3, 4]), [5, 6])
    ).map(lambda pair, z: (pair[0] + pair[1], z)),
    "map_strings": lambda tf: names(tf).map(lambda s: tf.strings.join([s, "x"])),
    "map_numpy": lambda tf: tf.data.Dataset.range(4).map(
        lambda x: tf.numpy_function(lambda v: v * 3, [x], tf.int64)
    ),
    "filter": lambda tf: tf.data.Dataset.range(20).filter(lambda x: x % 3 == 1),
    "filter_batch": lambda tf: (
        tf.data.Dataset.range(20).filter(lambda x: x > 12).batch(3)
    ),
    "take": lambda tf: tf.data.Dataset.range(10).take(3),
    "take_all": lambda tf: tf.data.Dataset.range(4).take(-1),
    "take_many": lambda tf: tf.data.Dataset.range(4).take(9),
    "skip": lambda tf: tf.data.Dataset.range(10).skip(7),
    "skip_all": lambda tf: tf.data.Dataset.range(4).skip(-1),
    "repeat": lambda tf: tf.data.Dataset.range(3).repeat(2),
    "repeat_none": lambda tf: tf.data.Dataset.range(3).repeat().take(7),
    "repeat_zero": lambda tf: tf.data.Dataset.range(3).repeat(0),
    "repeat_empty": lambda tf: tf.data.Dataset.range(0).repeat(),
    "repeat_batch": lambda tf: tf.data.Dataset.range(3).repeat(3).batch(4),
    "batch_repeat": lambda tf: tf.data.Dataset.range(3).batch(2).repeat(2),
    "concatenate": lambda tf: tf.data.Dataset.range(3).concatenate(
        tf.data.Dataset.range(7, 9)
    ),
    "zip": lambda tf: tf.data.Dataset.zip(
        (tf.data.Dataset.range(3), tf.data.Dataset.range(10, 20).batch(2))
    ),
    "zip_nested": lambda tf: tf.data.Dataset.zip(
        {"a": tf.data.Dataset.range(2), "b": (tf.data.Dataset.range(3, 6),)}
    ),
    "enumerate": lambda tf: tf.data.Dataset.range(5, 8).enumerate(start=2),
    "shard": lambda tf: tf.data.Dataset.range(11).shard(3, 1),
    "shard_batch": lambda tf: tf.data.Dataset.range(11).shard(4, 3).batch(2),
    "flat_map": lambda tf: tf.data.Dataset.range(4).flat_map(
        lambda n: tf.data.Dataset.range(n).map(lambda x: x + n * 10)
    ),
    "flat_map_slices": lambda tf: tf.data.Dataset.from_tensor_slices(ROWS).flat_map(
        tf.data.Dataset.from_tensor_slices
    ),
    "interleave": lambda tf: tf.data.Dataset.range(1, 6).interleave(
        lambda x: tf.data.Dataset.from_tensors(x).repeat(x),
        cycle_length=2,
        block_length=2,
    ),
    "interleave_three": lambda tf: tf.data.Dataset.range(5).interleave(
        lambda x: tf.data.Dataset.range(x * 10, x * 10 + 4), cycle_length=3
    ),
    "window": lambda tf: (
        tf.data.Dataset.range(9).window(3, shift=2).flat_map(lambda w: w.batch(3))
    ),
    "window_stride": lambda tf: (
        tf.data.Dataset.range(9)
        .window(3, shift=1, stride=2, drop_remainder=True)
        .flat_map(lambda w: w.batch(3))
    ),
    "window_gap": lambda tf: (
        tf.data.Dataset.range(11).window(2, shift=4).flat_map(lambda w: w.batch(2))
    ),
    "window_tuple": lambda tf: (
        tf.data.Dataset.from_tensor_slices((ROWS, LABELS))
        .window(2)
        .flat_map(lambda x, y: tf.data.Dataset.zip((x.batch(2), y.batch(2))))
    ),
    "padded": lambda tf: ragged(tf).padded_batch(4),
    "padded_shape": lambda tf: ragged(tf).padded_batch(
        4, padded_shapes=[8], padding_values=np.int64(-1)
    ),
    "padded_tuple": lambda tf: (
        ragged(tf, 5)
        .map(lambda x: (x, tf.size(x)))
        .padded_batch(2, padded_shapes=([None], []), drop_remainder=True)
    ),
    "unbatch": lambda tf: (
        tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).batch(4).unbatch()
    ),
    "unbatch_rows": lambda tf: tf.data.Dataset.from_tensors(
        (ROWS[:3], LABELS[:3])
    ).unbatch(),
    "rebatch": lambda tf: tf.data.Dataset.range(11).batch(4).rebatch(3),
    "scan": lambda tf: tf.data.Dataset.range(6).scan(
        np.int64(1), lambda s, x: (s + x, (s, s * x))
    ),
    "take_while": lambda tf: tf.data.Dataset.range(20).take_while(lambda x: x < 4),
    "unique": lambda tf: tf.data.Dataset.from_tensor_slices(
        [1, 37, 2, 37, 2, 1]
    ).unique(),
    "unique_strings": lambda tf: names(tf).unique(),
    "group": lambda tf: tf.data.Dataset.range(10).group_by_window(
        lambda x: x % 3, lambda key, group: group.batch(2), window_size=2
    ),
    "buckets": lambda tf: ragged(tf, 8).bucket_by_sequence_length(
        lambda x: tf.size(x), [3, 6], [2, 2, 1]
    ),
    "buckets_bound": lambda tf: ragged(tf, 5).bucket_by_sequence_length(
        lambda x: tf.size(x), [3, 7], [2, 2, 1], pad_to_bucket_boundary=True
    ),
    "choose": lambda tf: tf.data.Dataset.choose_from_datasets(
        [tf.data.Dataset.range(i * 10, i * 10 + 3) for i in range(3)],
        tf.data.Dataset.range(3).repeat(3),
    ),
    "choose_skips": lambda tf: tf.data.Dataset.choose_from_datasets(
        [tf.data.Dataset.range(1), tf.data.Dataset.range(5, 8)],
        tf.data.Dataset.range(2).repeat(4),
        stop_on_empty_dataset=False,
    ),
    "cache": lambda tf: tf.data.Dataset.range(5).cache().repeat(2).batch(3),
    "prefetch": lambda tf: tf.data.Dataset.range(9).prefetch(2).batch(2).prefetch(1),
    "counter": lambda tf: tf.data.experimental.Counter(3, 2).take(4),
    "apply": lambda tf: tf.data.Dataset.range(5).apply(lambda d: d.skip(2)),
    "map_and_batch": lambda tf: tf.data.Dataset.range(5).apply(
        tf.data.experimental.map_and_batch(lambda x: x * 2, 2)
    ),
    "generator": lambda tf: tf.data.Dataset.from_generator(
        lambda: iter([(1, [1.0]), (2, [1.0, 2.0])]),
        output_signature=(
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((None,), tf.float32),
        ),
    ),
    "generator_types": lambda tf: tf.data.Dataset.from_generator(
        lambda n: range(n), output_types=tf.int64, args=[4]
    ),
    "long": lambda tf: (
        tf.data.Dataset.range(5000)
        .map(lambda x: x * 3)
        .filter(lambda x: x % 7 == 0)
        .skip(100)
        .batch(50)
        .map(lambda x: tf.reduce_sum(x))
    ),
}
