// Thumbnails of the training examples, and a canvas to draw one's own.

const VOID = 255;
const CUE = [230, 30, 60];
const OWN = { redraw: "redrawn", drawing: "yours", upload: "upload", labels: "your mask" };
const INKED = 0.6; // how far the colour of a class covers the image that it is drawn over
const rooms = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let S = rooms.get(root);
  if (!S) rooms.set(root, (S = enter(root)));
  S.send = (wish) => component.setTriggerValue("ask", wish);
  const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data);
  const { header, start } = decodeHeader(bytes);
  S.header = header;
  S.blocks = decodeBlocks(bytes, header, start);
  const other = String([header.size, header.names]) !== S.of || !(header.drawn || header.labelled);
  if (S.row !== null && (S.row >= header.own.length || header.busy || other)) close(S);
  tiles(S);
  S.$(".gallery").dataset.id = header.id;
}

function enter(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = { root, $, header: null, row: null, bitmap: null, cue: null, tool: "pen", ink: 1, undo: [], of: "" };
  $(".use").addEventListener("click", () => hand(S));
  $(".leave").addEventListener("click", () => close(S));
  onPaper(S);
  return S;
}

const made = (tag, more) => Object.assign(document.createElement(tag), more);

function push(text, label, act, more = {}) {
  const element = made("button", { type: "button", textContent: text, title: label, ...more });
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

// A canvas of h × w pixels, coloured by (pixel) → [r, g, b].
function painted(canvas, [height, width], colour) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([...colour(i), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The colour of a class, background first; void has the last one.
function colourOf({ colours }, label) {
  return colours[label === VOID ? colours.length - 1 : label];
}

function cross(cue, size, i) {
  if (!cue) return false;
  const away = Math.abs(Math.floor(i / size[1]) - cue[0]) + Math.abs((i % size[1]) - cue[1]);
  return away <= 1;
}

function tiles(S) {
  const { header, blocks } = S;
  const pixels = header.size[0] * header.size[1];
  const channels = blocks.seen.shape[1];
  S.$(".tiles").replaceChildren(
    ...header.own.map((own, row) => {
      const figure = made("figure");
      figure.setAttribute("role", "listitem");
      const seen = made("canvas");
      const label = made("canvas");
      seen.setAttribute("role", "img");
      label.setAttribute("role", "img");
      seen.setAttribute("aria-label", `Example ${row + 1} under noise`);
      label.setAttribute("aria-label", `Mask of example ${row + 1}`);
      const at = (i, c) => blocks.seen.data[(row * channels + Math.min(c, channels - 1)) * pixels + i];
      const cue = header.cues[row];
      painted(seen, header.size, (i) => (cross(cue, header.size, i) ? CUE : [at(i, 0), at(i, 1), at(i, 2)]));
      painted(label, header.size, (i) => colourOf(header, blocks.labels.data[row * pixels + i]));
      const pair = made("div", { className: "pair" });
      pair.append(seen, label);
      const acts = made("div", { className: "row" });
      const off = { disabled: header.busy };
      const name = `example ${row + 1}`;
      acts.append(
        push("⟳", `Redraw ${name}`, () => S.send({ redraw: row }), off),
        ...(header.drawn || header.labelled ? [push("✎ Draw", `Draw ${name} yourself`, () => open(S, row), off)] : []),
        ...(own ? [push("✕", `Take back ${name}`, () => S.send({ back: row }), off)] : []),
      );
      figure.append(pair, made("figcaption", { textContent: `${row + 1}${own ? ` · ${OWN[own]}` : ""}` }), acts);
      return figure;
    }),
  );
}

function open(S, row) {
  const { size, names, cues, labelled } = S.header;
  const pixels = size[0] * size[1];
  Object.assign(S, { row, tool: "pen", ink: 1, undo: [], of: String([size, names]), cue: cues[row] });
  S.bitmap = S.blocks[labelled ? "labels" : "sketch"].data.slice(row * pixels, (row + 1) * pixels);
  S.$(".board").hidden = false;
  S.$(".title").textContent = `Example ${row + 1}: draw what is ${labelled ? "where" : "to be found"}`;
  paper(S);
}

function close(S) {
  S.row = null;
  S.$(".board").hidden = true;
}

async function hand(S) {
  if (S.header.labelled) S.send({ label: { row: S.row, labels: await packLabels(S.bitmap, S.header.names.length) } });
  else S.send({ draw: { row: S.row, mask: await packMask(S.bitmap), cue: S.cue } });
  close(S);
}

// As pack_labels of pages/few_shot/drawn_labels.py writes them: each bit of the class numbers is a mask.
function packLabels(labels, classes) {
  const bits = Math.floor(Math.log2(classes)) + 1;
  const planes = new Uint8Array(bits * labels.length);
  labels.forEach((label, i) => {
    const code = label === VOID ? classes : label;
    for (let bit = 0; bit < bits; bit++) planes[bit * labels.length + i] = (code >> bit) & 1;
  });
  return packMask(planes);
}

function paper(S) {
  S.$(".inks").replaceChildren();
  if (S.header.labelled) return void labelling(S);
  const { size } = S.header;
  painted(S.$(".paper"), size, (i) => (cross(S.cue, size, i) ? CUE : colourOf(S.header, S.bitmap[i])));
  const tool = (name, text, label) => {
    const element = push(text, label, () => ((S.tool = name), paper(S)));
    element.setAttribute("aria-pressed", S.tool === name);
    return element;
  };
  S.$(".tools").replaceChildren(
    tool("pen", "Pen", "Draw"), tool("rubber", "Rubber", "Rub out"), tool("circle", "●", "Stamp a circle"),
    tool("square", "■", "Stamp a square"), tool("triangle", "▲", "Stamp a triangle"),
    ...(S.cue ? [tool("cue", "✚ Cue", "Place the cue")] : []),
    push("Undo", "Take back the last stroke", () => {
      Object.assign(S, S.undo.pop());
      paper(S);
    }, { disabled: !S.undo.length }),
    push("Clear", "Start from an empty image", () => {
      remember(S);
      S.bitmap = new Uint8Array(S.bitmap.length);
      paper(S);
    }),
  );
  const drawn = S.bitmap.some(Boolean);
  const met = !S.cue || S.bitmap[S.cue[0] * size[1] + S.cue[1]];
  S.$(".use").disabled = !drawn || !met;
  S.$(".hint").textContent = !drawn ? "Nothing is drawn yet." : met ? "" : "The cue must lie on what is drawn.";
}

// The labels over the image, and the tools that draw them.
function labelling(S) {
  const { size, names, colours } = S.header;
  const { shape, data } = S.blocks.seen;
  const [channels, pixels] = [shape[1], size[0] * size[1]];
  painted(S.$(".paper"), size, (i) => {
    const colour = colourOf(S.header, S.bitmap[i]);
    const covers = S.bitmap[i] === 0 ? 0 : INKED;
    return colour.map((part, c) => {
      const grey = data[(S.row * channels + Math.min(c, channels - 1)) * pixels + i];
      return covers * part + (1 - covers) * grey;
    });
  });
  const again = (changes) => () => (Object.assign(S, changes), labelling(S));
  const pressed = (element, on) => (element.setAttribute("aria-pressed", on), element);
  const tool = (name, text, label) => pressed(push(text, label, again({ tool: name })), S.tool === name);
  const inks = [...names.keys(), VOID].map((label) => {
    const name = names[label] ?? "void";
    const element = push(name, `Draw ${name}`, again({ ink: label, tool: S.tool === "rubber" ? "pen" : S.tool }));
    const swatch = made("i", { className: "swatch" });
    swatch.style.background = `rgb(${colourOf({ colours }, label)})`;
    element.prepend(swatch);
    return pressed(element, S.ink === label && S.tool !== "rubber");
  });
  S.$(".tools").replaceChildren(
    tool("pen", "Brush", "Draw a class"), tool("bucket", "Bucket", "Fill what is alike and connected"),
    tool("rubber", "Eraser", `Back to ${names[0]}`),
    push("Undo", "Take back the last stroke", () => again(S.undo.pop())(), { disabled: !S.undo.length }),
    push("Clear", `All ${names[0]}`, () => {
      remember(S);
      again({ bitmap: new Uint8Array(S.bitmap.length) })();
    }),
  );
  S.$(".inks").replaceChildren(...inks);
  const known = new Set([...S.bitmap].filter((label) => label !== VOID));
  S.$(".use").disabled = known.size < 2;
  S.$(".hint").textContent = known.size < 2 ? "There must be two classes to tell apart." : "";
}

// Fill what is connected to a pixel and of the same class, up, down, left and right.
function fill(S, [row, column]) {
  const [height, width] = S.header.size;
  const from = S.bitmap[row * width + column];
  const stack = from === S.ink ? [] : [row * width + column];
  while (stack.length) {
    const i = stack.pop();
    if (S.bitmap[i] !== from) continue;
    S.bitmap[i] = S.ink;
    const [r, c] = [Math.floor(i / width), i % width];
    if (r > 0) stack.push(i - width);
    if (r < height - 1) stack.push(i + width);
    if (c > 0) stack.push(i - 1);
    if (c < width - 1) stack.push(i + 1);
  }
}

function remember(S) {
  S.undo.push({ bitmap: S.bitmap.slice(), cue: S.cue });
  if (S.undo.length > UNDOS) S.undo.shift();
}

function mark(S, from, to) {
  if (S.tool === "cue") return void (S.cue = to);
  if (S.tool === "bucket") return void (from === to && fill(S, to));
  const stamp = STAMPS[S.tool] !== undefined;
  if (stamp && from !== to) return; // a stamp falls once, where the pointer came down
  for (const point of stamp || from === to ? [to] : between(from, to))
    for (const i of marked(S.tool, S.header.size, ...point)) S.bitmap[i] = S.tool === "rubber" ? 0 : S.ink;
}

function onPaper(S) {
  const canvas = S.$(".paper");
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    last = pixelAt(S, canvas, event);
    remember(S);
    mark(S, last, last);
    paper(S);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const pixel = pixelAt(S, canvas, event);
    if (pixel[0] === last[0] && pixel[1] === last[1]) return;
    mark(S, last, pixel);
    last = pixel;
    paper(S);
  });
  const end = () => (last = null);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
