// State -> SVG elements. Names are only ever text: nothing here writes markup.

const SVG = "http://www.w3.org/2000/svg";
const picture = document.getElementById("picture");
const world = document.getElementById("world");
const view = { x: 0, y: 0, scale: 1 };
let drawn = { places: new Map(), routes: [], w: 1, h: 1 };

let drawnEarlier = drawn;
const earlier = document.getElementById("earlier");
const earlierWorld = document.getElementById("earlier-world");

function make(tag, attributes = {}, text = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

const rectangle = (x, y, width, height, attributes) => make("rect", { x, y, width, height, ...attributes });

const SAME = 0.05;
const ROUND = 8;

// Lines with round corners, and curves where both coordinates differ; as `viz/svg.py`.
function pathOfPoints(points, isFlat) {
  const differs = (a, b) => Math.abs(a - b) >= SAME;
  const toward = (value, other, by) => (differs(value, other) ? value + (other > value ? by : -by) : value);
  let path = `M${points[0][0].toFixed(1)} ${points[0][1].toFixed(1)}`;
  const add = (letter, ...numbers) => { path += letter + numbers.map((each) => each.toFixed(1)).join(" "); };
  for (let at = 1; at < points.length; at += 1) {
    const [[x, y], [nx, ny]] = [points[at - 1], points[at]];
    if (differs(x, nx) && differs(y, ny)) {
      if (isFlat) add("C", (x + nx) / 2, y, (x + nx) / 2, ny, nx, ny);
      else add("C", x, (y + ny) / 2, nx, (y + ny) / 2, nx, ny);
      continue;
    }
    const next = points[at + 1];
    const [a, b] = [[Math.abs(nx - x), Math.abs(ny - y)], next ? [Math.abs(next[0] - nx), Math.abs(next[1] - ny)] : [0, 0]];
    const isTurn = (a[0] < SAME) !== (a[1] < SAME) && (b[0] < SAME) !== (b[1] < SAME) && (a[0] < SAME) !== (b[0] < SAME);
    if (!isTurn) { add("L", nx, ny); continue; }
    const corner = Math.min(ROUND, Math.max(...a) / 2, Math.max(...b) / 2);
    add("L", toward(nx, x, corner), toward(ny, y, corner));
    add("Q", nx, ny, toward(nx, next[0], corner), toward(ny, next[1], corner));
  }
  return path;
}

// The direction in which a line arrives.
function headingOf({ p, flat }) {
  const [x, y] = p.at(-1);
  const [bx, by] = [...p].reverse().find((point) => point[0] !== x || point[1] !== y) ?? [x, y - 1];
  const [right, down] = [x - bx, y - by];
  if (Math.abs(right) < SAME || (Math.abs(down) >= SAME && !flat)) return [0, down > 0 ? 1 : -1];
  return [right > 0 ? 1 : -1, 0];
}

function drawRoute(route) {
  const width = (1.2 + Math.min(Math.max(Math.log10(route.b + 1) - 2, 0), 6) * 0.4).toFixed(1);
  const kind = (route.level ? "level" : "edge") + (route.n ? "" : " control");
  const group = make("g", { class: `route${changeOfRoute(route)}${traceOfRoute(route)}`, "data-route": route.index });
  let points = route.p;
  if (route.a) {
    const [x, y] = points.at(-1);
    const [dx, dy] = headingOf(route);
    points = [...points.slice(0, -1), [x - 5 * dx, y - 5 * dy]];
    group.append(make("path", { class: "arrow", d: `M${x} ${y}l${-7 * dx - 4 * dy} ${-7 * dy - 4 * dx}l${8 * dy} ${8 * dx}z` }));
    if (route.n > 1 && !route.level) group.append(make("text", { class: "count halo", x: x - 28 * dx + 8 * dy, y: y - 10 * dy - 6 * dx }, `×${route.n}`));
  }
  // A line is thin: what is near it is meant too.
  group.prepend(make("path", { class: "near-line", d: pathOfPoints(points, route.flat) }));
  group.prepend(make("path", { class: kind, "stroke-width": width, d: pathOfPoints(points, route.flat) }));
  group.append(make("title", {}, route.n ? plural(route.n, "tensor") + (route.b ? `, ${formatBytes(route.b)}` : "") : "only orders"));
  return group;
}

// Lines that a pass made or took away.
function changeOfRoute({ mask }) {
  if (!state.stage || mask === BOTH || isApart()) return "";
  return mask === 1 ? " removed" : " added";
}

// What a pass did, and the shapes that it found out, may need more room.
const widthOfTexts = (box) => Math.max(...detailsOf(box).map((line) => line.length)) * 6.8 + 20;

function detailsOf(box, side = BOTH) {
  if (!isScope(box)) {
    const stage = side === BEFORE ? state.stage - 1 : state.stage;
    const outputs = versionOf(ops[box.op], stage)[4];
    return outputs.slice(0, Math.max(box.details.length, 1)).map(([type]) => (type.length > 34 ? `${type.slice(0, 31)}...` : type));
  }
  const changes = [["added", "+"], ["removed", "−"], ["changed", "~"]]
    .filter(([key]) => box[key]).map(([key, sign]) => sign + box[key]);
  const count = side === BEFORE ? box.before : box.count - box.removed;
  return [plural(count, "op") + (changes.length ? `  ${changes.join(" ")}` : "")];
}

// What the selected op uses and what uses it, or the closed scopes around those.
function nearBoxes(visible) {
  if (state.op < 0) return new Set();
  const inputs = versionOf(ops[state.op])[2].filter((_, at) => at % 2 === 0);
  const found = [...inputs, ...usersOf(state.op)].map((op) => boxOf.get(op)).filter((id) => id !== undefined);
  return new Set(found.map((id) => visible[id]));
}

function drawBox(box, place, near, side) {
  const isOpen = state.open.has(box.id) && isScope(box);
  const change = box.op >= 0 ? changeOf(ops[box.op]) : box.added + box.removed + box.changed ? "touched" : "";
  const marks = traceOfBox(box) + (state.matches.has(box.id) ? " match" : "");
  const group = make("g", {
    tabindex: -1, role: "button", "data-box": box.id, class: `box ${isOpen ? "open" : "closed"} ${change}${marks}`,
    "aria-label": `${box.title}, ${isScope(box) ? (isOpen ? "open scope" : "closed scope") : "op"}`,
  });
  group.append(make("title", {}, box.op >= 0 ? ops[box.op].n : `${pathOf(box.id) || box.label}, ${plural(box.count, "op")}`));
  if (box.id === selectedBox()) group.classList.add("selected");
  else if (near.has(box.id)) group.classList.add("near");
  const { x, y, w, h } = place;
  if (isOpen) {
    group.append(rectangle(x, y, w, h, { rx: 8, class: "frame" }));
    group.append(rectangle(x, y, w, 30, { rx: 8, class: "grip" }));
    group.append(make("text", { class: "title halo", x: x + 10, y: y + 20 }, `▾ ${box.title}`));
    return group;
  }
  const [left, topOfBody] = [x + place.bodyX, y + place.bodyY];
  const size = [w - place.bodyX, h - place.bodyY];
  const corner = isScope(box) ? 8 : 4;
  if (box.folded) group.append(rectangle(left + 4, topOfBody + 4, ...size, { rx: corner, class: "scope" }));
  const body = rectangle(left, topOfBody, ...size, { rx: corner, class: `body ${box.kind}${box.target ? " target" : ""}` });
  const heat = state.heat ? heatOf(box) : null;
  if (state.heat) body.style.fill = colorOfHeat(heat ? heat.share : 0);
  group.append(body);
  if (heat && heat.text) group.append(make("text", { class: "badge heat-text halo", x: x + w - 2, y: topOfBody - 4, "text-anchor": "end" }, heat.text));
  const lines = [box.title, ...(state.stage || isScope(box) ? detailsOf(box, side) : box.details)];
  const top = topOfBody + (size[1] - lines.length * LINE) / 2 + 12.75;
  lines.forEach((line, index) => {
    const text = make("text", { class: index ? "detail" : "title", x: left + 10, y: top + index * LINE }, line);
    group.append(text);
  });
  place.tags.forEach((tag, index) => {
    const style = { input: "source", more: "constant" }[tag.kind] || tag.kind;
    const [tx, ty] = [x + tag.x, y + tag.y];
    const mark = make("g", tag.kind === "more" ? {} : { class: "tag", "data-tag": index });
    mark.append(make("path", { class: "edge", d: place.bodyY ? `M${tx + 10} ${ty + BADGE}V${topOfBody}` : `M${tx + tag.w} ${ty + BADGE / 2}H${left}` }));
    mark.append(rectangle(tx, ty, tag.w, BADGE, { rx: BADGE / 2, class: style }));
    mark.append(make("text", { class: "badge", x: tx + 7, y: ty + 14.5 }, tag.text));
    group.append(mark);
  });
  return group;
}

// The op that a badge stands for: an input, or a variable that is read or written, of the
// box or of an op in it.
function opOfTag(box, tag) {
  const isVariable = tag.kind === "variable" || tag.kind === "write";
  const end = tag.text.replace(/^\.\.\./, "");
  const stack = [box.id];
  while (stack.length) {
    const each = boxes[stack.pop()];
    stack.push(...each.kids);
    for (const source of each.op < 0 ? [] : sourcesOf(each.op)) {
      const [kind, text] = ops[source].b || [];
      if (kind !== (isVariable ? "variable" : tag.kind) || !text.endsWith(end)) continue;
      // Of a variable that is read the handle is the one with all of its uses.
      const [handle] = [...sourcesOf(source)].filter((other) => ops[other].b);
      return isVariable ? handle ?? source : source;
    }
  }
  return undefined;
}

// The smallest convex shape around some boxes.
function hullOf(places) {
  const points = places.flatMap(({ x, y, w, h }) => [[x, y], [x + w, y], [x, y + h], [x + w, y + h]]);
  points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (list) => {
    const hull = [];
    for (const point of list) {
      while (hull.length > 1) {
        const [[ax, ay], [bx, by]] = hull.slice(-2);
        if ((bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax) > 0) break;
        hull.pop();
      }
      hull.push(point);
    }
    return hull.slice(0, -1);
  };
  return [...half(points), ...half(points.reverse())];
}

// The boxes in which a step runs: its ops, or the closed scopes around them. Before its
// pass a fused op has no box, and badges have none at all: what uses them stands for them.
function boxesOfStep(index, visible) {
  const step = data.steps[index];
  const found = new Set();
  for (const op of [...step.ops, step.op]) {
    const box = op < 0 ? undefined : boxOf.get(op);
    if (box !== undefined && boxes[box].count) found.add(visible[box]);
  }
  return [...found].filter((id) => id && drawn.places.has(id));
}

function bodyOf(id) {
  const place = drawn.places.get(id);
  const [x, y] = [place.x + place.bodyX, place.y + place.bodyY];
  return { x, y, w: place.w - place.bodyX, h: place.h - place.bodyY };
}

// Steps that show in the same boxes, as all those of a closed scope, share an outline.
function drawHulls(visible) {
  const groups = new Map();
  data.steps.forEach((_, index) => {
    if (!state.hulls && index !== state.step) return;
    const ids = boxesOfStep(index, visible);
    const key = index === state.step ? "chosen" : ids.sort((a, b) => a - b).join();
    if (ids.length && !groups.has(key)) groups.set(key, { ids, steps: [] });
    if (ids.length) groups.get(key).steps.push(index);
  });
  return [...groups.values()].map(({ ids, steps }) => drawHull(ids, steps));
}

function drawHull(ids, steps) {
  const [first] = steps;
  const group = make("g", { class: `hull hull${first % 6}${steps.includes(state.step) ? " chosen" : ""}`, "data-step": first });
  // Boxes of one scope share a shape; one around all would cover what is between scopes.
  const byParent = new Map();
  for (const id of ids) byParent.set(boxes[id].parent, [...(byParent.get(boxes[id].parent) || []), id]);
  for (const siblings of byParent.values()) {
    const path = hullOf(siblings.map(bodyOf)).map((point) => point.join(" ")).join("L");
    group.append(make("path", { d: `M${path}Z` }));
  }
  const names = steps.slice(0, 12).map((index) => `${data.steps[index].k}: ${data.steps[index].n}`);
  if (steps.length > 12) names.push(`and ${steps.length - 12} more`);
  group.append(make("title", {}, names.join("\n")));
  if (steps.length > 1) {
    const { x, y, w } = bodyOf(ids[0]);
    group.append(make("text", { class: "badge halo", x: x + w - 4, y: y - 12, "text-anchor": "end" }, plural(steps.length, "kernel")));
  }
  return group;
}

function drawSide(into, side) {
  const found = side === BEFORE ? drawnEarlier : drawn;
  const shown = [...found.places].filter(([id]) => id && isOn(boxes[id], side)).map(([id, place]) => [boxes[id], place]);
  const isFrame = ([box]) => isScope(box) && state.open.has(box.id);
  const parts = [];
  const visible = findVisible();
  const near = nearBoxes(visible);
  for (const item of shown.filter(isFrame)) parts.push(drawBox(...item, near, side));
  parts.push(...drawHulls(visible), ...found.routes.filter(({ mask }) => mask & side).map(drawRoute));
  for (const item of shown) if (!isFrame(item)) parts.push(drawBox(...item, near, side));
  into.replaceChildren(...parts);
}

function draw() {
  const focused = document.activeElement?.dataset?.box;
  document.getElementById("canvas").classList.toggle("compared", isCompared());
  document.getElementById("canvas").classList.toggle("stacked", isCompared() && state.right);
  earlier.toggleAttribute("hidden", !isCompared());
  if (isCompared()) drawSide(earlierWorld, BEFORE);
  drawSide(world, isCompared() ? AFTER : BOTH);
  const element = elementOf(focused ?? (selectedBox() > 0 ? selectedBox() : -1)) ?? world.querySelector(".box");
  element?.setAttribute("tabindex", 0);
  if (focused) element?.focus({ preventScroll: true });
  drawMinimap();
  drawScale();
}

const elementOf = (id) => world.querySelector(`[data-box="${id}"]`);

// The tab key stops at one box of the picture; arrows go on from there to the nearest.
function focusBeside(id, [dx, dy]) {
  const here = drawn.places.get(id);
  if (!here) return;
  const middle = ({ x, y, w, h }) => [x + w / 2, y + h / 2];
  const [x, y] = middle(here);
  let best = null;
  for (const [other, place] of drawn.places) {
    if (!other || other === id) continue;
    const [ox, oy] = middle(place);
    const ahead = (ox - x) * dx + (oy - y) * dy;
    const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (ahead > 1 && (!best || ahead + 2 * aside < best[0])) best = [ahead + 2 * aside, other];
  }
  if (!best) return;
  for (const box of world.querySelectorAll(".box[tabindex='0']")) box.setAttribute("tabindex", -1);
  const element = elementOf(best[1]);
  element.setAttribute("tabindex", 0);
  element.focus({ preventScroll: true });
  reveal(best[1]);
}

function selectedBox() {
  if (state.op < 0) return state.scope;
  return nearestBox(state.op) ?? -1;
}

// A variable, a constant or a read has no box: the first op that uses it stands for it, as
// the ops that will be fused stand for a fused one.
function nearestBox(op) {
  const step = isShown(ops[op]) ? undefined : data.steps.find((each) => each.op === op);
  const seen = new Set([op, ...(step ? step.ops : [])]);
  for (const index of seen) {
    const box = boxOf.get(index);
    if (box !== undefined && boxes[box].count) return box;
    for (const user of usersOf(index)) seen.add(user);
  }
  return undefined;
}

function applyView() {
  const transform = `translate(${view.x} ${view.y}) scale(${view.scale})`;
  world.setAttribute("transform", transform);
  earlierWorld.setAttribute("transform", transform);
  showFrame();
}

// ---- the minimap

const minimap = document.getElementById("minimap");
const MINIMAP = [190, 150];

function drawMinimap() {
  const scale = Math.min(MINIMAP[0] / drawn.w, MINIMAP[1] / drawn.h);
  minimap.setAttribute("viewBox", `0 0 ${drawn.w} ${drawn.h}`);
  minimap.setAttribute("width", Math.max(drawn.w * scale, 8));
  minimap.setAttribute("height", Math.max(drawn.h * scale, 8));
  const parts = [];
  for (const [id, { x, y, w, h, bodyX, bodyY }] of drawn.places) {
    if (!id || (isScope(boxes[id]) && state.open.has(id))) continue;
    parts.push(rectangle(x + bodyX, y + bodyY, w - bodyX, h - bodyY, { class: boxes[id].kind }));
  }
  minimap.replaceChildren(...parts, rectangle(0, 0, 1, 1, { class: "frame-of-view" }));
  showFrame();
}

function showFrame() {
  const frame = minimap.querySelector(".frame-of-view");
  if (!frame) return;
  const { width, height } = picture.getBoundingClientRect();
  const [x, y, w, h] = [-view.x / view.scale, -view.y / view.scale, width / view.scale, height / view.scale];
  for (const [name, value] of Object.entries({ x, y, width: w, height: h })) frame.setAttribute(name, value);
  const isWhole = x <= 1 && y <= 1 && x + w >= drawn.w - 1 && y + h >= drawn.h - 1;
  minimap.toggleAttribute("hidden", isWhole);
}

function goTo(event) {
  const at = minimap.getBoundingClientRect();
  const { width, height } = picture.getBoundingClientRect();
  view.x = width / 2 - ((event.clientX - at.left) / at.width) * drawn.w * view.scale;
  view.y = height / 2 - ((event.clientY - at.top) / at.height) * drawn.h * view.scale;
  applyView();
}


// At first the text has to be readable; when asked for, all of the picture shows.
function fit(smallest = 0.02) {
  const { width, height } = picture.getBoundingClientRect();
  view.scale = Math.max(Math.min((width - 32) / drawn.w, (height - 32) / drawn.h, 1), smallest);
  view.x = Math.max((width - drawn.w * view.scale) / 2, 16);
  view.y = 16;
  applyView();
}

function zoom(factor, x, y) {
  const scale = Math.min(Math.max(view.scale * factor, 0.02), 4);
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  applyView();
}

// On paper the whole picture shows, as large as fits.
function startPrinting() {
  state.paper = true;
  draw();
  picture.setAttribute("viewBox", `-8 -8 ${drawn.w + 16} ${drawn.h + 16}`);
  world.setAttribute("transform", "");
}

function endPrinting() {
  state.paper = false;
  draw();
  picture.removeAttribute("viewBox");
  applyView();
}

// Moves the picture if a box is not in view.
function reveal(id) {
  const place = drawn.places.get(id);
  if (!place) return;
  const { width, height } = picture.getBoundingClientRect();
  view.scale = Math.max(view.scale, 0.6);
  const [x, y] = [place.x + place.w / 2, place.y + place.h / 2].map((v) => v * view.scale);
  if (x + view.x < 60 || x + view.x > width - 60) view.x = width / 2 - x;
  if (y + view.y < 40 || y + view.y > height - 40) view.y = height / 2 - y;
  applyView();
}
