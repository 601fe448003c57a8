// Runs in a Worker, after dagre: lays out scopes, innermost first.

const PADDING = 16;
const HEADER = 44;
const WIDEST_ROW = 560;
const MOST_LOOSE = 4;

onmessage = ({ data: { known, todo, generation } }) => {
  const scopes = { ...known };
  for (const job of todo) scopes[job.id] = layOutScope(job, scopes);
  postMessage({ scopes, generation });
};

function layOutScope(job, scopes) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  const rankdir = job.upward ? "BT" : "TB";
  graph.setGraph({ rankdir, nodesep: 22, ranksep: 38, edgesep: 12, ranker: "network-simplex" });
  graph.setDefaultEdgeLabel(() => ({}));
  const nodes = new Map();
  for (const node of job.nodes) {
    const inner = node.isOpen ? scopes[node.id] : null;
    const size = inner ? { w: inner.w, h: inner.h, anchor: inner.w / 2, ports: inner.p } : node;
    // Edges meet a box in the middle of its body, not of the body and its badges.
    const half = Math.max(size.anchor, size.w - size.anchor);
    nodes.set(String(node.id), size);
    graph.setNode(String(node.id), { width: 2 * half, height: size.h });
  }
  const isLoose = job.edges.every(({ ends }) => ends.some((name) => name.includes(":")));
  if (isLoose && job.nodes.length > MOST_LOOSE) return layOutRows(job, nodes);
  const entered = new Set(job.edges.map((edge) => edge.ends[1]));
  const left = new Set(job.edges.map((edge) => edge.ends[0]));
  addPorts(graph, job, entered, left);
  job.edges.forEach((edge, index) => graph.setEdge(...edge.ends, {}, `e${index}`));
  dagre.layout(graph);
  return measure(graph, job, nodes);
}

// Ports have to be in the first and last row: an anchor beyond them pulls them there.
function addPorts(graph, job, entered, left) {
  for (const key of job.ports) {
    const [anchor, ends] = key.startsWith("-") ? ["first", ["first", key]] : ["last", [key, "last"]];
    graph.setNode(key, { width: 2, height: 2 });
    graph.setNode(anchor, { width: 1, height: 1 });
    graph.setEdge(...ends, { weight: 20 });
  }
  for (const { id } of job.nodes) {
    const name = String(id);
    if (graph.hasNode("first") && !entered.has(name)) graph.setEdge("first", name, { weight: 0, minlen: 2 });
    if (graph.hasNode("last") && !left.has(name)) graph.setEdge(name, "last", { weight: 0, minlen: 2 });
  }
}

// Boxes that have nothing to do with each other, as the updates of an optimizer, would
// all stand in one row: they are set in rows like words, lines run between the columns.
function layOutRows(job, nodes) {
  const [gap, lane] = [26, 9];
  const sizes = [...nodes.values()];
  const wide = Math.max(...sizes.map((size) => size.w)) + gap;
  const columns = Math.max(1, Math.min(sizes.length, Math.round(WIDEST_ROW / wide)));
  const w = Math.max(columns * wide + 2 * PADDING, job.openWidth);
  const c = {};
  const rowEnd = {};
  let y = HEADER;
  [...nodes.keys()].forEach((name, index) => {
    const size = nodes.get(name);
    c[name] = [PADDING + lane + (index % columns) * wide, y];
    const isLast = (index + 1) % columns === 0 || index + 1 === sizes.length;
    if (isLast) y += Math.max(...sizes.slice(index - (index % columns), index + 1).map((each) => each.h)) + 30;
    rowEnd[name] = c[name][1] + size.h;
  });
  const h = y - 30 + (job.ports.length ? 30 : PADDING);
  const p = {};
  job.ports.forEach((key, index) => { p[key] = w / 2 + (index - (job.ports.length - 1) / 2) * 10; });
  const r = job.edges.map((edge) => {
    const isIn = edge.ends[0].includes(":");
    const [port, name] = isIn ? edge.ends : [...edge.ends].reverse();
    const size = nodes.get(name);
    const key = edge.ports[isIn ? 1 : 0];
    const x = c[name][0] + ((key && size.ports ? size.ports[key] : size.anchor) ?? size.anchor);
    const isTop = port.startsWith("-") !== !!job.upward;
    const [start, near] = isTop ? [0, HEADER - 10] : [h, h - 14];
    const beside = [c[name][0] - lane, isTop ? c[name][1] - 14 : rowEnd[name] + 8];
    const points = [[p[port], start], [beside[0], near], beside, [x, isTop ? c[name][1] : rowEnd[name]]];
    return { p: isIn ? points : points.reverse(), a: edge.a, n: edge.n, b: edge.b, c: edge.c };
  });
  return { w, h, c, r, p };
}

function measure(graph, job, nodes) {
  const up = job.upward;
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [name, size] of nodes) {
    const { x, y } = graph.node(name);
    x0 = Math.min(x0, x - size.anchor);
    x1 = Math.max(x1, x - size.anchor + size.w);
    y0 = Math.min(y0, y - size.h / 2);
    y1 = Math.max(y1, y + size.h / 2);
  }
  const paths = job.edges.map((edge, index) => graph.edge({ v: edge.ends[0], w: edge.ends[1], name: `e${index}` }).points.slice(1, -1));
  for (const { x } of [...paths.flat(), ...job.ports.map((key) => graph.node(key))]) {
    x0 = Math.min(x0, x - 4);
    x1 = Math.max(x1, x + 4);
  }
  const w = Math.max(x1 - x0 + 2 * PADDING, job.openWidth);
  const dx = (w - (x1 - x0)) / 2 - x0;
  const has = (side) => job.ports.some((key) => key.startsWith(`${side}:`));
  const dy = HEADER - y0;
  const h = y1 - y0 + HEADER + (has(up ? -1 : 1) ? 36 : PADDING);
  const p = {};
  for (const key of job.ports) p[key] = graph.node(key).x + dx;
  const c = {};
  for (const [name, size] of nodes) {
    const { x, y } = graph.node(name);
    c[name] = [x + dx - size.anchor, y + dy - size.h / 2];
  }
  // Where an edge meets a port on the frame, or a box at the height of its own border.
  const end = (name, portKey, next, isSource) => {
    if (name.includes(":")) {
      const isTop = name.startsWith("-") !== !!up;
      return [p[name], isTop ? 0 : h];
    }
    const size = nodes.get(name);
    const [x, y] = c[name];
    const at = portKey && size.ports ? size.ports[portKey] : size.anchor;
    const below = next === null ? isSource !== !!up : next > y + size.h / 2;
    return [x + (at ?? size.anchor), below ? y + size.h : y];
  };
  const r = job.edges.map((edge, index) => {
    const middle = paths[index].map((point) => [point.x + dx, point.y + dy]);
    const first = end(edge.ends[0], edge.ports[0], middle.length ? middle[0][1] : null, true);
    const last = end(edge.ends[1], edge.ports[1], middle.length ? middle.at(-1)[1] : null, false);
    return { p: [first, ...middle, last], a: edge.a, n: edge.n, b: edge.b, c: edge.c };
  });
  return { w, h, c, r, p };
}
