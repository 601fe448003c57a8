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

Three passes undo what users and gradient rules say twice or for nothing:
`simplify_algebra` by local rules (`node_rules`), `fold_transposes` by reading a matrix
as it lies, `merge_common_subexpressions` by one table of what was computed. They take
about 25 us an op and give back what was wasted: a transposed 2048 x 1024 matrix times
32 columns takes 1.8 ms and no copy instead of 3.9 ms and 8 MiB, a softmax that is asked
for three times 12 ms instead of 32 ms. A well-written step has little to give: of the
digits perceptron's 77 ops 16 go, of a 400-variable Adam step's 5,020 1,002, all of them
constants, second reads and reshapes, and neither step gets faster. That they change no
bit is asked of 400 random programs full of NaN, infinities and signed zeros; the same
programs notice 25 passes that were made wrong on purpose (tests/properties).

`fuse_elementwise` and `fuse_reductions` make loops: a chain of ops in one sweep through
memory, and what the chain computes reduced while it is in the cache; between the two,
`rematerialize` gives each user of a cheap loop a copy of it. `fuse_products` lets
a loop use up a large product, as an optimizer's update does with its gradient, which then
never exists; `accumulate_products` adds products up in one buffer; `pair_products` reads a
matrix once for two products, `exchange_products` has other ranks get the first rows of one
while the others are computed. `rewrite_bodies` applies the passes to what is inside of
branches and loops.
"""
