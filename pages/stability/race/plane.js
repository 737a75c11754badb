// The plane of the paths: the principal axes of all states of the runs with their clocks going, fitted here once these are
// complete. Until then the paths grow in the plane of the runs before, which stay in it faintly, and the first of all in
// one of their own first steps.

// S.plane: { mean, axes, explained, fitted, shown, steps, of }. fitted: "all" four, or the "first" alone; shown: the runs on
// show when it was taken; steps: how many it is of where they were not complete; of: else the runs that it is of.

const FIRST = 8; // steps
const SLICE = 8; // ms of work between two chances to draw and to listen

const pause = () =>
  new Promise((go) => {
    const { port1, port2 } = new MessageChannel(); // a timer would wait, and for a second where the page is not on show
    port1.onmessage = () => (port1.close(), go());
    port2.postMessage(null);
  });

// What a generator returns, or undefined where it is no longer wanted.
async function inSlices(work, wanted) {
  for (;;) {
    const until = performance.now() + SLICE;
    let turn;
    do turn = work.next();
    while (!turn.done && performance.now() < until);
    if (turn.done) return turn.value;
    await pause();
    if (!wanted()) return undefined;
  }
}

const clockHeld = (S) => S.runs[0].told.held !== null;

// What a plane is of: runs of the same variants have the same one, their clocks held or going.
const planeOf = (S) => JSON.stringify([S.header.plane, S.ahead?.values ?? {}, S.fitted]);

// In a plane of another model's states there is nothing to be seen.
const kindOf = ({ size, runs }) => JSON.stringify([size, runs.map(({ model }) => model)]);

async function takePlane(S, { runs, wanted, of = null, steps = null }) {
  const { fitted, header, runs: shown } = S;
  const states = (fitted === "all" ? runs : runs.slice(0, 1)).flatMap(({ moments }) => moments.map(({ sample }) => sample));
  const plane = await inSlices(axesOf(states, 2), wanted);
  if (plane) S.plane = { ...plane, fitted, kind: kindOf(header), shown, of, steps };
}

// Once the runs are complete and the hand has let go: their own plane.
async function settlePlane(S) {
  if (!S.runs.length || S.computed < S.steps || S.ahead?.held || S.made !== wantedOf(S)) return;
  const { token, runs } = S;
  const of = planeOf(S);
  if (S.settling?.of === of && S.settling.token === token) return;
  const settling = (S.settling = { of, token });
  const wanted = () => token === S.token && settling === S.settling;
  try {
    if (S.plane?.of !== of) {
      const clocked = clockHeld(S) ? await clockedOf(S, wanted) : runs;
      if (wanted()) await takePlane(S, { runs: clocked, wanted, of });
    }
    if (!wanted()) return;
    S.plane.shown = runs;
    buildCharts(S);
    draw(S);
  } catch (error) {
    if (wanted()) refuse(S, error.message);
  } finally {
    if (settling === S.settling) S.settling = null;
  }
}

// The runs on show with their clocks going, unseen.
async function clockedOf(S, wanted) {
  if (S.clocked?.shown === S.runs) return S.clocked.runs;
  const { scene, runs: shown } = S;
  const runs = shown.map(({ told, engine }) => ({ told: { ...told, held: null, steps: scene.header.planned }, engine, moments: [], h: null }));
  await Promise.all(runs.map((run) => begin(scene, run)));
  for (let t = 0; wanted() && t < longest(runs); t += atOnce(scene.header)) await Promise.all(runs.map((run) => stepOn(scene, run, atOnce(scene.header))));
  if (wanted()) S.clocked = { shown, runs };
  return runs;
}

// The place of a moment in a plane.
function placed(plane, moment) {
  if (moment.plane !== plane) Object.assign(moment, { plane, at: place(plane, moment.sample) });
  return moment.at;
}

// Which plane is on show: the runs' own, one of their first steps, or that of the runs before.
function planeShown({ plane, runs }) {
  if (!plane) return "none";
  if (plane.shown !== runs) return "before";
  return plane.steps === null ? "own" : "first";
}

// The same in words, and as its axes are labelled.
function planeTold(S) {
  const { plane, runs } = S;
  const shown = planeShown(S);
  const own = clockHeld(S) ? "the same runs are complete with the clock running" : "they are complete";
  const told = {
    none: () => `The paths begin once ${FIRST} steps can be placed in a plane.`,
    first: () => `Plane of the first ${plane.steps} steps. It is fitted once more when ${clockHeld(S) ? own : "the runs are complete"}.`,
    before: () => `Plane of the runs before, which are drawn faintly. These get their own when ${S.ahead?.held ? "you let go" : own}.`,
    own: () => `Plane fitted to ${plane.fitted === "all" ? "all states of the four runs" : `the states of “${runs[0].told.name}” alone`}, clock running.`,
  }[shown]();
  const of = { none: "", first: ` of the first ${plane?.steps} steps`, before: " of the runs before", own: "" }[shown];
  const labels = (plane?.explained ?? []).map((share, i) => `PC${i + 1}${of} (${(100 * share).toFixed(1)} %${of ? "" : " of variance"})`);
  return { told, labels };
}
