// The loop as a diagram that is alive: what flows where, how much of it, each symbol explained where it stands, and
// each switch a switch in it.

// x in shares of the width, y in px, for a wide screen and a phone. flip: the switch that the box is.
const NODES = {
  image: { mark: "x", name: "image", wide: [0.06, 46], slim: [0.15, 36], told: "x, the image with its noise. It never changes by itself; F sees it at every step." },
  F: { mark: "F", name: "the network", wide: [0.235, 46], slim: [0.5, 36], told: "F, a small U-Net. It sees the image and v̂, the network's own last guess, and says what should change (E3)." },
  delta: { mark: "δ", name: "correction", wide: [0.4, 46], slim: [0.85, 36], told: "δ, the correction that F proposes for every pixel's state, normalised; bright where it is long. ‖δ‖ is its length: it hardly shrinks, whatever the mask does." },
  decay: { mark: "e^−t/τ", name: "damping", flip: "decay", wide: [0.57, 46], slim: [0.85, 126], told: "The decay lets less and less of each correction through (E4): after τ steps 1/e. The loop then comes to rest because its clock ran down, right or wrong." },
  h: { mark: "h", name: "state", wide: [0.76, 46], slim: [0.85, 216], told: "h = [u, v], the state of every pixel: all corrections so far, added up (E5). It starts at zero." },
  mask: { mark: "y", name: "mask", wide: [0.94, 46], slim: [0.5, 306], told: "y, the answer: a class for each pixel, read from u (E6)." },
  v: { mark: "v", name: "fed back", wide: [0.76, 138], slim: [0.5, 216], told: "v, the part of the state that goes back to F. The rest, u, is only read." },
  softmax: { mark: "softmax", name: "projection", flip: "softmax", wide: [0.57, 138], slim: [0.15, 216], told: "Softmax puts each pixel's v on the simplex: shares that add up to 1 (E2). Off, v is only normalised." },
  vhat: { mark: "v̂", name: "its own guess", wide: [0.4, 138], slim: [0.15, 126], told: "v̂, what F sees of its own last guess, beside the image: here the channel that varies most." },
  loop: { mark: "loop", name: "feedback", flip: "loop", wide: [0.235, 138], slim: [0.5, 126], told: "The loop itself. Off, v̂ is zero: F sees the image alone, and every step adds the same correction." },
};
// Of a state that leaks (E5'), what is told otherwise; the leak takes the place of the damping.
const LEAKY = {
  delta: { name: "proposal", told: "δ, the state that F proposes for every pixel, normalised. ‖δ − h‖ is the error: how far the state still is from it. It can vanish." },
  decay: { mark: "k", name: "leak", flip: "", told: "Each step takes the share k of the error δ − h (E5'): the state is drawn towards δ, and is at rest where h = δ, if it gets there. It needs no clock." },
  h: { told: "h = [u, v], the state of every pixel, drawn towards δ at every step (E5'). It starts at zero." },
};
const boxOf = (S, id) => ({ ...NODES[id], ...(S.machines[S.hero].model.leaks && LEAKY[id]) });
// What a box shows as a small picture: the values of red, green and blue at a pixel, or null for nothing.
const SHOWN_IN = {
  image(S) {
    const ground = groundOf(S.W, sceneShown(S));
    return (i, c) => ground[3 * i + c];
  },
  delta: (S, { wave, middle: usual }) => wave && ((i) => (255 * wave[i]) / (4 * usual || 1)), // as the glow: four times the middle is full
  vhat: (S, { fed }) => fed && ((i) => fed[i]),
  mask(S, { mask }) {
    const palette = S.W.palette.map(rgbOf);
    return (i, c) => palette[mask[i]][c];
  },
};
const EDGES = [["image", "F"], ["F", "delta"], ["delta", "decay"], ["decay", "h"], ["h", "mask"], ["h", "v"], ["v", "softmax"], ["softmax", "vhat"], ["vhat", "loop"], ["loop", "F"]];
const FED = new Set(["h v", "v softmax", "softmax vhat", "vhat loop", "loop F"]); // still where the loop is cut
const SLIM = 640; // px

function buildDiagram(S) {
  const holder = S.$(".diagram");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  S.diagram = { svg, boxes: {}, edges: [] };
  const explain = (id) => {
    S.explained = id;
    for (const [other, { button }] of Object.entries(S.diagram.boxes)) button.classList.toggle("told", other === id);
    S.$(".explain").textContent = boxOf(S, id).told;
  };
  const boxes = Object.keys(NODES).map((id) => {
    const { mark, name, flip, told: text } = boxOf(S, id);
    const button = Object.assign(document.createElement("button"), { className: `box ${flip ? "flip" : ""} ${id}`, type: "button", title: text });
    const [base, power] = mark.split("^");
    const symbol = Object.assign(document.createElement("b"), { textContent: base });
    if (power) symbol.append(Object.assign(document.createElement("sup"), { textContent: power }));
    const words = Object.assign(document.createElement("span"), { textContent: name });
    const value = Object.assign(document.createElement("i"), { className: "value" });
    const label = document.createElement("span");
    label.append(symbol, words, value);
    button.append(label);
    if (SHOWN_IN[id]) button.prepend(Object.assign(document.createElement("canvas"), { width: S.W.size[1], height: S.W.size[0] }));
    button.setAttribute("aria-label", `${mark}: ${name}`);
    if (flip) button.setAttribute("role", "switch");
    button.addEventListener("click", () => {
      explain(id);
      if (flip) flipSwitch(S, flip);
    });
    for (const event of ["focus", "pointerenter"]) button.addEventListener(event, () => explain(id));
    S.diagram.boxes[id] = { button, value, canvas: button.querySelector("canvas") };
    return button;
  });
  holder.replaceChildren(svg, ...boxes);
  S.diagramSize?.disconnect();
  S.diagramSize = new ResizeObserver(() => layDiagram(S));
  S.diagramSize.observe(holder);
}

