// The stage: one model, one image, and the hand on both.

const PACES = { slow: 250, usual: 50, quick: 16 }; // ms between two updates
const REST = 1e-5; // a relative change of r and s below which nothing is seen to move
const KEPT = 300; // updates that the energy's chart shows
const LOOP_STEPS = 60;
const SLIDERS = {
  trust: "Precision π of the image",
  trust_covered: "Precision of what is covered",
  trust_top: "Precision π₁ of the second level",
  noise: "More noise",
};
const TERMS = [
  ["image", "½Σπε₀²", "#0072b2"],
  ["features", "½π₁‖ε₁‖²", "#009e73"],
  ["label", "½π_y‖ε_y‖²", "#d55e00"],
  ["sparsity", "λ‖r‖₁", "#e69f00"],
  ["shrink", "½β‖s‖²", "#56b4e9"],
];

function openStage(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = { root, $, id: "", epoch: null, coder: null, loops: [], covered: null, cursor: null, toldLast: "", due: 0, drawnAt: 0, toldAt: 0 };
  S.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  wire(S);
  return S;
}

function receive(S, bytes) {
  const { header, start } = decodeHeader(bytes);
  if (header.id === S.id && header.epoch === S.epoch && S.coder) return;
  const loading = load(S, bytes, header, start);
  const { token } = S;
  loading.catch((error) => {
    if (token !== S.token) return; // it was interrupted, and has no engine left
    S.$(".refused").textContent = error.message;
    S.$(".refused").hidden = false;
  });
}

async function load(S, bytes, header, start) {
  const token = (S.token = {});
  close(S);
  [S.id, S.epoch] = [header.id, header.epoch];
  const part = ([offset, length]) => bytes.slice(start + offset, start + offset + length);
  const floats = (place) => new Float32Array(part(place).buffer);
  const loops = await openLoops(header, part);
  if (token !== S.token) return loops.forEach(({ engine }) => engine.end());
  const { config, size, setup } = header;
  const sent = Object.fromEntries(Object.entries(header.weights).map(([name, place]) => [name, floats(place)]));
  const coder = coderOf(config, size, sent.U.slice(), sent.V.slice(), sent.W.slice(), header.gains);
  const open = ({ x, labels }) => {
    const truth = labels && part(labels);
    return { x: floats(x), labels: truth, y: truth && oneHot(truth, coder) };
  };
  Object.assign(S, { header, coder, sent, loops, setup: { ...setup }, probe: null, updates: 0, learned: [], teaching: false });
  S.pictures = header.pictures.map(open);
  S.lessons = header.lessons.map(open);
  S.full = new Float32Array(coder.pixels).fill(config.pi);
  S.covered = new Uint8Array(coder.pixels);
  S.span = spanOf(S);
  S.$(".labelled").hidden = !header.classes.length;
  buildControls(S);
  buildLoops(S);
  seeAnew(S);
  await fromRest(S);
  S.$(".predictive").dataset.ready = header.source;
  if (!S.looping) requestAnimationFrame((now) => turn(S, now));
  S.looping = true;
}

function close(S) {
  for (const { engine } of S.loops) engine.end();
  [S.loops, S.coder, S.looping] = [[], null, false];
}

const oneHot = (labels, { labels: count, pixels }) =>
  Float32Array.from({ length: count * pixels }, (_, i) => Number(labels[i % pixels] === 1 + Math.floor(i / pixels)));

// The grey levels between which all but the outermost hundredths of the pictures lie.
function spanOf({ pictures, coder, header }) {
  const values = pictures.flatMap(({ x }) => Array.from(x.subarray(header.shownChannels[0] * coder.pixels, (header.shownChannels[0] + 1) * coder.pixels)));
  values.sort((a, b) => a - b);
  return [values[Math.floor(values.length * 0.005)], values[Math.ceil(values.length * 0.995) - 1]];
}

// ---- what is seen, and how far it is trusted

