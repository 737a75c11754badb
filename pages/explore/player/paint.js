// Layers to pixels. A panel is drawn at a whole multiple of the image, so that a pixel stays a square.

const PANEL = 384;
const HIT = [240, 228, 66]; // true positive; the four outcomes are safe for colour-blind eyes
const FALSE_ALARM = [213, 94, 0];
const MISS = [86, 180, 233];
const REJECTION = [38, 44, 52];
const LAYERS = {
  probability: "P(shape)",
  mask: "mask",
  error: "error map",
  v_hat: "v̂, fed back",
  delta: "‖δ‖, undamped",
  applied: "‖δ̃‖, applied",
  entropy: "entropy",
  commit: "commit time",
  difference: "difference of two steps",
};
const RECURRENT_ONLY = ["v_hat", "delta", "applied"];
const OVER_TIME = ["commit", "difference"];

function lutOf(header) {
  const raw = atob(header.lut);
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

function diverging(value) {
  const [from, to] = value < 0 ? [[0, 114, 178], -value] : [[213, 94, 0], value];
  return from.map((c) => Math.round(232 + (c - 232) * Math.min(to, 1)));
}

// RGBA of one entity ("run", "ghost", "beside") at step t.
function colours(S, entity, t) {
  const { blocks, lut, header } = S;
  const layer = layerOf(S, entity);
  const pixels = header.size[0] * header.size[1];
  const out = new Uint8ClampedArray(4 * pixels).fill(255);
  const set = (i, rgb) => ((out[4 * i] = rgb[0]), (out[4 * i + 1] = rgb[1]), (out[4 * i + 2] = rgb[2]));
  const shade = (i, q) => ((out[4 * i] = lut[3 * q]), (out[4 * i + 1] = lut[3 * q + 1]), (out[4 * i + 2] = lut[3 * q + 2]));
  if (layer === "error") {
    const mask = frameOf(blocks[`${entity}.mask`], t);
    const truth = truthAt(S, entity === "ghost" ? 0 : t); // an untouched run goes on with the first image
    for (let i = 0; i < pixels; i++)
      set(i, mask[i] && mask[i] === truth[i] ? HIT : mask[i] ? FALSE_ALARM : truth[i] ? MISS : REJECTION);
  } else if (layer === "difference") {
    const block = blocks[`${entity}.probability`];
    const now = frameOf(block, t);
    const then = frameOf(block, S.look.against);
    for (let i = 0; i < pixels; i++) set(i, diverging((now[i] - then[i]) / 255));
  } else {
    const name = layer === "v_hat" ? `run.v_hat.${S.look.channel}` : `${entity}.${layer}`;
    const frame = frameOf(blocks[name], t);
    const times = layer === "mask" ? 255 / (header.classes - 1) : layer === "commit" ? 255 / Math.max(header.steps, 1) : 1;
    for (let i = 0; i < pixels; i++) shade(i, Math.min(255, Math.round(frame[i] * times)));
  }
  return out;
}

// What an entity can show: a model that feeds nothing back has no v̂ and no δ of its own here, and an answer
// that holds at every step has no history.
function layerOf(S, entity) {
  const layer = S.look.layer;
  if (OVER_TIME.includes(layer) && S.blocks[`${entity}.mask`].shape[0] === 1 && S.header.steps) return "probability";
  if (layer === "v_hat") return S.blocks[`run.v_hat.${S.look.channel}`] && entity === "run" ? layer : "probability";
  return S.blocks[`${entity}.${layer}`] || !RECURRENT_ONLY.includes(layer) ? layer : "probability";
}

function truthAt(S, t) {
  return frameOf(S.blocks.truth, S.blocks.of_step.data[Math.min(t, S.header.steps)]);
}

function truthColours(S, t) {
  const truth = truthAt(S, t);
  const out = new Uint8ClampedArray(4 * truth.length).fill(255);
  truth.forEach((on, i) => out.set(S.lut.subarray(on ? 765 : 0, on ? 768 : 3), 4 * i));
  return out;
}

// The input as the model sees it; while the hand is ahead of the model, clean image plus the same noise.
function inputColours(S, t) {
  const pixels = S.header.size[0] * S.header.size[1];
  const out = new Uint8ClampedArray(4 * pixels).fill(255);
  if (!S.preview) {
    const block = S.blocks.input;
    const channels = block.shape[1];
    const from = S.blocks.of_step.data[t] * channels * pixels;
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < 3; c++) out[4 * i + c] = block.data[from + Math.min(c, channels - 1) * pixels + i];
    return out;
  }
  const { noise, clean } = S.blocks;
  const channels = noise.shape[0];
  const values = new Float32Array(channels * pixels);
  let lo = Infinity;
  let hi = -Infinity;
  for (let j = 0; j < values.length; j++) {
    const base = S.bitmap ? S.bitmap[j % pixels] : clean.data[j] / 255;
    const v = base + S.sigma * (noise.lo + ((noise.hi - noise.lo) * noise.data[j]) / 255);
    values[j] = v;
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++)
      out[4 * i + c] = Math.round((255 * (values[Math.min(c, channels - 1) * pixels + i] - lo)) / Math.max(hi - lo, 1e-6));
  return out;
}