function layDiagram(S) {
  const holder = S.$(".diagram");
  const width = holder.clientWidth;
  if (!width) return;
  const slim = width < SLIM;
  holder.classList.toggle("slim", slim);
  const height = slim ? 350 : 190;
  holder.style.height = `${height}px`;
  const { svg, boxes } = S.diagram;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const at = (id) => [NODES[id][slim ? "slim" : "wide"][0] * width, NODES[id][slim ? "slim" : "wide"][1]];
  for (const [id, { button }] of Object.entries(boxes)) {
    const [x, y] = at(id);
    Object.assign(button.style, { left: `${x}px`, top: `${y}px` });
  }
  S.diagram.edges = EDGES.map(([from, to]) => {
    const [a, b] = [at(from), at(to)];
    const corner = a[0] !== b[0] && a[1] !== b[1] ? [b[0], a[1]] : null;
    const points = corner ? (from === "h" ? [a, [a[0], b[1]], b] : [a, corner, b]) : [a, b];
    const fed = FED.has(`${from} ${to}`);
    node(svg, "polyline", { points: points.map((p) => p.join(",")).join(" "), class: fed ? "wire fed" : "wire" });
    arrow(svg, points, boxes[to].button, fed);
    return { points, fed, spark: node(svg, "circle", { r: 4, class: fed ? "spark fed" : "spark", visibility: "hidden" }) };
  });
}

// An arrow's head where the wire meets the box that it leads to.
function arrow(svg, points, box, fed) {
  const [from, to] = points.slice(-2);
  const level = from[1] === to[1];
  const sign = Math.sign(level ? to[0] - from[0] : to[1] - from[1]);
  const half = (level ? box.offsetWidth : box.offsetHeight) / 2;
  const tip = level ? [to[0] - sign * half, to[1]] : [to[0], to[1] - sign * half];
  const wing = (side) => (level ? [tip[0] - sign * 8, tip[1] + side * 5] : [tip[0] + side * 5, tip[1] - sign * 8]);
  node(svg, "polygon", { points: [tip, wing(1), wing(-1)].map((p) => p.join(",")).join(" "), class: fed ? "head fed" : "head" });
}

// Signals on their way: one run along every wire in each step, large where much is corrected.
function drawSparks(S, now) {
  if (!S.diagram) return;
  const going = S.playing && !S.still && live(S);
  const since = Math.max(now - S.steppedAt, 0); // a frame's time may lie before a step that came with it
  const phase = Math.min(since / Math.max(S.interval, 120), 1);
  const moment = present(S.line)?.moments[S.hero];
  for (const { points, fed, spark } of S.diagram.edges) {
    spark.setAttribute("visibility", going && phase < 1 ? "visible" : "hidden");
    if (!going) continue;
    const [x, y] = along(points, phase);
    spark.setAttribute("cx", x);
    spark.setAttribute("cy", y);
    spark.setAttribute("r", 2.5 + 3 * Math.sqrt(moment ? Math.min(moment.gain, 1) : 1));
  }
}

function along(points, share) {
  const parts = points.slice(1).map((p, i) => Math.hypot(p[0] - points[i][0], p[1] - points[i][1]));
  let left = share * parts.reduce((a, b) => a + b, 0);
  for (const [i, part] of parts.entries()) {
    if (left <= part) return points[i].map((value, axis) => value + ((points[i + 1][axis] - value) * left) / (part || 1));
    left -= part;
  }
  return points.at(-1);
}

function drawSmall(canvas, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const { data } = image;
  if (colour)
    for (let i = 0, at = 0; at < data.length; i++, at += 4) {
      for (let c = 0; c < 3; c++) data[at + c] = colour(i, c);
      data[at + 3] = 255;
    }
  context.putImageData(image, 0, 0);
}

// The boxes' numbers and switches, once a step.
function drawDiagram(S) {
  const moment = present(S.line)?.moments[S.hero];
  if (!S.diagram || !moment) return;
  const { boxes } = S.diagram;
  const { model } = S.machines[S.hero];
  for (const [id, of] of Object.entries(SHOWN_IN)) drawSmall(boxes[id].canvas, of(S, moment));
  const marked = moment.mask.reduce((sum, k) => sum + (k > 0), 0) / moment.mask.length;
  const values = { image: `σ ${short(S.scene.sigma)}`, delta: moment.delta === null ? "" : `${model.leaks ? "‖δ − h‖" : "‖δ‖"} ${figure(moment.delta)}`, h: `‖h‖ ${figure(moment.size)}`, mask: percent(marked), decay: model.leaks ? `× ${model.k}` : damped(S) ? `× ${moment.gain.toFixed(2)}` : "off" };
  for (const [id, text] of Object.entries(values)) boxes[id].value.textContent = text;
  for (const id of Object.keys(NODES)) {
    const { flip } = boxOf(S, id);
    if (!flip) continue;
    const able = model.switches.includes(flip);
    const on = able && !S.off.has(flip) && model.on[flip];
    const { button, value } = boxes[id];
    button.setAttribute("aria-checked", on);
    button.setAttribute("aria-disabled", !able);
    if (id !== "decay" || !on) value.textContent = !able ? "none" : on ? "on" : "off";
  }
  const cut = !model.hasLoop || S.off.has("loop");
  S.$(".diagram").classList.toggle("cut", cut);
}
