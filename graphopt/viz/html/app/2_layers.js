// Layered placement of one scope's boxes, as `viz/layers.py` and `bands.py` do it;
// what each step is for is said there. A test compares the coordinates of both.

const WIDEST_LAYER = 1000;
const ROW_GAP = 36;
const COLUMN_GAP = 22;
const SWEEPS = 6;
const MANY = 1000;
const SWEEPS_OF_MANY = 2;
const LONGEST_BAND = 1100;
const MOST_BANDS = 8;
const MOST_CUT_EDGES = 3;
const MOST_OPEN = 1.5;
const BAND_GAP = 48;
const TRACK = 7;

// A hint is the layer and the order that a vertex has in the graph as built: a pass moves
// what it left as little as it can.
const makeVertex = (side = 0, isDummy = false, layer = 0) => ({
  left: 4, right: 4, height: 0, side, closed: null, isDummy, x: 0, y: 0, layer, order: 0,
  above: [], below: [], hint: null,
});
const makeEdge = (source, target) => ({
  source, target, sourceOffset: 0, targetOffset: 0, isReversed: false, path: [],
});
const closedWidth = (v) => (v.closed ? v.closed[0] + v.closed[1] : v.left + v.right);
const closedHeight = (v) => (v.closed ? v.closed[2] : v.height);
const endsOf = (e) => (e.isReversed ? [e.target, e.source, e.targetOffset, e.sourceOffset]
  : [e.source, e.target, e.sourceOffset, e.targetOffset]);
const largest = (values) => { let found = 0; for (const value of values) if (value > found) found = value; return found; };

// The layers and orders of a scope as if all in it were closed.
function arrange(vertices, edges, quick) {
  breakCycles(vertices, edges);
  const layers = makeLayers(vertices, edges);
  const [sweeps, count] = addDummies(layers, edges, quick);
  orderLayers(layers, sweeps, count, (v) => v.hint);
  return [layers, sweeps];
}

function singleEdges(edges) {
  const found = new Map();
  for (const { source, target } of edges) {
    if (!found.has(source)) found.set(source, new Map());
    const from = found.get(source);
    if (!from.has(target)) from.set(target, makeEdge(source, target));
  }
  const single = [];
  const seen = new Set();
  for (const { source, target } of edges) {
    const edge = found.get(source).get(target);
    if (!seen.has(edge)) { seen.add(edge); single.push(edge); }
  }
  return single;
}

function place(vertices, edges, quick, aspect) {
  const isOpen = vertices.some((v) => v.closed);
  const single = isOpen ? singleEdges(edges) : edges;
  let [layers, sweeps] = arrange(vertices, single, quick);
  let cuts = aspect ? chooseCuts(layers, single, aspect, false) : [];
  if (isOpen) {
    layers = layers.map((layer) => layer.filter((v) => !v.isDummy));
    for (const vertex of vertices) { vertex.above = []; vertex.below = []; }
    for (const edge of edges) edge.isReversed = edge.source.layer > edge.target.layer;
    let count;
    [sweeps, count] = addDummies(layers, edges, quick);
    orderLayers(layers, sweeps, count, (v) => !v.isDummy);
    let along = 0;
    for (const layer of layers) along += largest(layer.map((v) => v.height));
    if (aspect && along > MOST_OPEN * LONGEST_BAND * (cuts.length + 1)) cuts = chooseCuts(layers, edges, aspect, true);
  }
  setColumns(layers, sweeps);
  const rows = setRows(layers);
  if (cuts.length) setBands(layers, edges, rows, cuts);
  return rows;
}

function breakCycles(vertices, edges) {
  const outgoing = new Map(vertices.map((v) => [v, []]));
  for (const edge of edges) outgoing.get(edge.source).push(edge);
  const state = new Map();
  for (const root of vertices) {
    if (state.has(root)) continue;
    state.set(root, "walking");
    const stack = [[root, 0]];
    while (stack.length) {
      const top = stack.at(-1);
      const edge = outgoing.get(top[0])[top[1]];
      if (!edge) { state.set(top[0], "done"); stack.pop(); continue; }
      top[1] += 1;
      const found = state.get(edge.target);
      if (found === "walking") edge.isReversed = true;
      else if (!found) { state.set(edge.target, "walking"); stack.push([edge.target, 0]); }
    }
  }
}

