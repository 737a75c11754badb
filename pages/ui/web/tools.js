// What the pointer, or the arrow keys and Enter, do on a panel: read a pixel, place the cue, draw, paint.

const UNDOS = 30;

// The pixel under the pointer; the picture lies inside the canvas's border.
function pixelAt(S, canvas, event) {
  const box = canvas.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top - canvas.clientTop) / canvas.clientHeight) * S.header.size[0]);
  const column = Math.floor(((event.clientX - box.left - canvas.clientLeft) / canvas.clientWidth) * S.header.size[1]);
  return [Math.min(Math.max(row, 0), S.header.size[0] - 1), Math.min(Math.max(column, 0), S.header.size[1] - 1)];
}

// Which tool acts on this panel, if any.
function toolOn(S, entity) {
  if (entity === "input" && S.tool && S.tool.kind === "draw") return S.tool;
  if (entity === "input" && S.header.cues && S.header.drawable && !S.hidden.has("draw")) return { kind: "cue" };
  if (entity === "run" && S.tool && S.tool.kind === "paint") return S.tool;
  return null;
}

function beginStroke(S, tool, pixel) {
  S.hand = true;
  if (tool.kind === "cue") return void (S.cuePreview = pixel);
  if (tool.kind === "draw") {
    S.undo.push({ bitmap: S.bitmap.slice(), drawn: S.header.drawn });
    if (S.undo.length > UNDOS) S.undo.shift();
    S.preview = true;
  } else S.stroke = new Uint8Array(S.header.size[0] * S.header.size[1]);
  moveStroke(S, tool, pixel, pixel);
}

function moveStroke(S, tool, from, to) {
  if (tool.kind === "cue") return void (S.cuePreview = to);
  const target = tool.kind === "draw" ? S.bitmap : S.stroke;
  const stamp = STAMPS[tool.name] !== undefined;
  for (const point of stamp ? [to] : between(from, to)) {
    if (stamp && from !== to) return; // a stamp falls once, where the pointer came down
    for (const i of marked(tool.name, S.header.size, ...point)) target[i] = tool.name === "rubber" ? 0 : 1;
  }
}

// S.hand holds off what comes from Python from the first touch until the stroke has been sent.
async function endStroke(S, tool) {
  if (tool.kind === "cue") S.change({ cue: S.cuePreview });
  else if (tool.kind === "draw") await sendDrawing(S);
  else await sendPaint(S, tool);
  S.hand = false;
}

async function sendPaint(S, tool) {
  const { t } = S;
  const stroke = S.stroke;
  const same = (item) => item.kind === "paint" && item.t === t && item.target === tool.target && item.like === tool.like;
  const before = S.strokes.get(strokeKey(t, tool));
  if (before && S.header.do.some(same)) before.forEach((on, i) => on && (stroke[i] = 1)); // strokes of one step add up
  S.strokes.set(strokeKey(t, tool), stroke);
  const item = { kind: "paint", t, target: tool.target, like: tool.like, mask: await packMask(stroke) };
  S.change({ do: [...S.header.do.filter((other) => !same(other)), item] });
}

function strokeKey(t, tool) {
  return `${t} ${tool.target} ${tool.like}`;
}

async function sendDrawing(S) {
  S.change({ drawing: await packMask(S.bitmap), ...(S.header.cue && { cue: S.header.cue }) });
}

function undo(S) {
  const last = S.undo.pop();
  if (!last) return;
  S.bitmap = last.bitmap;
  S.preview = true;
  if (last.drawn) sendDrawing(S);
  else S.change({ drawing: "" });
}

function pointer(S, panel) {
  const { canvas, entity } = panel;
  let last = null;
  const point = (pixel) => {
    S.pixel = pixel;
    schedule(S);
    pixelChartSoon(S);
  };
  canvas.addEventListener("pointerdown", (event) => {
    const tool = toolOn(S, entity);
    const pixel = pixelAt(S, canvas, event);
    point(pixel);
    if (!tool || event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    last = pixel;
    beginStroke(S, tool, pixel);
    schedule(S);
  });
  canvas.addEventListener("pointermove", (event) => {
    const pixel = pixelAt(S, canvas, event);
    if (last && (pixel[0] !== last[0] || pixel[1] !== last[1])) {
      moveStroke(S, toolOn(S, entity), last, pixel);
      last = pixel;
    }
    if (!S.pixel || pixel[0] !== S.pixel[0] || pixel[1] !== S.pixel[1]) point(pixel);
  });
  const end = () => {
    if (!last) return;
    last = null;
    endStroke(S, toolOn(S, entity));
    if (S.tool?.kind === "draw") buildDrawTools(S);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => last || point(null));
  canvas.addEventListener("blur", () => point(null));
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const [rows, columns] = S.header.size;
    if (move) {
      const at = S.pixel ?? [rows >> 1, columns >> 1];
      point([Math.min(Math.max(at[0] + move[0], 0), rows - 1), Math.min(Math.max(at[1] + move[1], 0), columns - 1)]);
    } else if ((event.key === "Enter" || event.key === " ") && S.pixel && toolOn(S, entity)) {
      const tool = toolOn(S, entity);
      beginStroke(S, tool, S.pixel);
      endStroke(S, tool);
      schedule(S);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function schedule(S) {
  if (S.dirty) return;
  S.dirty = true;
  requestAnimationFrame(() => draw(S));
}
