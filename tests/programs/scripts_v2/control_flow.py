"""Python's control flow in a tf.function: ranges, growing arrays, returns and breaks."""

import numpy as np
import tensorflow as tf


@tf.function
def primes(limit):
    found = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[])
    count = 0
    candidate = tf.constant(2)
    while candidate < limit:
        is_prime = True
        divisor = 2
        while divisor * divisor <= candidate:
            if candidate % divisor == 0:
                is_prime = False
                break
            divisor += 1
        if is_prime:
            found = found.write(count, candidate)
            count += 1
        candidate += 1
    return found.stack()


@tf.function
def bisect(low, high, tolerance):
    if low >= high:
        return low
    steps = 0
    while high - low > tolerance:
        middle = (low + high) / 2.0
        if middle * middle > 2.0:
            high = middle
        else:
            low = middle
        steps += 1
        if steps >= 40:
            break
    return (low + high) / 2.0


@tf.function
def moving_sum(x, most):
    total = 0.0
    kept = 0
    for v in x:
        if v < 0.0:
            continue
        if total + v > most:
            break
        total += v
        kept += 1
    return total, kept


@tf.function
def power(x, n):
    result = tf.ones_like(x)
    for _ in tf.range(n):
        result *= x
    return result


@tf.function
def fizz(n):
    counts = tf.zeros([3], tf.int32)
    for i in tf.range(1, n + 1):
        if i % 15 == 0:
            counts += [1, 1, 1]
        elif i % 3 == 0:
            counts += [1, 0, 0]
        elif i % 5 == 0:
            counts += [0, 1, 0]
    return counts


class Counter(tf.Module):
    def __init__(self):
        super().__init__()
        self.total = tf.Variable(0.0)
        self.calls = tf.Variable(0)

    @tf.function
    def add(self, values):
        self.calls.assign_add(1)
        for v in values:
            if v > 0.5 and self.total < 3.0:
                self.total.assign_add(v)
            elif not v > 0.0:
                self.total.assign(0.0)
        return self.total.read_value()


@tf.function
def slope(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for i in tf.range(3):
            y = tf.sin(y) if i < 2 else y * y
    return tape.gradient(y, x)


print("primes", primes(tf.constant(40)).numpy().tolist())
print("root %.5f" % bisect(tf.constant(0.0), tf.constant(2.0), tf.constant(1e-5)).numpy())
print("same %.1f" % bisect(tf.constant(3.0), tf.constant(2.0), tf.constant(1e-5)).numpy())
x = tf.constant([1.0, -2.0, 3.0, 0.5, 9.0, 1.0])
for most in (2.0, 6.0, 50.0):
    total, kept = moving_sum(x, tf.constant(most))
    print("sum %.2f of %d" % (total.numpy(), kept.numpy()))
print("power", power(tf.constant([1.0, 2.0, 3.0]), tf.constant(4)).numpy().tolist())
print("fizz", fizz(tf.constant(31)).numpy().tolist())
counter = Counter()
for values in ([0.6, 0.9, 0.2], [1.0, 1.0, 1.0], [0.7, -1.0, 0.8]):
    print("total %.2f" % counter.add(tf.constant(values)).numpy())
print("calls", counter.calls.numpy())
print("slope %.4f" % slope(tf.constant(0.7)).numpy())
print("traced", np.sum([f.experimental_get_tracing_count() for f in (primes, power)]))
