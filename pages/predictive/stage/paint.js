// Pictures: grey images, errors in two colours, tiles of channels, masks.

const COLD = [86, 180, 233]; // below 0
const WARM = [230, 159, 0]; // above 0
const DARK = [38, 44, 52];

function imageOf(canvas, height, width) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  return { context, image: context.createImageData(width, height) };
}

// Three bytes a pixel of values in `from` to `to`: the channels named, or one of them as grey.
function paintGrey(canvas, values, [height, width], channels, [from, to], covered) {
  const { context, image } = imageOf(canvas, height, width);
  const pixels = height * width;
  const of = channels.length === 3 ? channels : [channels[0], channels[0], channels[0]];
  for (let i = 0; i < pixels; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = (255 * (values[of[k] * pixels + i] - from)) / (to - from);
    image.data[4 * i + 3] = 255;
    if (covered?.[i]) [0, 114, 178].forEach((c, k) => (image.data[4 * i + k] = c));
  }
  context.putImageData(image, 0, 0);
}

// 0 is dark; further off the more of its colour. The mean of the channels named.
function paintSigned(canvas, values, [height, width], channels, most) {
  const { context, image } = imageOf(canvas, height, width);
  const pixels = height * width;
  for (let i = 0; i < pixels; i++) {
    let sum = 0;
    for (const c of channels) sum += values[c * pixels + i];
    tint(image.data, 4 * i, sum / channels.length / most);
  }
  context.putImageData(image, 0, 0);
}

function tint(data, at, share) {
  const much = Math.min(Math.abs(share), 1);
  const colour = share > 0 ? WARM : COLD;
  for (let k = 0; k < 3; k++) data[at + k] = DARK[k] + (colour[k] - DARK[k]) * much;
  data[at + 3] = 255;
}

// One tile a channel, a pixel between them; `most` null: each tile by its own largest value.
function paintTiles(canvas, values, count, [height, width], most) {
  const across = Math.ceil(Math.sqrt(count * 1.6));
  const down = Math.ceil(count / across);
  const { context, image } = imageOf(canvas, down * (height + 1) - 1, across * (width + 1) - 1);
  for (let n = 0; n < count; n++) {
    const tile = values.subarray(n * height * width, (n + 1) * height * width);
    const top = most ?? (tile.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1);
    const [row, column] = [Math.floor(n / across) * (height + 1), (n % across) * (width + 1)];
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) tint(image.data, 4 * ((row + i) * image.width + column + j), tile[i * width + j] / top);
  }
  context.putImageData(image, 0, 0);
}

// A mask over the image, and the edge of the truth.
function paintMask(canvas, x, mask, labels, size, channels, span, palette) {
  paintGrey(canvas, x, size, channels, span);
  const [height, width] = size;
  const context = canvas.getContext("2d");
  const image = context.getImageData(0, 0, width, height);
  const colours = palette.map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  for (let i = 0; i < height * width; i++) {
    if (mask[i]) for (let k = 0; k < 3; k++) image.data[4 * i + k] = 0.25 * image.data[4 * i + k] + 0.75 * colours[mask[i]][k];
    const [row, column] = [Math.floor(i / width), i % width];
    const edge = labels[i] && [[row - 1, column], [row + 1, column], [row, column - 1], [row, column + 1]].some(([a, b]) => a >= 0 && b >= 0 && a < height && b < width && !labels[a * width + b]);
    if (edge) for (let k = 0; k < 3; k++) image.data[4 * i + k] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Pooled over the foreground classes present, as pooled_f1 of fbseg_core/scores/metrics.py; void pixels count nowhere.
function f1Of(mask, labels, classes) {
  const scores = [];
  for (let k = 1; k < classes; k++) {
    let [both, either] = [0, 0];
    for (let i = 0; i < mask.length; i++) {
      if (labels[i] === 255) continue;
      both += 2 * (mask[i] === k && labels[i] === k);
      either += (mask[i] === k) + (labels[i] === k);
    }
    if (either) scores.push(both / either);
  }
  return scores.length ? scores.reduce((a, b) => a + b) / scores.length : 1;
}
