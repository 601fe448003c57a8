// Where everything is, as `viz/layout.py` and `viz/sideways.py` say it: open scopes are laid
// out innermost first. Edges run down, or right; then the two axes are exchanged at the end.

const DETOUR = 9;
const BETWEEN_COLUMNS = 70;
const ASPECT = 1.5;
const HEADER = 44;
const PADDING = 16;
const LINE = 17;
const LANE = 14;
const BADGE = 20;
const BADGE_GAP = 10;
const BESIDE_ROW = 12;
const BEND = 20;
const STRAIGHT = 6;
const ABOVE = 14;
const SIDE_TRACK = 5;
const MOST_SIDE_TRACKS = 6;

const columnOf = (box) => { let found = null; for (let id = box.id; id > 0; id = boxes[id].parent) if (boxes[id].column) found = boxes[id]; return found; };
const hasLane = (box) => { const column = columnOf(box); return !!column && column !== box && column.label !== "forward"; };

// The rectangle of a closed box with its badges; see `viz/shapes.py`.
function measure(box) {
  const body = Math.max(box.body, state.stage ? widthOfTexts(box) : 0);
  const textHeight = 14 + LINE * (1 + box.details.length);
  const lane = hasLane(box) && box.tags.length ? LANE : 0;
  const widest = largest(box.tags.map(([, , width]) => width));
  const ofTags = (BADGE + 3) * box.tags.length - 3;
  if (state.right) {
    const bodyY = box.tags.length ? ofTags + BADGE_GAP : 0;
    const w = Math.max(body, box.tags.length ? widest + lane : 0);
    const tags = box.tags.map(([kind, text, width], index) => ({ kind, text, w: width, x: 0, y: index * (BADGE + 3) }));
    return { w, h: bodyY + textHeight, bodyX: 0, bodyY, anchor: bodyY + textHeight / 2, tags };
  }
  const h = box.tags.length ? Math.max(textHeight, ofTags + lane) : textHeight;
  const bodyX = box.tags.length ? widest + BADGE_GAP : 0;
  const top = lane + (h - lane - ofTags) / 2;
  const tags = box.tags.map(([kind, text, width], index) => ({ kind, text, w: width, x: bodyX - BADGE_GAP - width, y: top + index * (BADGE + 3) }));
  return { w: bodyX + body, h, bodyX, bodyY: 0, anchor: bodyX + body / 2, tags };
}

const extents = ({ w, h, anchor }) => (state.right ? [anchor, h - anchor, w] : [anchor, w - anchor, h]);

// Numbers layers and orders of the graph as built: what passes leave keeps its place.
function hintsOf() {
  const kids = (id) => boxes[id].kids.filter((kid) => boxes[kid].built);
  const bundles = makeBundles(0, kids);
  const hints = new Map();
  for (const id of bundles.open) {
    if (!id && hasColumns) continue;
    for (const kid of kids(id)) [bundles.vertices.get(kid).left, bundles.vertices.get(kid).right, bundles.vertices.get(kid).height] = extents(measure(boxes[kid]));
    const { vertices, edges } = partsOf(bundles, id, kids(id));
    arrange(vertices, singleEdges(edges), false);
    for (const kid of kids(id)) { const { layer, order } = bundles.vertices.get(kid); hints.set(kid, { layer, order }); }
  }
  return hints;
}

function partsOf(bundles, id, kids) {
  const ports = [...bundles.ports.get(id).values()];
  const vertices = [
    ...ports.filter((port) => port.side < 0).map((port) => port.vertex),
    ...kids.map((kid) => bundles.vertices.get(kid)),
    ...ports.filter((port) => port.side > 0).map((port) => port.vertex),
  ];
  const lines = [...bundles.inside.get(id).values()];
  return { ports, vertices, lines, edges: lines.map((line) => line.edge) };
}

