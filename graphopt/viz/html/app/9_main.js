// What the user does, the address after the #, and the start.

const WARN_FROM = 3000;
const slider = document.getElementById("stage");
const notice = document.getElementById("notice");

// Draws and writes what the state says; where things are is known.
function show() {
  heatScale.most = state.heat ? heatScale() : 0;
  draw();
  showTree();
  showPanel();
  remember();
}

function refresh({ keep = true } = {}) {
  countOps();
  const anchor = selectedBox();
  const before = drawn.places.get(anchor);
  drawn = layOut(isApart() ? AFTER : BOTH);
  drawnEarlier = isApart() ? layOut(BEFORE) : drawn;
  const after = drawn.places.get(anchor);
  // What was clicked stays under the pointer.
  if (keep && before && after) {
    view.x += (before.x - after.x) * view.scale;
    view.y += (before.y - after.y) * view.scale;
    applyView();
  }
  if (state.trace) state.trace.boxes = boxesAround(state.trace.found);
  state.route = -1;
  show();
  document.body.dataset.ready = Number(document.body.dataset.ready || 0) + 1;
}

function say(text, action = null, label = "") {
  notice.replaceChildren(text, ...(action ? [" ", html("button", { onclick: () => { say(""); action(); } }, label)] : []));
  notice.hidden = !text;
}

function toggle(id) {
  // Columns are always open: what is in them is what there is to see.
  if (boxes[id].column) { selectScope(id); return; }
  state.scope = id;
  state.op = -1;
  if (state.open.has(id)) state.open.delete(id);
  else state.open.add(id);
  refresh();
}

function openAll(id, isSure = false) {
  const scopes = [id];
  let count = 0;
  for (const each of scopes) for (const kid of shownKids(boxes[each])) {
    count += 1;
    if (isScope(boxes[kid])) scopes.push(kid);
  }
  if (count > WARN_FROM && !isSure) {
    say(`That would show ${plural(count, "shape")}, which takes some ${plural(Math.ceil(count / 2500), "second")}.`, () => openAll(id, true), "Open all the same");
    return;
  }
  scopes.forEach((scope) => state.open.add(scope));
  refresh();
}

function closeAll() {
  state.open = new Set(boxes.filter((box) => !box.id || box.column).map((box) => box.id));
  state.scope = state.op = -1;
  refresh({ keep: false });
  fit();
}

function selectOp(index, tab = "op") {
  if (state.pathFrom >= 0 && state.pathFrom !== index) {
    const from = state.pathFrom;
    clearTrace();
    say("");
    setTrace("path", from, index);
    return;
  }
  state.op = index;
  state.scope = state.route = -1;
  state.tab = tab;
  const box = nearestBox(index);
  let moved = false;
  if (box !== undefined) {
    for (let id = boxes[box].parent; id >= 0; id = boxes[id].parent) {
      moved ||= !state.open.has(id);
      state.open.add(id);
    }
  }
  if (moved) refresh({ keep: false });
  else show();
  if (box !== undefined) reveal(box);
}

function selectScope(id) {
  state.scope = id;
  state.op = -1;
  state.tab = "op";
  for (let at = boxes[id].parent; at >= 0; at = boxes[at].parent) state.open.add(at);
  refresh({ keep: false });
  reveal(id);
}

function selectStep(index, tab = "kernels") {
  state.step = state.step === index && state.tab === tab ? -1 : index;
  state.tab = tab;
  show();
}

function selectRoute(index) {
  state.route = state.route === index ? -1 : index;
  state.op = state.scope = -1;
  state.tab = "op";
  show();
}

function clearChoice() {
  state.op = state.scope = state.step = state.route = -1;
  clearTrace();
  closeResults();
  say("");
  show();
}

function setStage(stage) {
  state.stage = Math.min(Math.max(stage, 0), data.passes.length);
  slider.value = state.stage;
  if (state.stage && state.tab === "op" && state.op < 0) state.tab = "passes";
  nameStage();
  refresh();
  if (isCompared()) fit(0.3);
}

function nameStage() {
  const built = data.compared ? data.compared.titles[0] : "as built";
  const name = state.stage ? data.passes[state.stage - 1][0] : built;
  document.getElementById("stage-name").textContent = data.passes.length ? name : "no passes";
  const before = state.stage > 1 ? `after ${data.passes[state.stage - 2][0]}` : "as built";
  document.getElementById("side-before").textContent = data.compared ? data.compared.titles[0] : before;
  document.getElementById("side-after").textContent = data.compared ? data.compared.titles[1] : `after ${name}`;
}

