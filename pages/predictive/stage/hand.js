// The hand: sliders, buttons, and what is covered of the image, by pointer or by keyboard.

const SLIDERS = {
  trust: "Precision π of the image",
  trust_covered: "Precision of what is covered",
  trust_top: "Precision π₁ of the second level",
  noise: "More noise",
};

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
