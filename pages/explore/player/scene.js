// What the engine computes: what Python sent, S.come, with what the hand has moved since, S.ahead; and its two runs,
// laid as Python lays them.

// The seeds of image and noise, σ, T, what is done to the run, what is drawn, and the engine's switches; led: whether
// what led to each step is on show.
function sceneAhead({ come: { header }, ahead, look }) {
  const { sigma = header.sigma, T: steps = header.wanted, do: done = header.do, ...others } = ahead?.values ?? {};
  const { image = header.image, noise = header.noise, drawing = header.engine.drawing, cue = header.cue, ...changed } = others;
  const leaks = changed.integrator ? changed.integrator === "leaky" : header.leaks;
  const switches = { ...header.engine.switches, ...switchesOf(header, changed) };
  return { image, noise, sigma, steps, done, drawing, cue, leaks, switches, led: showsWhatLed(look) };
}

const showsWhatLed = (look) => Boolean(look) && (look.curve === "norms" || LED.includes(LAYERS[look.layer].block) || look.layer === "mismatch");

// A scene in one text, the same for scenes of the same runs.
const wantedOf = (S) => JSON.stringify([S.come.header.engine.of, sceneAhead(S)], inOrder);

function inOrder(_, value) {
  if (typeof value === "number") return +value.toFixed(6);
  if (!value || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one != null).sort());
}

// ---- images -------------------------------------------------------------------------------------------

const isSwap = ({ kind }) => kind === "swap";

// The k-th image that was sent with the run: clean image and truth, its cue, and F1 of a constant answer and of the
// trivial one.
function imageSent({ header, blocks }, k) {
  const clean = k ? blocks[`clean.${k}`] : blocks.clean;
  return { ...header.engine.images[k], clean: clean.data, truth: blocks[`truth.${k}`].data };
}

// The same of the image that a seed draws, sent with the run or after it; null where the browser lacks it.
function imageOfSeed(come, seed) {
  const { images = [], task } = come.header.engine;
  const k = images.findIndex((one) => one.seed === seed);
  return k < 0 ? offered(task, seed) : imageSent(come, k);
}

// Clean image and noise that a step's image is made of.
function contentAt({ come, header, blocks }, t) {
  const swap = holding([{ t: 0, noise: header.noise }, ...header.do.filter(isSwap)], t);
  const { clean } = (swap.kind && imageOfSeed(come, swap.seed)) || { clean: blocks.clean.data };
  return { clean, noise: noiseOfImage(header, swap.noise) };
}

// The first image: as sent, as its seed draws it, or as drawn by hand. Null where the browser lacks it.
async function firstImage({ come }, { image, drawing, cue }) {
  const { header } = come;
  if (image === header.image && drawing === header.engine.drawing && String(cue) === String(header.cue)) return imageSent(come, 0);
  const original = imageOfSeed(come, image);
  if (!original || (!drawing && !cue)) return original;
  const { sketched } = header.engine;
  if (!sketched) return null;
  const pixels = header.size[0] * header.size[1];
  const ink = drawing ? await unpackMask(drawing, pixels) : inkOfImage(original, sketched.cue, pixels);
  return ink && drawnImage(header, ink, cue ?? original.cue);
}

// Where an image is inked: of one with a cue where its first other channel is more than half, else what is true of it.
function inkOfImage({ clean, truth }, cueChannel, pixels) {
  if (cueChannel === null) return Uint8Array.from(truth, (k) => k > 0);
  const from = cueChannel === 0 ? pixels : 0;
  return Uint8Array.from({ length: pixels }, (_, i) => clean[from + i] > 0.5);
}

// What `Task.drawn` makes of ink (H, W) and a cue, as `imageSent` has it: with a cue the region that holds it is asked for.
function drawnImage({ engine, size, classes, noisy, trivial }, ink, cue) {
  const [pixels, channel] = [ink.length, engine.sketched.cue];
  const clean = Float32Array.from({ length: noisy.length * pixels }, (_, i) => (Math.floor(i / pixels) === channel ? 0 : ink[i % pixels]));
  if (channel !== null && cue) clean[channel * pixels + cue[0] * size[1] + cue[1]] = 1;
  const truth = channel === null ? ink : regionAt(ink, size, cue);
  const f1 = (answer) => f1Of(countsOf(answer, truth, classes, RUN.void));
  const constant = Math.max(...Array.from({ length: classes }, (_, k) => f1(new Uint8Array(pixels).fill(k))));
  const [chance, every] = listed([constant, f1(ink)]);
  return { clean, truth, cue: channel === null ? null : cue, chance, trivial: trivial && every };
}