// Of one side, where two graphs have too little in common for one layout.
function layOut(side = BOTH) {
  const kidsOf = (id) => boxes[id].kids.filter((kid) => isOn(boxes[kid], side));
  const bundles = makeBundles(state.stage, kidsOf, side);
  const hints = state.stage && side === BOTH ? hintsOf() : new Map();
  const columns = hasColumns ? kidsOf(0) : [];
  const upward = new Set(columns.filter((id) => boxes[id].upward));
  for (const id of bundles.open) if (upward.has(id)) boxes[id].kids.forEach((kid) => upward.add(kid));
  const built = { bundles, kidsOf, columns, upward, hints, frames: new Map(), rows: new Map(), shapes: new Map(), places: new Map() };
  for (const id of [...bundles.open].reverse()) {
    if (!id && columns.length) continue;
    built.rows.set(id, placeScope(built, id));
    if (!boxes[id].column) frameScope(built, id);
  }
  if (columns.length) {
    alignRows(built);
    columns.forEach((id) => frameScope(built, id));
    placeColumns(built);
  }
  for (const id of bundles.open) shiftKids(built, id);
  const sideways = routeCrossings(built);
  const routes = bundles.open.flatMap((id) => routesOf(built, id));
  [...bundles.crossings.values()].forEach((crossing, index) => {
    routes.push({ p: turn(sideways[index]), a: 1, n: crossing.tensors.size, b: crossing.nbytes, mask: crossing.mask, line: crossing, level: true, flat: !state.right });
  });
  routes.forEach((route, index) => { route.index = index; });
  const places = new Map();
  for (const [id, [across, along]] of built.places) {
    const [x, y] = turn([[across, along]])[0];
    places.set(id, { ...built.shapes.get(id), x, y });
  }
  const root = built.frames.get(0);
  const [w, h] = turn([[root.across, root.along]])[0];
  return { places, routes, w, h };
}

const turn = (points) => (state.right ? points.map(([x, y]) => [y, x]) : points);

// ---- one scope

function placeScope(built, id) {
  const { bundles } = built;
  const kids = built.kidsOf(id);
  for (const kid of kids) {
    const vertex = bundles.vertices.get(kid);
    const shape = measure(boxes[kid]);
    const frame = built.frames.get(kid);
    vertex.hint = built.hints.get(kid) || null;
    if (!frame) {
      built.shapes.set(kid, shape);
      [vertex.left, vertex.right, vertex.height] = extents(shape);
    } else {
      vertex.closed = extents(shape);
      vertex.left = vertex.right = frame.across / 2;
      vertex.height = frame.along;
    }
  }
  const { vertices, lines, edges } = partsOf(bundles, id, kids);
  for (const line of lines) {
    line.edge.sourceOffset = line.sourcePort ? line.sourcePort.vertex.left : 0;
    line.edge.targetOffset = line.targetPort ? line.targetPort.vertex.left : 0;
  }
  const aspect = built.columns.length ? 0 : state.right ? 1 / ASPECT : ASPECT;
  const rows = place(vertices, edges, bundles.vertices.size > MANY, aspect);
  spreadArrows(lines);
  return rows;
}

