// The side panel: op, passes, kernels, memory.

const panel = document.getElementById("panel");
const LONGEST_LIST = 300;
// Buffers of larger plans are not compared with each other.
const MOST_COMPARED = 2000;

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const opLink = (index, note = "") => html("li", {}, html("button", { class: "link", onclick: () => selectOp(index) }, ops[index].n), note ? ` ${note}` : "");

function shorten(items, render, most = LONGEST_LIST) {
  const rest = items.length - most;
  const list = html("ul", {}, ...items.slice(0, most).map(render));
  const more = () => list.replaceWith(shorten(items, render));
  if (rest > 0) list.append(html("li", {}, most < LONGEST_LIST ? html("button", { class: "link", onclick: more }, `and ${rest.toLocaleString("en")} more`) : html("span", { class: "note" }, `and ${rest.toLocaleString("en")} more`)));
  return list;
}

function section(title, ...children) {
  return html("section", {}, html("h3", {}, title), ...children);
}

function showPanel() {
  for (const tab of document.querySelectorAll("[data-tab]")) {
    tab.setAttribute("aria-selected", tab.dataset.tab === state.tab);
    tab.setAttribute("tabindex", tab.dataset.tab === state.tab ? 0 : -1);
  }
  const show = { op: opPanel, passes: passesPanel, kernels: kernelsPanel, memory: memoryPanel, timeline: timelinePanel, values: valuesPanel }[state.tab];
  panel.replaceChildren(...show().filter(Boolean));
}

// ---- op

function opPanel() {
  if (state.route >= 0 && drawn.routes[state.route]) return lineCard(drawn.routes[state.route]);
  if (state.op >= 0) return opCard(state.op);
  if (state.scope > 0) return scopeCard(boxes[state.scope]);
  return [
    html("h2", {}, data.title), html("p", { class: "note" }, data.note),
    data.problem && !data.compared ? html("p", { class: "warning" }, `No plan: ${data.problem}`) : null,
    html("p", {}, "Click a yellow box to open it, its title to close it, an op to see what it is."),
    data.targets.length ? section("Fetched", shorten(data.targets, (index) => opLink(index), 8)) : null,
    data.compared ? section("Compared", comparison()) : null,
    section("Colors", html("ul", {}, ...data.legend.map(([kind, text]) => {
      const swatch = make("svg", { width: 16, height: 14 });
      swatch.append(rectangle(1, 1, 13, 11, { rx: 3, class: kind }));
      return html("li", {}, swatch, ` ${text}`);
    }))),
    section("Keys", keyTable()),
  ];
}

function keyTable() {
  const keys = [["/", "search: words, type:MatMul, attr:, shape:, scope:, /regex/"], ["[ ]", "pass before, pass after"], ["b", "before and after side by side"],
    ["+ − 0", "zoom, fit"], ["arrows", "move the picture, or from box to box"], ["Enter", "open or close what is focused"], ["c a", "close all, open all"],
    ["s", "tree of scopes"], ["r", "edges run right or down"], ["u d p", "all it needs, all that needs it, path"], ["k", "kernels as hulls"], ["t", "heat"], ["Esc", "clear"]];
  return html("table", { class: "keys" }, ...keys.map(([key, what]) => html("tr", {}, html("td", {}, html("kbd", {}, key)), html("td", {}, what))));
}

function comparison() {
  const { titles, rows } = data.compared;
  return html("table", { id: "compared" }, html("tr", {}, ...["", ...titles].map((word) => html("th", {}, word))),
    ...rows.map(([what, ...values]) => html("tr", {}, html("td", {}, what), ...values.map((value) => html("td", { class: "number" }, value)))));
}

