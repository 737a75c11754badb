// What is on show: pictures, the path, and the words beside them. Pictures are drawn as often as the browser asks,
// words once a step.

const MIX = 110; // ms in which a step passes from one moment to the next
const OTHERS = ["#d55e00", "#009e73", "#cc79a7"]; // of the models beside the hero, in the curves

const live = (S) => atEnd(S.line);
const sceneShown = (S) => (live(S) ? S.scene : present(S.line).scene);
const colourOf = (S, m) => (m === S.hero ? "var(--accent)" : OTHERS[(m > S.hero ? m - 1 : m) % OTHERS.length]);
const mixOf = (S, now) => (S.still || !S.playing || !S.interval ? 1 : Math.min(Math.max((now - S.steppedAt) / Math.min(MIX, S.interval), 0), 1));

// all: the small ones, too; between two steps only the large one moves.
function drawPictures(S, now, all = true) {
  const entry = present(S.line);
  if (!entry) return;
  const scene = sceneShown(S);
  const last = S.line.entries[S.line.at - 1];
  const mix = mixOf(S, now);
  const truth = !S.covered.has("truth");
  S.pictures.forEach(({ canvas }, m) => {
    if (m !== S.hero && !all) return;
    const [moment, before] = [entry.moments[m], last?.run === entry.run ? last.moments[m] : null];
    const tool = m === S.hero && S.pointed && S.tool !== "cue" ? { pixel: S.pointed, radius: radiusOf(S) } : null;
    drawPicture(S.W, canvas, { moment, before, mix: m === S.hero ? mix : 1, scene, swell: S.machines[m].swell, truth, tool });
  });
  drawPlane(S, mix);
}

// ---- the path

// Points seen from a side: turned about the upright axis by yaw, then tilted. In two axes as they are.
function seen(point, { space, yaw, tilt }) {
  if (!space) return [point[0], point[1], 0];
  const [x, y, z] = point;
  const across = x * Math.cos(yaw) + z * Math.sin(yaw);
  const deep = -x * Math.sin(yaw) + z * Math.cos(yaw);
  return [across, y * Math.cos(tilt) - deep * Math.sin(tilt), y * Math.sin(tilt) + deep * Math.cos(tilt)];
}

function drawPlane(S, mix) {
  const { context, width, height, scale } = fitted(S.$(".plane"));
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(S.$(".live"));
  const [text, line, accent] = ["--text", "--line", "--accent"].map((name) => style.getPropertyValue(name).trim());
  const machine = S.machines[S.hero];
  if (!machine?.plane) return;
  const path = pathTo(S.line, S.hero);
  const traces = S.line.traces.map((trace) => trace[S.hero].filter(Boolean));
  const reach = reachOf(machine, [...path, ...traces.flat()]);
  const room = 40 * scale;
  const half = [width / 2 - room, height / 2 - room];
  const least = S.space ? Math.min(...half) : null;
  const to = (point) => {
    const [x, y] = seen(point.map((value, i) => (value - machine.centre[i]) / reach[i]), S);
    return [width / 2 + x * (least ?? half[0]), height / 2 - y * (least ?? half[1])];
  };
  drawAxes(context, { to, reach, centre: machine.centre, explained: machine.plane.explained, space: S.space, text, line, scale, width, height });
  traces.forEach((points, i) => stroke(context, points.map(to), "#7f8c99", 1.5 * scale, 0.5 + (0.4 * (i + 1)) / traces.length));
  if (!path.length) return;
  const points = path.map(to);
  const head = points.at(-1);
  if (points.length > 1) points[points.length - 1] = points.at(-2).map((value, i) => value + (head[i] - value) * mix);
  stroke(context, points, accent, 2.5 * scale, 1);
  points.forEach(([x, y], i) => dot(context, x, y, (i === points.length - 1 ? 7 : 2.6) * scale, accent, i === points.length - 1 ? scale : 0));
  context.fillStyle = text;
  context.font = `${12 * scale}px ${style.fontFamily}`;
  const first = S.line.entries.find(({ run }) => run === present(S.line).run);
  context.fillText(first.moments[S.hero].t === 0 ? "start" : "from here", points[0][0] + 8 * scale, points[0][1] - 8 * scale);
}

// How far each axis reaches from its middle: it grows where a path leaves it, and never shrinks under the eye. Each
// axis has a scale of its own, for the first holds most of the spread.
function reachOf(machine, points) {
  if (!machine.centre) {
    const ends = [0, 1, 2].map((i) => machine.plane.points.map((point) => point[i]));
    machine.centre = ends.map((values) => (Math.min(...values) + Math.max(...values)) / 2);
    machine.reach = [0, 0, 0];
    points = [...machine.plane.points, ...points];
  }
  for (const point of points)
    machine.reach = machine.reach.map((far, i) => (Number.isFinite(point[i]) ? Math.max(far, Math.abs(point[i] - machine.centre[i])) : far));
  return machine.reach.map((far) => far || 1);
}