function frameScope(built, id) {
  const { bundles } = built;
  const { ports, lines } = partsOf(bundles, id, []);
  const everything = new Set(ports.map((port) => port.vertex));
  for (const kid of built.kidsOf(id)) everything.add(bundles.vertices.get(kid));
  for (const { edge } of lines) edge.path.forEach((v) => everything.add(v));
  const all = [...everything];
  let left = all.length ? all.reduce((low, v) => Math.min(low, v.x - v.left), Infinity) : 0;
  let right = all.length ? all.reduce((high, v) => Math.max(high, v.x + v.right), -Infinity) : 0;
  const rows = built.rows.get(id);
  for (const tracks of rows.tracks) for (const [, x] of tracks) right = Math.max(right, x);
  const isUpward = built.upward.has(id);
  let [before, after, start, wide] = [PADDING, PADDING, PADDING, boxes[id].openWidth];
  if (state.right) [start, wide] = [HEADER, 0];
  else if (isUpward) after = HEADER;
  else before = HEADER;
  const inner = rows.spans.slice(1, -1);
  let top = inner.length ? Math.min(...inner.map(([a]) => a)) - before : -before;
  let bottom = inner.length ? Math.max(...inner.map(([, b]) => b)) + after : after;
  if (ports.some((port) => port.side < 0)) top = Math.min(top, rows.spans[0][0]);
  if (ports.some((port) => port.side > 0) || rows.cuts.length) bottom = Math.max(bottom, rows.spans.at(-1)[1]);
  if (state.right) bottom = Math.max(bottom, top + boxes[id].openWidth);
  const need = right - left + start + PADDING;
  const across = Math.max(wide, need);
  const shift = (across - need) / 2 + start - left;
  for (const vertex of all) { vertex.x += shift; vertex.y -= top; }
  rows.spans = rows.spans.map(([a, b]) => [a - top, b - top]);
  const along = bottom - top;
  rows.spans[0] = [0, 0];
  rows.spans[rows.spans.length - 1] = [along, along];
  rows.tracks = rows.tracks.map((tracks) => tracks.map(([index, x]) => [index, x + shift]));
  for (const port of ports) {
    port.vertex.y = port.side < 0 ? 0 : along;
    port.vertex.left = port.vertex.x - across / 2;
  }
  built.shapes.set(id, { w: 0, h: 0, bodyX: 0, bodyY: 0, tags: [] });
  built.frames.set(id, { across, along, rows, isUpward, filled: along, x: 0, y: 0 });
}

const turnIn = (frame, along, extent = 0) => frame.y + (frame.isUpward ? frame.filled - along - extent : along);

// ---- columns

function alignRows(built) {
  const [forward] = built.columns;
  const gradients = built.columns.find((id) => built.upward.has(id));
  // Of two graphs, one may have no gradients, or nothing in this column.
  if (gradients === undefined || gradients === forward) return;
  const rows = built.rows.get(forward).spans;
  const mirrored = built.rows.get(gradients).spans;
  const last = mirrored.length - 1;
  const layer = (id) => built.bundles.vertices.get(id)?.layer;
  const pairs = data.pairs.map(([box, other]) => [last - layer(box), layer(other)])
    .filter(([a, b]) => a >= 0 && b >= 0).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const tops = rows.map(([top]) => top);
  const otherTops = [...mirrored].reverse().map(([, bottom]) => mirrored[last][1] - bottom);
  let seen = 0;
  for (const [otherRow, row] of pairs) {
    if (row <= seen) continue;
    seen = row;
    const down = otherTops[otherRow] - tops[row];
    const [moved, start] = down > 0 ? [tops, row] : [otherTops, otherRow];
    for (let index = start; index < moved.length; index += 1) moved[index] += Math.abs(down);
  }
  rows.forEach(([top, bottom], index) => { rows[index] = [tops[index], tops[index] + (bottom - top)]; });
  const heights = [...mirrored].reverse().map(([top, bottom]) => bottom - top);
  const end = otherTops[last] + heights[last];
  const flipped = otherTops.map((top, index) => [end - top - heights[index], end - top]).reverse();
  mirrored.splice(0, mirrored.length, ...flipped);
  for (const [column, spans] of [[forward, rows], [gradients, mirrored]]) {
    for (const kid of built.kidsOf(column)) {
      const vertex = built.bundles.vertices.get(kid);
      vertex.y = spans[vertex.layer][0];
    }
  }
}

function placeColumns(built) {
  const frames = built.columns.map((id) => built.frames.get(id));
  const along = Math.max(...frames.map((frame) => frame.along));
  let x = 0;
  frames.forEach((frame, index) => {
    if (index < 2) frame.along = along;
    const vertex = built.bundles.vertices.get(built.columns[index]);
    vertex.left = vertex.right = frame.across / 2;
    vertex.height = frame.along;
    vertex.x = x + vertex.left;
    vertex.y = (along - frame.along) / 2;
    x += frame.across + BETWEEN_COLUMNS;
  });
  built.frames.set(0, { across: x - BETWEEN_COLUMNS, along, rows: { spans: [], cuts: [], tracks: [] }, isUpward: false, filled: along, x: 0, y: 0 });
}

