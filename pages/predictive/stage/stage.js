// The stage: one model, one image, and the hand on both.

const PACES = { slow: 250, usual: 50, quick: 16 }; // ms between two updates
const REST = 1e-5; // a relative change of r and s below which nothing is seen to move
const KEPT = 300; // updates that the energy's chart shows
const LOOP_STEPS = 60;

function openStage(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = { root, $, id: "", epoch: null, coder: null, loops: [], covered: null, cursor: null, toldLast: "", due: 0, drawnAt: 0, toldAt: 0 };
  S.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  wire(S);
  return S;
}

function receive(S, bytes) {
  const { header, start } = decodeHeader(bytes);
  if (header.id === S.id && header.epoch === S.epoch && S.coder) return;
  const loading = load(S, bytes, header, start);
  const { token } = S;
  loading.catch((error) => {
    if (token !== S.token) return; // it was interrupted, and has no engine left
    S.$(".refused").textContent = error.message;
    S.$(".refused").hidden = false;
  });
}

async function load(S, bytes, header, start) {
  const token = (S.token = {});
  close(S);
  [S.id, S.epoch] = [header.id, header.epoch];
  const part = ([offset, length]) => bytes.slice(start + offset, start + offset + length);
  const floats = (place) => new Float32Array(part(place).buffer);
  const loops = await openLoops(header, part);
  if (token !== S.token) return loops.forEach(({ engine }) => engine.end());
  const { config, size, setup } = header;
  const sent = Object.fromEntries(Object.entries(header.weights).map(([name, place]) => [name, floats(place)]));
  const coder = coderOf(config, size, sent.U.slice(), sent.V.slice(), sent.W.slice(), header.gains);
  const open = ({ x, labels }) => {
    const truth = labels && part(labels);
    return { x: floats(x), labels: truth, y: truth && oneHot(truth, coder) };
  };
  Object.assign(S, { header, coder, sent, loops, setup: { ...setup }, probe: null, updates: 0, learned: [], teaching: false });
  S.pictures = header.pictures.map(open);
  S.lessons = header.lessons.map(open);
  S.full = new Float32Array(coder.pixels).fill(config.pi);
  S.covered = new Uint8Array(coder.pixels);
  S.span = spanOf(S);
  S.$(".labelled").hidden = !header.classes.length;
  buildControls(S);
  buildLoops(S);
  seeAnew(S);
  await fromRest(S);
  S.$(".predictive").dataset.ready = header.source;
  if (!S.looping) requestAnimationFrame((now) => turn(S, now));
  S.looping = true;
}

function close(S) {
  for (const { engine } of S.loops) engine.end();
  [S.loops, S.coder, S.looping] = [[], null, false];
}

const oneHot = (labels, { labels: count, pixels }) =>
  Float32Array.from({ length: count * pixels }, (_, i) => Number(labels[i % pixels] === 1 + Math.floor(i / pixels)));

// The grey levels between which all but the outermost hundredths of the pictures lie.
function spanOf({ pictures, coder, header }) {
  const values = pictures.flatMap(({ x }) => Array.from(x.subarray(header.shownChannels[0] * coder.pixels, (header.shownChannels[0] + 1) * coder.pixels)));
  values.sort((a, b) => a - b);
  return [values[Math.floor(values.length * 0.005)], values[Math.ceil(values.length * 0.995) - 1]];
}

// ---- what is seen, and how far it is trusted

function seeAnew(S) {
  const { setup, header, coder, covered } = S;
  const { pixels } = coder;
  const picture = S.pictures[setup.picture];
  const draw = normals(1 + setup.picture);
  S.x = picture.x.map((value, i) => {
    if (Math.floor(i / pixels) === header.cue) return value;
    const noisy = value + (setup.noise ? setup.noise * draw() : 0);
    return covered[i % pixels] ? 0 : noisy;
  });
  const shown = setup.label_shown && picture.y;
  const pi = Float32Array.from(covered, (on) => setup.trust * (on ? setup.trust_covered : 1));
  S.senses = { x: S.x, y: shown ? picture.y : null, pi, piTop: setup.trust_top, piLabel: shown ? header.config.pi_label : 0 };
  if (S.state) moreStill(S);
}

// The energy is another one from here on: what was counted of the old one no longer holds.
function moreStill(S) {
  measure(S.coder, S.senses, S.state);
  [S.falls, S.rises, S.atRest, S.dirty] = [0, 0, false, true];
}

async function fromRest(S) {
  S.state = measure(S.coder, S.senses, restOf(S.coder));
  Object.assign(S, { history: [], moved: 1, loopT: 0 });
  note(S);
  moreStill(S);
  await restLoops(S);
}

function note(S) {
  S.history.push({ total: S.state.total, ...S.state.energy });
  if (S.history.length > KEPT) S.history.shift();
}

function update(S) {
  const { coder, senses, state: before } = S;
  const after = descend(coder, senses, before);
  const change = Math.hypot(norm(after.r.map((value, i) => value - before.r[i])), norm(after.s.map((value, i) => value - before.s[i])));
  S.moved = change / (Math.hypot(norm(after.r), norm(after.s)) || 1);
  if (after.total <= before.total * (1 + 1e-6)) S.falls += 1; // sums of float32 round
  else S.rises += 1;
  S.state = after;
  S.atRest = S.moved < REST;
  S.dirty = true;
  note(S);
  askLoops(S);
}

function askLoops(S) {
  if (S.asking || S.loopT >= LOOP_STEPS || !S.loops.length) return;
  const loops = S.loops;
  S.asking = true;
  S.loopT += 1;
  stepLoops(S)
    .catch((error) => loops === S.loops && ((S.$(".refused").textContent = error.message), (S.$(".refused").hidden = false)))
    .finally(() => ((S.asking = false), (S.dirty = true)));
}

function turn(S, now) {
  if (!S.coder) return;
  if (now >= S.due && S.playing) {
    S.due = now + PACES[S.setup.pace];
    if (!S.atRest) update(S);
    else askLoops(S);
  }
  if (S.teaching) teachOnce(S);
  if (S.dirty && now - S.drawnAt > 30) {
    S.drawnAt = now;
    S.dirty = false;
    S.words = true;
    show(S);
  }
  if (S.words && now - S.toldAt > 150) {
    S.toldAt = now; // charts and tables are laid out anew, which costs far more than pictures
    S.words = false;
    showWords(S);
  }
  requestAnimationFrame((later) => turn(S, later));
}