function makeLayers(vertices, edges) {
  for (const vertex of vertices) { vertex.upper = []; vertex.lower = []; }
  for (const edge of edges) {
    const [top, bottom] = endsOf(edge);
    bottom.upper.push(top);
    top.lower.push(bottom);
  }
  const order = sortVertices(vertices);
  const filled = new Map();
  const fill = (layer) => filled.get(layer) || 0;
  for (const vertex of order) {
    if (vertex.side < 0) { vertex.layer = 0; continue; }
    let layer = 1 + largest(vertex.upper.map((v) => v.layer));
    const width = closedWidth(vertex);
    if (vertex.hint) layer = Math.max(layer, vertex.hint.layer);
    else while (!vertex.side && fill(layer) + width > WIDEST_LAYER && fill(layer)) layer += 1;
    vertex.layer = layer;
    filled.set(layer, fill(layer) + width + COLUMN_GAP);
  }
  let last = largest(vertices.filter((v) => v.side <= 0).map((v) => v.layer));
  for (const vertex of order.reverse()) {
    if (vertex.side > 0) vertex.layer = last + 1;
    else if (!vertex.side && vertex.lower.length && !vertex.hint) moveDown(vertex, filled);
  }
  if (vertices.some((v) => v.hint)) last = closeGaps(vertices, last);
  const layers = Array.from({ length: last + 2 }, () => []);
  for (const vertex of vertices) layers[vertex.layer].push(vertex);
  if (vertices.some((v) => v.hint)) {
    for (const layer of layers) layer.sort((a, b) => (a.hint && b.hint ? a.hint.order - b.hint.order : 0));
  }
  return layers;
}

// Where a pass has removed all of a layer, those below move up.
function closeGaps(vertices, last) {
  const used = new Set(vertices.filter((v) => !v.side).map((v) => v.layer));
  const moved = new Map();
  let next = 1;
  for (let layer = 1; layer <= last; layer += 1) if (used.has(layer)) { moved.set(layer, next); next += 1; }
  for (const vertex of vertices) {
    if (!vertex.side) vertex.layer = moved.get(vertex.layer);
    else if (vertex.side > 0) vertex.layer = next;
  }
  return next - 1;
}

function moveDown(vertex, filled) {
  const layer = Math.min(...vertex.lower.map((v) => v.layer)) - 1;
  if (vertex.upper.some((v) => v.side === 0) || layer <= vertex.layer) return;
  const width = closedWidth(vertex);
  if ((filled.get(layer) || 0) + width <= WIDEST_LAYER) {
    filled.set(vertex.layer, filled.get(vertex.layer) - (width + COLUMN_GAP));
    filled.set(layer, (filled.get(layer) || 0) + width + COLUMN_GAP);
    vertex.layer = layer;
  }
}

function sortVertices(vertices) {
  const order = [];
  for (const vertex of vertices) {
    vertex.missing = vertex.upper.length;
    if (!vertex.missing) order.push(vertex);
  }
  for (const vertex of order) {
    for (const below of vertex.lower) {
      below.missing -= 1;
      if (!below.missing) order.push(below);
    }
  }
  return order;
}

function addDummies(layers, edges, quick) {
  const shared = new Map();
  for (const edge of edges) {
    let [top, bottom, offset, lastOffset] = endsOf(edge);
    edge.path = [top];
    let before = top;
    if (!shared.has(top)) shared.set(top, new Map());
    const waysOf = shared.get(top);
    for (let layer = top.layer + 1; layer < bottom.layer; layer += 1) {
      const key = `${offset}|${layer}`;
      let dummy = edge.isReversed ? undefined : waysOf.get(key);
      if (!dummy) {
        dummy = makeVertex(0, true, layer);
        layers[layer].push(dummy);
        connect(before, dummy, offset, 0);
        if (!edge.isReversed) waysOf.set(key, dummy);
      }
      edge.path.push(dummy);
      [before, offset] = [dummy, 0];
    }
    edge.path.push(bottom);
    connect(before, bottom, offset, lastOffset);
  }
  let count = 0;
  for (const layer of layers) count += layer.length;
  const isSmall = !quick && count <= MANY;
  return [isSmall ? SWEEPS : SWEEPS_OF_MANY, isSmall];
}

