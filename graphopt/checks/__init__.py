"""Looking for mistakes in a training program: what is built, and what happens in it.

The problem. A graph with a mistake often runs: a variable that no gradient reaches
stays what it was, an update that nobody runs is never made, a loop that builds ops gets
slower from step to step, and a feed that loses digits says nothing. None of these is an
error to the executor, for each can be meant.

The design. A `Finding` says what was noticed, how serious it is, where the user's code
made it and what to do. `structure` looks at a graph alone; `watching` keeps an eye on a
script that runs and remembers what was fetched, what grew and what was fed. What can be
meant is a note; a warning or an error is what almost nobody means. False alarms are
worse than silence here, for they teach not to look.
"""