// The 4-connected region of ink that holds a place (row, column); empty where there is none.
function regionAt(ink, [rows, columns], place) {
  const found = new Uint8Array(ink.length);
  const front = place ? [place] : [];
  while (front.length) {
    const [row, column] = front.pop();
    const i = row * columns + column;
    if (row < 0 || column < 0 || row >= rows || column >= columns || found[i] || !ink[i]) continue;
    found[i] = 1;
    front.push([row - 1, column], [row + 1, column], [row, column - 1], [row, column + 1]);
  }
  return found;
}

// The images from step to step with their x, each from its t on: the first, and those that take its place. Null where
// the browser lacks one.
async function imagesOf(S, scene) {
  const { come } = S;
  const later = scene.done.filter(isSwap).map(({ t, seed, noise }) => ({ t, noise, image: imageOfSeed(come, seed) }));
  const found = [{ t: 0, noise: scene.noise, image: await firstImage(S, scene) }, ...later];
  if (found.some(({ image }) => !image)) return null;
  const { engine: { normalise }, ...header } = come.header;
  const seen = (clean, noise) => normalised(withNoise(clean, noiseOfImage(header, noise), scene.sigma), normalise);
  return found.map(({ t, noise, image }) => ({ ...image, t, x: seen(image.clean, noise) }));
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

// What follows from the images alone: blocks, and of the header what is said of them.
function laidImages({ header, blocks }, first, { seen, ofStep }) {
  const { size, classes, cues, trivial, cueWarning } = header;
  const truth = new Uint8Array(seen.length * size[0] * size[1]);
  seen.forEach((image, i) => truth.set(image.truth, i * size[0] * size[1]));
  const { cue } = seen[0];
  const astray = cue && !truth[cue[0] * size[1] + cue[1]];
  return {
    blocks: lazily({
      clean: () => ({ ...blocks.clean, data: first.clean }),
      input: () => inputOf(seen.map(({ x }) => x), header),
      truth: () => layBlock("truth", truth, [seen.length, ...size], classes),
      of_step: () => layBlock("of_step", ofStep, [ofStep.length], classes),
    }),
    header: {
      chance: ofStep.map((i) => seen[i].chance),
      trivial: trivial && { ...trivial, f1: ofStep.map((i) => seen[i].trivial) },
      cues: cues && seen.map((image) => image.cue),
      cueNote: astray ? cueWarning : "",
      void: truth.includes(RUN.void),
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
  const { steps, done, switches, led } = scene;
  const images = await imagesOf(S, scene);
  if (!images) return null;
  const plan = { size: header.size, images, acts: [], led };
  const each = (one) => Array(steps).fill(one);
  return {
    run: { ...plan, switches: switchesAt(switches, done, steps), acts: await actsOf(header, done, steps) },
    untouched: done.length ? { ...plan, images: images.slice(0, 1), switches: each(switches) } : null,
    comparison: { ...plan, switches: each({}), led: false },
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
  const now = { ...S }; // whatever comes meanwhile
  const [of, values, scene] = [wantedOf(now), JSON.stringify(now.ahead.values), sceneAhead(now)];
  const plans = await plansOf(now, scene);
  const ran = plans && (await ranAll(now, plans));
  if (!ran || ![ran.run, ran.untouched, ran.comparison].every((one) => !one || finite(one.moments))) return { of, scene: "" };
  S.ran = ran;
  return { of, scene: now.come.header.engine.of, values, ...laidScene(now, scene, plans, ran) };
}

function laidScene({ come, look }, { steps, leaks, led }, { run: { images } }, { run, untouched, comparison }) {
  const { header, blocks } = come;
  const { size, classes } = header;
  const has = (name) => name in blocks;
  const asked = (entity) => Array.from({ length: classes }, (_, k) => k).filter((k) => has(`${entity}.class.${k}`));
  const fed = has("run.v_hat.0") || look?.layer === "v_hat" ? header.channels.v : 0;
  const world = seenOver(images, steps);
  const truths = (t) => world.seen[world.ofStep[t]].truth;
  const another = world.seen.some(({ truth }) => !alike(truth, truths(0)));
  const told = { truths, size, classes, steps, leaks, led };
  const parts = {
    run: layRun("run", run.moments, { ...told, fed, state: has("state.0"), asked: asked("run"), old: untouched && another && truths(0) }),
    ...(untouched && { ghost: layRun("ghost", untouched.moments, { ...told, truths: () => images[0].truth, asked: asked("comparison") }) }),
    comparison: layAnswers("comparison", comparison.moments.map(({ logits }) => logits), { ...told, asked: asked("comparison") }),
  };
  const curves = Object.fromEntries(Object.entries(parts).map(([entity, part]) => [entity, part.curves]));
  const seen = laidImages(come, images[0], world);
  return {
    blocks: joined(seen.blocks, ...Object.values(parts).map((part) => part.blocks)),
    header: { ...seen.header, steps, leaks, curves, bands: null },
  };
}
