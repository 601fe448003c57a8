"""In which order, and where in memory: Program -> Schedule.

The order is networkx's lexicographical topological sort of the step graph, tens of nodes
after fusion, with the position in the program to break ties: the same program always
runs in the same order. A cycle, which only wrong control dependencies can make, is
reported with the names of its operations.

All intermediate results of a step live in one arena, allocated once. A buffer is placed
when its step comes up, in the smallest hole that fits, and its memory is free again
after its last reader, so the peak is known before anything has run. Outputs of aliases
(reshape, identity, the read of a variable) have no memory of their own.

`chunks` decides from shapes which calls are worth several threads and how they are cut,
and where a long native call may pause so that Ctrl-C is heard.

Branches and loops are steps too (`control`): their bodies follow each other in the same
list, with instructions in between that name the position to go on at. A loop of 20 million
scalar rounds takes 19 ns a round; it pauses every 50 ms or so for Ctrl-C. The derivative of
a loop keeps its variables on a stack that grows outside of the arena, for no bound of it
is known before.

Steps that can fail come before the first write of a variable; where the program wants it
otherwise, as in a lookup of what was just updated, the schedule says so (`fails_late`) and
the executor keeps copies of what is written. A program in which only the data decide how
large a tensor is (a mask, the different values of a vector) is interpreted, for it has no
fixed places in memory.
Nothing else decides between the executors, and the schedule names the op that did.
"""
