// What the engine computes: what Python sent, S.come, with what the hand has moved since, S.ahead; and its two runs,
// laid as Python lays them.

// σ, T, what is done to the run, and the engine's switches.
function sceneAhead({ come: { header }, ahead }) {
  const { sigma = header.sigma, T: steps = header.wanted, do: done = header.do, ...changed } = ahead?.values ?? {};
  const leaks = changed.integrator ? changed.integrator === "leaky" : header.leaks;
  return { sigma, steps, done, leaks, switches: { ...header.engine.switches, ...switchesOf(header, changed) } };
}

// A scene in one text, the same for scenes of the same runs.
const wantedOf = (S) => JSON.stringify([S.come.header.engine.of, sceneAhead(S)], inOrder);

function inOrder(_, value) {
  if (typeof value === "number") return +value.toFixed(6);
  if (!value || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one != null).sort());
}

// ---- images -------------------------------------------------------------------------------------------

const isSwap = ({ kind }) => kind === "swap";

// Clean image and noise of the k-th image that was sent.
const contentOf = ({ blocks }, k) => (k ? { clean: blocks[`clean.${k}`], noise: blocks[`noise.${k}`] ?? blocks.noise } : blocks);

// Which of them an image of those seeds is; -1 where it was not sent.
const placeOfImage = ({ header }, { seed, noise }) => (header.engine.images ?? []).findIndex((one) => one.seed === seed && one.noise === noise);

// Clean image and noise that a step's image is made of.
function contentAt({ come, header }, t) {
  const swap = holding([{ t: 0, k: 0 }, ...header.do.filter(isSwap)], t);
  return contentOf(come, Math.max(0, swap.k ?? placeOfImage(come, swap)));
}

// The images from step to step, { t, k, x }: the first, and each that takes its place. Null where one was not sent.
function imagesOf({ come }, { sigma, done }) {
  const found = [{ t: 0, k: 0 }, ...done.filter(isSwap).map((swap) => ({ t: swap.t, k: placeOfImage(come, swap) }))];
  if (found.some(({ k }) => k < 0)) return null;
  return found.map(({ t, k }) => {
    const { clean, noise } = contentOf(come, k);
    return { t, k, x: normalised(withNoise(clean.data, noise.data, sigma), come.header.engine.normalise) };
  });
}

// The images that are seen, each where another was before it, and which of them holds at each step.
function seenOver(images, steps) {
  const [seen, ofStep] = [[], []];
  for (let t = 0; t <= steps; t++) {
    const image = holding(images, t);
    if (!seen.length || !alike(image.x, seen.at(-1).x)) seen.push(image);
    ofStep.push(seen.length - 1);
  }
  return { seen, ofStep };
}

const truthOfImage = ({ blocks }, k) => blocks[`truth.${k}`].data;

// What follows from the images alone: blocks, and of the header what holds at each step.
function laidImages({ header, blocks }, { seen, ofStep }) {
  const { size, engine, classes, cues, trivial } = header;
  const of = (i) => engine.images[seen[i].k];
  const truth = new Uint8Array(seen.length * size[0] * size[1]);
  seen.forEach(({ k }, i) => truth.set(truthOfImage({ blocks }, k), i * size[0] * size[1]));
  return {
    blocks: lazily({
      input: () => inputOf(seen.map(({ x }) => x), header),
      truth: () => layBlock("truth", truth, [seen.length, ...size], classes),
      of_step: () => layBlock("of_step", ofStep, [ofStep.length], classes),
    }),
    header: {
      chance: ofStep.map((i) => of(i).chance),
      trivial: trivial && { ...trivial, f1: ofStep.map((i) => of(i).trivial) },
      cues: cues && seen.map((_, i) => of(i).cue),
    },
  };
}

// The pictures of images, each stretched to its own range in 32 bits as Python does it: a grey level is rounded alike.
function inputOf(images, { shown, size }) {
  const pixels = size[0] * size[1];
  const stretched = images.map((x) => {
    const values = Float32Array.from({ length: shown.length * pixels }, (_, j) => x[shown[Math.floor(j / pixels)] * pixels + (j % pixels)]);
    const [lo, hi] = extremes(values, values[0]);
    const range = Math.max(Math.fround(hi - lo), Math.fround(1e-6));
    return values.map((value) => Math.fround(value - lo) / range);
  });
  const all = new Float32Array(images.length * shown.length * pixels);
  stretched.forEach((values, i) => all.set(values, i * values.length));
  return layBlock("input", all, [images.length, shown.length, ...size], 2);
}

