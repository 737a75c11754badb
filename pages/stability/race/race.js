// The race: what comes from Python, the hand on time, and the loop that computes and plays.

const PACE = 140; // ms a step on show
const REST = 600; // ms until Python is told what is on show
const REBUILD = 300; // ms between two drawings of the charts while they grow
const races = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let S = races.get(root);
  if (!S) races.set(root, (S = open(root)));
  S.send = component.setTriggerValue;
  clearTimeout(S.closing);
  S.alive = true;
  const { data } = component;
  receive(S, data instanceof Uint8Array ? data : new Uint8Array(data));
  // once: this is called again with each answer, and what it returns only as the race leaves the page
  S.unwatch ??= watchWidgets("stability", S.$(".masks"), (...move) => sidebarMoved(S, ...move));
  // Where Streamlit only draws it anew, the race goes on; left for good, it ends.
  return () => {
    S.alive = false;
    S.unwatch?.();
    S.unwatch = null;
    clearTimeout(S.telling);
    S.closing = setTimeout(() => {
      close(S);
      Object.assign(S, { id: "", token: null });
    }, 1000);
  };
}

function open(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = { root, $, id: "", token: null, runs: [], opening: [], panels: [], cursors: [], t: 0, steps: 0, computed: 0, playing: false, log: true, told: "", ahead: null, made: "", following: false, fitted: "", plane: null, settling: null };
  $(".reset").addEventListener("click", () => goTo(S, 0));
  $(".back").addEventListener("click", () => goTo(S, S.t - 1));
  $(".step").addEventListener("click", () => goTo(S, S.t + 1));
  $(".play").addEventListener("click", () => play(S, !S.playing));
  $(".time").addEventListener("input", (event) => goTo(S, +event.target.value));
  $(".log").addEventListener("change", (event) => {
    S.log = event.target.checked;
    if (!S.runs.length) return;
    buildCharts(S);
    draw(S);
    tell(S);
  });
  return S;
}

// With no run left nothing plays on, and nothing is drawn until the next have begun.
function close(S) {
  for (const { engine } of [...S.runs, ...S.opening]) engine.end();
  Object.assign(S, { runs: [], opening: [], playing: false });
}

function receive(S, bytes) {
  const { header, start } = decodeHeader(bytes);
  if (refusalOf(header)) return refuse(S, refusalOf(header));
  const another = S.fitted !== header.fitted;
  S.fitted = header.fitted;
  if (header.id === S.id) return void (another && settlePlane(S));
  if (S.ahead && S.runs.length && header.of === S.header.of) return answered(S, header, decodeBlocks(bytes, header, start));
  const race = begun(S, bytes, header, start);
  const { token } = S;
  race.catch((error) => token === S.token && refuse(S, error.message)); // one that was interrupted has no engine left
}

// Where the browser cannot run it, Python draws the runs itself.
function refuse(S, why) {
  if (!S.alive) return;
  close(S);
  S.$(".summary").textContent = why;
  S.send("ask", { why, n: Date.now() });
}

async function begun(S, bytes, header, start) {
  const token = (S.token = {});
  const first = !S.id;
  Object.assign(S, { id: header.id, ahead: null });
  S.made = wantedOf(S);
  const before = [...S.runs, ...S.opening];
  Object.assign(S, { runs: [], opening: [], playing: false });
  clearTimeout(S.telling); // of a step of the race before
  S.$(".race").dataset.computed = 0;
  const blocks = decodeBlocks(bytes, header, start);
  const runs = await openRuns({ header }, before);
  if (token !== S.token) return runs.forEach(({ engine }) => engine.end());
  if (S.plane?.kind !== kindOf(header)) S.plane = null;
  Object.assign(S, { header, blocks, scene: { header, blocks }, opening: runs, steps: longest(runs), computed: 0 });
  S.palette = header.palette.map(rgbOf);
  const lut = Uint8Array.from(atob(header.lut), (c) => c.charCodeAt(0));
  S.shades = Array.from({ length: lut.length / 3 }, (_, i) => [...lut.subarray(3 * i, 3 * i + 3)]);
  const asked = header.t ?? S.steps;
  if (first || header.log !== S.began) S.log = S.began = header.log;
  await Promise.all(runs.map((run) => begin(S, run)));
  if (token !== S.token) return; // its engines have gone over to the next
  Object.assign(S, { runs, opening: [] }); // each has a moment to be drawn
  buildMasks(S);
  S.t = 0;
  buildCharts(S);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  S.goal = header.t === null && !still ? null : Math.min(asked, S.steps); // the step to stop at, once it is computed
  play(S, S.goal === null);
  draw(S);
  S.told = said(S, header.t ?? S.steps);
  await computeAll(S, token);
}

async function computeAll(S, token) {
  let built = 0;
  const wanted = () => token === S.token;
  while (S.computed < S.steps) {
    const count = Math.min(atOnce(S.header), S.steps - S.computed);
    await Promise.all(S.runs.map((run) => stepOn(S, run, count)));
    if (!wanted()) return;
    S.steps = longest(S.runs);
    S.computed = Math.min(S.computed + count, S.steps); // the last ones may all have overflowed
    if (S.goal !== null) S.goal = Math.min(S.goal, S.steps);
    const reached = S.goal !== null && S.t < S.goal;
    if (reached) S.t = Math.min(S.computed, S.goal);
    if (!S.plane && S.computed >= FIRST) {
      await takePlane(S, { runs: S.runs, wanted, steps: S.computed });
      if (!wanted()) return;
      built = 0;
    }
    const done = S.computed === S.steps;
    if (!done && performance.now() - built < REBUILD) continue;
    built = performance.now();
    buildCharts(S);
    draw(S);
  }
  if (S.t === S.steps) play(S, false);
  await settlePlane(S);
}

function goTo(S, t) {
  if (!S.runs.length) return;
  play(S, false);
  S.goal = null;
  S.t = Math.min(Math.max(Math.round(t), 0), S.computed);
  draw(S);
  tell(S);
}

function play(S, on) {
  if (on === S.playing || !S.runs.length) return;
  S.playing = on;
  if (!on) return draw(S);
  S.goal = null;
  if (S.t >= S.steps) S.t = 0;
  let due = performance.now() + PACE;
  const tick = (now) => {
    if (!S.playing) return;
    if (now >= due && S.t < S.computed) {
      due = now + PACE;
      S.t++;
      if (S.t === S.steps) {
        play(S, false);
        return tell(S);
      }
      draw(S);
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

const said = (S, t) => JSON.stringify({ t: t === S.steps ? null : t, log: S.log });

// Python is told what is on show, for the link and the table, once the hand rests.
function tell(S) {
  clearTimeout(S.telling);
  S.telling = setTimeout(() => {
    const text = said(S, S.t);
    if (S.playing || S.ahead || !S.alive || text === S.told) return;
    S.told = text;
    S.send("ask", { ...JSON.parse(text), n: Date.now() });
  }, REST);
}
