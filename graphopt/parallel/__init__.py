"""Several processes train one model: each on its own data, with one sum of gradients.

The processes, *ranks*, are started by `graphopt run -n 4 script.py` or an MPI launcher and
all run the same program. `ops.collectives` has the ops by which they exchange values. Here
is what these need: `mpi` finds out whether this process is a rank and loads the library,
`communicator` exchanges values, `aggregation` says what happens to gradients.

Nothing of this is loaded by a program that is alone, and MPI itself not before a strategy
is made.
"""
