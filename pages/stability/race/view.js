// What is on show: the four masks at one step, the curves, and the paths in the plane.

const CURVES = [
  { key: "norm", name: "‖h‖", log: true },
  { key: "delta", name: "‖δ‖ undamped", leaky: "‖δ‖; ‖δ − h‖ where leaky", log: true },
  { key: "applied", name: "‖δ̃‖ applied", log: true },
  { key: "update", name: "‖Δh‖ / ‖h‖", log: true },
  { key: "f1", name: "F1", y: [-0.03, 1.03] },
];
const rgbOf = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));

// The step of a run that stands for step t: a run that ended early shows its last.
const momentAt = (run, t) => run.moments[Math.min(t, run.moments.length - 1)];

function figureOf(name, mark) {
  const [figure, caption, canvas] = ["figure", "figcaption", "canvas"].map((tag) => document.createElement(tag));
  const title = Object.assign(document.createElement("b"), { textContent: name });
  const note = document.createElement("span");
  caption.append(title, " ", note);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  figure.append(caption, ...(mark ? [mark] : []), canvas);
  return { figure, note, canvas, name };
}

// The line that a variant is drawn by in every chart, over its mask.
function markOf({ colour, dash }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  node(svg, "line", { x1: 0, x2: "100%", y1: 3, y2: 3, stroke: colour, "stroke-width": 4, "stroke-dasharray": dash });
  return svg;
}

function paint(S, canvas, colourAt) {
  const [height, width] = S.header.size;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0, at = 0; i < width * height; i++, at += 4) {
    const colour = colourAt(i);
    for (let c = 0; c < 3; c++) image.data[at + c] = colour[c];
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function buildMasks(S) {
  S.panels = S.runs.map(({ told }) => figureOf(told.name, markOf(told)));
  S.$(".masks").replaceChildren(...S.panels.map(({ figure }) => figure));
  const [input, truth] = [figureOf("input"), figureOf("truth")];
  S.$(".given").replaceChildren(input.figure, truth.figure);
  S.given = { input, truth };
  drawGiven(S, S.blocks.x.data);
}

// Input and truth. x: the image (C, H, W).
function drawGiven(S, x) {
  const { input, truth } = S.given;
  const labels = S.blocks.truth.data;
  const shown = S.header.shown.map((c) => x.subarray(c * labels.length, (c + 1) * labels.length));
  const [lo, hi] = shown.flatMap((part) => [...part]).reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  paint(S, input.canvas, (i) => [0, 1, 2].map((c) => (255 * (shown[Math.min(c, shown.length - 1)][i] - lo)) / Math.max(hi - lo, 1e-6)));
  paint(S, truth.canvas, (i) => (labels[i] === VOID ? rgbOf(VOID_COLOUR) : S.palette[labels[i]]));
  if (!S.header.cue) return;
  const context = input.canvas.getContext("2d");
  context.fillStyle = "#e6007e";
  context.fillRect(S.header.cue[1] - 1, S.header.cue[0] - 1, 3, 3);
}

function drawMasks(S) {
  const words = S.panels.map(({ canvas, note, name }, i) => {
    const run = S.runs[i];
    const { picture, f1 } = momentAt(run, S.t);
    const colours = S.header.classes === 2 ? S.shades : S.palette;
    paint(S, canvas, (pixel) => colours[picture[pixel]]);
    const now = Math.min(S.t, run.told.steps);
    note.textContent = `t = ${now}, F1 ${f1.toFixed(3)}${now < S.t ? " (its end)" : ""}`;
    canvas.setAttribute("aria-label", `${name}: ${note.textContent}`);
    return `${name} ${f1.toFixed(2)}`;
  });
  S.$(".summary").setAttribute("aria-live", S.playing ? "off" : "polite");
  S.$(".summary").textContent = `Step ${S.t}: F1 ${words.join("; ")}.`;
}

// Charts over all steps, as far as they are computed. Each gives a function that moves its cursor.
function buildCharts(S) {
  const holder = S.$(".charts");
  if (!holder.children.length)
    holder.append(...[...CURVES, null].map(() => {
      const figure = document.createElement("figure");
      figure.append(document.createElementNS(SVG, "svg"));
      return figure;
    }));
  if (!holder.querySelector(".of-plane")) holder.lastChild.append(Object.assign(document.createElement("figcaption"), { className: "of-plane" }));
  const svgs = [...holder.querySelectorAll("svg")];
  const leaks = S.runs.some(({ told }) => told.leaks);
  const at = (t) => goTo(S, t);
  const full = (values) => [...values, ...Array(Math.max(S.steps + 1 - values.length, 0)).fill(null)];
  S.cursors = CURVES.map(({ key, name, leaky, log, y }, i) => {
    const series = S.runs.map(({ told, moments }) => ({ ...told, values: full(moments.map((moment) => (Number.isFinite(moment[key]) ? moment[key] : null))) }));
    const yLabel = (leaks && leaky) || name;
    return lineChart(svgs[i], { series, y, yLabel, log: log && S.log, label: `${yLabel} of the four variants over ${S.steps} steps`, at, height: 200 });
  });
  S.cursors.push(pathsChart(S, svgs.at(-1), at));
}

// The paths in the plane, as far as they are computed, over those of the runs before; until there is a plane, its room.
function pathsChart(S, svg, at) {
  const { runs, plane } = S;
  const height = 200;
  const { told, labels } = planeTold(S);
  S.$(".of-plane").textContent = told;
  S.$(".race").dataset.plane = planeShown(S);
  if (!plane) {
    const whole = height + drawLegend(svg, runs.map(({ told }) => told));
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${whole}`);
    svg.setAttribute("aria-label", "Paths of the state: none yet");
    return () => {};
  }
  const points = ({ moments }) => moments.map((moment) => placed(plane, moment));
  const bare = S.computed < S.steps; // hundreds of dots at every drawing would hold up the runs
  const paths = runs.map((run) => ({ ...run.told, points: points(run), live: true, bare }));
  const cloud = plane.shown === runs ? [] : plane.shown.map((run) => ({ ...run.told, points: points(run), strong: true }));
  return planeChart(svg, { paths, cloud, dots: [], labels, label: `Paths of the state, ${labels.join(", ")}. ${told}`, at, height });
}

function draw(S) {
  drawMasks(S);
  S.cursors.forEach((cursor) => cursor(S.t));
  Object.assign(S.$(".time"), { max: S.steps, value: S.t });
  S.$(".time-text").textContent = `${S.t} of ${S.steps}`;
  S.$(".back").disabled = S.$(".reset").disabled = S.t === 0;
  S.$(".step").disabled = S.t >= S.steps;
  S.$(".play").textContent = S.playing ? "▮▮ Pause" : "▶ Play";
  S.$(".log").checked = S.log;
  S.$(".race").dataset.t = S.t;
  S.$(".race").dataset.computed = S.computed;
}