function seeAnew(S) {
  const { setup, header, coder, covered } = S;
  const { pixels } = coder;
  const picture = S.pictures[setup.picture];
  const draw = normals(1 + setup.picture);
  S.x = picture.x.map((value, i) => {
    if (Math.floor(i / pixels) === header.cue) return value;
    const noisy = value + (setup.noise ? setup.noise * draw() : 0);
    return covered[i % pixels] ? 0 : noisy;
  });
  const shown = setup.label_shown && picture.y;
  const pi = Float32Array.from(covered, (on) => setup.trust * (on ? setup.trust_covered : 1));
  S.senses = { x: S.x, y: shown ? picture.y : null, pi, piTop: setup.trust_top, piLabel: shown ? header.config.pi_label : 0 };
  if (S.state) moreStill(S);
}

// The energy is another one from here on: what was counted of the old one no longer holds.
function moreStill(S) {
  measure(S.coder, S.senses, S.state);
  [S.falls, S.rises, S.atRest, S.dirty] = [0, 0, false, true];
}

async function fromRest(S) {
  S.state = measure(S.coder, S.senses, restOf(S.coder));
  Object.assign(S, { history: [], moved: 1, loopT: 0 });
  note(S);
  moreStill(S);
  await restLoops(S);
}

function note(S) {
  S.history.push({ total: S.state.total, ...S.state.energy });
  if (S.history.length > KEPT) S.history.shift();
}

function update(S) {
  const { coder, senses, state: before } = S;
  const after = descend(coder, senses, before);
  const change = Math.hypot(norm(after.r.map((value, i) => value - before.r[i])), norm(after.s.map((value, i) => value - before.s[i])));
  S.moved = change / (Math.hypot(norm(after.r), norm(after.s)) || 1);
  if (after.total <= before.total * (1 + 1e-6)) S.falls += 1; // sums of float32 round
  else S.rises += 1;
  S.state = after;
  S.atRest = S.moved < REST;
  S.dirty = true;
  note(S);
  askLoops(S);
}

function askLoops(S) {
  if (S.asking || S.loopT >= LOOP_STEPS || !S.loops.length) return;
  const loops = S.loops;
  S.asking = true;
  S.loopT += 1;
  stepLoops(S)
    .catch((error) => loops === S.loops && ((S.$(".refused").textContent = error.message), (S.$(".refused").hidden = false)))
    .finally(() => ((S.asking = false), (S.dirty = true)));
}

function turn(S, now) {
  if (!S.coder) return;
  if (now >= S.due && S.playing) {
    S.due = now + PACES[S.setup.pace];
    if (!S.atRest) update(S);
    else askLoops(S);
  }
  if (S.teaching) teachOnce(S);
  if (S.dirty && now - S.drawnAt > 30) {
    S.drawnAt = now;
    S.dirty = false;
    S.words = true;
    show(S);
  }
  if (S.words && now - S.toldAt > 150) {
    S.toldAt = now; // charts and tables are laid out anew, which costs far more than pictures
    S.words = false;
    showWords(S);
  }
  requestAnimationFrame((later) => turn(S, later));
}

// ---- what is drawn

function show(S) {
  const { state, header, coder } = S;
  const { size, shownChannels: channels, config } = header;
  const most = Math.max(Math.abs(S.span[0]), S.span[1]);
  const canvas = (name) => S.$(`.${name}`);
  paintGrey(S.$(".image canvas"), S.x, size, channels, S.span, S.covered);
  if (S.cursor) drawCursor(S);
  paintGrey(canvas("prediction"), state.prediction, size, channels, S.span);
  paintSigned(canvas("error"), state.image, size, channels, most);
  paintTiles(canvas("r"), state.r, config.features, coder.near, null);
  paintTiles(canvas("s"), state.s, config.causes, coder.far, null);
  paintFilters(S);
  const active = state.r.reduce((sum, value) => sum + (value > 0), 0) / state.r.length;
  S.$(".r-told").textContent = `${(100 * active).toFixed(0)} % of it above 0, one tile a channel`;
  const [left, whole] = [norm(state.image), norm(S.x)];
  S.$(".explained").textContent = `predicts ${(100 * (1 - (left / (whole || 1)) ** 2)).toFixed(1)} % of the image's power`;
  if (coder.labels) showMasks(S);
}

