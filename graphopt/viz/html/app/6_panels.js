// The side panel: op, passes, kernels, memory.

const panel = document.getElementById("panel");
const LONGEST_LIST = 300;

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

function shorten(items, render) {
  const rest = items.length - LONGEST_LIST;
  const list = html("ul", {}, ...items.slice(0, LONGEST_LIST).map(render));
  if (rest > 0) list.append(html("li", { class: "note" }, `and ${rest.toLocaleString("en")} more`));
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
  const show = { op: opPanel, passes: passesPanel, kernels: kernelsPanel, memory: memoryPanel }[state.tab];
  panel.replaceChildren(...show().filter(Boolean));
}

// ---- op

function opPanel() {
  if (state.op >= 0) return opCard(state.op);
  if (state.scope > 0) return scopeCard(boxes[state.scope]);
  return [
    html("h2", {}, data.title), html("p", { class: "note" }, data.note),
    data.problem ? html("p", { class: "warning" }, `No plan: ${data.problem}`) : null,
    html("p", {}, "Click a yellow box to open it, its title to close it, an op to see what it is."),
    section("Fetched", shorten(data.targets, (index) => opLink(index))),
    section("Colors", html("ul", {}, ...data.legend.map(([kind, text]) => {
      const swatch = make("svg", { width: 16, height: 14 });
      swatch.append(rectangle(1, 1, 13, 11, { rx: 3, class: kind }));
      return html("li", {}, swatch, ` ${text}`);
    }))),
    section("Keys", keyTable()),
  ];
}

function keyTable() {
  const keys = [["/", "search"], ["[ ]", "pass before, pass after"], ["+ − 0", "zoom, fit"], ["arrows", "move the picture, or from box to box"],
    ["Enter", "open or close what is focused"], ["c", "close all"], ["a", "open all"], ["k", "kernels as hulls"], ["t", "heat by time"], ["Esc", "clear"]];
  return html("table", { class: "keys" }, ...keys.map(([key, what]) => html("tr", {}, html("td", {}, html("kbd", {}, key)), html("td", {}, what))));
}

function opCard(index) {
  const op = ops[index];
  const [, type, inputs, controls, outputs] = versionOf(op);
  const rows = [["type", type]];
  outputs.forEach(([text, bytes], i) => rows.push([outputs.length > 1 ? `output ${i}` : "output", bytes === null ? text : `${text}, ${formatBytes(bytes)}`]));
  if (op.f !== undefined) rows.push(["FLOPs", op.f.toLocaleString("en") + (data.assumed ? ` (unknown sizes as ${data.assumed})` : "")]);
  if (op.a) rows.push(["attributes", op.a]);
  const step = data.steps.findIndex((each) => each.ops.includes(index) || each.op === index);
  const time = step >= 0 && data.times[data.steps[step].n];
  if (time) rows.push(["time of its step", formatSeconds(time[0])]);
  const change = changeOf(op);
  if (change) rows.push(["this pass", change]);
  if (op.d !== undefined) rows.push(["removed by", data.passes[op.d - 1][0]]);
  if (born(op)) rows.push(["made by", data.passes[born(op) - 1][0]]);
  const sources = [];
  for (let i = 0; i < inputs.length; i += 2) sources.push([inputs[i], (versionOf(ops[inputs[i]])[4][inputs[i + 1]] || [""])[0]]);
  controls.forEach((control) => sources.push([control, "waits for it"]));
  const users = usersOf(index);
  return [
    html("h2", { id: "op-name" }, op.n),
    html("dl", {}, ...rows.flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, String(value))])),
    op.s >= 0 ? snippet(data.sites[op.s]) : null,
    step >= 0 ? html("p", {}, "Runs in step ", html("button", { class: "link", onclick: () => selectStep(step) }, `${step} ${data.steps[step].k}`)) : null,
    section(plural(sources.length, "input"), shorten(sources, ([source, note]) => opLink(source, note))),
    section(plural(users.length, "consumer"), shorten(users, (user) => opLink(user, versionOf(ops[user])[1]))),
  ];
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
    html("ol", { class: "passes", start: 0 }, item(0, "as built", plural(ops.filter((op) => !born(op)).length, "op")), ...passes),
    state.stage ? section(`What ${data.passes[state.stage - 1][0]} did`, lines.length ? diff : html("p", { class: "note" }, "Nothing in this graph.")) : null,
    state.stage ? html("p", { class: "note" }, "In the picture: green was added, red removed, amber changed; a dashed scope holds such ops.") : null,
  ];
}

// ---- kernels