// What a line in the picture stands for.
function lineCard({ line, b }) {
  const ends = [...line.tensors].map((key) => key.split(":").map(Number));
  const uses = (source, output) => [...line.to].filter((op) => {
    const [, , inputs] = versionOf(ops[op]);
    return inputs.some((each, at) => at % 2 === 0 && each === source && inputs[at + 1] === output);
  });
  const rows = ends.map(([source, output]) => {
    const [type] = versionOf(ops[source])[4][output] || [""];
    return [source, type, uses(source, output)];
  });
  const orders = line.tensors.size ? [] : [...line.to];
  return [
    html("h2", { id: "line-name" }, rows.length ? plural(rows.length, "tensor") + (b ? `, ${formatBytes(b)}` : "") : "Only an order"),
    ...(orders.length ? [section("These wait", shorten(orders, (op) => opLink(op))), section("for these", shorten([...line.from], (op) => opLink(op)))] : []),
    ...(rows.length > 40 ? [section("From", shorten([...line.from], (op) => opLink(op))), section("To", shorten([...line.to], (op) => opLink(op)))]
      : rows.map(([source, type, users]) => section(type, html("ul", {}, opLink(source), ...users.map((user) => html("li", {}, "→ ", html("button", { class: "link", onclick: () => selectOp(user) }, ops[user].n))))))),
  ];
}

// What keeps a step from native code, above the picture for all to see.
function showBanner() {
  const banner = document.getElementById("banner");
  const hosted = data.steps.map((step, index) => [step, index]).filter(([step]) => step.h);
  const parts = [];
  if (data.failure) parts.push(html("p", {}, html("b", {}, "Not finished: "), data.failure));
  if (data.interpreted) parts.push(html("p", {}, html("b", {}, "Runs without native code: "), data.interpreted, ...namedOps(data.interpreted)));
  if (hosted.length) {
    const [[step, index]] = hosted;
    const rest = hosted.length > 1 ? `, and ${plural(hosted.length - 1, "more step")}` : "";
    parts.push(html("p", {}, html("b", {}, "Runs in Python: "), html("button", { class: "link", onclick: () => selectStep(index) }, step.n), `: ${step.h}${rest}`));
  }
  banner.replaceChildren(...parts);
  banner.hidden = !parts.length;
}

const namedOps = (text) => text.split(/[\s'",;()]+/).filter((word) => opByName.has(word)).slice(0, 1)
  .flatMap((name) => [" ", html("button", { class: "link", onclick: () => selectOp(opByName.get(name)) }, "show it")]);

function opCard(index) {
  const op = ops[index];
  const [, type, inputs, controls, outputs] = versionOf(op);
  const rows = [["type", type]];
  outputs.forEach(([text, bytes], i) => rows.push([outputs.length > 1 ? `output ${i}` : "output", bytes === null ? text : `${text}, ${formatBytes(bytes)}`]));
  if (op.f !== undefined) rows.push(["FLOPs", op.f.toLocaleString("en") + (data.assumed ? ` (unknown sizes as ${data.assumed})` : "")]);
  if (op.a) rows.push(["attributes", op.a]);
  const step = data.steps.findIndex((each) => each.ops.includes(index) || each.op === index);
  if (step >= 0) rows.push(...costRows(costs[step]).map(([key, value]) => [`${key} of its step`, value]));
  const change = changeOf(op);
  if (data.compared) rows.push(["is in", { removed: data.compared.titles[0], added: data.compared.titles[1], changed: "both, with differences" }[change] ?? "both"]);
  else {
    if (change) rows.push(["this pass", change]);
    if (op.d !== undefined) rows.push(["removed by", data.passes[op.d - 1][0]]);
    if (born(op)) rows.push(["made by", data.passes[born(op) - 1][0]]);
  }
  const sources = [];
  for (let i = 0; i < inputs.length; i += 2) sources.push([inputs[i], (versionOf(ops[inputs[i]])[4][inputs[i + 1]] || [""])[0]]);
  controls.forEach((control) => sources.push([control, "waits for it"]));
  const users = usersOf(index);
  return [
    html("h2", { id: "op-name" }, op.n),
    html("dl", {}, ...rows.flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, String(value))])),
    traceButtons(index),
    traceNote(),
    op.s >= 0 ? snippet(data.sites[op.s]) : null,
    valueOfOp(op.n),
    step >= 0 ? html("p", {}, "Runs in step ", html("button", { class: "link", onclick: () => selectStep(step) }, `${step} ${data.steps[step].k}`)) : null,
    section(plural(sources.length, "input"), shorten(sources, ([source, note]) => opLink(source, note))),
    section(plural(users.length, "consumer"), shorten(users, (user) => opLink(user, versionOf(ops[user])[1]))),
  ];
}

