"""One HTML file that shows a graph: offline, opened from disk, without a server.

The problem. A picture on paper cannot answer questions: what is in this box, where in my
program was it made, what became of it, what does it cost. Viewers that can need a server
that runs, or load their libraries from the network, or draw everything and freeze.

The design. `stages` puts the graph as built and the graph after each pass into one tree,
each op with the passes that made, changed and removed it, so that the slider over the
passes only filters. `data` says the tree, the ops, the places in the user's program, the
kernels and the buffers as plain values; `page` puts them into a file with our own scripts.
The first picture is in the file as SVG and is there before a script runs.

One layout. What is opened later is laid out in the browser by the algorithm that Python
has, function by function (`app/2_layers.js` to `app/4_layout.js`); a test compares
coordinates. So the picture does not jump when the script takes over, and a page looks like
its pictures. What opens, and what a pass leaves, keeps its layer and its order. A network
of 213 ops, all open, takes 5 ms; the general engines that were tried took 0.1 to 0.8 s.

Safety. Names come from the user's program and are text to the end: data is JSON in which
no `<` is left, scripts write it with `textContent` only, and the policy in the head of
the file forbids every request, and every script but the one whose hash it lists.

Why not d3, Cytoscape or React: below 3,000 shapes plain SVG needs none of them, and what
is not in the file need not be trusted. The scripts are a few files of plain JavaScript,
to be read as they are.
"""
