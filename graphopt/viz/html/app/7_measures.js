// What was measured or is known in numbers: heat with its scale, the timeline, values.

const METRICS = {
  time: { label: "Time", format: formatSeconds },
  bytes: { label: "Bytes moved", format: formatBytes },
  flops: { label: "FLOPs", format: (n) => formatCount(n) },
  rate: { label: "GFLOP/s", format: (n) => n.toFixed(n < 10 ? 1 : 0), isRate: true },
  limit: { label: "Share of limit", format: (n) => `${(100 * n).toFixed(0)} %`, isRate: true },
};

function formatCount(count) {
  let power = 0;
  while (count >= 1000 && power < 5) { count /= 1000; power += 1; }
  return power ? `${count.toFixed(1)} ${"kMGTP"[power - 1]}` : String(count);
}

const bufferBytes = new Map(data.buffers.map((buffer) => [buffer[0], buffer[3]]));
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

// What was timed, by the number of its (first) step.
const pieceOfStep = new Map((data.measured?.pieces ?? []).map((piece) => [piece[0], piece]));

// For each step: seconds, bytes, FLOPs, share of the limit; what is not known is null.
const costs = data.steps.map((step, index) => {
  const measured = pieceOfStep.get(index);
  if (measured) return { seconds: measured[3], nbytes: measured[4], flops: measured[5], limit: measured[6], bound: measured[7] };
  // A step inside of a piece, as those of a loop, was timed with it.
  if (data.measured) return { seconds: null, nbytes: null, flops: null, limit: null, bound: "" };
  const time = data.times[step.n];
  const nbytes = time?.[1] || sumOf([...step.r, ...step.w].map((name) => bufferBytes.get(name) || 0));
  const known = step.ops.map((op) => ops[op].f).filter((count) => count !== undefined);
  return { seconds: time ? time[0] : null, nbytes, flops: known.length ? sumOf(known) : null, limit: null, bound: "" };
});

const metrics = Object.keys(METRICS).filter((name) => costs.some((cost) => valueOf(name, [cost]) !== null));

// The value of a metric for some steps together.
function valueOf(name, steps) {
  const known = (key) => steps.filter((cost) => cost[key] !== null && cost[key] !== undefined);
  const total = (key) => (known(key).length ? sumOf(known(key).map((cost) => cost[key])) : null);
  if (name === "time") return total("seconds");
  if (name === "bytes") return total("nbytes");
  if (name === "flops") return total("flops");
  if (name === "rate") {
    const both = steps.filter((cost) => cost.flops && cost.seconds);
    return both.length ? sumOf(both.map((cost) => cost.flops)) / sumOf(both.map((cost) => cost.seconds)) / 1e9 : null;
  }
  const limited = steps.filter((cost) => cost.limit && cost.seconds);
  const seconds = sumOf(limited.map((cost) => cost.seconds));
  return seconds ? sumOf(limited.map((cost) => cost.limit * cost.seconds)) / seconds : null;
}

function stepsOfBoxes() {
  if (stepsOfBoxes.stage !== state.stage) {
    stepsOfBoxes.stage = state.stage;
    stepsOfBoxes.found = new Map();
    data.steps.forEach((step, index) => {
      const around = new Set();
      for (const op of [...step.ops, step.op]) {
        for (let id = op < 0 ? undefined : boxOf.get(op); id > 0; id = boxes[id].parent) around.add(id);
      }
      for (const id of around) stepsOfBoxes.found.set(id, [...(stepsOfBoxes.found.get(id) || []), costs[index]]);
    });
  }
  return stepsOfBoxes.found;
}

// The largest value among the closed boxes that show is the end of the scale.
function heatScale() {
  let most = 0;
  for (const id of drawn.places.keys()) {
    if (!id || (isScope(boxes[id]) && state.open.has(id))) continue;
    most = Math.max(most, valueOf(state.heat, stepsOfBoxes().get(id) || []) || 0);
  }
  return most;
}

function heatOf(box) {
  const value = valueOf(state.heat, stepsOfBoxes().get(box.id) || []);
  if (value === null) return null;
  return { share: value / (heatScale.most || 1), text: value ? METRICS[state.heat].format(value) : "" };
}

// The square root lets small values differ; the scale says where each color is. Mixed here,
// so that a saved picture has colors that every program knows.
const PAPER = ["f4f5f7", "e5484d"];
function colorOfHeat(share) {
  const style = getComputedStyle(document.documentElement);
  const [cold, hot] = state.paper ? PAPER : ["--cold", "--hot"].map((name) => style.getPropertyValue(name).trim().slice(1));
  const part = 0.88 * Math.sqrt(Math.min(share, 1));
  const channels = [0, 2, 4].map((at) => [cold, hot].map((hex) => parseInt(hex.slice(at, at + 2), 16)));
  return `rgb(${channels.map(([from, to]) => Math.round(from + (to - from) * part)).join(", ")})`;
}