function connect(upper, lower, leave, enter) {
  lower.above.push([upper, leave - enter]);
  upper.below.push([lower, enter - leave]);
}

const number = (layer) => layer.forEach((vertex, index) => { vertex.order = index; });

function orderLayers(layers, sweeps, count, isKept) {
  layers.forEach(number);
  let best = layers.map((layer) => [...layer]);
  let fewest = count ? countCrossings(layers) : 0;
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    if (count && !fewest) break;
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      for (const v of layer) v.key = barycenter(v, down ? v.above : v.below);
      const kept = layer.filter(isKept);
      layer.sort((a, b) => a.key - b.key);
      if (kept.length) {
        let next = 0;
        layer.forEach((v, index) => { if (isKept(v)) { layer[index] = kept[next]; next += 1; } });
      }
      number(layer);
    }
    const crossings = count ? countCrossings(layers) : -sweep - 1;
    if (crossings < fewest) { fewest = crossings; best = layers.map((layer) => [...layer]); }
  }
  layers.forEach((layer, index) => { layer.splice(0, layer.length, ...best[index]); number(layer); });
}

function barycenter(vertex, neighbors) {
  if (!neighbors.length) return vertex.order;
  let total = 0;
  for (const [v, offset] of neighbors) total += v.order + offset * 1e-4;
  return total / neighbors.length;
}

function countCrossings(layers) {
  let crossings = 0;
  for (let at = 0; at + 1 < layers.length; at += 1) {
    const tree = new Int32Array(layers[at + 1].length + 1);
    let seen = 0;
    for (const vertex of layers[at]) {
      const targets = vertex.below.map(([v]) => v.order).sort((a, b) => a - b);
      for (const target of targets) {
        let before = 0;
        for (let index = target + 1; index; index &= index - 1) before += tree[index];
        crossings += seen - before;
      }
      for (const target of targets) {
        for (let index = target + 1; index < tree.length; index += index & -index) tree[index] += 1;
      }
      seen += targets.length;
    }
  }
  return crossings;
}

function setColumns(layers, sweeps) {
  for (const layer of layers) {
    let right = 0;
    for (const vertex of layer) {
      vertex.x = right + vertex.left;
      right = vertex.x + vertex.right + COLUMN_GAP;
    }
  }
  for (let sweep = 0; sweep < sweeps + 2; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      settle(layer, layer.map((vertex) => wish(vertex, down, sweep >= sweeps)));
    }
  }
}

function wish(vertex, down, both) {
  let near = down ? vertex.above : vertex.below;
  if (both) near = [...vertex.above, ...vertex.below];
  if (!near.length) return vertex.x;
  let total = 0;
  for (const [v, offset] of near) total += v.x + offset;
  return total / near.length;
}

function settle(layer, wishes) {
  const blocks = [];
  const starts = [];
  let start = 0;
  layer.forEach((vertex, index) => {
    if (index) {
      const previous = layer[index - 1];
      start += previous.right + (vertex.isDummy && previous.isDummy ? 8 : COLUMN_GAP) + vertex.left;
    }
    starts.push(start);
    let weight = vertex.isDummy ? 4 : 1;
    let mean = wishes[index] - start;
    let count = 1;
    while (blocks.length && blocks.at(-1)[0] > mean) {
      const [other, otherWeight, otherCount] = blocks.pop();
      mean = (mean * weight + other * otherWeight) / (weight + otherWeight);
      weight += otherWeight;
      count += otherCount;
    }
    blocks.push([mean, weight, count]);
  });
  let at = 0;
  for (const [mean, , count] of blocks) {
    for (let index = at; index < at + count; index += 1) layer[index].x = mean + starts[index];
    at += count;
  }
}

