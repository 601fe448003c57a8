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
  startsOpen: !!(b[3] & 4), target: !!(b[3] & 8), title: b[4], details: b[5], kind: b[6],
  w: b[7][0], h: b[7][1], bodyX: b[7][2], tags: b[8], openWidth: b[9], kids: [],
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
  hulls: false, heat: false,
};

const isScope = (box) => box.op < 0;
const died = (op) => op.d ?? Infinity;
const born = (op) => op.v[0][0];

// An op removed by the pass that is looked at still shows, as removed.
const isShown = (op) => born(op) <= state.stage && died(op) >= state.stage;

function versionOf(op, stage = state.stage) {
  let found = op.v[0];
  for (const version of op.v) if (version[0] <= stage) found = version;
  return found;
}

function changeOf(op) {
  if (!state.stage) return "";
  if (died(op) === state.stage) return "removed";
  if (born(op) === state.stage) return "added";
  return op.v.some((version) => version[0] === state.stage) ? "changed" : "";
}

// How many ops each box holds at this stage, and what became of them.
function countOps() {
  for (const box of boxes) box.count = box.added = box.removed = box.changed = 0;
  for (const box of boxes.slice().reverse()) {
    if (box.op >= 0 && isShown(ops[box.op])) {
      const change = changeOf(ops[box.op]);
      if (change) box[change] = 1;
      box.count = 1;
    }
    if (box.parent < 0) continue;
    const parent = boxes[box.parent];
    for (const key of ["count", "added", "removed", "changed"]) parent[key] += box[key];
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

// Each box, or the closed scope around it that is drawn in its place.
function findVisible() {
  const visible = [];
  for (const box of boxes) {
    if (box.parent < 0) visible[box.id] = box.id;
    else {
      const shows = visible[box.parent] === box.parent && state.open.has(box.parent);
      visible[box.id] = shows ? box.id : visible[box.parent];
    }
  }
  return visible;
}

function links() {
  const found = [];
  for (const box of boxes) {
    if (box.op < 0 || !box.count) continue;
    const [, , inputs, controls] = versionOf(ops[box.op]);
    const seen = new Set();
    for (let i = 0; i < inputs.length; i += 2) {
      const source = boxOf.get(inputs[i]);
      const tensor = `${inputs[i]}:${inputs[i + 1]}`;
      if (source === undefined || !boxes[source].count || seen.has(tensor)) continue;
      seen.add(tensor);
      const output = versionOf(ops[inputs[i]])[4][inputs[i + 1]];
      found.push([source, box.id, tensor, output ? output[1] || 0 : 0]);
    }
    for (const control of controls) {
      const source = boxOf.get(control);
      if (source !== undefined && boxes[source].count) found.push([source, box.id, "", 0]);
    }
  }
  return found;
}

function usersOf(index) {
  const users = [];
  ops.forEach((op, i) => {
    if (!isShown(op)) return;
    const [, , inputs, controls] = versionOf(op);
    if (controls.includes(index) || inputs.some((v, at) => at % 2 === 0 && v === index)) users.push(i);
  });
  return users;
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