function kernelsPanel() {
  if (!data.steps.length) return [html("p", { class: "warning" }, data.problem || "There is no plan: nothing is fetched.")];
  const most = Math.max(...Object.values(data.times).map(([seconds]) => seconds), 0);
  const rows = data.steps.map((step, index) => {
    const time = data.times[step.n];
    const row = html("tr", { "data-step": index, tabindex: 0, "aria-selected": index === state.step, onclick: () => selectStep(index) },
      html("td", {}, String(index)), html("td", {}, step.k), html("td", {}, step.n + (step.ops.length > 1 ? ` (${step.ops.length} ops)` : "")));
    if (most) row.append(html("td", { class: "number" }, time ? formatSeconds(time[0]) : ""));
    return row;
  });
  const table = html("table", { class: "steps" }, html("tr", {}, ...["", "kernel", "step", ...(most ? ["time"] : [])].map((word) => html("th", {}, word))), ...rows);
  return [
    data.interpreted ? html("p", { class: "warning" }, `Runs without native code: ${data.interpreted}`) : null,
    ...(state.step >= 0 ? stepCard(data.steps[state.step]) : []),
    section(plural(data.steps.length, "step"), table),
  ];
}

function stepCard(step) {
  const time = data.times[step.n];
  const rows = [["kernel", step.k], ["result", step.o.join(", ") || "none"], ["reads", step.r.join(", ") || "nothing"], ["writes", step.w.join(", ") || "nothing"]];
  if (step.h) rows.push(["on the host", step.h]);
  if (time) rows.push(["time", formatSeconds(time[0]) + (time[1] ? `, ${formatBytes(time[1])}, ${(time[1] / time[0] / 1e9).toFixed(1)} GB/s` : "")]);
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
  const live = data.steps.map((_, step) => arena.filter((b) => b[5] <= step && step <= b[6]).reduce((sum, b) => sum + b[3], 0));
  const bytes = Math.max(0, ...live);
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
    section("What holds it at the peak", shorten(held, line)),
    section("Given: variables, constants, feeds", shorten(others, (buffer) => html("li", {}, `${buffer[0]} ${formatBytes(buffer[3])}`))),
  ];
}

function drawMemory(arena, peak) {
  const [width, height, left, bottom] = [400, 260, 6, 22];
  const across = (width - left) / Math.max(data.steps.length, 1);
  const high = Math.max(data.arena, ...arena.map((b) => b[4] + b[3]));
  const down = (offset) => (height * offset) / high;
  const svg = make("svg", { viewBox: `0 0 ${width} ${height + bottom}`, id: "memory", class: arena.length > 80 ? "many" : "", role: "img", "aria-label": "buffers over steps" });
  arena.forEach((buffer, index) => {
    const [name, , tensor, bytes, offset, first, last] = buffer;
    const reuses = arena.some((other) => other[6] < first && other[4] < offset + bytes && offset < other[4] + other[3]);
    const shape = rectangle(left + first * across, down(offset), Math.max((last - first + 1) * across - 1, 1), Math.max(down(bytes) - 0.5, 1), { class: `buffer buffer${index % 6}${reuses ? " reuses" : ""}` });
    shape.append(make("title", {}, `${tensor || "scratch"} (${name}), ${formatBytes(bytes)} at ${offset}, steps ${first} to ${last}${reuses ? ", in memory that was used before" : ""}`));
    const op = opByName.get(tensor.replace(/:\d+$/, ""));
    if (op !== undefined) shape.addEventListener("click", () => selectOp(op));
    svg.append(shape);
  });
  svg.append(rectangle(left + peak.step * across, 0, across, height, { class: "peak" }));
  svg.append(make("text", { class: "note", x: left, y: height + 15 }, `steps →  red: the peak${arena.length > 80 ? "" : "; dashed: memory that was used before"}`));
  return svg;
}

// ---- heat

function heatOf(box) {
  if (heatOf.stage !== state.stage) {
    heatOf.stage = state.stage;
    heatOf.byBox = new Map();
    for (const step of data.steps) {
      const seconds = data.times[step.n]?.[0] || 0;
      const around = new Set();
      for (const op of step.ops) for (let id = boxOf.get(op); id > 0; id = boxes[id].parent) around.add(id);
      for (const id of around) heatOf.byBox.set(id, (heatOf.byBox.get(id) || 0) + seconds);
    }
    heatOf.total = Object.values(data.times).reduce((sum, [seconds]) => sum + seconds, 0) || 1;
  }
  return Math.sqrt((heatOf.byBox.get(box.id) || 0) / heatOf.total);
}