const scratch = document.createElement("canvas");

function blit(context, rgba, size, x, y, side) {
  const [height, width] = size;
  if (scratch.width !== width || scratch.height !== height) Object.assign(scratch, { width, height });
  scratch.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, x, y, (side * width) / Math.max(width, height), (side * height) / Math.max(width, height));
}

function drawPanel(S, panel) {
  const { canvas, entity } = panel;
  const { size } = S.header;
  const times = Math.max(1, Math.floor(PANEL / Math.max(...size)));
  if (canvas.width !== size[1] * times) Object.assign(canvas, { width: size[1] * times, height: size[0] * times });
  const context = canvas.getContext("2d");
  const rgba =
    entity === "input" ? inputColours(S, S.t) : entity === "truth" ? truthColours(S, S.t) : colours(S, entity, S.t);
  blit(context, rgba, size, 0, 0, Math.max(...size) * times);
  if (S.blocks[`${entity}.commit`] && layerOf(S, entity) === "commit" && S.t > 0) hatch(context, S, entity, times);
  if (entity === "input" && S.header.cues) drawCue(context, S, times);
  if (entity === "run" && S.stroke) overlay(context, S, times);
  if (S.pixel) crosshair(context, S, times);
}

// Pixels that flipped in this very step.
function hatch(context, S, entity, times) {
  const commit = frameOf(S.blocks[`${entity}.commit`], S.t);
  context.strokeStyle = S.header.marks.colour;
  context.lineWidth = Math.max(1, times / 5);
  context.beginPath();
  commit.forEach((at, i) => {
    if (at !== S.t) return;
    const x = (i % S.header.size[1]) * times;
    const y = Math.floor(i / S.header.size[1]) * times;
    context.moveTo(x, y + times);
    context.lineTo(x + times, y);
  });
  context.stroke();
}

function drawCue(context, S, times) {
  const at = S.cuePreview ?? S.header.cues[S.blocks.of_step.data[S.t]];
  if (!at) return;
  context.beginPath();
  const [share, least] = S.header.marks.cue;
  context.arc((at[1] + 0.5) * times, (at[0] + 0.5) * times, Math.max(times * share, least), 0, 7);
  context.fillStyle = S.header.marks.colour;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = "white";
  context.stroke();
}

function overlay(context, S, times) {
  context.fillStyle = "rgba(230, 0, 126, 0.6)";
  S.stroke.forEach((on, i) => {
    if (on) context.fillRect((i % S.header.size[1]) * times, Math.floor(i / S.header.size[1]) * times, times, times);
  });
}

function crosshair(context, S, times) {
  const [row, column] = S.pixel;
  for (const [colour, width] of [["black", 4], ["white", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(column * times - 2, row * times - 2, times + 4, times + 4);
  }
}

const FRAME = { least: 30, most: 90 }; // px of a thumbnail and the gap around it

// The frames of a film of that width, each centred at x, from the first step to the last: every step above its place
// on the time line, or where not all fit, as many as do.
function filmOf(S, width) {
  const { steps } = S.header;
  const cell = Math.min(Math.max(width / (steps + 1), FRAME.least), FRAME.most);
  const gaps = Math.min(steps, Math.max(1, Math.floor((width - cell) / cell + 1e-6)));
  const pitch = (width - cell) / Math.max(gaps, 1);
  const frames = Array.from({ length: gaps + 1 }, (_, i) => ({ t: gaps && Math.round((i * steps) / gaps), x: cell / 2 + i * pitch }));
  return { cell, pitch, frames };
}

// A row for the run and one for the untouched run beside it.
function drawFilm(S, canvas, width) {
  const { cell, frames } = S.film;
  const rows = S.header.curves.ghost ? ["run", "ghost"] : ["run"];
  const row = Math.round(cell);
  Object.assign(canvas, { width, height: row * rows.length });
  const context = canvas.getContext("2d");
  rows.forEach((entity, i) => {
    for (const { t, x } of frames)
      blit(context, colours(S, entity, t), S.header.size, Math.round(x - cell / 2) + 1, i * row + 1, Math.floor(cell) - 2);
  });
}