function costRows({ seconds, nbytes, flops, limit, bound }) {
  const rows = [];
  if (seconds !== null) rows.push(["time", formatSeconds(seconds)]);
  if (nbytes) rows.push(["bytes", formatBytes(nbytes) + (seconds ? `, ${(nbytes / seconds / 1e9).toFixed(1)} GB/s` : "")]);
  if (flops) rows.push(["FLOPs", formatCount(flops) + (seconds ? `, ${(flops / seconds / 1e9).toFixed(1)} GFLOP/s` : "")]);
  if (limit) rows.push(["share", `${(100 * limit).toFixed(0)} % of what the machine can do (${bound})`]);
  return rows;
}

function valueOfOp(name) {
  const key = [name, `${name}:0`].find((each) => Object.hasOwn(data.values, each));
  if (!key) return null;
  const open = () => { state.value = key; state.tab = "values"; showPanel(); remember(); };
  return section("Values over the steps", drawRange(data.values[key], 380, 60, true), html("button", { class: "link", onclick: open }, "ranges and histograms"));
}

function snippet([file, line, first, lines]) {
  const rows = lines.map((text, i) => html("span", first + i === line ? { class: "here" } : {}, `${String(first + i).padStart(4)}  ${text}\n`));
  return section(`${file}:${line}`, rows.length ? html("pre", { id: "snippet" }, ...rows) : html("p", { class: "note" }, "The file is not there any more."));
}

function scopeCard(box) {
  const kids = shownKids(box);
  const isOpen = state.open.has(box.id);
  return [
    html("h2", {}, pathOf(box.id) || box.title),
    html("p", { class: "note" }, `${plural(box.count, "op")} in ${plural(kids.length, "box")}`.replace("boxs", "boxes")),
    html("p", {}, html("button", { onclick: () => toggle(box.id) }, isOpen ? "Close" : "Open"), " ",
      html("button", { onclick: () => openAll(box.id) }, "Open all in it")),
    section("In it", shorten(kids, (kid) => (boxes[kid].op >= 0 ? opLink(boxes[kid].op)
      : html("li", {}, html("button", { class: "link", onclick: () => selectScope(kid) }, boxes[kid].title), ` ${plural(boxes[kid].count, "op")}`)))),
  ];
}

// ---- passes

function lineOf(op, version) {
  const [, type, inputs, , outputs] = version;
  const names = [];
  for (let i = 0; i < inputs.length; i += 2) names.push(ops[inputs[i]].n + (inputs[i + 1] ? `:${inputs[i + 1]}` : ""));
  return `${op.n} = ${type}(${names.join(", ")})${outputs.length ? ` : ${outputs.map(([text]) => text).join(", ")}` : ""}`;
}

function diffLines() {
  const lines = [];
  ops.forEach((op, index) => {
    const change = isShown(op) ? changeOf(op) : "";
    if (change === "removed" || change === "changed") lines.push(["removed", `- ${lineOf(op, versionOf(op, state.stage - 1))}`, index]);
    if (change === "added" || change === "changed") lines.push(["added", `+ ${lineOf(op, versionOf(op))}`, index]);
  });
  return lines;
}

function passesPanel() {
  if (!data.passes.length) return [html("p", { class: "warning" }, data.problem || "Name an op to fetch (--fetch) to see what the passes make of it.")];
  const item = (index, name, note) => html("li", {}, html("button", { class: "link", "aria-current": index === state.stage, onclick: () => setStage(index) }, name), ` ${note}`);
  const passes = data.passes.map(([name, before, after], i) => item(i + 1, name, before === after ? `${after} ops` : `${before} → ${after} ops`));
  const lines = diffLines();
  const diff = html("pre", { id: "diff" }, ...lines.slice(0, LONGEST_LIST).map(([kind, text, index]) => html("button", { class: `line ${kind}-line`, onclick: () => selectOp(index) }, `${text}\n`)));
  if (lines.length > LONGEST_LIST) diff.append(`and ${lines.length - LONGEST_LIST} more lines\n`);
  return [
    html("ol", { class: "passes", start: 0 }, item(0, data.compared ? data.compared.titles[0] : "as built", plural(ops.filter((op) => !born(op)).length, "op")), ...passes),
    state.stage ? section(data.compared ? "What differs" : `What ${data.passes[state.stage - 1][0]} did`, lines.length ? diff : html("p", { class: "note" }, "Nothing in this graph.")) : null,
    state.stage ? html("p", {}, html("button", { onclick: () => setCompare() }, state.compare ? "One picture" : "Before and after side by side")) : null,
    state.stage ? html("p", { class: "note" }, "In the picture: green was added, red removed, amber changed; a dashed scope holds such ops.") : null,
  ];
}

