// The four runs, each in an engine of its own, a step of all before the next of any. What is kept of a step is small, so
// that the hand can go back and forth over all of them.

// before: runs that nobody needs any more, whose engines go on with the models that they have.
async function openRuns({ header }, before) {
  const spare = [...before];
  const taken = (model) => {
    const at = spare.findIndex(({ told }) => told.model === model);
    return at < 0 ? null : spare.splice(at, 1)[0].engine;
  };
  const runs = header.runs.map((told) => ({ told: toldOf(header, told), engine: taken(told.model), moments: [], h: null }));
  spare.forEach(({ engine }) => engine.end());
  try {
    for (const run of runs) run.engine ??= await engineFor(run.told.model);
  } catch (error) {
    runs.forEach(({ engine }) => engine?.end());
    throw error;
  }
  return runs;
}

async function engineFor(model) {
  const bytes = await carried(model);
  const engine = await openEngine();
  try {
    await engine.setModel(bytes);
  } catch (error) {
    engine.end();
    throw error;
  }
  return engine;
}

async function begin({ header, blocks }, run) {
  await run.engine.setImage(blocks.x.data, header.size);
  await run.engine.reset();
  keep({ header, blocks }, run, await run.engine.state());
}

const WANTED = ["h", "delta", "applied", "logits"];

// The switches of step t: from `held` on the clock stands there.
const heldAt = ({ switches, held }, t) => (held !== null && t >= held ? { ...switches, clock: held } : switches);

// As many steps as a Worker takes in one message: each message costs what a step of a small image does.
const atOnce = ({ size: [height, width] }) => Math.max(1, Math.round(20_000 / (height * width)));

// The next `count` steps of a run, or those that it has left.
async function stepOn(S, run, count) {
  const t = run.moments.length - 1;
  const steps = Math.min(count, run.told.steps - t);
  if (steps <= 0) return;
  const switches = Array.from({ length: steps }, (_, i) => heldAt(run.told, t + i));
  for (const found of await run.engine.run(steps, switches, WANTED)) {
    if (Number.isFinite(norm(found.h)) && Number.isFinite(norm(found.logits))) keep(S, run, found);
    else return void (run.told.steps = run.moments.length - 1); // as the core ends a run that leaves the range of its numbers
  }
}

// delta: ‖δ‖, or where the state leaks ‖δ − h‖; sample: h at the pixels by which a moment is placed in the plane, channel
// by channel. What led to a step belongs to it.
function keep({ header, blocks }, run, { h, delta, applied, logits }) {
  const pixels = blocks.truth.data.length;
  const { mask, shade } = readAnswer(logits, header.classes, pixels);
  const before = run.h;
  run.moments.push({
    picture: header.classes === 2 ? shade : mask,
    f1: meanF1(mask, blocks.truth.data, header.classes, VOID),
    norm: norm(h),
    delta: delta ? norm(run.told.leaks ? minus(delta, before) : delta) : null,
    applied: applied ? norm(applied) : null,
    update: before ? norm(minus(h, before)) / Math.max(norm(h), 1e-12) : null,
    sample: sampled(h, header.pixels, pixels),
  });
  run.h = h;
}

function minus(a, b) {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i] - b[i];
  return out;
}

function sampled(h, kept, pixels) {
  const channels = h.length / pixels;
  const out = new Float32Array(channels * kept.length);
  for (let c = 0, i = 0; c < channels; c++) for (const pixel of kept) out[i++] = h[c * pixels + pixel];
  return out;
}

// The step at which the last of these runs ends.
const longest = (runs) => Math.max(1, ...runs.map(({ told }) => told.steps));