function drawScale() {
  const scale = document.getElementById("scale");
  scale.hidden = !state.heat;
  if (!state.heat) return;
  const { label, format } = METRICS[state.heat];
  const stops = [0, 1 / 16, 1 / 4, 9 / 16, 1];
  const swatches = stops.map((share) => {
    const swatch = html("i", {});
    swatch.style.background = colorOfHeat(share);
    return html("span", {}, swatch, format(share * heatScale.most));
  });
  scale.replaceChildren(html("b", {}, label), ...swatches);
}

// ---- the timeline of a profiled run

function timelinePanel() {
  const measured = data.measured;
  if (!measured) return [html("p", { class: "note" }, "No run was measured for this page: graphopt view --profile N.")];
  const runs = [...new Set(measured.events.map(([run]) => run))];
  if (!runs.includes(state.run)) state.run = runs[0] ?? 0;
  const events = measured.events.filter(([run]) => run === state.run);
  const exchanges = measured.exchanges.filter(([run]) => run === state.run);
  const start = Math.min(...events.map((event) => event[2]));
  const end = Math.max(...events.map((event) => event[2] + event[3]));
  const choose = html("select", { "aria-label": "Run" }, ...runs.map((run) => html("option", { value: run }, `run ${run + 1}`)));
  choose.value = state.run;
  choose.addEventListener("change", () => { state.run = Number(choose.value); showPanel(); });
  const waits = [];
  events.forEach((event, index) => {
    const before = index ? events[index - 1][2] + events[index - 1][3] : start;
    if (event[2] > before) waits.push([event[2] - before, event[1]]);
  });
  const waited = sumOf(waits.map(([seconds]) => seconds));
  waits.sort((a, b) => b[0] - a[0]);
  const longest = [...events].sort((a, b) => b[3] - a[3]).slice(0, 12);
  const row = ([, piece, , seconds]) => html("li", {}, pieceLink(piece), ` ${formatSeconds(seconds)}, ${(100 * seconds / (end - start)).toFixed(0)} %`);
  return [
    html("p", {}, choose, ` ${plural(events.length, "step")} in ${formatSeconds(end - start)}`),
    html("p", { class: "note" }, `Alone, without times between steps, a run takes ${formatSeconds(measured.seconds)} (median of ${measured.runs}; ${formatSeconds(measured.fastest)} to ${formatSeconds(measured.slowest)}). Between steps: ${formatSeconds(waited)}.`),
    measured.threads > 1 ? html("p", { class: "note" }, threadsNote(events)) : null,
    exchanges.length ? html("p", { class: "note" }, exchangeNote()) : null,
    drawTimeline(events, exchanges, start, end),
    section("Longest", html("ul", {}, ...longest.map(row))),
    waits.length ? section("Longest waits", html("ul", {}, ...waits.slice(0, 5).map(([seconds, step]) => html("li", {}, `${formatSeconds(seconds)} before `, pieceLink(step))))) : null,
  ];
}

function pieceLink(piece) {
  const [number, name] = data.measured.pieces[piece];
  return html("button", { class: "link", onclick: () => selectStep(number) }, `${number} ${name}`);
}

// How much of the time in steps that were handed out each thread computed.
function threadsNote(events) {
  const shared = events.filter((event) => event[4].length);
  const whole = sumOf(shared.map((event) => event[3]));
  const parts = Array.from({ length: data.measured.threads }, (_, thread) => {
    const busy = sumOf(shared.map((event) => event[4][thread] ?? 0));
    return `${thread ? `worker ${thread}` : "the thread of the step"} ${(100 * busy / (whole || 1)).toFixed(0)} %`;
  });
  return `${plural(shared.length, "step")} of ${formatSeconds(whole)} were handed out to ${data.measured.threads} threads; computing were ${parts.join(", ")} of that time.`;
}

// How much of what was exchanged with other ranks went on beside the step.
function exchangeNote() {
  const [exchanged, waited] = data.measured.exchanged;
  const hidden = exchanged ? 100 * (1 - waited / exchanged) : 0;
  return `Exchanged with other ranks in ${formatSeconds(exchanged)} a run, of which the step waited ${formatSeconds(waited)}: ${hidden.toFixed(0)} % behind what it computed.`;
}

