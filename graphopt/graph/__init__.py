"""What was asked: operations, tensors and graphs, as data, without any maths.

The problem. A framework that can show what it did, rewrite it and run it in several
ways needs one description of a computation that all of these read. PyTensor's is
mutable, with callbacks that keep 3,000 lines of features in step; tinygrad's is one
class with 130 methods.

The design. An `Operation` is made once and never changed; a `Graph` is the list of them
in the order of creation, which is a topological order, so that printing, pruning,
differentiating and freeing are loops and 100,000 ops in a chain are nothing special.
What an op means stands in its `OpSpec`, a frozen value in one registry. Variables are
ops too (`VarHandleOp`), so data edges say who reads and writes them. `dispatch.call` is
the one door: in a graph it appends, in eager mode it computes.

Types flow left to right: `Graph` -> `Program` (graph plus feeds, fetches, targets) ->
rewritten `Program`s. A rewrite copies with a `Rebuilder` instead of mutating, which
costs about 2 us an op and buys before/after pictures for nothing.

Provenance is the file and line of the user's call, found by walking frames: 1 us an op
where a full traceback takes a millisecond.
"""