function setFlag(name, value = !state[name]) {
  state[name] = value;
  document.getElementById(name === "tree" ? "tree-button" : name).setAttribute("aria-pressed", value);
  if (name === "right") { refresh({ keep: false }); fit(0.3); }
  else show();
}

function setCompare(value = !state.compare) {
  if (value && !data.passes.length) { say("There is nothing to compare: no pass was run."); return; }
  state.compare = value;
  document.getElementById("compare").setAttribute("aria-pressed", value);
  if (value && !state.stage) setStage(firstChange());
  else if (data.compared) refresh({ keep: false });
  else show();
  fit(0.3);
}

// The first pass that did something to what was built and is needed.
function firstChange() {
  const drawnOps = ops.filter((_, index) => boxOf.has(index));
  const stages = drawnOps.flatMap((op) => [...op.v.slice(1).map(([stage]) => stage), op.d ?? 0]);
  const later = stages.filter((stage) => stage > 1);
  return later.length ? Math.min(...later) : 1;
}

const heatChoice = document.getElementById("heat");
function setHeat(name) {
  if (name && !metrics.includes(name)) {
    say(metrics.length ? "That was not measured for this page; make it with --profile." : "There is no plan, so nothing is known of its steps.");
    name = "";
  }
  state.heat = name;
  heatChoice.value = name;
  show();
}

// ---- the address

function remember() {
  const parts = new URLSearchParams();
  if (state.op >= 0) parts.set("op", ops[state.op].n);
  if (state.scope > 0) parts.set("scope", state.scope);
  if (state.stage) parts.set("pass", data.passes[state.stage - 1][0]);
  if (state.tab !== "op") parts.set("tab", state.tab);
  if (state.step >= 0) parts.set("step", state.step);
  if (document.documentElement.dataset.theme) parts.set("theme", document.documentElement.dataset.theme);
  for (const flag of ["hulls", "right", "compare", "tree"]) if (state[flag]) parts.set(flag, 1);
  if (state.heat) parts.set("heat", state.heat);
  if (state.value && state.tab === "values") parts.set("value", state.value);
  if (state.trace) parts.set("trace", [state.trace.kind, ops[state.trace.from].n, ...(state.trace.to >= 0 ? [ops[state.trace.to].n] : [])].join(" "));
  if (state.panel) parts.set("panel", state.panel);
  const changed = boxes.filter(({ id }) => state.open.has(id) !== startOpen.has(id)).map(({ id }) => id);
  if (changed.length && changed.length < 200) parts.set("toggled", changed.join("."));
  const hash = `#${parts}`;
  if (hash !== location.hash && (hash !== "#" || location.hash)) {
    // A page within a notebook has no address to change.
    try { history.replaceState(null, "", hash); } catch { remember.failed = true; }
  }
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const number = (name, end) => (/^\d+$/.test(parts.get(name) ?? "") && Number(parts.get(name)) < end ? Number(parts.get(name)) : -1);
  state.open = new Set(startOpen);
  for (const id of (parts.get("toggled") || "").split(".").filter((text) => /^\d+$/.test(text)).map(Number)) {
    if (state.open.has(id)) state.open.delete(id);
    else if (boxes[id]) state.open.add(id);
  }
  state.open.add(0);
  state.op = opByName.get(parts.get("op")) ?? (location.hash ? -1 : data.select ?? -1);
  state.scope = number("scope", boxes.length);
  state.step = number("step", data.steps.length);
  state.stage = 1 + data.passes.findIndex(([name]) => name === parts.get("pass"));
  state.tab = ["passes", "kernels", "memory", "timeline", "values"].includes(parts.get("tab")) ? parts.get("tab") : "op";
  if (["light", "dark"].includes(parts.get("theme"))) document.documentElement.dataset.theme = parts.get("theme");
  for (const flag of ["hulls", "right", "tree"]) state[flag] = parts.has(flag);
  state.compare = parts.has("compare") || !!(data.compared && !location.hash);
  if (data.compared && !location.hash) state.stage = 1;
  state.heat = metrics.includes(parts.get("heat")) ? parts.get("heat") : parts.has("heat") ? metrics[0] ?? "" : "";
  state.value = parts.get("value") || "";
  if (number("panel", 4000) > 0) setPanel(number("panel", 4000));
  const [kind, from, to] = (parts.get("trace") || "").split(" ");
  clearTrace();
  recall.trace = ["up", "down", "path"].includes(kind) && opByName.has(from) ? [kind, opByName.get(from), opByName.get(to) ?? -1] : null;
  slider.value = state.stage;
  nameStage();
}

// ---- export and theme

