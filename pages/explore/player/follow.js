// While a control is in the hand the run is computed here, by the engine of pages/engine, and painted at once. Python
// hears of it when the hand rests, and answers with the same numbers and with what only it has: the plane, noise draws.

const REST = 250; // ms

// S.come: header and blocks as Python sent them last. S.ahead: what the controls show that Python has not answered yet,
// { values, pressed, told, place }; pressed: those fields of the sidebar that the player, not Streamlit, tells of.
// S.engine: { key, models }, the two engines of a scene. S.ran: their last runs. S.made: what was made of these, and
// what of.

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
  warmUp(S);
}

function closeEngines(S) {
  S.engine?.models.forEach((engine) => engine.end());
  [S.engine, S.ran] = [null, null];
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
  S.ahead = { ...S.ahead, values: { ...S.ahead?.values, ...values }, told: false };
  clearTimeout(S.telling);
  if (!held) S.telling = setTimeout(() => tell(S), REST);
  if (!S.following) catchUp(S);
}

// Something was done to the run, or drawn: buttons, chips and marks show it at once.
function change(S, values) {
  follow(S, values, false);
  if (!S.ahead) return;
  S.header = { ...S.header, ...saidAhead(S) };
  buildActs(S);
  buildDrawTools(S);
}

// What the header says of that; an image that only Python has is not on show yet.
function saidAhead(S) {
  const { done, drawing, cue, image, noise } = sceneAhead(S);
  return lacksImage(S) ? { do: done } : { do: done, drawn: Boolean(drawing), cue, image, noise };
}

function lacksImage(S) {
  const { image } = sceneAhead(S);
  return image !== S.come.header.image && !imageOfSeed(S.come, image);
}

function tell(S) {
  if (!S.ahead || !S.alive) return;
  clearTimeout(S.telling);
  S.ahead.told = true;
  const { values, pressed = [] } = S.ahead;
  const own = Object.entries(values).filter(([field]) => pressed.includes(field) || !(field in S.header.sidebar));
  ask(S, { ...Object.fromEntries(own), live: false });
}

const catchUp = (S) =>
  withEngines(S, async () => {
    while (S.ahead && canFollow(S) && S.made?.of !== wantedOf(S)) {
      const made = await computed(S);
      if (!S.alive) break;
      // until Python sends an image that only it has, what was made last stays on show
      S.made = !made.scene && S.made && S.ahead && lacksImage(S) ? { ...S.made, of: made.of } : made;
      if (!S.ahead) break;
      if (!made.scene && !S.ahead.told) tell(S);
      if (made.scene === S.come.header.engine.of) takeMade(S);
    }
  });

// The run on show is run here as well before the hand changes anything: what it then changes goes on from there.
async function warmUp(S) {
  if (S.following || !canFollow(S)) return;
  await withEngines(S, async () => {
    const now = { ...S };
    const plans = await plansOf(now, sceneAhead(now));
    const ran = plans && (await ranAll(now, plans));
    S.ran = bytesOf(ran) > MOST_KEPT ? null : ran;
  });
  if (S.ahead) catchUp(S);
}

// Whether the engine is about to show more than is known of the run: another look may need it.
const isComing = (S) => S.ahead !== null && canFollow(S) && !lacksImage(S) && S.made?.of !== wantedOf(S);

// Work that calls the engines, which take no other meanwhile.
async function withEngines(S, work) {
  S.following = true;
  try {
    await work();
  } catch (error) {
    if (S.engine) S.engine.failed = error.message;
    sayWhoComputes(S);
    if (S.ahead) tell(S);
  }
  S.following = false;
}

// In place of what Python sent, all that follows from what was computed here.
function takeMade(S, place = placeOf(S)) {
  const { blocks, header } = S.made;
  const auto = S.come.header.auto && { ...S.come.header.auto, stop: stopOf(S.come.header.auto.rule, header.curves.run) };
  const before = S.header;
  const kept = Object.entries(Object.getOwnPropertyDescriptors(S.come.blocks)).filter(([name]) => !MAY_LACK.test(name));
  S.blocks = joined(Object.defineProperties({}, Object.fromEntries(kept)), blocks);
  S.header = { ...S.come.header, ...header, ...saidAhead(S), auto };
  standAt(S, place);
  if (!S.hand && S.made.of === wantedOf(S)) Object.assign(S, { stroke: null, cuePreview: null, preview: false, bitmap: bitmapOf(S) });
  S.$(".player").classList.add("ahead");
  S.$(".player").dataset.made = S.made.values;
  const built = ({ steps, do: done, leaks, cueNote, drawn, cue, curves }) => JSON.stringify([steps, done, leaks, cueNote, drawn, cue, !curves.ghost]);
  if (built(before) !== built(S.header)) build(S);
  else {
    markStop(S);
    looks(S);
  }
  draw(S);
}

// The step on show, and whether the run rests there; while T is in the hand as it was when the hand took it.
function placeOf(S) {
  const { from, t } = S.ahead?.place ?? {};
  return from && t === S.t ? from : { t: S.t, resting: !S.playing && S.header !== null && S.t === rest(S) };
}

function standAt(S, place) {
  S.t = place.resting ? rest(S) : Math.min(place.t, S.header.steps);
  if (S.ahead) S.ahead.place = { from: place, t: S.t };
}

// Python's answer is on show again.
function fallBehind(S) {
  clearTimeout(S.telling);
  [S.ahead, S.made] = [null, null];
  if (bytesOf(S.ran) > MOST_KEPT) S.ran = null;
  S.$(".player").classList.remove("ahead");
}

const MAY_LACK = /^ghost\b|\.(v_hat|mismatch|delta|applied)\b/; // blocks that a run has only once acted on, or where what led to its steps is known
const MOST_KEPT = 32e6; // bytes of runs that are kept for the next move of the hand

function bytesOf(ran) {
  const arrays = Object.values(ran ?? {}).flatMap((one) => one?.moments.flatMap((moment) => Object.values(moment)) ?? []);
  return arrays.reduce((sum, values) => sum + (values?.byteLength ?? 0), 0);
}
