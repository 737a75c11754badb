// Thumbnails of the training examples, and a canvas to draw one's own.

const VOID = 255;
const CUE = [230, 30, 60];
const OWN = { redraw: "redrawn", drawing: "yours", upload: "upload" };
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
  const other = String(header.size) !== String(S.size) || !header.drawn;
  if (S.row !== null && (S.row >= header.own.length || header.busy || other)) close(S);
  tiles(S);
  S.$(".gallery").dataset.id = header.id;
}

function enter(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = { root, $, header: null, row: null, bitmap: null, cue: null, tool: "pen", undo: [], size: null };
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
        ...(header.drawn ? [push("✎ Draw", `Draw ${name} yourself`, () => open(S, row), off)] : []),
        ...(own ? [push("✕", `Take back ${name}`, () => S.send({ back: row }), off)] : []),
      );
      figure.append(pair, made("figcaption", { textContent: `${row + 1}${own ? ` · ${OWN[own]}` : ""}` }), acts);
      return figure;
    }),
  );
}

function open(S, row) {
  const pixels = S.header.size[0] * S.header.size[1];
  Object.assign(S, { row, tool: "pen", undo: [], size: S.header.size, cue: S.header.cues[row] });
  S.bitmap = S.blocks.sketch.data.slice(row * pixels, (row + 1) * pixels);
  S.$(".board").hidden = false;
  S.$(".title").textContent = `Example ${row + 1}: draw what is to be found`;
  paper(S);
}

function close(S) {
  S.row = null;
  S.$(".board").hidden = true;
}

async function hand(S) {
  S.send({ draw: { row: S.row, mask: await packMask(S.bitmap), cue: S.cue } });
  close(S);
}

function paper(S) {
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

function remember(S) {
  S.undo.push({ bitmap: S.bitmap.slice(), cue: S.cue });
  if (S.undo.length > UNDOS) S.undo.shift();
}

function mark(S, from, to) {
  if (S.tool === "cue") return void (S.cue = to);
  const stamp = STAMPS[S.tool] !== undefined;
  if (stamp && from !== to) return; // a stamp falls once, where the pointer came down
  for (const point of stamp || from === to ? [to] : between(from, to))
    for (const i of marked(S.tool, S.header.size, ...point)) S.bitmap[i] = S.tool === "rubber" ? 0 : 1;
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