function exportSvg() {
  // All of the picture, at its own size, whatever part of it is in view.
  const [width, height] = [drawn.w + 32, drawn.h + 32];
  // Heat is drawn for a light page; without it the picture follows its reader's system.
  state.paper = true;
  draw();
  const copy = picture.cloneNode(true);
  state.paper = false;
  draw();
  const rules = [...document.getElementById("picture-style").sheet.cssRules]
    .filter((rule) => !(state.heat && rule instanceof CSSMediaRule)).map((rule) => rule.cssText);
  for (const line of copy.querySelectorAll(".near-line")) line.remove();
  copy.setAttribute("xmlns", SVG);
  copy.querySelector("#world").setAttribute("transform", "translate(16 16)");
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(make("style", {}, rules.join("\n")), rectangle(0, 0, width, height, { class: "page" }));
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  html("a", { href: url, download: "graph.svg" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function switchTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  show();
}

// ---- events

function activate(element) {
  const box = boxes[element.dataset.box];
  if (isScope(box)) toggle(box.id);
  else selectOp(box.op);
}

// Two fingers zoom about the middle between them.
const fingers = new Map();
let spread = 0;
function pinch(event) {
  if (!fingers.has(event.pointerId)) return false;
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (fingers.size !== 2) return false;
  const [[ax, ay], [bx, by]] = fingers.values();
  const now = Math.hypot(ax - bx, ay - by);
  const at = picture.getBoundingClientRect();
  if (spread) zoom(now / spread, (ax + bx) / 2 - at.left, (ay + by) / 2 - at.top);
  spread = now;
  drag = { x: event.clientX, y: event.clientY, moved: true };
  return true;
}
function lift(event) {
  fingers.delete(event.pointerId);
  spread = 0;
}

let drag = null;
function startDrag(event) {
  if (event.pointerType === "touch") fingers.set(event.pointerId, [event.clientX, event.clientY]);
  drag = { x: event.clientX, y: event.clientY, moved: false };
}
addEventListener("pointermove", (event) => {
  if (!drag || pinch(event)) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.moved && Math.hypot(dx, dy) < 4) return;
  drag = { x: event.clientX, y: event.clientY, moved: true };
  view.x += dx;
  view.y += dy;
  applyView();
});
for (const kind of ["pointerup", "pointercancel"]) {
  addEventListener(kind, (event) => { lift(event); setTimeout(() => { drag = null; }); });
}
function click(event) {
  if (drag?.moved) return;
  const line = event.target.closest("[data-route]");
  if (line && !(isApart() && event.currentTarget === earlier)) { selectRoute(Number(line.dataset.route)); return; }
  const hull = event.target.closest(".hull");
  if (hull) { selectStep(Number(hull.dataset.step)); return; }
  const box = event.target.closest("[data-box]");
  const tag = event.target.closest("[data-tag]");
  const places = event.currentTarget === earlier ? drawnEarlier.places : drawn.places;
  const meant = tag ? opOfTag(boxes[box.dataset.box], places.get(Number(box.dataset.box)).tags[tag.dataset.tag]) : undefined;
  if (meant !== undefined) { selectOp(meant); return; }
  const isInside = box?.classList.contains("open") && event.target.classList.contains("frame");
  if (box && !isInside) activate(box);
  else { state.op = state.scope = state.route = -1; show(); }
}
function turnWheel(event) {
  event.preventDefault();
  const at = event.currentTarget.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - at.left, event.clientY - at.top);
}
for (const each of [picture, earlier]) {
  each.addEventListener("pointerdown", startDrag);
  each.addEventListener("click", click);
  each.addEventListener("wheel", turnWheel, { passive: false });
}