function setRows(layers) {
  const spans = [];
  let top = 0;
  for (const layer of layers) {
    const height = largest(layer.map((v) => v.height));
    for (const vertex of layer) vertex.y = top;
    spans.push([top, top + height]);
    top += height + ROW_GAP;
  }
  return { spans, cuts: [], tracks: [] };
}

// ---- bands

function chooseCuts(layers, edges, aspect, isOpen) {
  const tops = [];
  let [top, width] = [0, 0];
  for (const layer of layers) {
    tops.push(top);
    const inRow = layer.filter((v) => !v.isDummy);
    top += largest(inRow.map((v) => (isOpen ? v.height : closedHeight(v)))) + ROW_GAP;
    let across = 0;
    for (const v of inRow) across += (isOpen ? v.left + v.right : closedWidth(v)) + COLUMN_GAP;
    width = Math.max(width, across);
  }
  if (top <= LONGEST_BAND || width <= 0) return [];
  let [bands, best] = [1, 0];
  for (let count = 1; count <= MOST_BANDS; count += 1) {
    const shape = (count * (width + BAND_GAP)) / (top / count);
    const fits = Math.min(shape / aspect, aspect / shape);
    if (fits > best) [bands, best] = [count, fits];
  }
  const crossing = countCrossing(layers, edges);
  const cuts = [];
  for (let band = 1; band < bands; band += 1) {
    const ideal = (band * top) / bands;
    let cut = -1;
    for (let index = 2; index < layers.length - 1; index += 1) {
      if (crossing[index] > MOST_CUT_EDGES || (cuts.length && index <= cuts.at(-1))) continue;
      if (cut < 0 || Math.abs(tops[index] - ideal) < Math.abs(tops[cut] - ideal)) cut = index;
    }
    if (cut < 0) break;
    if (Math.abs(tops[cut] - ideal) < top / bands / 2) cuts.push(cut);
  }
  return cuts;
}

function countCrossing(layers, edges) {
  const change = new Array(layers.length + 1).fill(0);
  for (const edge of edges) {
    const weight = edge.isReversed ? 1 + MOST_CUT_EDGES : 1;
    change[edge.path[0].layer + 1] += weight;
    change[edge.path.at(-1).layer + 1] -= weight;
  }
  let sum = 0;
  return change.slice(0, -1).map((each) => { sum += each; return sum; });
}

function setBands(layers, edges, rows, cuts) {
  const starts = [0, ...cuts, layers.length];
  rows.cuts = cuts;
  let [right, deepest] = [0, 0];
  const firstTop = rows.spans[1][0];
  for (let band = 0; band + 1 < starts.length; band += 1) {
    const [start, end] = [starts[band], starts[band + 1]];
    const inside = layers.slice(start, end).flat();
    const low = inside.length ? Math.min(...inside.map((v) => v.x - v.left)) : 0;
    const high = inside.length ? Math.max(...inside.map((v) => v.x + v.right)) : 0;
    let up = 0;
    if (band) {
      const over = [];
      edges.forEach((edge, index) => {
        if (edge.path[0].layer < start && start <= edge.path.at(-1).layer) over.push(index);
      });
      const middle = right + BAND_GAP / 2;
      rows.tracks.push(over.map((each, index) => [each, middle + TRACK * index]));
      right += BAND_GAP + TRACK * over.length;
      up = rows.spans[start][0] - firstTop;
    }
    for (const vertex of inside) { vertex.x += right - low; vertex.y -= up; }
    for (let layer = start; layer < end; layer += 1) {
      const [top, bottom] = rows.spans[layer];
      rows.spans[layer] = [top - up, bottom - up];
      if (layer < layers.length - 1) deepest = Math.max(deepest, bottom - up);
    }
    right += high - low;
  }
  const bottom = deepest + ROW_GAP + TRACK * largest(rows.tracks.map((tracks) => tracks.length));
  rows.spans[rows.spans.length - 1] = [bottom, bottom];
  for (const vertex of layers.at(-1)) vertex.y = bottom;
}
