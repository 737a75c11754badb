// While a control is in the hand the run is computed here, by the engine of pages/engine, and painted at once. Python
// hears of it when the hand rests, and answers with the same numbers and with what only it has: the plane, noise draws.

const REST = 250; // ms

// S.ahead: what the controls show that Python has not answered yet, { values, told }. S.engine: { key, models }, the
// two engines of a scene. S.made: what was last computed here, and what of.

const keyOf = ({ models }) => models.join(" ");
const canFollow = (S) => !S.header.engine.why && S.engine?.key === keyOf(S.header.engine) && !S.engine.failed;

// Open the engines of the scene on show, once their weights have come.
async function prepare(S) {
  const told = S.header.engine;
  sayWhoComputes(S);
  if (told.why || S.opening === keyOf(told) || S.engine?.key === keyOf(told)) return;
  const key = (S.opening = keyOf(told));
  closeEngines(S);
  const opened = [];
  try {
    for (const id of told.models) {
      const bytes = await carried(id);
      opened.push(await openEngine());
      await opened.at(-1).setModel(bytes);
    }
  } catch (error) {
    opened.splice(0).forEach((engine) => engine.end());
    S.engine = { key, models: [], failed: error.message };
  }
  if (S.opening !== key) return opened.forEach((engine) => engine.end());
  S.opening = "";
  S.engine ??= { key, models: opened };
  if (!S.alive) closeEngines(S);
  sayWhoComputes(S);
  S.$(".player").dataset.engine = canFollow(S);
}

function closeEngines(S) {
  S.engine?.models.forEach((engine) => engine.end());
  S.engine = null;
}

// One sentence where the server computes what is dragged.
function sayWhoComputes(S) {
  const why = S.header.engine.why || (S.engine?.key === keyOf(S.header.engine) && S.engine.failed);
  S.$(".engine-note").textContent = why ? `${why} The server computes while you drag.` : "";
  S.$(".engine-note").hidden = !why;
}

// A control moved: show what follows. values: fields of the view. held: whether the hand still has it.
function follow(S, values, held) {
  if (!canFollow(S)) return ask(S, { ...values, live: held });
  S.ahead = { values: { ...S.ahead?.values, ...values }, told: false };
  clearTimeout(S.telling);
  if (!held) S.telling = setTimeout(() => tell(S), REST);
  if (!S.following) catchUp(S);
}

function tell(S) {
  if (!S.ahead || !S.alive) return;
  S.ahead.told = true;
  ask(S, { ...S.ahead.values, live: false });
}

const wantedOf = (S) => JSON.stringify([S.header.engine.of, S.ahead.values]);

async function catchUp(S) {
  S.following = true;
  try {
    while (S.ahead && canFollow(S) && S.made?.of !== wantedOf(S)) {
      const made = await computed(S);
      if (!S.alive) break;
      S.made = made;
      if (!made.scene && S.ahead) tell(S);
      else if (S.ahead && made.scene === S.header.engine.of) takeMade(S);
    }
  } catch (error) {
    if (S.engine) S.engine.failed = error.message;
    sayWhoComputes(S);
    if (S.ahead) tell(S);
  }
  S.following = false;
}

// In place of what Python sent, all that follows from what was computed here.
function takeMade(S) {
  const { blocks, curves, leaks } = S.made;
  const auto = S.header.auto && { ...S.header.auto, stop: stopOf(S.header.auto.rule, curves.run) };
  const atRest = S.t === rest(S);
  const kept = Object.entries(Object.getOwnPropertyDescriptors(S.blocks)).filter(([name]) => !MAY_LACK.test(name));
  S.blocks = joined(Object.defineProperties({}, Object.fromEntries(kept)), blocks);
  S.header = { ...S.header, curves, auto, leaks, bands: null };
  if (atRest && !S.playing) S.t = rest(S);
  S.$(".player").classList.add("ahead");
  S.$(".player").dataset.made = S.made.values;
  markStop(S);
  looks(S);
  draw(S);
}

// Python's answer is on show again.
function fallBehind(S) {
  clearTimeout(S.telling);
  [S.ahead, S.made] = [null, null];
  S.$(".player").classList.remove("ahead");
}

