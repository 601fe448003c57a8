// Search, traces, and the tree of scopes.

const search = document.getElementById("search");
const results = document.getElementById("results");
const MOST_RESULTS = 60;
const lowered = [];
const FIELDS = ["type", "attr", "shape", "scope", "name"];

// ---- search: words, `type:MatMul`, `attr:`, `shape:`, `scope:`, `/regular expression/`

function parseQuery(text) {
  const tests = [];
  for (const word of text.match(/\/(?:\\.|[^/])+\/|\S+/g) || []) {
    const field = FIELDS.find((each) => word.toLowerCase().startsWith(`${each}:`));
    if (word.length > 2 && word.startsWith("/") && word.endsWith("/")) tests.push(["regex", new RegExp(word.slice(1, -1), "i")]);
    else if (field) tests.push([field, word.slice(field.length + 1).toLowerCase()]);
    else tests.push(["word", word.toLowerCase()]);
  }
  return tests;
}

function isFound(op, index, tests) {
  lowered[index] ??= op.n.toLowerCase();
  const name = lowered[index];
  const [, type, , , outputs] = versionOf(op);
  return tests.every(([field, value]) => {
    if (field === "regex") return value.test(op.n) || value.test(type);
    if (field === "word") return name.includes(value) || type.toLowerCase().includes(value);
    if (field === "type") return type.toLowerCase() === value || (value.endsWith("*") && type.toLowerCase().startsWith(value.slice(0, -1)));
    if (field === "attr") return (op.a || "").toLowerCase().includes(value);
    if (field === "scope") return name.startsWith(`${value.replace(/\/$/, "")}/`) || name.includes(`/${value.replace(/\/$/, "")}/`);
    if (field === "shape") return outputs.some(([text]) => text.toLowerCase().replaceAll(" ", "").includes(value));
    return name.includes(value);
  });
}

// An op with just this name comes first, then those whose own name begins so, then scopes, then the rest.
function find(text) {
  const tests = parseQuery(text);
  if (!tests.length) return [];
  const words = tests.filter(([field]) => field === "word").map(([, value]) => value);
  const found = [];
  ops.forEach((op, index) => {
    if (!isShown(op) || !isFound(op, index, tests)) return;
    const name = lowered[index];
    const own = name.slice(name.lastIndexOf("/") + 1);
    const isStart = words.some((word) => own.startsWith(word));
    found.push({ op: index, text: op.n, note: versionOf(op)[1], rank: words.includes(name) ? -1 : isStart ? 0 : 2 });
  });
  if (tests.every(([field]) => ["word", "regex", "scope"].includes(field))) {
    for (const box of boxes) {
      if (!isScope(box) || !box.count || box.id === 0) continue;
      const path = pathOf(box.id) || box.label;
      const isHit = tests.every(([field, value]) => (field === "regex" ? value.test(path) : path.toLowerCase().includes(value)));
      if (isHit) found.push({ scope: box.id, text: box.folded ? box.title : path, note: plural(box.count, "op"), rank: 1 });
    }
  }
  return found.sort((a, b) => a.rank - b.rank || a.text.length - b.text.length);
}

function showResults() {
  let found = [];
  let problem = "nothing found";
  try { found = find(search.value); } catch (error) { problem = error.message; }
  const choose = (hit) => { closeResults(); search.blur(); if (hit.op === undefined) selectScope(hit.scope); else selectOp(hit.op); };
  results.replaceChildren(...found.slice(0, MOST_RESULTS).map((hit, index) => html("li", { role: "option", "aria-selected": index === 0, id: `hit${index}` },
    html("button", { class: "link", tabindex: -1, onclick: () => choose(hit) }, hit.text), ` ${hit.note}`)));
  if (!found.length) results.append(html("li", { class: "note" }, problem));
  else if (found.length > MOST_RESULTS) results.append(html("li", { class: "note" }, `and ${(found.length - MOST_RESULTS).toLocaleString("en")} more`));
  results.hidden = !search.value;
  search.setAttribute("aria-expanded", !results.hidden);
  const visible = findVisible();
  const marked = found.slice(0, 5000).map((hit) => hit.scope ?? boxOf.get(hit.op)).filter((id) => id !== undefined);
  state.matches = new Set(search.value ? marked.map((id) => visible[id]) : []);
  draw();
}

function closeResults() {
  results.hidden = true;
  search.setAttribute("aria-expanded", "false");
  state.matches = new Set();
}

function moveChoice(by) {
  const items = [...results.querySelectorAll("[role=option]")];
  if (!items.length) return;
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  const next = Math.min(Math.max(at + by, 0), items.length - 1);
  items[at]?.setAttribute("aria-selected", "false");
  items[next].setAttribute("aria-selected", "true");
  items[next].scrollIntoView({ block: "nearest" });
  search.setAttribute("aria-activedescendant", items[next].id);
}

// ---- traces: all that an op needs, all that needs it, the ways between two

function reach(start, next) {
  const found = new Set([start]);
  for (const index of found) for (const other of next(index)) found.add(other);
  return found;
}

const upstream = (index) => reach(index, sourcesOf);
const downstream = (index) => reach(index, usersOf);

