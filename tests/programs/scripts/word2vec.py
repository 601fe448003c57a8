"""Skip-gram with noise contrastive estimation; the noise words are fed."""

import numpy as np
import tensorflow as tf

vocabulary, size, batch, noise = 30, 8, 12, 5
random = np.random.RandomState(4)
words = random.randint(0, vocabulary, 400)
start = random.uniform(-1, 1, (vocabulary, size)).astype(np.float32)
weights = (random.randn(vocabulary, size) / np.sqrt(size)).astype(np.float32)

inputs = tf.placeholder(tf.int32, shape=[batch])
targets = tf.placeholder(tf.int32, shape=[batch, 1])
sampled = tf.placeholder(tf.int64, shape=[noise])
embeddings = tf.Variable(start, name="embeddings")
embed = tf.nn.embedding_lookup(embeddings, inputs)
nce_weights = tf.Variable(weights, name="nce_weights")
nce_biases = tf.Variable(tf.zeros([vocabulary]), name="nce_biases")
expected = noise / float(vocabulary)
values = (sampled, tf.fill([batch, 1], expected), tf.fill([noise], expected))
loss = tf.reduce_mean(
    tf.nn.nce_loss(
        weights=nce_weights,
        biases=nce_biases,
        labels=targets,
        inputs=embed,
        num_sampled=noise,
        num_classes=vocabulary,
        sampled_values=values,
        remove_accidental_hits=True,
    )
)
optimizer = tf.train.AdagradOptimizer(0.5).minimize(loss)
norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))
normalized = embeddings / norm
similarity = tf.matmul(normalized[:3], normalized, transpose_b=True)
top = tf.nn.top_k(similarity, k=4)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    average = 0.0
    for step in range(40):
        at = random.randint(0, len(words) - batch - 1)
        feed = {
            inputs: words[at : at + batch],
            targets: words[at + 1 : at + batch + 1, None],
            sampled: random.choice(vocabulary, noise, replace=False),
        }
        _, value = session.run([optimizer, loss], feed_dict=feed)
        average += value / 40
    print("average loss %.4f" % average)
    near, places = session.run(top)
    print(places.tolist())
    print(" ".join("%.4f" % v for v in near[:, 1]))
