// Colours and marks to panels. One is drawn at a whole multiple of the image, so that a pixel stays a square.

const PANEL = 384; // px of its longer side, at most
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
  if (canvas.width !== size[1] * times || canvas.height !== size[0] * times) Object.assign(canvas, { width: size[1] * times, height: size[0] * times });
  const context = canvas.getContext("2d");
  const rgba =
    entity === "input" ? inputColours(S, S.t) : entity === "truth" ? truthColours(S, S.t) : colours(S, entity, S.t);
  blit(context, rgba, size, 0, 0, Math.max(...size) * times);
  if (S.blocks[`${entity}.commit`] && layerOf(S, entity) === "commit" && S.t > 0) hatch(context, S, entity, times);
  const layer = entity === "input" || entity === "truth" ? entity : layerOf(S, entity);
  if (layer === "truth" || layer === "mask") outlines(context, layer === "truth" ? truthAt(S, S.t) : frameOf(S.blocks[`${entity}.mask`], S.t), size, times);
  if (S.header.void && (layer === "truth" || layer === "error")) hatchVoid(context, truthAt(S, entity === "ghost" ? 0 : S.t), size, times);
  if (entity === "input" && S.header.cues) drawCue(context, S, times);
  if (entity === "run" && S.stroke) overlay(context, S, times);
  if (S.pixel) crosshair(context, S, times);
}

// Pixels that changed class in this very step.
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

// Void pixels are hatched besides being grey: a stroke through the corner of each, clear of its centre.
function hatchVoid(context, truth, size, times) {
  context.strokeStyle = "rgba(0, 0, 0, 0.45)";
  context.lineWidth = Math.max(0.5, times / 8);
  context.beginPath();
  truth.forEach((k, i) => {
    if (k !== RUN.void) return;
    const [x, y] = [(i % size[1]) * times, Math.floor(i / size[1]) * times];
    context.moveTo(x, y + times / 2);
    context.lineTo(x + times / 2, y);
  });
  context.stroke();
}

// The outline of a class: "" for the first round of colours, which need none.
const outlineOf = (k) => (k === RUN.void ? "" : RUN.outlines[Math.floor(k / RUN.round) % RUN.outlines.length]);

// Where colours come round again, a line along the inner edge of every region of a later round.
function outlines(context, labels, size, times) {
  const [height, width] = size;
  const line = Math.max(1, times / 5);
  labels.forEach((k, i) => {
    const colour = outlineOf(k);
    if (!colour) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    context.fillStyle = colour;
    const edge = (inside, other, ...box) => inside && labels[other] !== k && context.fillRect(...box);
    edge(x > 0, i - 1, x * times, y * times, line, times);
    edge(x < width - 1, i + 1, (x + 1) * times - line, y * times, line, times);
    edge(y > 0, i - width, x * times, y * times, times, line);
    edge(y < height - 1, i + width, x * times, (y + 1) * times - line, times, line);
  });
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

// A row for the run and one for the untouched run.
function drawFilm(S, canvas, width) {
  const { cell, frames } = S.film;
  const rows = S.header.curves.ghost ? ["run", "ghost"] : ["run"];
  const [height, w] = S.header.size;
  const longest = Math.max(height, w);
  const side = Math.floor(cell) - 2;
  const row = Math.round((cell * height) / longest);
  Object.assign(canvas, { width, height: row * rows.length });
  const context = canvas.getContext("2d");
  rows.forEach((entity, i) => {
    for (const { t, x } of frames)
      blit(context, colours(S, entity, t), S.header.size, Math.round(x - cell / 2) + 1 + Math.round((side * (1 - w / longest)) / 2), i * row + 1, side);
  });
}
