"""A TensorFlow 1 program with flags, dynamic_rnn, a monitored session and summaries.

Nothing in it knows of graphopt. Learns a text character by character and writes some:

    graphopt run examples/tensorflow1_language_model.py --steps=400 --logdir=/tmp/model
"""

import numpy as np
import tensorflow as tf

tf.app.flags.DEFINE_integer("steps", 400, "How many batches to train on.")
tf.app.flags.DEFINE_float("learning_rate", 0.01, "Step size of Adam.")
tf.app.flags.DEFINE_string("logdir", None, "Where checkpoints and summaries go.")
FLAGS = tf.app.flags.FLAGS

TEXT = (
    "she sells sea shells by the sea shore, the shells she sells are sea shells for "
    "sure, so if she sells shells on the sea shore, i am sure she sells sea shore shells. "
)
LETTERS = sorted(set(TEXT))
IDS = np.array([LETTERS.index(letter) for letter in TEXT * 4], np.int32)
BATCH, LENGTH, UNITS = 16, 20, 64


def build_model(inputs):
    """Returns logits of the next letters, and the state before and after."""
    cells = [tf.nn.rnn_cell.GRUCell(UNITS) for _ in range(2)]
    cell = tf.nn.rnn_cell.MultiRNNCell(cells)
    start = cell.zero_state(tf.shape(inputs)[0], tf.float32)
    one_hot = tf.one_hot(inputs, len(LETTERS))
    outputs, end = tf.nn.dynamic_rnn(cell, one_hot, initial_state=start)
    return tf.layers.dense(outputs, len(LETTERS), name="letters"), start, end


def main(_):
    """Trains, then writes a text letter by letter."""
    tf.set_random_seed(1)
    random = np.random.RandomState(1)
    inputs = tf.placeholder(tf.int32, [None, None], name="inputs")
    targets = tf.placeholder(tf.int32, [None, None], name="targets")
    logits, start, end = build_model(inputs)
    loss = tf.losses.sparse_softmax_cross_entropy(targets, logits)
    tf.summary.scalar("loss", loss)
    step = tf.train.get_or_create_global_step()
    optimizer = tf.train.AdamOptimizer(FLAGS.learning_rate)
    slopes, variables = zip(*optimizer.compute_gradients(loss))
    slopes, _ = tf.clip_by_global_norm(slopes, 5.0)
    train = optimizer.apply_gradients(zip(slopes, variables), global_step=step)

    hooks = [
        tf.train.StopAtStepHook(num_steps=FLAGS.steps),
        tf.train.NanTensorHook(loss),
    ]
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=FLAGS.logdir, hooks=hooks, save_summaries_steps=20
    ) as session:
        while not session.should_stop():
            at = random.randint(0, len(IDS) - LENGTH - 1, BATCH)
            rows = np.stack([IDS[i : i + LENGTH + 1] for i in at])
            feed = {inputs: rows[:, :-1], targets: rows[:, 1:]}
            value, _ = session.run([loss, train], feed)
        print("loss %.3f" % value)
        session.run_step_fn(
            lambda context: write_text(context.session, inputs, logits, start, end)
        )


def write_text(session, inputs, logits, start, end):
    """Prints what the model writes after "she"."""
    text = "she"
    state = None
    letters = [[LETTERS.index(letter) for letter in text]]
    for _ in range(60):
        feed = {inputs: letters}
        if state is not None:
            feed.update(zip(start, state))
        scores, state = session.run([logits, end], feed)
        letters = [[int(scores[0, -1].argmax())]]
        text += LETTERS[letters[0][0]]
    print(text)


if __name__ == "__main__":
    tf.app.run()
