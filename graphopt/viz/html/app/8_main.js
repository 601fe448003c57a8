// What the user does, the address after the #, and the start.

const WARN_FROM = 3000;
const search = document.getElementById("search");
const results = document.getElementById("results");
const slider = document.getElementById("stage");
const notice = document.getElementById("notice");

function refresh({ keep = true } = {}) {
  countOps();
  const anchor = selectedBox();
  const before = drawn.places.get(anchor);
  drawn = layOut();
  const after = drawn.places.get(anchor);
  // What was clicked stays under the pointer.
  if (keep && before && after) {
    view.x += (before.x - after.x) * view.scale;
    view.y += (before.y - after.y) * view.scale;
    applyView();
  }
  draw();
  showPanel();
  remember();
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
    say(`That would show ${plural(count, "shape")}, which may take minutes.`, () => openAll(id, true), "Open all the same");
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

function selectOp(index) {
  state.op = index;
  state.scope = -1;
  state.tab = "op";
  const box = nearestBox(index);
  let moved = false;
  if (box !== undefined) {
    for (let id = boxes[box].parent; id >= 0; id = boxes[id].parent) {
      moved ||= !state.open.has(id);
      state.open.add(id);
    }
  }
  if (moved) refresh({ keep: false });
  else { draw(); showPanel(); remember(); }
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

function selectStep(index) {
  state.step = state.step === index && state.tab === "kernels" ? -1 : index;
  state.tab = "kernels";
  draw();
  showPanel();
  remember();
}

function setStage(stage) {
  state.stage = Math.min(Math.max(stage, 0), data.passes.length);
  slider.value = state.stage;
  if (state.stage && state.tab === "op" && state.op < 0) state.tab = "passes";
  nameStage();
  refresh();
}

function nameStage() {
  const name = state.stage ? data.passes[state.stage - 1][0] : "as built";
  document.getElementById("stage-name").textContent = data.passes.length ? name : "no passes";
}

function setFlag(name, value = !state[name]) {
  if (name === "heat" && !Object.keys(data.times).length) {
    say("No times were measured for this page; make it with --times.");
    return;
  }
  state[name] = value;
  document.getElementById(name).setAttribute("aria-pressed", value);
  draw();
  remember();
}

// ---- search

function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  if (!words.length) return found;
  ops.forEach((op, index) => {
    if (!isShown(op)) return;
    const type = versionOf(op)[1];
    const all = `${op.n} ${type}`.toLowerCase();
    if (!words.every((word) => all.includes(word))) return;
    const leaf = op.n.slice(op.n.lastIndexOf("/") + 1).toLowerCase();
    found.push([leaf.startsWith(words[0]) ? 0 : 1, op.n.length, index]);
  });
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map((each) => each[2]);
}

function showResults() {
  const found = find(search.value);
  const choose = (index) => { results.hidden = true; search.blur(); selectOp(index); };
  results.replaceChildren(...found.slice(0, 50).map((index) => html("li", {}, html("button", { class: "link", onclick: () => choose(index) }, ops[index].n), ` ${versionOf(ops[index])[1]}`)));
  if (!found.length) results.append(html("li", { class: "note" }, "nothing found"));
  else if (found.length > 50) results.append(html("li", { class: "note" }, `and ${found.length - 50} more`));
  results.hidden = !search.value;
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
  for (const flag of ["hulls", "heat", "right"]) if (state[flag]) parts.set(flag, 1);
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
  state.tab = ["passes", "kernels", "memory"].includes(parts.get("tab")) ? parts.get("tab") : "op";
  if (["light", "dark"].includes(parts.get("theme"))) document.documentElement.dataset.theme = parts.get("theme");
  state.right = parts.has("right");
  state.hulls = parts.has("hulls");
  state.heat = parts.has("heat") && Object.keys(data.times).length > 0;
  slider.value = state.stage;
  nameStage();
}

// ---- export and theme

function exportSvg() {
  const { width, height } = picture.getBoundingClientRect();
  const copy = picture.cloneNode(true);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(make("style", {}, document.getElementById("picture-style").textContent), rectangle(0, 0, width, height, { class: "page" }));
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  html("a", { href: url, download: "graph.svg" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function switchTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  remember();
}

// ---- events

function activate(element) {
  const box = boxes[element.dataset.box];
  if (isScope(box)) toggle(box.id);
  else selectOp(box.op);
}

let drag = null;
picture.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, y: event.clientY, moved: false };
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.moved && Math.hypot(dx, dy) < 4) return;
  drag = { x: event.clientX, y: event.clientY, moved: true };
  view.x += dx;
  view.y += dy;
  applyView();
});
addEventListener("pointerup", () => setTimeout(() => { drag = null; }));
picture.addEventListener("click", (event) => {
  if (drag?.moved) return;
  const hull = event.target.closest(".hull");
  if (hull) { selectStep(Number(hull.dataset.step)); return; }
  const box = event.target.closest("[data-box]");
  const isInside = box?.classList.contains("open") && event.target.classList.contains("frame");
  if (box && !isInside) activate(box);
  else { state.op = state.scope = -1; draw(); showPanel(); remember(); }
});
picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  const at = picture.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - at.left, event.clientY - at.top);
}, { passive: false });

const keys = {
  "/": () => search.focus(), "[": () => setStage(state.stage - 1), "]": () => setStage(state.stage + 1),
  "+": () => zoomMiddle(1.25), "=": () => zoomMiddle(1.25), "-": () => zoomMiddle(0.8), 0: () => fit(), c: closeAll,
  a: () => openAll(0), k: () => setFlag("hulls"), t: () => setFlag("heat"),
  Escape: () => { state.op = state.scope = state.step = -1; say(""); draw(); showPanel(); remember(); },
};
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const zoomMiddle = (factor) => { const { width, height } = picture.getBoundingClientRect(); zoom(factor, width / 2, height / 2); };
const move = (dx, dy) => { view.x += dx; view.y += dy; applyView(); };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; results.hidden = true; search.blur(); }
    if (event.key === "Enter") results.querySelector("button")?.click();
    return;
  }
  if (event.target === slider && event.key.startsWith("Arrow")) return;
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
  const row = event.target.closest?.("tr[data-step]");
  if (row && event.key === "Enter") { selectStep(Number(row.dataset.step)); return; }
  if (Object.hasOwn(keys, event.key)) { event.preventDefault(); keys[event.key](); }
});
search.addEventListener("input", showResults);
slider.max = data.passes.length;
slider.disabled = !data.passes.length;
slider.addEventListener("input", () => setStage(Number(slider.value)));
for (const tab of document.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => { state.tab = tab.dataset.tab; showPanel(); tab.focus(); remember(); });
for (const flag of ["hulls", "heat"]) document.getElementById(flag).addEventListener("click", () => setFlag(flag));
document.getElementById("close-all").addEventListener("click", closeAll);
document.getElementById("fit").addEventListener("click", () => fit());
document.getElementById("theme").addEventListener("click", switchTheme);
document.getElementById("export").addEventListener("click", exportSvg);
addEventListener("beforeprint", startPrinting);
addEventListener("afterprint", endPrinting);
addEventListener("hashchange", () => { recall(); refresh(); });
addEventListener("error", (event) => say(`Something in this page failed: ${event.message}`));

recall();
refresh({ keep: false });
fit(0.6);
for (const flag of ["hulls", "heat"]) document.getElementById(flag).setAttribute("aria-pressed", state[flag]);
if (state.op >= 0) selectOp(state.op);
document.body.dataset.loaded = Math.round(performance.now());
