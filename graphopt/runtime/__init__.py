"""Running: sessions, variables, executables, and functions that are traced.

The problem. A step must cost what its arithmetic costs, so nothing may be decided, looked
up or allocated in a warm step; and yet a step that fails, is interrupted or finds its
variables changed by another thread must leave them as they were.

A `Session` keeps, for each set of fetches and kinds of feeds, a `runner`: the program
after the rewrites, its schedule, and how often it ran. Programs that write variables are
compiled at their first run, others at their third, after being interpreted by NumPy; the
rule counts runs and nothing else, so the same script always does the same. An `Executable`
is a schedule bound to addresses: tables of words that native code reads, written once.
What changes from run to run is looked up by number: feeds have their words, and a variable
whose array was replaced raises the store's `generation`, upon which the words are written
again. `opt_op.run()` on two scalars takes 0.55 us, of which the native call is 0.25.

A `VariableStore` holds the arrays and the lock of a session; eager variables have a store
of their own, which copies an array before a write only while a tensor still looks at it.
Checks run before the first write of a step, native parts that write run to their end, and
the interpreter collects its writes and commits them in one call that no signal handler
can interrupt: so a step happens or does not.

`function` traces a Python function once for each kind of arguments and runs the trace on
the eager variables. `threads` decides how many workers a step may use. `debug` runs each
step by kernel and by NumPy and compares, `check_numerics` finds the op that made the first
NaN, `profile` and `plan` say what a step costs and why.
"""