// One row for each family of kernels: a bar for each step, gaps where nothing of it runs;
// then one for each thread, with what it computed of the steps that were handed out, and
// one for what was exchanged with other ranks meanwhile.
function drawTimeline(events, exchanges, start, end) {
  const pieces = data.measured.pieces;
  const families = [...new Set(events.map(([, piece]) => pieces[piece][2]))];
  const threads = data.measured.threads > 1 ? data.measured.threads : 0;
  const [width, left, high] = [Math.max(panel.clientWidth - 30, 300), 92, 26];
  const height = (families.length + threads + (exchanges.length ? 1 : 0)) * high + 24;
  const across = (seconds) => left + ((seconds - start) / (end - start || 1)) * (width - left - 4);
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, id: "timeline", role: "img", "aria-label": "steps over time" });
  families.forEach((family, row) => {
    svg.append(rectangle(left, row * high, width - left, high - 4, { class: "lane" }));
    svg.append(make("text", { x: 0, y: row * high + 16 }, family.length > 13 ? `${family.slice(0, 12)}\u2026` : family));
  });
  for (let thread = 0; thread < threads; thread++) {
    const row = families.length + thread;
    svg.append(rectangle(left, row * high, width - left, high - 4, { class: "lane" }));
    svg.append(make("text", { x: 0, y: row * high + 16 }, thread ? `worker ${thread}` : "own thread"));
  }
  for (const [, piece, at, seconds, busy] of events) {
    const [step, name, family] = pieces[piece];
    const row = families.indexOf(family);
    busy.forEach((taken, thread) => {
      if (!(taken > 0)) return;
      const place = (families.length + thread) * high + 1;
      const bar = rectangle(across(at), place, Math.max(across(at + taken) - across(at), 1), high - 6, { class: `bar buffer${row % 6} busy`, "data-thread": thread });
      bar.append(make("title", {}, `${step} ${name}: computed ${formatSeconds(taken)} of ${formatSeconds(seconds)}`));
      svg.append(bar);
    });
    const bar = rectangle(across(at), row * high + 1, Math.max(across(at + seconds) - across(at), 1), high - 6, { class: `bar buffer${row % 6}${step === state.step ? " chosen" : ""}`, "data-step": step });
    bar.append(make("title", {}, `${step} ${name}: ${formatSeconds(seconds)} at ${formatSeconds(at - start)}`));
    bar.addEventListener("click", () => selectStep(step, "timeline"));
    svg.append(bar);
  }
  if (exchanges.length) {
    const place = (families.length + threads) * high;
    svg.append(rectangle(left, place, width - left, high - 4, { class: "lane" }));
    svg.append(make("text", { x: 0, y: place + 16 }, "other ranks"));
    exchanges.forEach(([, piece, at, seconds], index) => {
      const [step, name] = pieces[piece];
      const bar = rectangle(across(at), place + 1, Math.max(across(at + seconds) - across(at), 1), high - 6, { class: `bar buffer${index % 6}`, "data-exchange": step });
      bar.append(make("title", {}, `${step} ${name}: exchanged in ${formatSeconds(seconds)} at ${formatSeconds(at - start)}`));
      bar.addEventListener("click", () => selectStep(step, "timeline"));
      svg.append(bar);
    });
  }
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const x = left + part * (width - left - 4);
    svg.append(make("text", { x, y: height - 6, "text-anchor": part === 1 ? "end" : part ? "middle" : "start" }, formatSeconds(part * (end - start))));
  }
  return svg;
}

// ---- values of tensors over the steps

const numberOf = (value) => (typeof value === "number" ? value : Number(value));
// Three digits, without zeros at the end: 0.5, 1.23e-10.
const formatNumber = (value) => (Number.isFinite(numberOf(value)) ? String(Number(numberOf(value).toPrecision(3))) : String(value));

function valuesPanel() {
  const names = Object.keys(data.values);
  if (!names.length) return [html("p", { class: "note" }, "No values were kept for this page: graphopt view --values.")];
  if (!Object.hasOwn(data.values, state.value)) state.value = names[0];
  const rows = names.map((name) => {
    const steps = data.values[name];
    const bad = sumOf(steps.map((each) => each[3][1] + each[3][2]));
    const choose = () => { state.value = name; showPanel(); };
    return html("tr", { "aria-selected": name === state.value, tabindex: 0, "data-value": name, onclick: choose },
      html("td", {}, name), html("td", {}, drawRange(steps, 90, 22)),
      html("td", { class: `number${bad ? " bad" : ""}` }, bad ? plural(bad, "NaN or Inf").replace("Infs", "Inf") : formatNumber(steps.at(-1)[4][2])));
  });
  return [
    ...valueCard(state.value, data.values[state.value]),
    section(plural(names.length, "tensor"), html("table", { class: "steps" }, html("tr", {}, ...["", "range over steps", "last mean"].map((word) => html("th", {}, word))), ...rows)),
  ];
}