function shiftKids(built, id) {
  const frame = built.frames.get(id);
  for (const kid of built.kidsOf(id)) {
    const vertex = built.bundles.vertices.get(kid);
    const [x, y] = [frame.x + vertex.x - vertex.left, turnIn(frame, vertex.y, vertex.height)];
    built.places.set(kid, [x, y]);
    const inner = built.frames.get(kid);
    if (!inner) continue;
    [inner.x, inner.y] = [x, y];
    const [w, h] = turn([[inner.across, inner.along]])[0];
    built.shapes.set(kid, { w, h, bodyX: 0, bodyY: 0, tags: [] });
  }
}

// ---- lines

function routesOf(built, id) {
  const frame = built.frames.get(id);
  return [...built.bundles.inside.get(id).values()].map((line, index) => {
    const points = pointsOf(line.edge, frame.rows, index);
    if (line.edge.isReversed) points.reverse();
    const moved = points.map(([x, y]) => [x + frame.x, turnIn(frame, y)]);
    return { p: turn(moved), a: line.enters ? 1 : 0, n: line.tensors.size, b: line.nbytes, mask: line.mask, line, level: false, flat: state.right };
  });
}

function pointsOf(edge, rows, index) {
  const { spans } = rows;
  const [top, bottom, leave, enter] = endsOf(edge);
  const [first, last] = [[top.x + leave, top.y + top.height], [bottom.x + enter, bottom.y]];
  const points = [];
  if (edge.isReversed) {
    const side = top.x + top.right + DETOUR;
    points.push([first[0], top.y], [first[0], top.y - DETOUR], [side, top.y - DETOUR], [side, spans[top.layer][1]]);
  } else points.push(first, [first[0], spans[top.layer][1]]);
  let { layer } = top;
  for (const vertex of edge.path.slice(1)) {
    layer += 1;
    if (rows.cuts.includes(layer)) points.push(...goOn(points.at(-1), vertex, rows, layer, index, edge));
    if (vertex !== bottom) points.push([vertex.x, spans[vertex.layer][0]], [vertex.x, spans[vertex.layer][1]]);
  }
  const [start] = spans[bottom.layer];
  if (edge.isReversed) {
    const below = bottom.y + bottom.height + DETOUR;
    const side = bottom.x - bottom.left - DETOUR;
    points.push([side, start], [side, below], [last[0], below], [last[0], bottom.y + bottom.height]);
  } else points.push([last[0], start], last);
  return points;
}

function goOn(point, vertex, rows, layer, number_, edge) {
  const tracks = rows.tracks[rows.cuts.indexOf(layer)];
  const index = tracks.findIndex(([each]) => each === number_);
  const [, x] = tracks[index];
  const below = point[1] + ROW_GAP / 2 + TRACK * index;
  const above = rows.spans[layer][0] - ROW_GAP / 2 - (TRACK * (tracks.length - 1 - index)) / 2;
  const end = vertex.x + (vertex === edge.target ? edge.targetOffset : 0);
  return [[point[0], below], [x, below], [x, above], [end, above]];
}

function spreadArrows(lines) {
  const entering = new Map();
  for (const line of lines) {
    if (!line.enters || line.edge.isReversed) continue;
    if (!entering.has(line.edge.target)) entering.set(line.edge.target, []);
    entering.get(line.edge.target).push(line);
  }
  for (const [vertex, group] of entering) {
    if (group.length < 2) continue;
    const gap = Math.min(16, (2 * Math.min(vertex.left, vertex.right) - 16) / (group.length - 1));
    group.sort((a, b) => a.edge.path.at(-2).x - b.edge.path.at(-2).x);
    group.forEach((line, index) => { line.edge.targetOffset = (index - (group.length - 1) / 2) * gap; });
  }
}

