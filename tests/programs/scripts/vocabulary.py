"""Classifies short texts: words through a vocabulary table, embeddings, a table back."""

import os
import tempfile

import numpy as np
import tensorflow as tf

texts = ["good fine film", "bad dull film", "fine good fun", "dull bad", "good fun", "bad"]
labels = np.array([1, 0, 1, 0, 1, 0], np.int64)
path = os.path.join(tempfile.mkdtemp(), "words.txt")
with open(path, "w") as file:
    file.write("good\nfine\nbad\ndull\nfilm\n")

lines = tf.placeholder(tf.string, [None])
table = tf.lookup.StaticVocabularyTable(
    tf.lookup.TextFileInitializer(
        path,
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    ),
    num_oov_buckets=2,
)
words = tf.string_split(lines)
ids = tf.sparse_tensor_to_dense(
    tf.SparseTensor(words.indices, table.lookup(words.values), words.dense_shape),
    default_value=-1,
)
mask = tf.cast(ids >= 0, tf.float32)
start = np.random.RandomState(6).uniform(-0.5, 0.5, (7, 4)).astype(np.float32)
embedding = tf.get_variable("embedding", initializer=start)
vectors = tf.nn.embedding_lookup(embedding, tf.maximum(ids, 0))
total = tf.reduce_sum(vectors * mask[:, :, None], 1)
mean = total / tf.reduce_sum(mask, 1, keepdims=True)
output = tf.get_variable("output", initializer=start[:2].T.copy())
logits = tf.matmul(mean, output)
loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
train = tf.train.AdamOptimizer(0.05).minimize(loss)
names = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(
        tf.constant([0, 1], tf.int64), tf.constant(["negative", "positive"])
    ),
    default_value="unknown",
)
answer = names.lookup(tf.argmax(logits, 1))

with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
    print("size %d" % sess.run(table.size()))
    print(sess.run(ids, {lines: ["good film", "unknown dull bad"]}).tolist())
    for i in range(31):
        value, _ = sess.run([loss, train], {lines: texts})
        if i % 10 == 0:
            print("step %d loss %.4f" % (i, value))
    found = sess.run(answer, {lines: ["fine fun film", "dull film bad"]})
    print(" ".join(word.decode() for word in found))
    print(sess.run(names.lookup(tf.constant([7], tf.int64)))[0].decode())
