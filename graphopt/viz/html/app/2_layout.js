// Where everything is. A scope of which nothing changed keeps the layout that was made in
// Python; the others are laid out by dagre in a Worker, innermost first.

const GAP = 70;
const MOST_PORTS = 8;
const worker = startWorker();
let generation = 0;

function startWorker() {
  const source = ["dagre", "worker"].map((id) => document.getElementById(id).textContent);
  const url = URL.createObjectURL(new Blob([source.join("\n")], { type: "text/javascript" }));
  return new Worker(url);
}

function isUntouched(scope) {
  if (state.stage || !startOpen.has(scope.id)) return false;
  const stack = [...scope.kids];
  while (stack.length) {
    const id = stack.pop();
    if (state.open.has(id) !== startOpen.has(id)) return false;
    if (state.open.has(id)) stack.push(...boxes[id].kids);
  }
  return true;
}

// Splits each link at the borders of the open scopes that it crosses. Links from one box
// share a port; where there would be very many ports, all share one.
function bundleLinks(visible, crowded) {
  const jobs = new Map();
  const crossings = new Map();
  const jobOf = (id) => {
    if (!jobs.has(id)) jobs.set(id, { ports: new Set(), edges: new Map() });
    return jobs.get(id);
  };
  const portOf = (scope, side, from) => {
    const key = `${side}:${crowded.has(`${scope}:${side}`) ? "*" : from}`;
    jobOf(scope).ports.add(key);
    return key;
  };
  const add = (scope, ends, ports, link) => {
    const key = [...ends, ports[0]].join("|");
    const { edges } = jobOf(scope);
    if (!edges.has(key)) edges.set(key, { ends: ends.map(String), ports, tensors: new Map() });
    if (link[2]) edges.get(key).tensors.set(link[2], link[3]);
  };
  for (const link of links()) {
    let source = visible[link[0]];
    const target = visible[link[1]];
    if (source === target) continue;
    const above = new Set();
    for (let id = boxes[source].parent; id >= 0; id = boxes[id].parent) above.add(id);
    let common = boxes[target].parent;
    while (!above.has(common)) common = boxes[common].parent;
    if (!common && hasColumns) {
      const key = `${source}|${target}`;
      if (!crossings.has(key)) crossings.set(key, { ends: [source, target], tensors: new Map() });
      if (link[2]) crossings.get(key).tensors.set(link[2], link[3]);
      continue;
    }
    let port = null;
    while (boxes[source].parent !== common) {
      const scope = boxes[source].parent;
      const leaving = portOf(scope, 1, source);
      add(scope, [source, leaving], [port, null], link);
      source = scope;
      port = leaving;
    }
    const inner = [[target, null]];
    while (boxes[inner.at(-1)[0]].parent !== common) {
      const scope = boxes[inner.at(-1)[0]].parent;
      inner.push([scope, portOf(scope, -1, source)]);
    }
    let start = source;
    let scope = common;
    for (const [box, entry] of inner.reverse()) {
      add(scope, [start, box], [port, entry], link);
      port = null;
      if (entry) { start = entry; scope = box; }
    }
  }
  return { jobs, crossings: [...crossings.values()] };
}

function bundleAll(visible) {
  const bundled = bundleLinks(visible, new Set());
  const crowded = new Set();
  for (const [scope, job] of bundled.jobs) {
    for (const side of ["-1", "1"]) {
      const count = [...job.ports].filter((key) => key.startsWith(`${side}:`)).length;
      if (count > MOST_PORTS && !isUntouched(boxes[scope])) crowded.add(`${scope}:${side}`);
    }
  }
  return crowded.size ? bundleLinks(visible, crowded) : bundled;
}

// What a pass did, and the shapes that it found out, may need more room.
function widthOf(box) {
  if (!state.stage) return box.w;
  const longest = Math.max(...detailsOf(box).map((line) => line.length));
  return Math.max(box.w, box.bodyX + longest * 6.8 + 20);
}

const sumBytes = (tensors) => [...tensors.values()].reduce((sum, bytes) => sum + bytes, 0);