const keys = {
  "/": () => search.focus(), "[": () => setStage(state.stage - 1), "]": () => setStage(state.stage + 1),
  "+": () => zoomMiddle(1.25), "=": () => zoomMiddle(1.25), "-": () => zoomMiddle(0.8), 0: () => fit(), c: closeAll,
  a: () => openAll(0), k: () => setFlag("hulls"), t: () => setHeat(state.heat ? metrics[metrics.indexOf(state.heat) + 1] ?? "" : metrics[0] ?? "time"),
  b: () => setCompare(), s: () => setFlag("tree"), r: () => setFlag("right"),
  u: () => setTrace("up"), d: () => setTrace("down"), p: () => { if (state.op >= 0) { state.pathFrom = state.op; say(`Choose the other end of the path from ${ops[state.op].n}.`); } else say("Choose an op first."); },
  Escape: clearChoice,
};
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const zoomMiddle = (factor) => { const { width, height } = picture.getBoundingClientRect(); zoom(factor, width / 2, height / 2); };
const move = (dx, dy) => { view.x += dx; view.y += dy; applyView(); };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; closeResults(); draw(); search.blur(); }
    if (event.key === "Enter") results.querySelector("[aria-selected=true] button")?.click();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); moveChoice(event.key === "ArrowDown" ? 1 : -1); }
    return;
  }
  if ((event.target === slider || event.target.tagName === "SELECT") && event.key.startsWith("Arrow")) return;
  if (event.target.tagName === "SELECT") return;
  if (event.target === grip && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    event.preventDefault();
    setPanel(panelWidth() + (event.key === "ArrowLeft" ? 40 : -40));
    remember();
    return;
  }
  const treeItem = event.target.closest?.("[data-row]");
  if (treeItem && event.key.startsWith("Arrow")) { event.preventDefault(); moveInTree(treeItem, event.key); return; }
  if (treeItem && event.key === "Enter") { treeItem.click(); return; }
  const box = event.target.closest?.("[data-box]");
  if (box && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); activate(box); return; }
  if (Object.hasOwn(arrows, event.key)) {
    event.preventDefault();
    const [dx, dy] = arrows[event.key];
    const tab = event.target.closest?.("[role=tab]");
    if (box) focusBeside(Number(box.dataset.box), arrows[event.key]);
    else if (tab && dx) (dx > 0 ? tab.nextElementSibling ?? tab.parentElement.firstElementChild : tab.previousElementSibling ?? tab.parentElement.lastElementChild).click();
    else move(-80 * dx, -80 * dy);
    return;
  }
  const row = event.target.closest?.("tr[tabindex]");
  if (row && event.key === "Enter") { row.click(); return; }
  if (Object.hasOwn(keys, event.key)) { event.preventDefault(); keys[event.key](); }
});
search.addEventListener("input", showResults);
slider.max = data.passes.length;
if (data.compared) document.querySelector("#passes label").textContent = "Graphs";
slider.disabled = !data.passes.length;
slider.addEventListener("input", () => setStage(Number(slider.value)));
for (const tab of document.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => { state.tab = tab.dataset.tab; showPanel(); tab.focus(); remember(); });
for (const flag of ["hulls", "right", "tree-button"]) document.getElementById(flag).addEventListener("click", () => setFlag(flag.replace("-button", "")));
document.getElementById("compare").addEventListener("click", () => setCompare());
heatChoice.append(...["", ...metrics].map((name) => html("option", { value: name }, name ? METRICS[name].label : "Heat: off")));
heatChoice.addEventListener("change", () => setHeat(heatChoice.value));
search.addEventListener("focus", () => { if (search.value) showResults(); });
minimap.addEventListener("pointerdown", (event) => { minimap.setPointerCapture(event.pointerId); goTo(event); });
minimap.addEventListener("pointermove", (event) => { if (event.buttons) goTo(event); });

// ---- the width of the panel

const grip = document.getElementById("grip");
const panelWidth = () => document.querySelector("aside").getBoundingClientRect().width;
function setPanel(width) {
  state.panel = Math.round(Math.min(Math.max(width, 240), innerWidth - 260));
  document.body.style.setProperty("--panel-width", `${state.panel}px`);
  grip.setAttribute("aria-valuenow", state.panel);
  showFrame();
}
grip.addEventListener("pointerdown", (event) => { grip.setPointerCapture(event.pointerId); event.preventDefault(); });
grip.addEventListener("pointermove", (event) => { if (event.buttons) setPanel(innerWidth - event.clientX); });
grip.addEventListener("pointerup", () => { showPanel(); remember(); });
document.getElementById("close-all").addEventListener("click", closeAll);
document.getElementById("fit").addEventListener("click", () => fit());
document.getElementById("theme").addEventListener("click", switchTheme);
document.getElementById("export").addEventListener("click", exportSvg);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("beforeprint", startPrinting);
addEventListener("afterprint", endPrinting);
addEventListener("resize", showFrame);
addEventListener("hashchange", start);
addEventListener("error", (event) => say(`Something in this page failed: ${event.message}`));

function start() {
  recall();
  for (const flag of ["hulls", "right", "compare"]) document.getElementById(flag).setAttribute("aria-pressed", state[flag]);
  heatChoice.value = state.heat;
  refresh({ keep: false });
  fit(isCompared() ? 0.3 : 0.6);
  if (recall.trace) setTrace(...recall.trace);
  else if (state.op >= 0) selectOp(state.op, state.tab);
}

showBanner();
start();
document.body.dataset.loaded = Math.round(performance.now());
