// A picture: the noisy image in grey, over it each class in its colour as sure as the model is of it, the glow of
// what is being corrected, the outline of the truth, and the cue.

const GLOW = [150, 228, 255];
const DIM = 0.72; // of the image's brightness, so that colours stand out
const VEIL = 0.78; // how much of a sure pixel its class's colour covers

const rgbOf = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
const kept = { x: new WeakMap(), ground: new WeakMap(), outline: new WeakMap(), hatch: new WeakMap() };

function cached(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

const seenBy = (W, scene) => cached(kept.x, scene, () => observe(W, scene));

// What of an image is shown: three bytes a pixel, stretched to its own range.
function groundOf(W, scene) {
  return cached(kept.ground, scene, () => {
    const x = seenBy(W, scene);
    const channels = W.pictureOf.length === 3 ? W.pictureOf : [W.pictureOf[0], W.pictureOf[0], W.pictureOf[0]];
    let [lo, hi] = [Infinity, -Infinity];
    for (const c of channels)
      for (let i = c * W.pixels; i < (c + 1) * W.pixels; i++) [lo, hi] = [Math.min(lo, x[i]), Math.max(hi, x[i])];
    const out = new Uint8Array(3 * W.pixels);
    const scale = 255 / Math.max(hi - lo, 1e-6);
    for (let i = 0; i < W.pixels; i++) for (let k = 0; k < 3; k++) out[3 * i + k] = (x[channels[k] * W.pixels + i] - lo) * scale;
    return out;
  });
}

// Between two moments: `mix` of the way from one to the other, so that a step is seen to move.
const between01 = (from, to, mix) => (from === null ? to : from + (to - from) * mix);

function paintAnswer(W, image, ground, moment, before, mix) {
  const palette = W.palette.map(rgbOf);
  const two = palette.length === 2;
  for (let i = 0; i < W.pixels; i++) {
    const sure = between01(before ? before.shade[i] : null, moment.shade[i], mix) / 255;
    const k = two ? 1 : moment.mask[i];
    const veil = k ? VEIL * sure : 0;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = DIM * ground[3 * i + c] * (1 - veil) + palette[k][c] * veil;
    image.data[4 * i + 3] = 255;
  }
}

// How much more a pixel is corrected than the middle one, as a share of what is large in this model's first step.
const glowAt = (moment, swell, i) => (moment.wave ? Math.sqrt(Math.min(Math.max(moment.wave[i] - moment.middle, 0) / swell, 1)) : 0);

function paintGlow(W, image, moment, before, mix, swell) {
  for (let i = 0; i < W.pixels; i++) {
    const glow = between01(before ? glowAt(before, swell, i) : null, glowAt(moment, swell, i), mix);
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = GLOW[c];
    image.data[4 * i + 3] = 200 * glow;
  }
}

// The edges of the truth's foreground classes, in pixels of the image.
function outlineOf(W, labels) {
  return cached(kept.outline, labels, () => {
    const path = new Path2D();
    const [rows, columns] = W.size;
    const at = (r, c) => (r < 0 || c < 0 || r >= rows || c >= columns ? 0 : labels[r * columns + c] === W.void ? 0 : labels[r * columns + c]);
    const line = (x1, y1, x2, y2) => (path.moveTo(x1, y1), path.lineTo(x2, y2));
    for (let r = 0; r <= rows; r++)
      for (let c = 0; c <= columns; c++) {
        if (at(r, c) !== at(r - 1, c)) line(c, r, c + 1, r);
        if (at(r, c) !== at(r, c - 1)) line(c, r, c, r + 1);
      }
    return path;
  });
}

// A stroke through every void pixel, in pixels of the image.
function hatchOf(W, labels) {
  return cached(kept.hatch, labels, () => {
    const path = new Path2D();
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] !== W.void) continue;
      const [r, c] = [Math.floor(i / W.size[1]), i % W.size[1]];
      path.moveTo(c, r + 1);
      path.lineTo(c + 1, r);
    }
    return path;
  });
}

// Small canvases of the image's own size, one for the answer and one for the glow, behind each canvas on the page.
const buffers = new WeakMap();
function buffersOf(W, canvas) {
  const make = () => {
    const buffer = Object.assign(document.createElement("canvas"), { width: W.size[1], height: W.size[0] });
    const context = buffer.getContext("2d");
    return { buffer, context, image: context.createImageData(W.size[1], W.size[0]) };
  };
  const found = buffers.get(canvas);
  if (found && found[0].image.width === W.size[1] && found[0].image.height === W.size[0]) return found;
  const pair = [make(), make()];
  buffers.set(canvas, pair);
  return pair;
}

// The canvas in the device's own pixels, as large as it stands on the page.
function fitted(canvas, aspect = null) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const width = Math.max(Math.round(canvas.clientWidth * scale), 1);
  const height = aspect === null ? Math.max(Math.round(canvas.clientHeight * scale), 1) : Math.round(width * aspect);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  return { context, width, height, scale };
}

// Draw one machine's picture. what: { moment, before, mix, scene, swell, truth, cue, marks }.
function drawPicture(W, canvas, { moment, before, mix, scene, swell, truth, tool }) {
  const { context, width, height, scale } = fitted(canvas, W.size[0] / W.size[1]);
  const [answer, glow] = buffersOf(W, canvas);
  paintAnswer(W, answer.image, groundOf(W, scene), moment, before, mix);
  answer.context.putImageData(answer.image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(answer.buffer, 0, 0, width, height);
  if (moment.wave) {
    paintGlow(W, glow.image, moment, before, mix, swell);
    glow.context.putImageData(glow.image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.globalCompositeOperation = "screen";
    context.drawImage(glow.buffer, 0, 0, width, height);
    context.globalCompositeOperation = "source-over";
  }
  const cell = width / W.size[1];
  if (truth) drawOutline(context, outlineOf(W, scene.labels), cell, scale);
  if (truth) drawHatch(context, hatchOf(W, scene.labels), cell, scale);
  if (scene.cue) drawCue(context, (scene.cue[1] + 0.5) * cell, (scene.cue[0] + 0.5) * cell, Math.max(cell, 5 * scale), scale);
  if (tool) drawTool(context, tool, cell, scale);
}

function drawOutline(context, path, cell, scale) {
  context.save();
  context.scale(cell, cell);
  context.setLineDash([0.5, 0.5]);
  context.lineWidth = (1.5 * scale) / cell;
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.stroke(path);
  context.restore();
}

function drawHatch(context, path, cell, scale) {
  context.save();
  context.scale(cell, cell);
  context.lineWidth = scale / cell;
  context.strokeStyle = "rgba(255, 255, 255, 0.6)";
  context.stroke(path);
  context.restore();
}

function drawCue(context, x, y, radius, scale) {
  for (const [size, colour, wide] of [[radius * 1.5, "rgba(0, 0, 0, 0.75)", 5], [radius * 1.5, "white", 2.5]]) {
    context.beginPath();
    context.arc(x, y, size, 0, 7);
    context.lineWidth = wide * scale;
    context.strokeStyle = colour;
    context.stroke();
  }
  context.beginPath();
  context.arc(x, y, radius * 0.7, 0, 7);
  context.fillStyle = "#ff2d95";
  context.fill();
}

// Where a tool would act, while it is in hand.
function drawTool(context, { pixel, radius }, cell, scale) {
  context.beginPath();
  context.arc((pixel[1] + 0.5) * cell, (pixel[0] + 0.5) * cell, (radius + 0.5) * cell, 0, 7);
  context.lineWidth = 1.5 * scale;
  context.strokeStyle = "white";
  context.stroke();
}