// ---- kernels

function kernelsPanel() {
  if (!data.steps.length) return [html("p", { class: "warning" }, data.problem || "There is no plan: nothing is fetched.")];
  const shown = ["time", "rate", "limit"].filter((name) => metrics.includes(name));
  const order = data.steps.map((_, index) => index);
  if (shown.length && state.byTime) order.sort((a, b) => (costs[b].seconds || 0) - (costs[a].seconds || 0));
  const rows = order.map((index) => {
    const step = data.steps[index];
    const row = html("tr", { "data-step": index, tabindex: 0, "aria-selected": index === state.step, onclick: () => selectStep(index) },
      html("td", {}, String(index)), html("td", {}, step.k), html("td", {}, step.n + (step.ops.length > 1 ? ` (${step.ops.length} ops)` : "")));
    for (const name of shown) {
      const value = valueOf(name, [costs[index]]);
      row.append(html("td", { class: "number" }, value ? METRICS[name].format(value) : ""));
    }
    return row;
  });
  const sorted = () => { state.byTime = !state.byTime; showPanel(); };
  const heads = ["", "kernel", "step"].map((word) => html("th", {}, word));
  for (const name of shown) heads.push(html("th", { class: "number" }, name === "time" ? html("button", { class: "link", onclick: sorted }, state.byTime ? "time ▾" : "time") : { rate: "GFLOP/s", limit: "limit" }[name]));
  const table = html("table", { class: "steps" }, html("tr", {}, ...heads), ...rows);
  return [
    data.interpreted ? html("p", { class: "warning" }, `Runs without native code: ${data.interpreted}`) : null,
    ...(state.step >= 0 ? stepCard(data.steps[state.step]) : []),
    section(plural(data.steps.length, "step"), table),
  ];
}

function stepCard(step) {
  const rows = [["kernel", step.k], ["result", step.o.join(", ") || "none"], ["reads", step.r.join(", ") || "nothing"], ["writes", step.w.join(", ") || "nothing"]];
  if (step.h) rows.push(["on the host", step.h]);
  rows.push(...costRows(costs[data.steps.indexOf(step)]));
  const sources = data.kernels.filter(([name]) => step.kernels.includes(name));
  return [
    html("h2", {}, step.n),
    html("dl", {}, ...rows.flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, value)])),
    section(plural(step.ops.length, "op"), shorten(step.ops, (index) => opLink(index))),
    ...sources.map(([name, family, source]) => section(`${family} ${name.slice(0, 10)}`, html("pre", { class: "source" }, source))),
  ];
}

// ---- memory

function peakOf(arena) {
  const change = new Array(data.steps.length + 1).fill(0);
  for (const buffer of arena) { change[buffer[5]] += buffer[3]; change[buffer[6] + 1] -= buffer[3]; }
  let now = 0;
  const live = data.steps.map((_, step) => { now += change[step]; return now; });
  const bytes = largest(live);
  return { live, bytes, step: live.indexOf(bytes) };
}