// ---- runs ---------------------------------------------------------------------------------------------

// What each run of a scene is made of; null where the browser lacks an image.
async function plansOf(S, scene) {
  const { header } = S.come;
  const { steps, done, switches } = scene;
  const images = imagesOf(S, scene);
  if (!images) return null;
  const plan = { size: header.size, images, acts: [] };
  const each = (one) => Array(steps).fill(one);
  return {
    run: { ...plan, switches: switchesAt(switches, done, steps), acts: await actsOf(header, done, steps) },
    untouched: done.length ? { ...plan, images: images.slice(0, 1), switches: each(switches) } : null,
    comparison: { ...plan, switches: each({}) },
  };
}

// Both models run as planned; what S.ran holds of the runs before is not run again.
async function ranAll({ engine, come: { header }, ran }, plans) {
  const [model, other] = engine.models;
  const both = async () => { // one after the other, as one engine runs them
    const before = [ran?.run, ran?.untouched].filter(Boolean);
    const untouched = plans.untouched && (await ranBy(model, plans.untouched, before));
    return { untouched, run: await ranBy(model, plans.run, untouched ? [...before, untouched] : before) };
  };
  const before = [ran?.comparison].filter(Boolean);
  const second = header.still ? answeredBy(other, plans.comparison, before) : ranBy(other, plans.comparison, before);
  const [first, comparison] = await Promise.all([both(), second]);
  return { ...first, comparison };
}

// Of a model without steps the one answer that holds at all of them, or of several images that of each step.
async function answeredBy(engine, plan, [before]) {
  const { images, size, switches } = plan;
  const times = new Map(images.map(({ t, x }) => [t, x]));
  const answers = [];
  for (const [t, x] of times) {
    const known = before?.answers.find((one) => alike(one.x, x));
    const asked = async () => (await ranBy(engine, { size, images: [{ t: 0, x }], switches: [{}], acts: [] })).moments[1];
    answers.push({ t, x, answer: known?.answer ?? (await asked()) });
  }
  const moments = answers.length > 1 ? Array.from({ length: switches.length + 1 }, (_, t) => holding(answers, t).answer) : [answers[0].answer];
  return { plan, answers, moments };
}

const finite = (moments) => moments.every(({ h, logits }) => Number.isFinite(norm(h)) && Number.isFinite(norm(logits)));

// Of what is ahead all that Python would answer but the plane and noise draws; `scene` is "" where only Python can.
async function computed(S) {
  const [of, values, scene] = [wantedOf(S), JSON.stringify(S.ahead.values), sceneAhead(S)];
  const { header } = S.come;
  const plans = await plansOf(S, scene);
  const ran = plans && (await ranAll(S, plans));
  if (!ran || ![ran.run, ran.untouched, ran.comparison].every((one) => !one || finite(one.moments))) return { of, scene: "" };
  S.ran = ran;
  return { of, scene: header.engine.of, values, ...laidScene(S, scene, plans, ran) };
}

function laidScene({ come, look }, { steps, done, leaks }, { run: { images } }, { run, untouched, comparison }) {
  const { header, blocks } = come;
  const { size, classes } = header;
  const has = (name) => name in blocks;
  const asked = (entity) => Array.from({ length: classes }, (_, k) => k).filter((k) => has(`${entity}.class.${k}`));
  const fed = has("run.v_hat.0") || look?.layer === "v_hat" ? header.channels.v : 0;
  const world = seenOver(images, steps);
  const truths = (t) => truthOfImage(come, world.seen[world.ofStep[t]].k);
  const another = world.seen.some(({ k }) => !alike(truthOfImage(come, k), truths(0)));
  const told = { truths, size, classes, steps, leaks };
  const parts = {
    run: layRun("run", run.moments, { ...told, fed, state: has("state.0"), asked: asked("run"), old: untouched && another && truths(0) }),
    ...(untouched && { ghost: layRun("ghost", untouched.moments, { ...told, truths: () => truthOfImage(come, 0), asked: asked("comparison") }) }),
    comparison: layAnswers("comparison", comparison.moments.map(({ logits }) => logits), { ...told, asked: asked("comparison") }),
  };
  const curves = Object.fromEntries(Object.entries(parts).map(([entity, part]) => [entity, part.curves]));
  const seen = laidImages(come, world);
  return {
    blocks: joined(seen.blocks, ...Object.values(parts).map((part) => part.blocks)),
    header: { ...seen.header, steps, do: done, leaks, curves, bands: null },
  };
}
