"""The native loop that runs a step: a table of calls, entered from Python once.

`tape` is the loop, 0.1 us a step and 3 ns a call; `jumps` are the calls that go elsewhere,
for branches and loops, `repeat` those of several steps in one call; `workers` share the
chunks of a large call between threads.
"""
