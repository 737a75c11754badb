// The four runs, each in an engine of its own, a step of all before the next of any. What is kept of a step is small, so
// that the hand can go back and forth over all of them.

async function openRuns({ header }) {
  const opened = [];
  try {
    for (const told of header.runs) {
      const bytes = await carried(told.model);
      const engine = await openEngine();
      opened.push({ told: toldOf(header, told), engine, moments: [], h: null });
      await engine.setModel(bytes);
    }
  } catch (error) {
    opened.forEach(({ engine }) => engine.end());
    throw error;
  }
  return opened;
}

async function begin({ header, blocks }, run) {
  await run.engine.setImage(blocks.x.data, header.size);
  await run.engine.reset();
  keep({ header, blocks }, run, await run.engine.state());
}

const WANTED = ["h", "delta", "applied", "logits"];

// The switches of step t: from `held` on the clock stands there.
const heldAt = ({ switches, held }, t) => (held !== null && t >= held ? { ...switches, clock: held } : switches);

async function stepOn(S, run) {
  const t = run.moments.length - 1;
  if (t >= run.told.steps) return;
  const [found] = await run.engine.run(1, heldAt(run.told, t), WANTED);
  if (Number.isFinite(norm(found.h)) && Number.isFinite(norm(found.logits))) keep(S, run, found);
  else run.told.steps = t; // as the core ends a run that leaves the range of its numbers
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
