"""The verbs of the command line, a file each.

The problem. A command line that grows by one function per verb becomes a file that
nobody reads, and the rules that make it pleasant in a pipe (data to the output stream,
everything else to the error stream, exit codes that mean something) are forgotten by
the verb that is added last.

The design. A file has two functions: `add_parser` says what the verb takes, `run` does
it and returns the exit code. Both get what the verbs share from `shared`: the errors,
writing of files that never replaces one unasked, cleaning of text; and from `targets`: the
options that say which graph is meant, the search for it, and signs of life meanwhile.
`cli` puts the parsers together and is the only place that turns exceptions into exit
codes and messages.

Exit codes: 0; 1 for findings (`check`) and differences (`diff`); 2 for wrong usage; 3 if
there is no such target or graph; 4 if the user's code raised, whose traceback is shown
without our frames; 5 if a package of an extra is missing; 130 after Ctrl-C.

Why argparse. It takes 5 ms to import, click 21, typer 38; help and completion need
neither numba, networkx nor rich, which are loaded where something is compiled, written
or printed in color. `graphopt completion` prints a script that was made from the parsers,
so a shell completes without starting Python.
"""
