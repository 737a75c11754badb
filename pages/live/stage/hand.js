// The hand on the pictures: move the cue, draw, wall off, rub out, spray; by mouse, finger, or arrow keys and Enter.

const TOOLS = {
  cue: { title: "Move the dot", hint: "Drag the dot: it asks which region it stands on. Dashed: the right answer. Glow: where the network corrects itself." },
  draw: { title: "Draw", hint: "Draw region. Join two, and the answer changes under the running loop." },
  wall: { title: "Wall off", hint: "Draw a wall across a region: the mask must let go of what is cut off." },
  rub: { title: "Rub out mask", hint: "Rub out part of the mask: the state there becomes background. Does it grow back?" },
  spray: { title: "Spray noise", hint: "Spray noise on the image, and see where the mask gives way." },
};

const radiusOf = (S) => Math.max(1, Math.round(Math.min(...S.W.size) / (S.tool === "wall" ? 32 : 20)));

function pixelOf(S, canvas, event) {
  const box = canvas.getBoundingClientRect();
  const at = (share, side) => Math.min(Math.max(Math.floor(share * side), 0), side - 1);
  return [at((event.clientY - box.top) / box.height, S.W.size[0]), at((event.clientX - box.left) / box.width, S.W.size[1])];
}

// All pixels within the tool's reach of the points.
function brushed(S, points) {
  const [rows, columns] = S.W.size;
  const radius = radiusOf(S);
  const found = new Set();
  for (const [row, column] of points)
    for (let r = Math.max(row - radius, 0); r <= Math.min(row + radius, rows - 1); r++)
      for (let c = Math.max(column - radius, 0); c <= Math.min(column + radius, columns - 1); c++)
        if ((r - row) ** 2 + (c - column) ** 2 <= radius * radius) found.add(r * columns + c);
  return [...found];
}

// What the tool in hand does along these points.
function applyTool(S, points) {
  here(S);
  const { W, scene, tool } = S;
  if (tool === "cue") return W.cue === null ? null : takeScene(S, withCue(W, scene, points.at(-1)));
  const pixels = brushed(S, points);
  if (tool === "draw" || tool === "wall") return takeScene(S, withInk(W, scene, pixels, tool === "draw" ? 1 : 0));
  if (tool === "spray") return takeScene(S, withSpray(W, scene, pixels));
  return act(S, (M, { mask }) => ({ h: rubbed(M.h, mask, pixels) }));
}

function handle(S, canvas) {
  let last = null;
  const near = (event) => {
    if (S.tool !== "cue" || !S.scene.cue) return S.tool !== "cue";
    const box = canvas.getBoundingClientRect();
    const [row, column] = S.scene.cue;
    const [x, y] = [box.left + (box.width * (column + 0.5)) / S.W.size[1], box.top + (box.height * (row + 0.5)) / S.W.size[0]];
    return Math.hypot(event.clientX - x, event.clientY - y) < 44;
  };
  const mine = () => canvas === S.pictures[S.hero]?.canvas;
  // A finger scrolls the page, unless it takes hold of the dot or has a tool that draws; a tap moves the dot.
  canvas.addEventListener("touchstart", (event) => mine() && event.cancelable && near(event.touches[0]) && event.preventDefault(), { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (!mine() || event.button || (event.pointerType === "touch" && !near(event))) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    last = pixelOf(S, canvas, event);
    S.hand = true;
    S.pointed = last;
    applyTool(S, [last]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!mine()) return;
    const pixel = pixelOf(S, canvas, event);
    const same = S.pointed && pixel[0] === S.pointed[0] && pixel[1] === S.pointed[1];
    S.pointed = pixel;
    S.dirty = true;
    if (!last || same) return;
    applyTool(S, between(last, pixel));
    last = pixel;
  });
  const end = () => {
    if (!last) return;
    last = null;
    S.hand = false;
    handRests(S);
  };
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  for (const name of ["pointerleave", "blur"])
    canvas.addEventListener(name, () => {
      if (last) return;
      S.pointed = null;
      S.dirty = true;
    });
  canvas.addEventListener("click", (event) => {
    if (!mine()) return makeHero(S, S.pictures.findIndex((one) => one.canvas === canvas));
    if (event.pointerType !== "touch" || near(event)) return;
    applyTool(S, [pixelOf(S, canvas, event)]);
    handRests(S);
  });
  canvas.addEventListener("keydown", (event) => onPictureKey(S, event, mine()));
}

// Python hears of it, and so does who does not see it.
function handRests(S) {
  told(S);
  const { labels, cue } = S.scene;
  const right = labels.reduce((sum, k) => sum + (k > 0 && k !== S.W.void), 0) / labels.length;
  const where = S.tool === "cue" && cue ? `The dot is at row ${cue[0] + 1}, column ${cue[1] + 1}. ` : `${TOOLS[S.tool].title}. `;
  say(S, where + (S.covered.has("truth") ? "" : `The right answer is ${percent(right)} of the image.`));
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function onPictureKey(S, event, mine) {
  const move = MOVES[event.key];
  const enter = event.key === "Enter" || event.key === " ";
  if (!mine) {
    if (!enter) return;
    makeHero(S, S.pictures.findIndex((one) => one.canvas === event.target));
  } else if (move) {
    const from = S.pointed ?? (S.tool === "cue" && S.scene.cue) ?? null;
    const at = S.tool === "cue" && S.scene.cue ? S.scene.cue : from || S.W.size.map((side) => side >> 1);
    S.pointed = at.map((value, i) => Math.min(Math.max(value + move[i] * (event.shiftKey ? 5 : 1), 0), S.W.size[i] - 1));
    if (S.tool === "cue") {
      applyTool(S, [S.pointed]);
      handRests(S);
    }
  } else if (event.key === "Enter" && S.tool !== "cue") {
    applyTool(S, [S.pointed ?? S.W.size.map((side) => side >> 1)]);
    handRests(S);
  } else return;
  S.dirty = true;
  event.preventDefault();
  event.stopPropagation();
}