function valueCard(name, steps) {
  const [step, shape, dtype, [count, nan, infinite, zero], [low, high, mean, deviation]] = steps.at(-1);
  const op = opByName.get(name.replace(/:\d+$/, ""));
  const firstBad = steps.find((each) => each[3][1] + each[3][2] > 0);
  const rows = [["type", `${dtype}[${shape.join(", ")}]`], ["range", `${formatNumber(low)} to ${formatNumber(high)}`],
    ["mean", `${formatNumber(mean)} \u00b1 ${formatNumber(deviation)}`], ["zeros", `${zero.toLocaleString("en")} of ${count.toLocaleString("en")}`],
    ["NaN", nan.toLocaleString("en")], ["Inf", infinite.toLocaleString("en")]];
  return [
    html("h2", { id: "value-name" }, op === undefined ? name : html("button", { class: "link", onclick: () => selectOp(op) }, name)),
    firstBad ? html("p", { class: "warning" }, `${plural(firstBad[3][1], "NaN")} and ${firstBad[3][2]} Inf in step ${firstBad[0]}, the first with any.`) : null,
    section(`Step ${step}`, html("dl", {}, ...rows.flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, value)]))),
    section("Range, mean and deviation", drawRange(steps, 390, 120, true)),
    section("Histograms", drawHistograms(steps)),
  ];
}

// The smallest and the largest value, the mean and a deviation around it, step by step.
function drawRange(steps, width, height, isLarge = false) {
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, class: "range", width: isLarge ? "100%" : width, role: "img", "aria-label": "range over steps" });
  const finite = steps.map((each) => each[4].map(numberOf)).filter((each) => each.every(Number.isFinite));
  if (!finite.length) return svg;
  const low = Math.min(...finite.map(([min]) => min));
  const high = Math.max(...finite.map(([, max]) => max));
  const x = (index) => (steps.length > 1 ? 2 + (index / (steps.length - 1)) * (width - 4) : width / 2);
  const y = (value) => height - 3 - ((value - low) / (high - low || 1)) * (height - 6);
  const band = (above, below) => {
    const up = finite.map((each, index) => `${x(index).toFixed(1)} ${y(above(each)).toFixed(1)}`);
    const down = finite.map((each, index) => `${x(index).toFixed(1)} ${y(below(each)).toFixed(1)}`).reverse();
    return `M${[...up, ...down].join("L")}Z`;
  };
  svg.append(make("path", { class: "extremes", d: band(([, max]) => max, ([min]) => min) }));
  svg.append(make("path", { class: "deviation", d: band(([, max, mean, sd]) => Math.min(mean + sd, max), ([min, , mean, sd]) => Math.max(mean - sd, min)) }));
  svg.append(make("path", { class: "mean", d: `M${finite.map(([, , mean], index) => `${x(index).toFixed(1)} ${y(mean).toFixed(1)}`).join("L")}` }));
  steps.forEach((each, index) => {
    if (each[3][1] + each[3][2]) svg.append(rectangle(x(index) - 1.5, 0, 3, height, { class: "bad" }));
  });
  if (isLarge) {
    svg.append(make("text", { x: 4, y: 12 }, formatNumber(high)), make("text", { x: 4, y: height - 4 }, formatNumber(low)));
  }
  return svg;
}

// A column for each step, a row for each range of values, darker where more values are.
function drawHistograms(steps) {
  const [width, height] = [390, 180];
  const svg = make("svg", { viewBox: `0 0 ${width} ${height + 18}`, id: "histograms", role: "img", "aria-label": "histograms over steps" });
  const usable = steps.filter((each) => numberOf(each[4][0]) <= numberOf(each[4][1]) && each[5].some(Boolean));
  if (!usable.length) return svg;
  const low = Math.min(...usable.map((each) => numberOf(each[4][0])));
  const high = Math.max(...usable.map((each) => numberOf(each[4][1])));
  const across = width / usable.length;
  const y = (value) => height - ((value - low) / (high - low || 1)) * (height - 2);
  usable.forEach((each, index) => {
    const [min, max] = each[4].map(numberOf);
    const most = Math.max(...each[5]);
    each[5].forEach((count, bin) => {
      if (!count) return;
      const [bottom, top] = [min + ((max - min) * bin) / each[5].length, min + ((max - min) * (bin + 1)) / each[5].length];
      const cell = rectangle(index * across, y(top), Math.max(across - 0.5, 0.5), Math.max(y(bottom) - y(top), 1.5), { class: "cell", "fill-opacity": (0.12 + 0.88 * Math.sqrt(count / most)).toFixed(2) });
      cell.append(make("title", {}, `step ${each[0]}: ${plural(count, "value")} from ${formatNumber(bottom)} to ${formatNumber(top)}`));
      svg.append(cell);
    });
  });
  svg.append(make("text", { x: 2, y: height + 14 }, `step ${usable[0][0]}`), make("text", { x: width - 2, y: height + 14, "text-anchor": "end" }, `step ${usable.at(-1)[0]}`));
  svg.append(make("text", { x: 4, y: 12, class: "halo" }, formatNumber(high)), make("text", { x: 4, y: height - 4, class: "halo" }, formatNumber(low)));
  return svg;
}