// ---- lines between columns

function routeCrossings(built) {
  const ends = new Map();
  const ways = { ends, tracks: new Map() };
  for (const [id, { layer, order }] of built.bundles.vertices) {
    const key = `${boxes[id].parent}:${layer}`;
    const [low, high] = ends.get(key) || [order, order];
    ends.set(key, [Math.min(low, order), Math.max(high, order)]);
  }
  let lines = [...built.bundles.crossings.values()].map(({ source, target }) => routeSideways(built, ways, source, target));
  let [left, right, top] = [0, 0, 0];
  for (const points of lines) for (const [x, y] of points) [left, right, top] = [Math.min(left, x), Math.max(right, x), Math.min(top, y)];
  const root = built.frames.get(0);
  root.across = Math.max(root.across, right);
  if (left < 0 || top < 0) {
    root.across -= left;
    root.along -= top;
    lines = lines.map((points) => points.map(([x, y]) => [x - left, y - top]));
    for (const [id, [x, y]] of built.places) {
      built.places.set(id, [x - left, y - top]);
      const frame = built.frames.get(id);
      if (frame) { frame.x -= left; frame.y -= top; }
    }
  }
  return lines;
}

function entryOf(built, id) {
  const shape = built.shapes.get(id);
  const { height } = built.bundles.vertices.get(id);
  if (!shape.tags.length) return [height / 2, 0];
  return state.right ? [height - LANE / 2, shape.bodyY] : [LANE / 2, shape.bodyX];
}

function routeSideways(built, ways, source, target) {
  const { columns, frames } = built;
  const isEnd = (id, side) => {
    const { layer, order } = built.bundles.vertices.get(id);
    return ways.ends.get(`${boxes[id].parent}:${layer}`)[side] === order;
  };
  const spanOf = (id) => {
    const frame = frames.get(boxes[id].parent);
    return frame.rows.spans[built.bundles.vertices.get(id).layer].map((end) => turnIn(frame, end)).sort((a, b) => a - b);
  };
  let id = source;
  let vertex = built.bundles.vertices.get(id);
  let [x, y] = built.places.get(id);
  [x, y] = [x + vertex.left + vertex.right, y + vertex.height / 2];
  const points = [[x, y]];
  while (!columns.includes(id)) {
    if (!isEnd(id, 1)) { y = spanOf(id)[1] + BESIDE_ROW; points.push([x + BEND, y]); }
    id = boxes[id].parent;
    x = frames.get(id).x + frames.get(id).across;
    points.push([x, y]);
  }
  const first = columns.indexOf(id);
  const [down, inward] = entryOf(built, target);
  id = target;
  let [endX, endY] = built.places.get(id);
  endY += down;
  const rest = [[endX + inward, endY]];
  if (inward) rest.push([endX, endY]);
  while (!columns.includes(id)) {
    if (!isEnd(id, 0)) {
      if (rest.length === 1) rest.push([endX - STRAIGHT, endY]);
      endY = spanOf(id)[0] - BESIDE_ROW;
      rest.push([endX - BEND, endY]);
    }
    id = boxes[id].parent;
    endX = frames.get(id).x;
    rest.push([endX, endY]);
  }
  const last = columns.indexOf(id);
  if (last !== first + 1) {
    if (!ways.tracks.has(source)) ways.tracks.set(source, ways.tracks.size % MOST_SIDE_TRACKS);
    const top = -ABOVE - SIDE_TRACK * ways.tracks.get(source);
    if (last > first) {
      const [after, before] = [frames.get(columns[first + 1]), frames.get(columns[last - 1])];
      points.push([after.x, top], [before.x + before.across, top]);
    } else points.push([x + BEND, y], [x + BEND, top], [endX - BEND, top], [endX - BEND, endY]);
  }
  return [...points, ...rest.reverse()];
}
