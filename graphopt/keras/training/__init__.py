"""`compile`, `fit`, `evaluate` and `predict`.

The problem: a Python loop around a training step costs more than the step of a small model.
Keras pays for every batch: an iterator, a function call, callbacks, the results of metrics.

Here a step is traced once (`steps.py`) with an open batch size, with losses and metrics,
whose state is variables, inside of it. An epoch over arrays is a few native calls: rows of
the data are put together for several steps (`data.py`), which run one after the other
without Python in between. Python comes back at most every 50 ms, for signals and the
progress bar; results of metrics are computed when somebody looks. A callback that wants
every batch gets every batch, and then a step is one call.
"""
