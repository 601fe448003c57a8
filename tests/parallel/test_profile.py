"""Exchanges with other ranks in profiles, traces and pages."""

from __future__ import annotations

from tests.parallel.ranks import run_ranks

PROFILE = """
import json
import numpy as np
import graphopt as tf
from graphopt.parallel.aggregation import Aggregation, aggregating
from graphopt.parallel.communicator import world

group = world()
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    x = tf.constant(np.ones((64, 128), np.float32))
    variables = [tf.Variable(np.eye(128, dtype=np.float32)) for _ in range(3)]
    h = x
    for v in variables:
        h = tf.nn.relu(tf.matmul(h, v))
    ranks = Aggregation(group.group, group.size, bucket_bytes=1 << 16)
    with aggregating(ranks):
        train = tf.keras.optimizers.Adam(0.01).minimize(tf.reduce_mean(h), variables)
    session.run(tf.compat.v1.global_variables_initializer())
    before = session.run(variables)
    profile = session.profile(train, runs=3)
    after = session.run(variables)
assert all((a == b).all() for a, b in zip(before, after))
trace = json.loads(profile.to_chrome_trace_text())["traceEvents"]
lanes = {e["tid"]: e["args"]["name"] for e in trace if e["name"] == "thread_name"}
exchanged = [e for e in trace if lanes.get(e["tid"], "").startswith("exchange") and e["ph"] == "X"]
end = max(event.start + event.seconds for event in profile.events)
report({
    "starts": sum(s.type == "AllReduceStart" for s in profile.steps),
    "exchanges": len(profile.exchanges),
    "in trace": len(exchanged),
    "within": all(-1e-3 < e.start and e.start + e.seconds < end + 1e-3 for e in profile.exchanges),
    "waited": 0 <= profile.waited_seconds <= profile.exchange_seconds,
    "said": "exchanged with other ranks in" in str(profile),
    "limits": [s.limit for s in profile.steps if s.kernel == "communicate"],
})
"""


def test_profiles_tell_what_is_exchanged_behind_the_step():
    for found in run_ranks(2, PROFILE):
        starts = found["starts"]
        assert starts == 3
        # The header of the step, and each bucket, in three runs.
        assert found["exchanges"] == found["in trace"] == 3 * (starts + 1)
        assert found["within"] and found["waited"] and found["said"]
        assert set(found["limits"]) == {None}