// What is read, not watched.
function showWords(S) {
  const { state, header, setup } = S;
  const rest = S.atRest ? ", at rest" : "";
  S.$(".count").textContent = `update ${state.t}${rest}`;
  S.$(".predictive").dataset.t = state.t;
  S.$(".predictive").dataset.rises = S.rises;
  S.$(".energy-told").textContent = `E = ${short(state.total)}; ${S.rises ? `rose in ${S.rises} updates` : "it never rose"} since the last change`;
  drawEnergy(S);
  drawLearning(S);
  drawTable(S);
  S.$(".next").title = header.help.picture;
  S.$(".play").textContent = S.playing ? "Pause" : "Play";
  S.$(".play").setAttribute("aria-pressed", S.playing);
  S.$(".teach").setAttribute("aria-pressed", S.teaching);
  S.$(".uncover").disabled = !S.covered.some(Boolean);
  S.$(".cut").setAttribute("aria-pressed", setup.trust_top === 0);
}

function paintFilters(S) {
  const { config, shownChannels: channels } = S.header;
  const [each, square] = [config.in_channels * config.kernel ** 2, config.kernel ** 2];
  const first = new Float32Array(config.features * square);
  for (let f = 0; f < config.features; f++)
    for (let i = 0; i < square; i++) for (const c of channels) first[f * square + i] += S.coder.U.weight[f * each + c * square + i] / channels.length;
  paintTiles(S.$(".filters"), first, config.features, [config.kernel, config.kernel], null);
}

function showMasks(S) {
  const { header, state, coder } = S;
  const { labels } = S.pictures[S.setup.picture];
  const { size, shownChannels: channels, palette, classes } = header;
  const mask = maskOf(coder, state);
  paintMask(S.$(".labelled .mask"), S.x, mask, labels, size, channels, S.span, palette);
  S.$(".f1").textContent = `F1 ${f1Of(mask, labels, classes.length).toFixed(3)}${S.senses.y ? ", while the label is shown" : ""}`;
  for (const loop of S.loops) {
    if (!loop.mask) continue;
    paintMask(loop.canvas, S.x, loop.mask, labels, size, channels, S.span, palette);
    loop.numbers.textContent = `t = ${loop.at.t}, F1 ${f1Of(loop.mask, labels, classes.length).toFixed(3)}`;
  }
}

function drawEnergy(S) {
  const { history } = S;
  const held = TERMS.filter(([name]) => history.some((one) => one[name] > 0));
  const series = [["total", "E", "currentColor"], ...held].map(([key, name, colour]) => ({ name, colour, values: history.map((one) => one[key]), width: key === "total" ? 3 : 1.8 }));
  lineChart(S.$(".energy svg"), { series, yLabel: "energy", height: 220, label: `Energy by update, now ${short(S.state.total)}`, at: () => {} });
}

// ---- the hand

function buildControls(S) {
  const { header, setup } = S;
  const options = header.sources.map((name) => Object.assign(document.createElement("option"), { value: name, textContent: name }));
  S.$(".source").replaceChildren(...options);
  S.$(".source").value = header.source;
  S.$(".source").title = header.help.source;
  S.$(".pace").value = setup.pace;
  S.$(".pace").title = header.help.pace;
  const place = S.$(".sliders");
  place.replaceChildren();
  for (const [key, name] of Object.entries(SLIDERS)) {
    const [min, max, step] = header.sliders[key];
    const label = document.createElement("label");
    const range = Object.assign(document.createElement("input"), { type: "range", min, max, step, value: setup[key], className: key });
    const out = Object.assign(document.createElement("output"), { textContent: setup[key] });
    label.append(name, out, range, Object.assign(document.createElement("small"), { textContent: header.help[key] }));
    range.addEventListener("input", () => {
      out.textContent = range.value;
      change(S, { [key]: Number(range.value) });
    });
    place.append(label);
  }
  const row = place.appendChild(Object.assign(document.createElement("div"), { className: "row" }));
  const button = (name, text, act) => row.appendChild(Object.assign(document.createElement("button"), { type: "button", className: name, textContent: text })).addEventListener("click", act);
  button("cut", "Cut the second level", () => slideTo(S, "trust_top", S.setup.trust_top ? 0 : header.config.pi_top));
  button("uncover", "Uncover", () => {
    S.covered.fill(0);
    seeAnew(S);
  });
  if (header.classes.length) {
    const label = place.appendChild(Object.assign(document.createElement("label"), { className: "check" }));
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: setup.label_shown, className: "label_shown" });
    box.addEventListener("change", () => change(S, { label_shown: box.checked }));
    label.append(box, "Show the label y, a second sense", Object.assign(document.createElement("small"), { textContent: header.help.label_shown }));
  }
}

