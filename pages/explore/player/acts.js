// What acts on a run on its way, repeated here as fbseg_core/rollout/interventions.py does it: header.do says what.

const NOISES = new Map(); // by what they are drawn from
const MOST_NOISES = 12;

// What is kept of that key, drawn where it is not; of many the last that were asked for stay.
function noiseKept(key, drawn) {
  const noise = NOISES.get(key) ?? drawn();
  NOISES.delete(key);
  NOISES.set(key, noise);
  if (NOISES.size > MOST_NOISES) NOISES.delete(NOISES.keys().next().value);
  return noise;
}

// What a perturbation of size 1 adds to each of `count` neurons.
const noiseOfPerturbation = (count, seed) => noiseKept(`h ${count} ${seed}`, () => standardNormals(count, [seed, 2]));

// The unit noise of an image (C, H, W) by its seed.
const noiseOfImage = ({ noisy, size: [height, width] }, seed) =>
  noiseKept(`x ${noisy} ${height} ${width} ${seed}`, () => unitNoise(seed, noisy, height * width));

// The numbers of the classes that paint is taken from; none where there is no such class.
function classesLike({ classNames }, like) {
  if (like === "background") return [0];
  if (like === "shape") return [...classNames.keys()].slice(1);
  const number = classNames.includes(like) ? classNames.indexOf(like) : like;
  return Number.isInteger(number) && number < classNames.length ? [number] : [];
}

// What acts on the state within so many steps, with what it takes.
function actsOf(header, done, steps) {
  const { u, v } = header.channels;
  const pixels = header.size[0] * header.size[1];
  const acts = done.filter(({ kind, t }) => t <= steps && (kind === "perturb" || kind === "paint"));
  return Promise.all(
    acts.map(async (item) =>
      item.kind === "perturb"
        ? { ...item, noise: noiseOfPerturbation((u + v) * pixels, item.seed) }
        : { ...item, classes: classesLike(header, item.like), first: item.target === "v" ? u : 0, marked: await unpackMask(item.mask, pixels) },
    ),
  );
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
// pixels that are marked; null where no answer is, or the marks are no mask of this image.
function painted({ h, logits }, { classes, first, marked }) {
  if (!marked) return null;
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

// The switches of each step: the run's own, and what interventions flip and freeze from their step on.
function switchesAt(switches, done, steps) {
  let now = switches;
  return Array.from({ length: steps }, (_, t) => {
    for (const item of done.filter((one) => one.t === t && ["flip", "freeze"].includes(one.kind)))
      now = { ...now, ...(item.kind === "flip" ? { [item.switch]: item.on } : { clock: item.on ? t : null }) };
    return now;
  });
}

// ---- running with them --------------------------------------------------------------------------------

const WANTED = ["h", "logits"];
const LED = ["delta", "applied", "v_hat"]; // to a step: two thirds of all numbers, so asked for only where they are shown

// A plan is what a run is made of: { size, images: [{ t, x }], switches: of each step, acts: [{ t, … }], led: whether its
// moments say what led to them }. Of such a list of images what holds at step t: of the same step the last.
const holding = (list, t) => list.filter((one) => one.t <= t).reduce((held, one) => (one.t >= held.t ? one : held));

// The plan with its moments, from rest on. before: runs of the same model, of which what is the same is taken over: a
// run that is longer now is computed on, a shorter one cut. The engine takes one call after another.
async function ranBy(engine, plan, before = []) {
  const { size, images, switches, acts, led } = plan;
  const shared = before.map((one) => (led && !one.plan.led ? -1 : sharedSteps(one.plan, plan)));
  const most = Math.max(-1, ...shared);
  const moments = most < 0 ? [] : before[shared.indexOf(most)].moments.slice(0, most + 1);
  const wanted = led ? [...WANTED, ...LED] : WANTED;
  const act = async (t) => {
    for (const one of acts) if (one.t === t) moments[t] = await acted(engine, moments[t], one);
  };
  // Where the engine stands before it goes on: all is asked for at once, as each wait for an answer takes time.
  const placed = (from) => {
    const image = engine.setImage(holding(images, from).x, size);
    return moments.length ? [image, engine.setState(moments[from].h, from)] : [image, engine.reset(), engine.state()];
  };
  const times = new Set([...images.filter(({ t }) => t), ...acts].map(({ t }) => t).filter((t) => t >= moments.length && t < switches.length));
  for (const until of [...times, switches.length].sort((a, b) => a - b)) {
    if (moments.length > until) continue;
    const from = Math.max(moments.length - 1, 0);
    const answers = await Promise.all([...placed(from), engine.run(until - from, switches.slice(from, until), wanted)]);
    moments.push(...answers.flat().filter(Boolean));
    await act(until);
  }
  return { plan, moments };
}

// Up to which step two plans give the same moments; -1 where not even that at rest.
function sharedSteps(a, b) {
  if (String(a.size) !== String(b.size)) return -1;
  const last = Math.min(a.switches.length, b.switches.length);
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const done = ({ acts }, t) => acts.filter((act) => act.t === t).map(({ noise, marked, ...item }) => Object.entries(item).sort());
  for (let t = 0; t < last; t++) {
    if (!same(done(a, t), done(b, t))) return t - 1;
    if (!same(a.switches[t], b.switches[t]) || !alike(holding(a.images, t).x, holding(b.images, t).x)) return t;
  }
  return same(done(a, last), done(b, last)) ? last : last - 1;
}

// Whether two images are the same.
const alike = (a, b) => a === b || (a.length === b.length && a.every((value, i) => value === b[i]));
