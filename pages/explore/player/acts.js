// What acts on a run on its way, as fbseg_core/rollout/interventions.py does it: header.engine.acts says what, in the
// order of acting, and blocks hold what a perturbation adds, where paint goes, and another image.

// Clean image and noise that a step's image is made of.
function contentAt({ header, blocks }, t) {
  const { i } = holding([{ t: 0 }, ...(header.engine.acts ?? []).filter(({ kind }) => kind === "swap")], t);
  return i === undefined ? blocks : { clean: blocks[`clean.${i}`], noise: blocks[`noise.${i}`] };
}

// The images from step to step, { t, x }: the first, and each that takes its place.
function imagesOf({ header, blocks }, sigma) {
  const image = (clean, noise) => normalised(withNoise(clean.data, noise.data, sigma), header.engine.normalise);
  const swaps = header.engine.acts.filter(({ kind }) => kind === "swap");
  const later = swaps.map(({ t, i }) => ({ t, x: image(blocks[`clean.${i}`], blocks[`noise.${i}`]) }));
  return [{ t: 0, x: image(blocks.clean, blocks.noise) }, ...later];
}

// The truth of the first, of which nothing is seen where another takes its place at rest.
const firstTruth = ({ blocks }) => frameOf(blocks["truth.first"] ?? blocks.truth, 0);

// Of such a list what holds at step t: of the same step the last.
const holding = (list, t) => list.filter((one) => one.t <= t).reduce((held, one) => (one.t >= held.t ? one : held));

// A run from rest on, with the switches of each step and what acts on its way. The engine takes one call after another.
async function ranBy(engine, images, size, switches, acts = []) {
  const [first, ...changes] = [...images, ...acts];
  const times = [...new Set([...changes.map(({ t }) => t), switches.length])].sort((a, b) => a - b);
  const run = (from, until) => (until > from ? engine.run(until - from, switches.slice(from, until), WANTED) : []);
  const begun = [engine.setImage(first.x, size), engine.reset(), engine.state(), run(0, times[0])];
  const [, , start, found] = await Promise.all(begun);
  const moments = [start, ...found];
  for (const [i, t] of times.entries()) {
    for (const change of changes.filter((one) => one.t === t))
      if (change.x) await engine.setImage(change.x, size);
      else moments[t] = await acted(engine, moments[t], change);
    if (t < switches.length) moments.push(...(await run(t, times[i + 1])));
  }
  return moments;
}

// A moment whose state was acted on.
async function acted(engine, moment, act) {
  const h = act.kind === "perturb" ? perturbed(moment.h, act) : painted(moment, act);
  if (!h) return moment;
  const [, { logits }] = await Promise.all([engine.setState(h, act.t), engine.state()]);
  return { ...moment, h, logits };
}

function perturbed(h, { size, noise }) {
  const out = new Float32Array(h.length);
  for (let i = 0; i < h.length; i++) out[i] = h[i] + Math.fround(Math.fround(size) * noise[i]);
  return out;
}

// The state h with the mean that its channels, from the first on, have where the answer is one of some classes, at all
// pixels that are marked; null where no answer is.
function painted({ h, logits }, { classes, first, marked }) {
  const [pixels, out] = [marked.length, h.slice()];
  const best = (i) => {
    let k = 0;
    for (let j = 1; j < logits.length / pixels; j++) if (logits[j * pixels + i] > logits[k * pixels + i]) k = j;
    return k;
  };
  const source = [...marked.keys()].filter((i) => classes.includes(best(i)));
  if (!source.length) return null;
  for (let c = first; c < h.length / pixels; c++) {
    const colour = source.reduce((sum, i) => sum + h[c * pixels + i], 0) / source.length;
    marked.forEach((on, i) => on && (out[c * pixels + i] = colour));
  }
  return out;
}

// What acts on the state, with what it takes.
function actsOf({ header, blocks }) {
  return header.engine.acts
    .filter(({ kind }) => kind !== "swap")
    .map((act) => ({ ...act, noise: blocks[`perturbation.${act.i}`]?.data, marked: blocks[`painted.${act.i}`]?.data }));
}