function slideTo(S, key, value) {
  const range = S.$(`.sliders .${key}`);
  range.value = value;
  range.dispatchEvent(new Event("input", { bubbles: true }));
}

function change(S, changes) {
  Object.assign(S.setup, changes);
  seeAnew(S);
  tell(S);
}

function tell(S) {
  clearTimeout(S.telling);
  S.telling = setTimeout(() => {
    const text = JSON.stringify(S.setup);
    if (text === S.toldLast) return;
    S.toldLast = text;
    S.send("ask", { setup: S.setup, n: Date.now() });
  }, 700);
}

function wire(S) {
  const on = (name, act) => S.$(`.${name}`).addEventListener("click", () => S.coder && act());
  on("next", () => {
    change(S, { picture: (S.setup.picture + 1) % S.pictures.length });
    S.loopT = 0;
  });
  on("play", () => ([S.playing, S.dirty] = [!S.playing, true]));
  on("single", () => {
    S.playing = false;
    update(S);
  });
  on("again", () => fromRest(S));
  on("teach", () => {
    S.teaching = !S.teaching;
    S.dirty = true;
  });
  on("blank", () => setWeights(S, true));
  on("shipped", () => setWeights(S, false));
  S.$(".source").addEventListener("change", (event) => S.send("ask", { setup: { ...S.setup, source: event.target.value, picture: 0 }, n: Date.now() }));
  S.$(".pace").addEventListener("change", (event) => change(S, { pace: event.target.value }));
  const canvas = S.$(".image canvas");
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !S.coder) return;
    canvas.setPointerCapture(event.pointerId);
    last = pixelAt(S, canvas, event);
    cover(S, [last]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const to = pixelAt(S, canvas, event);
    cover(S, between(last, to));
    last = to;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
  canvas.addEventListener("blur", () => ([S.cursor, S.dirty] = [null, true]));
  canvas.addEventListener("keydown", (event) => onKey(S, event));
}

function pixelAt(S, canvas, event) {
  const box = canvas.getBoundingClientRect();
  const [height, width] = S.header.size;
  const at = [((event.clientY - box.top) / box.height) * height, ((event.clientX - box.left) / box.width) * width];
  return at.map((value, i) => Math.min(Math.max(Math.floor(value), 0), [height, width][i] - 1));
}

const radiusOf = (S) => Math.min(...S.header.size) / 14;

function cover(S, points) {
  const [height, width] = S.header.size;
  const radius = radiusOf(S);
  for (const [row, column] of points)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) if ((i - row) ** 2 + (j - column) ** 2 <= radius * radius) S.covered[i * width + j] = 1;
  seeAnew(S);
}

function onKey(S, event) {
  const move = { ArrowUp: [-2, 0], ArrowDown: [2, 0], ArrowLeft: [0, -2], ArrowRight: [0, 2] }[event.key];
  const { size } = S.header ?? {};
  if (!size || !(move || event.key === "Enter" || event.key === " ")) return;
  event.preventDefault();
  S.cursor ??= size.map((side) => side >> 1);
  if (move) S.cursor = S.cursor.map((value, i) => Math.min(Math.max(value + move[i], 0), size[i] - 1));
  else cover(S, [S.cursor]);
  S.dirty = true;
}

function drawCursor(S) {
  const context = S.$(".image canvas").getContext("2d");
  context.strokeStyle = "#f0e442";
  context.beginPath();
  context.arc(S.cursor[1] + 0.5, S.cursor[0] + 0.5, radiusOf(S), 0, 2 * Math.PI);
  context.stroke();
}
