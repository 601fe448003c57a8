"""One HTML file that shows a graph: offline, opened from disk, without a server.

The problem. A picture on paper cannot answer questions: what is in this box, where in my
program was it made, what became of it, what does it cost. Viewers that can need a server
that runs, or load their libraries from the network, or draw everything and freeze.

The design. `stages` puts the graph as built and the graph after each pass into one tree,
each op with the passes that made, changed and removed it, so that the slider over the
passes only filters. `data` says the tree, the ops, the places in the user's program, the
kernels and the buffers as plain values, and gives the layout of what shows at first,
which was made in Python; `page` puts them into a file with our own scripts. The first
picture is in the file as SVG and is there before a script runs. What is opened later is
laid out in the browser, scope by scope, by dagre (MIT, in `vendor/`) in a Worker; scopes
that did not change keep the layout from Python, so the picture does not jump.

Safety. Names come from the user's program and are text to the end: data is JSON in which
no `<` is left, scripts write it with `textContent` only, and the policy in the head of
the file forbids every request, and every script but the one whose hash it lists and the
Worker that this one starts.

Why not d3, Cytoscape or React: below 3,000 shapes plain SVG needs none of them, and what
is not in the file need not be trusted. The scripts are a few files of plain JavaScript,
to be read as they are.
"""
