// A machine: one model in an engine of its own Worker, its state, and what can be done to that state.

async function openMachine(model, bytes) {
  const engine = await openEngine();
  await engine.setModel(bytes);
  return { model, engine, h: null, t: 0, gain: 1, seen: null, plane: null, swell: 1 };
}

// The switches that mean something for a model; those left alone are as it was built.
function switchesOf({ model }, { off, tau, k, clock }) {
  const found = {};
  const knows = (name) => model.switches.includes(name);
  for (const name of ["loop", "softmax", "decay"]) if (knows(name)) found[name] = !off.has(name) && model.on[name];
  if (knows("tau") && tau !== null) found.tau = tau;
  if (model.leaks && k !== null) found.k = k;
  if (knows("clock") && clock !== null) found.clock = clock;
  return found;
}

// Let a machine see an image (a Float32Array that is not changed afterwards). A model that takes no steps answers
// each image anew.
async function show(M, x, size) {
  if (M.seen === x) return;
  const another = M.seen !== null;
  M.seen = x;
  await M.engine.setImage(x, size);
  if (another && !M.model.takesSteps) await restart(M);
}

// Back to h(0) = 0 (E1).
async function restart(M) {
  await M.engine.reset();
  [M.h, M.t, M.gain] = [M.h?.map(() => 0) ?? null, 0, 1];
}

const WANTED = ["t", "h", "delta", "applied", "v_hat", "logits"];

// One step, and the moment that it leads to.
async function stepOf(M, W, switches) {
  const [found] = await M.engine.run(1, switches, WANTED);
  const before = M.h;
  [M.h, M.t] = [found.h, found.t];
  return momentOf(M, W, found, before, switches.k ?? M.model.k);
}

// The moment a machine is in, which no step led to: at rest, or after the hand touched the state.
async function stillOf(M, W) {
  const found = await M.engine.state();
  [M.h, M.t] = [found.h, found.t];
  return momentOf(M, W, found, null);
}

// What is kept of a step. update is ‖Δh‖/‖h‖; delta is ‖δ‖, or of a state that leaks the error ‖δ − h‖ (E5'); applied is
// ‖δ̃‖; gain is the share that the decay let through in the last step; wave is ‖δ̃‖ at each pixel; fed is one channel of
// v̂, or null.
function momentOf(M, W, { t, h, logits, delta, applied, v_hat: fed }, before, k = 1) {
  const answer = readAnswer(logits, W.classes.length, W.pixels);
  const size = norm(h);
  const at = M.plane && place(M.plane, h);
  const moment = { t, h, ...answer, wave: null, fed: null, size, delta: null, applied: null, update: null, gain: M.gain, at };
  if (!delta) return moment;
  moment.wave = lengths(applied, W.pixels);
  moment.fed = fed && liveliest(fed, W.pixels);
  moment.middle = middle(moment.wave);
  const { leaks } = M.model;
  moment.delta = norm(leaks ? delta.map((value, i) => value - (h[i] - applied[i])) : delta);
  moment.applied = norm(applied);
  if (moment.delta > 0) M.gain = moment.gain = moment.applied / moment.delta / (leaks ? k : 1);
  const from = before ? norm(before) : 0;
  moment.update = from > 0 ? moment.applied / from : null;
  return moment;
}

// The first run, at once: its states fit the plane, its first step sets the scale of the glow. Ends at rest.
async function rehearse(M, W, switches) {
  await restart(M);
  const steps = Math.max(M.model.steps, 8);
  const found = await M.engine.run(M.model.takesSteps ? steps : 1, switches, ["h", "applied"]);
  const states = [new Float32Array(found[0].h.length), ...found.map(({ h }) => h)];
  M.plane = fitPlane(states);
  const wave = lengths(found[0].applied, W.pixels);
  M.swell = Math.max(middle(wave), 1e-6) * 4; // an excess of four times the middle glows in full
  await restart(M);
}

// ---- the hand on the state: each gives h anew

// Normal noise on every neuron.
const perturbed = (h, size, seed) => {
  const noise = normals(h.length, seed);
  return h.map((value, i) => value + size * noise[i]);
};

// The marked pixels take the state that the model itself has where it sees background; rest where it sees none.
function rubbed(h, mask, marks) {
  const pixels = mask.length;
  const out = h.slice();
  const ground = Array.from(mask.keys()).filter((i) => mask[i] === 0);
  for (let from = 0; from < h.length; from += pixels) {
    const mean = ground.reduce((sum, i) => sum + h[from + i], 0) / Math.max(ground.length, 1);
    for (const i of marks) out[from + i] = mean;
  }
  return out;
}
