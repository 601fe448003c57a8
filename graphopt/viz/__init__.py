"""Seeing a graph: pictures, a page and text, without a server or another program.

The problem. Every framework can draw its graphs and hardly anybody looks at the
pictures: they need the `dot` program, which is not installed, or they are a strip ten
thousand pixels wide, because each constant and each variable has an edge to every user
and the gradients mirror the whole network.

The design. What is drawn is a tree, made of the names: `model` splits them at `/`,
turns variables, constants and busy inputs into badges beside the ops that use them, and
keeps the links between the rest. `folding` makes one box of alike siblings and opens
scopes from the outside until about 30 boxes show; `columns` sets forward pass, gradients
and updates side by side. `bundles` makes lines of links, `layout` places the children of
each open scope with `layers`, a small layered layout, innermost scopes first, so that the
cost is that of many small graphs; `bands` cuts long chains, `sideways` finds ways between
columns, `union` makes one drawing of two graphs. `svg` writes
the result and `png` has resvg paint it; `html/` makes a page to look around in; `text`
writes the same tree for a terminal, `dot`, `graphml` and `mermaid` for other programs;
`plan` says what the compiler made of a fetch, `changes` compares two graphs.

What is looked at is a `target`: a graph, what is wanted of it, and the sizes that were fed.
`loading` runs a `script` through its first training step and chooses among what
`runtime.recording` saw it run; `things` takes a value of a program, as `tf.viewer.view`
does; `collecting` has a training fetch what is to be seen beside what it fetches anyway.

Why not Graphviz. It is a program to install, and given a training graph of 1,935 ops
with scopes as clusters it did not finish in two minutes; its bindings with the library
inside take 108 MB. The layouts of networkx give positions without clusters, routes or
crossing reduction. This folder is loops on the standard library.

Measured on one core of a Xeon with AVX-512 that had other work. A training step of 2,207
ops: 16 ms from graph to SVG as shown at first, of which 4 ms are layout (0.14 s with every
scope open); its page takes 0.26 s to make, has 0.23 MB and opens in 0.3 s. With 21,611
ops: 2.9 s, half of them for the plan, 0.8 MB and 0.6 s; with 100,151: 20 s, 3 MB, 1.2 s.
Importing the folder loads neither numba, networkx nor rich.

Names are hostile until shown otherwise: control and direction characters are replaced,
everything is escaped, and a picture holds no scripts, links or outside references.
"""
