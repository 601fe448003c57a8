"""Derivatives, by one walk over records.

The problem. TensorFlow, like autograd and tinygrad before it, has one machinery for
graphs and another one for tapes, with two sets of subtleties. Here both give the same
thing, a list of records in the order in which they ran, and `walk_cotangents` goes
backwards over it once. The rules are those of the registry, written with public ops, so
a derivative is a graph like any other, and higher orders are free.

The walk, not each rule, undoes broadcasting (`sum_like`), drops cotangents of integers
and skips what no source reaches: rules stay one line. It is a loop, so the depth of a
graph does not matter: 100,000 ops take 0.5 s.
"""
