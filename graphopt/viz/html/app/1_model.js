// The data of the page, the state of the view, and what follows from both.

async function loadData() {
  const element = document.getElementById("data");
  if (element.dataset.coding !== "gzip") return JSON.parse(element.textContent);
  const packed = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const data = await loadData();
const ops = data.ops;
const boxes = data.boxes.map((b, id) => ({
  id, parent: b[0], label: b[1], op: b[2], folded: !!(b[3] & 1), column: !!(b[3] & 2),
  startsOpen: !!(b[3] & 4), target: !!(b[3] & 8), upward: !!(b[3] & 16), title: b[4],
  details: b[5], kind: b[6], body: b[7], tags: b[8], openWidth: b[9], kids: [],
}));
const boxOf = new Map();
for (const box of boxes) {
  if (box.parent >= 0) boxes[box.parent].kids.push(box.id);
  if (box.op >= 0) boxOf.set(box.op, box.id);
}
const opByName = new Map(ops.map((op, index) => [op.n, index]));
const hasColumns = boxes[0].kids.some((id) => boxes[id].column);
const startOpen = new Set(boxes.filter((box) => box.startsOpen).map((box) => box.id));

const state = {
  stage: 0, open: new Set(startOpen), op: -1, scope: -1, step: -1, tab: "op",
  hulls: false, heat: "", right: false, compare: false, tree: false,
  trace: null, matches: new Set(), route: -1, run: 0, value: "",
};

// Two pictures of one layout: what was there before a pass, and what it left.
const BEFORE = 1;
const AFTER = 2;
const BOTH = 3;
const isOn = (box, side) => (side === BOTH ? box.count : side === BEFORE ? box.before : box.after) > 0;
const isCompared = () => state.compare && state.stage > 0;
const isApart = () => isCompared() && !!data.compared?.apart;
const isScope = (box) => box.op < 0;
const died = (op) => op.d ?? Infinity;
const born = (op) => op.v[0][0];
const isAlive = (op, stage = state.stage) => born(op) <= stage && died(op) > stage;

// An op removed by the pass that is looked at still shows, as removed.
const isShown = (op, stage = state.stage) => born(op) <= stage && died(op) >= stage;

for (const box of boxes.slice().reverse()) {
  if (box.op >= 0) box.built = born(ops[box.op]) === 0;
  if (box.built && box.parent >= 0) boxes[box.parent].built = true;
}

function versionOf(op, stage = state.stage) {
  let found = op.v[0];
  for (const version of op.v) if (version[0] <= stage) found = version;
  return found;
}

function changeOf(op) {
  // Where two graphs have little in common, all of both would be marked.
  if (!state.stage || isApart()) return "";
  if (died(op) === state.stage) return "removed";
  if (born(op) === state.stage) return "added";
  return op.v.some((version) => version[0] === state.stage) ? "changed" : "";
}

// How many ops each box holds at this stage, and what became of them.
function countOps() {
  for (const box of boxes) box.count = box.before = box.after = box.added = box.removed = box.changed = 0;
  for (let id = boxes.length - 1; id >= 0; id -= 1) {
    const box = boxes[id];
    if (box.op >= 0 && isShown(ops[box.op])) {
      const change = changeOf(ops[box.op]);
      if (change) box[change] = 1;
      box.count = 1;
      box.after = isAlive(ops[box.op]) ? 1 : 0;
      box.before = state.stage && isAlive(ops[box.op], state.stage - 1) ? 1 : 0;
    }
    if (box.parent < 0) continue;
    const parent = boxes[box.parent];
    parent.count += box.count;
    parent.before += box.before;
    parent.after += box.after;
    parent.added += box.added;
    parent.removed += box.removed;
    parent.changed += box.changed;
  }
}

const shownKids = (box) => box.kids.filter((id) => boxes[id].count);

function pathOf(id) {
  const labels = [];
  for (let box = boxes[id]; box.parent >= 0; box = boxes[box.parent]) {
    if (!box.folded) labels.unshift(box.label);
  }
  return labels.join("/");
}

// What uses each op at this stage; made once for each stage that is looked at.
function usersOf(index) {
  if (usersOf.stage !== state.stage) {
    usersOf.stage = state.stage;
    usersOf.found = new Map();
    ops.forEach((op, user) => {
      if (!isShown(op)) return;
      for (const source of sourcesOf(user)) {
        if (!usersOf.found.has(source)) usersOf.found.set(source, []);
        usersOf.found.get(source).push(user);
      }
    });
  }
  return usersOf.found.get(index) || [];
}

function sourcesOf(index) {
  const [, , inputs, controls] = versionOf(ops[index]);
  return new Set([...inputs.filter((_, at) => at % 2 === 0), ...controls]);
}

function formatBytes(count) {
  if (count === null || count === undefined) return "? B";
  let power = 0;
  while (count >= 1024 && power < 6) { count /= 1024; power += 1; }
  return power ? `${count.toFixed(1)} ${"KMGTPE"[power - 1]}iB` : `${count} B`;
}

function formatSeconds(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(2)} ms` : `${(seconds * 1e6).toFixed(2)} µs`;
}

const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
