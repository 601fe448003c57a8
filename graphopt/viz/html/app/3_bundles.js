// Links between ops -> lines between boxes that show, as `viz/bundles.py` does it. Each
// line knows in which of two stages it is: before the pass that is looked at (1), after (2).

function linksOf(stage, side) {
  const found = [];
  ops.forEach((op, index) => {
    const target = boxOf.get(index);
    if (target === undefined || !isShown(op, stage)) return;
    const seen = new Map();
    const add = (source, key, nbytes, mask) => {
      const link = seen.get(key);
      if (link) link.mask |= mask;
      else { seen.set(key, { source, target, tensor: nbytes === null ? "" : key, nbytes: nbytes || 0, mask }); }
    };
    for (const [mask, at] of stage ? [[2, stage], [1, stage - 1]] : [[3, 0]]) {
      if (!isAlive(op, at) || !(mask & side)) continue;
      const [, , inputs, controls] = versionOf(op, at);
      for (let i = 0; i < inputs.length; i += 2) {
        const source = boxOf.get(inputs[i]);
        if (source === undefined || !isShown(ops[inputs[i]], stage)) continue;
        const output = versionOf(ops[inputs[i]], at)[4][inputs[i + 1]];
        add(source, `${inputs[i]}:${inputs[i + 1]}`, (output && output[1]) || 0, mask);
      }
      for (const control of controls) {
        const source = boxOf.get(control);
        if (source !== undefined && isShown(ops[control], stage)) add(source, `^${control}`, null, mask);
      }
    }
    found.push(...seen.values());
  });
  return found;
}

function addToLine(line, link) {
  line.mask |= link.mask;
  line.from.add(boxes[link.source].op);
  line.to.add(boxes[link.target].op);
  if (link.tensor && !line.tensors.has(link.tensor)) {
    line.tensors.add(link.tensor);
    line.nbytes += link.nbytes;
  }
}

const newLine = () => ({ tensors: new Set(), nbytes: 0, mask: 0, from: new Set(), to: new Set() });

// Each box, or the closed scope around it that is drawn in its place.
function findVisible() {
  const visible = new Int32Array(boxes.length);
  for (const box of boxes) {
    if (box.parent < 0) visible[box.id] = box.id;
    else {
      const shows = visible[box.parent] === box.parent && state.open.has(box.parent);
      visible[box.id] = shows ? box.id : visible[box.parent];
    }
  }
  return visible;
}

function makeBundles(stage, kidsOf, side = 3) {
  const open = [0];
  for (const id of open) for (const kid of kidsOf(id)) if (state.open.has(kid) && isScope(boxes[kid])) open.push(kid);
  const bundles = { open, vertices: new Map(), ports: new Map(), inside: new Map(), crossings: new Map() };
  for (const id of open) {
    bundles.ports.set(id, new Map());
    bundles.inside.set(id, new Map());
    for (const kid of kidsOf(id)) bundles.vertices.set(kid, makeVertex());
  }
  const visible = findVisible();
  for (const link of linksOf(stage, side)) {
    const [source, target] = [visible[link.source], visible[link.target]];
    if (source !== target) addLink(bundles, source, target, link);
  }
  return bundles;
}

function addLink(bundles, source, target, link) {
  const above = new Set();
  for (let id = boxes[source].parent; id >= 0; id = boxes[id].parent) above.add(id);
  let common = boxes[target].parent;
  while (!above.has(common)) common = boxes[common].parent;
  if (!common && hasColumns) {
    const key = `${source}|${target}`;
    if (!bundles.crossings.has(key)) bundles.crossings.set(key, { source, target, ...newLine() });
    addToLine(bundles.crossings.get(key), link);
    return;
  }
  const portOf = (scope, side, key) => {
    const ports = bundles.ports.get(scope);
    if (!ports.has(`${side}:${key}`)) ports.set(`${side}:${key}`, { scope, side, name: `${scope}:${side}:${key}`, vertex: makeVertex(side) });
    return ports.get(`${side}:${key}`);
  };
  const bundle = (scope, ends, names, ports) => {
    const key = [...names, ports[0] ? ports[0].name : ""].join("|");
    const lines = bundles.inside.get(scope);
    if (!lines.has(key)) lines.set(key, { edge: makeEdge(...ends), enters: !ports[1] && !ends[1].side, sourcePort: ports[0], targetPort: ports[1], ...newLine() });
    addToLine(lines.get(key), link);
  };
  const vertexOf = (id) => bundles.vertices.get(id);
  let port = null;
  while (boxes[source].parent !== common) {
    const scope = boxes[source].parent;
    const leaving = portOf(scope, 1, source);
    bundle(scope, [vertexOf(source), leaving.vertex], [source, leaving.name], [port, null]);
    source = scope;
    port = leaving;
  }
  const inner = [[target, null]];
  while (boxes[inner.at(-1)[0]].parent !== common) {
    const scope = boxes[inner.at(-1)[0]].parent;
    inner.push([scope, portOf(scope, -1, source)]);
  }
  let [start, name, scope] = [vertexOf(source), source, common];
  for (const [box, entry] of inner.reverse()) {
    bundle(scope, [start, vertexOf(box)], [name, box], [port, entry]);
    port = null;
    if (entry) [start, name, scope] = [entry.vertex, entry.name, box];
  }
}