function drawAxes(context, { to, reach, centre, explained, space, text, line, scale, width, height }) {
  const end = (i, sign) => centre.map((value, j) => value + (i === j ? sign * reach[j] : 0));
  context.font = `${12 * scale}px sans-serif`;
  for (let i = 0; i < (space ? 3 : 2); i++) {
    stroke(context, [to(end(i, -1)), to(end(i, 1))], line, scale, 1);
    const [x, y] = to(end(i, 1));
    const name = `PC${i + 1} ${Math.round(100 * explained[i])} %`;
    const wide = context.measureText(name).width;
    const level = i === 0 && !space ? [width - wide - 8 * scale, y + 18 * scale] : [x + 8 * scale, y + 4 * scale];
    context.fillStyle = text;
    context.fillText(name, Math.min(Math.max(level[0], 6 * scale), width - wide - 6 * scale), Math.min(Math.max(level[1], 14 * scale), height - 6 * scale));
  }
}

function stroke(context, points, colour, wide, opacity) {
  if (points.length < 2) return;
  context.globalAlpha = opacity;
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  Object.assign(context, { lineWidth: wide, strokeStyle: colour, lineJoin: "round", lineCap: "round" });
  context.stroke();
  context.globalAlpha = 1;
}

function dot(context, x, y, radius, colour, rim) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = colour;
  context.fill();
  if (!rim) return;
  Object.assign(context, { lineWidth: 2 * rim, strokeStyle: "white" });
  context.stroke();
}

// ---- the words

const percent = (share) => `${share > 0 && share < 0.01 ? "<1" : Math.round(100 * share)} %`;
const figure = (value) => (value === null || value === undefined ? "–" : short(value));

function drawWords(S) {
  const entry = present(S.line);
  if (!entry) return;
  const scene = sceneShown(S);
  const scored = !S.covered.has("scores");
  S.pictures.forEach(({ numbers }, m) => {
    const moment = entry.moments[m];
    const f1 = meanF1(moment.mask, scene.labels, S.W.classes.length, S.W.void);
    numbers.textContent = m === S.hero ? `step ${entry.n}${scored ? ` · F1 ${f1.toFixed(2)}` : ""}` : scored ? `F1 ${f1.toFixed(2)}` : "";
  });
  const { explained } = S.machines[S.hero].plane;
  const shares = explained.slice(0, S.space ? 3 : 2).reduce((sum, share) => sum + share, 0);
  S.$(".plane-note").textContent = `A dot is the whole state after a step; the plane, of the first run, holds ${percent(shares)} of its spread.${S.line.traces.length ? " Grey: earlier paths." : ""}`;
  drawGauge(S, entry.moments[S.hero]);
  S.$(".past").max = S.line.entries.length - 1;
  S.$(".past").value = S.line.at;
  const back = S.line.entries.length - 1 - S.line.at;
  S.$(".past-text").textContent = back ? `${back} step${back === 1 ? "" : "s"} back` : "now";
  S.$(".live").dataset.n = entry.n;
  S.$(".live").dataset.t = entry.moments[S.hero].t;
  drawHint(S, entry.moments[S.hero], scene);
}

const clocked = (S) => S.machines[S.hero].model.on.decay; // one that was built with a clock
const damped = (S) => clocked(S) && !S.off.has("decay");

function drawGauge(S, moment) {
  S.$(".gauge").hidden = !clocked(S);
  const gain = damped(S) ? moment.gain : 1;
  S.$(".gauge-fill").setAttribute("stroke-dasharray", `${100 * Math.min(gain, 1)} 100`);
  S.$(".gauge-text").textContent = percent(gain);
  const how = !damped(S) ? "Decay off: updates count in full." : S.clock !== null ? `Clock held at ${S.clock}.` : `of an update counts at t = ${moment.t}`;
  S.$(".gauge-note").textContent = how;
  S.$(".hold").setAttribute("aria-pressed", S.clock !== null);
  S.$(".wind").classList.toggle("calling", rundown(S, moment));
}

const RUN_DOWN = 0.1; // share of an update
const rundown = (S, moment) => damped(S) && S.clock === null && moment.gain < RUN_DOWN && S.touched;

function drawHint(S, moment, scene) {
  const onGround = scene.cue && !S.covered.has("truth") && !scene.labels[scene.cue[0] * S.W.size[1] + scene.cue[1]];
  const say = !live(S)
    ? resumable(S.line)
      ? "Looking back. Play goes on from here; what came after stays in the plane as a trace."
      : `Looking back. Only the last ${RESUMED} steps can be gone on from: Play goes on from now.`
    : onGround
      ? "The dot stands on no region, so the right answer is: nothing."
      : rundown(S, moment)
        ? `The clock has run down: a correction counts ${percent(moment.gain)}, so the mask hardly answers. Wind it up.`
        : TOOLS[S.tool].hint.replace("background", S.W.classes[0]).replace(S.covered.has("truth") ? " Dashed: the right answer." : "", "");
  if (S.$(".hint").textContent !== say) S.$(".hint").textContent = say;
}
