// Layers to colours: what each pixel of a panel is painted, as layers.py declares the layers.

const HIT = [240, 228, 66]; // true positive; the outcomes are safe for colour-blind eyes
const WRONG = [204, 121, 167]; // of more than two classes: one of them, but not the true one
const FALSE_ALARM = [213, 94, 0];
const MISS = [86, 180, 233];
const REJECTION = [38, 44, 52];
const LAYERS = RUN.layers;

// "#rrggbb" to three numbers.
const rgbOf = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
const VOID = rgbOf(RUN.voidColour);
function lutOf(header) {
  const raw = atob(header.lut);
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

function diverging(value) {
  const [from, to] = value < 0 ? [[0, 114, 178], -value] : [[213, 94, 0], value];
  return from.map((c) => Math.round(232 + (c - 232) * Math.min(to, 1)));
}

// RGBA of one entity ("run", "ghost", "comparison") at step t.
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
      set(i, outcome(mask[i], truth[i]));
  } else if (layer === "mask") {
    const palette = header.palette.map(rgbOf);
    frameOf(blocks[`${entity}.mask`], t).forEach((k, i) => set(i, palette[k]));
  } else if (layer === "difference") {
    const block = probabilityOf(S, entity);
    const now = frameOf(block, t);
    const then = frameOf(block, S.look.against);
    for (let i = 0; i < pixels; i++) set(i, diverging((now[i] - then[i]) / 255));
  } else {
    const frame = frameOf(blockOf(S, entity, layer), t);
    const times = layer === "commit" ? 255 / Math.max(header.steps, 1) : 1;
    for (let i = 0; i < pixels; i++) shade(i, Math.min(255, Math.round(frame[i] * times)));
  }
  return out;
}

// How a pixel's class compares with its true one; of two classes WRONG cannot come about.
function outcome(answer, truth) {
  if (truth === RUN.void) return VOID; // no answer is wrong there
  if (answer === truth) return answer ? HIT : REJECTION;
  return !answer ? MISS : truth ? WRONG : FALSE_ALARM;
}

// The block that a layer is painted from.
function blockOf(S, entity, layer) {
  if (layer === "v_hat") return S.blocks[`run.v_hat.${S.look.channel}`];
  return layer === "probability" ? probabilityOf(S, entity) : S.blocks[`${entity}.${LAYERS[layer].block}`];
}

// The class whose probability an entity shows; 0 for any but the background, also until what was chosen has come.
function classOf(S, entity) {
  const k = S.look.of_class;
  return k && S.blocks[`${entity}.class.${k}`] ? k : 0;
}

function probabilityOf(S, entity) {
  const k = classOf(S, entity);
  return S.blocks[k ? `${entity}.class.${k}` : `${entity}.probability`];
}

// What a probability is of, as it is called: of two classes it is the shape's.
function probabilityName(S, k) {
  const { classes, classNames } = S.header;
  return classes === 2 ? LAYERS.probability.title : `P(${k ? classNames[k] : `not ${classNames[0]}`})`;
}

// What an entity can show: a model that feeds nothing back has no v̂ and no δ of its own here, and an answer
// that holds at every step has no history.
function layerOf(S, entity) {
  const layer = S.look.layer;
  if (LAYERS[layer].history && S.blocks[`${entity}.mask`].shape[0] === 1 && S.header.steps) return "probability";
  if (layer === "v_hat") return S.blocks[`run.v_hat.${S.look.channel}`] && entity === "run" ? layer : "probability";
  return S.blocks[`${entity}.${LAYERS[layer].block}`] || !LAYERS[layer].recurrent ? layer : "probability";
}

function truthAt(S, t) {
  return frameOf(S.blocks.truth, S.blocks.of_step.data[Math.min(t, S.header.steps)]);
}

function truthColours(S, t) {
  const truth = truthAt(S, t);
  const out = new Uint8ClampedArray(4 * truth.length).fill(255);
  const palette = S.header.palette.map(rgbOf);
  truth.forEach((k, i) => out.set(k === RUN.void ? VOID : palette[k], 4 * i));
  return out;
}

// The input as the model sees it; while a drawing or σ is ahead of the run, clean image plus the same noise.
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
  const { noise, clean } = contentAt(S, t);
  const { shown } = S.header;
  const values = new Float32Array(shown.length * pixels);
  let lo = Infinity;
  let hi = -Infinity;
  for (let j = 0; j < values.length; j++) {
    const from = shown[Math.floor(j / pixels)] * pixels + (j % pixels);
    const v = (drawnOver(S, j % pixels) ?? clean[from]) + S.sigma * noise[from];
    values[j] = v;
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++)
      out[4 * i + c] = Math.round((255 * (values[Math.min(c, shown.length - 1) * pixels + i] - lo)) / Math.max(hi - lo, 1e-6));
  return out;
}

// What a pixel's clean value becomes where it was drawn on.
function drawnOver(S, pixel) {
  return S.bitmap && S.bitmap[pixel] !== inked(S, pixel) ? S.bitmap[pixel] : undefined;
}

// Whether a pixel of the clean image is drawn on: its first channel that is shown is more than half.
const inked = ({ blocks, header }, pixel) => +(blocks.clean.data[header.shown[0] * header.size[0] * header.size[1] + pixel] > 0.5);

// What is drawn there; null where nothing can be.
const bitmapOf = (S) => (S.header.drawable ? Uint8Array.from({ length: S.header.size[0] * S.header.size[1] }, (_, i) => inked(S, i)) : null);
