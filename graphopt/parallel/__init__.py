"""Several processes train one model: each on its own data, with one sum of gradients.

The processes, *ranks*, are started by `graphopt run -n 4 script.py` or a launcher of MPI and
all run the same program, in lockstep where they exchange something. Three things make that
hard, and decide the design:

- *All ranks must do the same.* So what is exchanged are ops of the graph, which no pass may
  drop, merge or reorder (`ops.collectives`), gradients become one before anything is decided
  from them (`aggregation`), and every step begins by telling the others what it is about to
  exchange: two ranks that run different programs get an error that names both, not a hang.
- *Nobody may wait for ever.* Ranks that end say so (`failures`), and a thread looks after
  those that cannot any more (`watch`): the others get an error with rank, op and line, 5 ms
  after a process was killed, 0.1 s after an exception, 1.5 s after one was stopped.
- *The wire is slow.* So values are exchanged while the step computes
  (`rewrite.bucket_collectives`, `rewrite.overlap_collectives`), by native code
  (`codegen.communication`) through a `channel`.

`mpi` finds out whether this process is a rank and loads the library, `communicator` has what
ranks exchange from Python, `causes` says why they cannot, `sharding` cuts the state of
optimizers in pieces, `ranks` is what only one of them does, `strategy` and `mpi_strategy` are
TensorFlow's names for all of it, `replicas` compares them. `launchers` and `reports` are what
`graphopt run` needs.

A program that is alone loads no MPI: only a strategy, or Horovod's `init`, does, and only in
a process that was launched as one of several.
"""