function setTrace(kind, from = state.op, to = -1) {
  if (from < 0) { say("Choose an op first."); return; }
  let found = null;
  if (kind === "up") found = upstream(from);
  else if (kind === "down") found = downstream(from);
  else {
    const between = (a, b) => { const after = downstream(a); return new Set([...upstream(b)].filter((each) => after.has(each))); };
    found = between(from, to);
    if (!found.size) found = between(to, from);
    if (!found.size) { say("Neither of the two needs the other."); return; }
  }
  state.trace = { kind, from, to, found, boxes: boxesAround(found) };
  state.tab = "op";
  state.op = from;
  draw();
  showPanel();
  remember();
}

function clearTrace() {
  state.trace = null;
  state.pathFrom = -1;
}

function boxesAround(found) {
  const around = new Set();
  for (const op of found) {
    // What is a badge has no box; what uses it need not be in the trace.
    for (let id = boxOf.get(op); id !== undefined && id > 0; id = boxes[id].parent) around.add(id);
  }
  return around;
}

const traceOfBox = (box) => (state.trace ? (state.trace.boxes.has(box.id) ? " traced" : " faint") : "");

function traceOfRoute({ line }) {
  if (state.route >= 0 && drawn.routes[state.route]?.line === line) return " traced";
  if (!state.trace) return "";
  const { found } = state.trace;
  const has = (set) => { for (const op of set) if (found.has(op)) return true; return false; };
  return has(line.from) && has(line.to) ? " traced" : " faint";
}

function traceButtons(index) {
  const startPath = () => { state.pathFrom = index; say(`Choose the other end of the path from ${ops[index].n}.`, () => { state.pathFrom = -1; }, "Cancel"); };
  const buttons = [["All it needs", () => setTrace("up", index)], ["All that needs it", () => setTrace("down", index)], ["Path to \u2026", startPath]];
  if (state.trace) buttons.push(["Clear", () => { clearTrace(); draw(); showPanel(); remember(); }]);
  return html("p", { class: "buttons" }, ...buttons.map(([text, onclick]) => html("button", { onclick }, text)));
}

function traceNote() {
  if (!state.trace) return null;
  const { kind, found, to } = state.trace;
  const what = { up: "it needs", down: "that need it", path: `between it and ${to >= 0 ? ops[to].n : ""}` }[kind];
  return html("p", { class: "note", id: "trace" }, `${plural(found.size - (kind === "path" ? 0 : 1), "op")} ${what}; Esc clears.`);
}

// ---- the tree of scopes: what is open in it is open in the picture

const tree = document.getElementById("tree");
const MOST_ROWS = 400;

function showTree() {
  tree.hidden = !state.tree;
  document.body.classList.toggle("with-tree", state.tree);
  if (!state.tree) return;
  const rows = [];
  const stack = [...shownKids(boxes[0])].reverse().map((id) => [id, 0]);
  while (stack.length && rows.length < MOST_ROWS) {
    const [id, depth] = stack.pop();
    rows.push(treeRow(boxes[id], depth));
    if (isScope(boxes[id]) && state.open.has(id)) stack.push(...[...shownKids(boxes[id])].reverse().map((kid) => [kid, depth + 1]));
  }
  const focused = document.activeElement?.dataset?.row;
  const top = tree.scrollTop;
  tree.replaceChildren(...rows);
  if (stack.length) tree.append(html("p", { class: "note" }, `and more: close some scopes, or search`));
  tree.scrollTop = top;
  const row = tree.querySelector(`[data-row="${focused ?? selectedBox()}"]`) ?? tree.firstElementChild;
  row?.setAttribute("tabindex", 0);
  if (focused) row?.focus({ preventScroll: true });
  tree.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
}

function treeRow(box, depth) {
  const isOpen = state.open.has(box.id);
  const row = html("div", { role: "treeitem", tabindex: -1, "data-row": box.id, "aria-level": depth + 1, "aria-selected": box.id === selectedBox() });
  row.style.paddingLeft = `${6 + depth * 14}px`;
  if (isScope(box)) row.setAttribute("aria-expanded", isOpen);
  const mark = html("span", { class: "mark" }, isScope(box) ? (isOpen ? "\u25be" : "\u25b8") : "");
  row.append(mark, html("span", {}, isScope(box) ? box.title : ops[box.op].n.slice(ops[box.op].n.lastIndexOf("/") + 1)),
    html("small", {}, isScope(box) ? String(box.count) : versionOf(ops[box.op])[1]));
  mark.addEventListener("click", (event) => { if (isScope(box)) { event.stopPropagation(); toggle(box.id); } });
  row.addEventListener("click", () => (isScope(box) ? selectScope(box.id) : selectOp(box.op)));
  return row;
}

function moveInTree(row, key) {
  const box = boxes[row.dataset.row];
  const isOpen = isScope(box) && state.open.has(box.id);
  const go = (other) => {
    if (!other?.dataset.row) return;
    row.setAttribute("tabindex", -1);
    other.setAttribute("tabindex", 0);
    other.focus();
  };
  if (key === "ArrowDown") go(row.nextElementSibling);
  else if (key === "ArrowUp") go(row.previousElementSibling);
  else if (key === "ArrowRight") { if (isScope(box) && !isOpen) toggle(box.id); else go(row.nextElementSibling); }
  else if (isOpen && !box.column) toggle(box.id);
  else go(tree.querySelector(`[data-row="${box.parent}"]`));
}
