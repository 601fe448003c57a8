"""Better graphs: a driver, one literal tuple of passes, one file for each.

The problem. Rewrites that mutate a shared graph need callbacks to keep every index of it
right, and nobody can see afterwards what happened. A pass here is a pure function from
`Program` to `Program`; the driver notes before, after and seconds, which is all that the
viewer needs for its slider.

Each pass says what it preserves: `bits`, or `ulps` where a fused formula rounds less
often. None assumes real-number algebra: x * 0 is not 0 for NaN, x - x is not 0 for
infinity, (a + b) + c is not a + (b + c).

Shapes are numbers here: `prune_unfetched` infers them again from what is fed, so later
passes never reason about unknown dimensions. A new batch size means a new plan (about
10 us an op) but no new kernel, for kernels take sizes as arguments.
"""