const MAY_LACK = /\.(v_hat|mismatch)\b/; // blocks that a run has only with its loop closed, or only where it leaks
const WANTED = ["h", "delta", "applied", "v_hat", "logits"];

async function computed(S) {
  const { header, blocks } = S;
  const { engine, size, classes, steps } = header;
  const values = JSON.stringify(S.ahead.values);
  const of = wantedOf(S);
  const { sigma = header.sigma, ...changed } = S.ahead.values; // of the settings null is as built
  const images = imagesOf(S, sigma);
  const has = (name) => name in blocks;
  const asked = (entity) => Array.from({ length: classes }, (_, k) => k).filter((k) => has(`${entity}.class.${k}`));
  const leaks = changed.integrator ? changed.integrator === "leaky" : header.leaks;
  const truths = (t) => truthAt(S, t);
  const told = { truths, size, classes, steps, leaks };
  const [model, other] = S.engine.models;
  const switches = { ...engine.switches, ...switchesOf(header, changed) };
  const both = async () => [ // one after the other, as one engine runs them
    await ranBy(model, images, size, switchesAt(switches, header.do, steps), actsOf(S)),
    header.curves.ghost ? await ranBy(model, images.slice(0, 1), size, Array(steps).fill(switches)) : null,
  ];
  const [[run, untouched], comparison] = await Promise.all([
    both(),
    header.still ? answersOf(other, images, size, steps) : ranBy(other, images, size, Array(steps).fill({})),
  ]);
  if (![run, untouched, comparison].every((moments) => !moments || finite(moments))) return { of, scene: "" }; // the server ends it early, and says why
  const fed = has("run.v_hat.0") || S.look?.layer === "v_hat" ? header.channels.v : 0;
  const parts = {
    run: layRun("run", run, { ...told, fed, state: has("state.0"), asked: asked("run"), old: header.curves.run.old && truths(0) }),
    ...(untouched && { ghost: layRun("ghost", untouched, { ...told, truths: () => firstTruth(S), asked: asked("ghost") }) }),
    comparison: layAnswers("comparison", comparison.map(({ logits }) => logits), { ...told, asked: asked("comparison") }),
  };
  const curves = Object.fromEntries(Object.entries(parts).map(([entity, part]) => [entity, part.curves]));
  const input = lazily({ input: () => inputOf(seen(S, images), header) });
  return { of, scene: engine.of, values, leaks, curves, blocks: joined(input, ...Object.values(parts).map((part) => part.blocks)) };
}

const finite = (moments) => moments.every(({ h, logits }) => Number.isFinite(norm(h)) && Number.isFinite(norm(logits)));

// Of a model without steps the one answer that holds at all of them, or of several images that of each step.
async function answersOf(engine, images, size, steps) {
  const answers = [];
  for (const { t, x } of images) answers.push({ t, answer: (await ranBy(engine, [{ t: 0, x }], size, [{}]))[1] });
  return images.length > 1 ? Array.from({ length: steps + 1 }, (_, t) => holding(answers, t).answer) : [answers[0].answer];
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

// The images that truths are sent of, in their order.
function seen({ blocks }, images) {
  const first = (i) => blocks.of_step.data.indexOf(i);
  return Array.from({ length: blocks.truth.shape[0] }, (_, i) => holding(images, first(i)).x);
}

// The pictures of images, each stretched to its own range.
function inputOf(images, { shown, size }) {
  const pixels = size[0] * size[1];
  const stretched = images.map((x) => {
    const values = Float64Array.from({ length: shown.length * pixels }, (_, j) => x[shown[Math.floor(j / pixels)] * pixels + (j % pixels)]);
    const [lo, hi] = extremes(values, values[0]);
    return values.map((value) => (value - lo) / Math.max(hi - lo, 1e-6));
  });
  const all = new Float64Array(images.length * shown.length * pixels);
  stretched.forEach((values, i) => all.set(values, i * values.length));
  return layBlock("input", all, [images.length, shown.length, ...size], 2);
}