function memoryPanel() {
  const arena = data.buffers.filter((buffer) => buffer[1] === "arena" && buffer[3]);
  if (!arena.length) return [html("p", { class: "note" }, data.steps.length ? "The step needs no memory besides variables, constants and feeds." : "There is no plan: nothing is fetched.")];
  const peak = peakOf(arena);
  const apart = arena.reduce((sum, buffer) => sum + buffer[3], 0);
  const held = arena.filter((b) => b[5] <= peak.step && peak.step <= b[6]).sort((a, b) => b[3] - a[3]);
  const others = data.buffers.filter((buffer) => buffer[1] !== "arena").sort((a, b) => b[3] - a[3]);
  const line = (buffer) => {
    const op = opByName.get(buffer[2].replace(/:\d+$/, ""));
    return html("li", {}, op === undefined ? buffer[2] || "scratch" : html("button", { class: "link", onclick: () => selectOp(op) }, buffer[2]), ` ${formatBytes(buffer[3])}, steps ${buffer[5]} to ${buffer[6]}`);
  };
  return [
    html("p", { id: "peak" }, `Peak ${formatBytes(peak.bytes)} in step ${peak.step}, ${data.steps[peak.step].n}.`),
    html("p", { class: "note" }, `Arena ${formatBytes(data.arena)}; without reuse it would be ${formatBytes(apart)}.${data.assumed ? ` Unknown sizes taken as ${data.assumed}.` : ""}`),
    drawMemory(arena, peak),
    state.step >= 0 ? section(`In use in step ${state.step}, ${data.steps[state.step].n}`, shorten(arena.filter((b) => b[5] <= state.step && state.step <= b[6]).sort((a, b) => b[3] - a[3]), line)) : null,
    section("What holds it at the peak", shorten(held, line)),
    section("Given: variables, constants, feeds", shorten(others, (buffer) => html("li", {}, `${buffer[0]} ${formatBytes(buffer[3])}`))),
  ];
}

function drawMemory(arena, peak) {
  const [width, height, left, bottom] = [Math.max(panel.clientWidth - 30, 300), 260, 6, 22];
  const across = (width - left) / Math.max(data.steps.length, 1);
  const high = Math.max(data.arena, ...arena.map((b) => b[4] + b[3]));
  const down = (offset) => (height * offset) / high;
  const svg = make("svg", { viewBox: `0 0 ${width} ${height + bottom}`, id: "memory", class: arena.length > 80 ? "many" : "", role: "img", "aria-label": "buffers over steps" });
  arena.forEach((buffer, index) => {
    const [name, , tensor, bytes, offset, first, last] = buffer;
    const reuses = arena.length <= MOST_COMPARED && arena.some((other) => other[6] < first && other[4] < offset + bytes && offset < other[4] + other[3]);
    const shape = rectangle(left + first * across, down(offset), Math.max((last - first + 1) * across - 1, 1), Math.max(down(bytes) - 0.5, 1), { class: `buffer buffer${index % 6}${reuses ? " reuses" : ""}` });
    shape.append(make("title", {}, `${tensor || "scratch"} (${name}), ${formatBytes(bytes)} at ${offset}, steps ${first} to ${last}${reuses ? ", in memory that was used before" : ""}`));
    const op = opByName.get(tensor.replace(/:\d+$/, ""));
    if (op !== undefined && op === state.op) shape.classList.add("chosen");
    // Scratch memory belongs to its step.
    shape.addEventListener("click", () => (op === undefined ? selectStep(first, "memory") : selectOp(op, "memory")));
    svg.append(shape);
  });
  // A click below the buffers chooses the step, and shows what is in use in it.
  data.steps.forEach((step, index) => {
    const tick = rectangle(left + index * across, height, Math.max(across - 0.5, 0.5), 6, { class: `tick${index === state.step ? " chosen" : ""}` });
    tick.append(make("title", {}, `${index} ${step.n}: ${formatBytes(peak.live[index])} in use`));
    tick.addEventListener("click", () => selectStep(index, "memory"));
    svg.append(tick);
  });
  if (state.step >= 0) svg.append(rectangle(left + state.step * across, 0, Math.max(across, 1), height, { class: "now" }));
  svg.append(rectangle(left + peak.step * across, 0, across, height, { class: "peak" }));
  svg.append(make("text", { class: "note", x: left, y: height + 19 }, `steps →  red: the peak${arena.length > 80 ? "" : "; dashed: memory that was used before"}`));
  return svg;
}