function makeJob(id, bundled, upward) {
  const job = bundled.jobs.get(id) || { ports: new Set(), edges: new Map() };
  return {
    id, upward, openWidth: boxes[id].openWidth, ports: [...job.ports],
    nodes: shownKids(boxes[id]).map((kid) => {
      const box = boxes[kid];
      const w = widthOf(box);
      return { id: kid, isOpen: state.open.has(kid) && isScope(box), w, h: box.h, anchor: (box.bodyX + w) / 2 };
    }),
    edges: [...job.edges.values()].map((edge) => ({
      ends: edge.ends, ports: edge.ports, n: edge.tensors.size, b: sumBytes(edge.tensors),
      a: edge.ports[1] || edge.ends[1].includes(":") ? 0 : 1, c: edge.tensors.size ? 0 : 1,
    })),
  };
}

// Returns {scopes, crossings}: a layout of each open scope, counted from its corner.
async function layOut() {
  const visible = findVisible();
  const bundled = bundleAll(visible);
  const open = [0];
  const upward = new Set();
  for (const id of open) {
    const isGradients = boxes[id].column && /(^|\/)gradients(_\d+)?$/.test(boxes[id].label);
    if (isGradients) upward.add(id);
    for (const kid of shownKids(boxes[id])) {
      if (!state.open.has(kid)) continue;
      if (upward.has(id)) upward.add(kid);
      open.push(kid);
    }
  }
  const known = {};
  const todo = [];
  for (const id of open.reverse()) {
    if (isUntouched(boxes[id])) known[id] = data.first[id];
    else if (id || !hasColumns) todo.push(makeJob(id, bundled, upward.has(id)));
  }
  const scopes = todo.length ? await ask({ known, todo }) : known;
  if (scopes && !scopes[0]) scopes[0] = placeColumns(scopes);
  return scopes && { scopes, crossings: bundled.crossings };
}

function ask(message) {
  generation += 1;
  const mine = generation;
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: answer }) => {
      // Whoever was overtaken by a later question gets nothing.
      if (answer.generation === mine) resolve(answer.scopes);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ ...message, generation: mine });
  });
}

function placeColumns(scopes) {
  const columns = shownKids(boxes[0]);
  const heights = columns.map((id) => (scopes[id] || boxes[id]).h);
  const h = Math.max(...heights);
  let x = 0;
  const c = {};
  columns.forEach((id, index) => {
    c[id] = [x, index < 2 ? 0 : (h - heights[index]) / 2];
    if (index < 2 && scopes[id]) scopes[id] = { ...scopes[id], h };
    x += (scopes[id] || boxes[id]).w + GAP;
  });
  return { w: x - GAP, h, c, r: [], p: {} };
}

// Adds up the places of scopes within scopes.
function absolute({ scopes, crossings }) {
  const places = new Map([[0, { x: 0, y: 0, w: scopes[0].w, h: scopes[0].h }]]);
  const routes = [];
  const stack = [0];
  while (stack.length) {
    const id = stack.pop();
    const { x, y } = places.get(id);
    for (const route of scopes[id].r) {
      routes.push({ ...route, p: route.p.map(([a, b]) => [a + x, b + y]) });
    }
    for (const [kid, [dx, dy]] of Object.entries(scopes[id].c)) {
      const size = scopes[kid] || { w: widthOf(boxes[kid]), h: boxes[kid].h };
      places.set(+kid, { x: x + dx, y: y + dy, w: size.w, h: size.h });
      if (scopes[kid]) stack.push(+kid);
    }
  }
  for (const { ends, tensors } of crossings) {
    const [a, b] = ends.map((id) => places.get(id));
    const target = boxes[ends[1]];
    const y = b.y + (target.tags.length ? 7 : b.h / 2);
    const isBack = b.x < a.x;
    routes.push({
      p: isBack ? [[a.x, a.y + a.h / 2], [b.x + b.w, b.y + b.h / 2]]
        : [[a.x + a.w, a.y + a.h / 2], [b.x - 4, y], [b.x + target.bodyX, y]],
      a: 1, n: tensors.size, b: sumBytes(tensors), c: tensors.size ? 0 : 1, level: true,
    });
  }
  return { places, routes, w: scopes[0].w, h: scopes[0].h };
}
