// The run: a clock that drives the machines in step with one another, and what the hand does in between. Steps and
// acts take turns, so that none acts on a state that another is changing.

const READ = 90; // ms: words, numbers and curves change no oftener, however fast the steps are

function loop(S, now) {
  if (!S.alive) return void (S.looping = false);
  requestAnimationFrame((next) => loop(S, next));
  if (S.playing && !S.busy && now >= S.due) {
    S.due = Math.max(S.due + S.interval, now);
    advance(S);
  }
  if (!S.machines.length || !present(S.line)) return;
  const moving = S.playing && !S.still && now - S.steppedAt < Math.max(S.interval, MIX) + 40;
  if (S.dirty || moving) {
    drawPictures(S, now, S.dirty);
    S.dirty = false;
    drawSparks(S, now);
  }
  if (!S.stale || now - S.toldAt < READ) return;
  [S.stale, S.toldAt] = [false, now];
  drawWords(S);
  drawDiagram(S);
  drawCurves(S);
}

const fresh = (S) => ([S.dirty, S.stale] = [true, true]);

// Steps and acts take turns: while one is under way, the next waits for it.
async function turn(S, does) {
  if (S.busy) return void (S.next = does);
  S.busy = true;
  const { token } = S;
  try {
    await does();
  } catch (error) {
    if (token === S.token) fail(S, error);
  }
  S.busy = false;
  const next = S.next ?? (S.acts.length && !S.playing && S.machines.length ? () => settle(S) : null);
  S.next = null;
  if (next) turn(S, next);
}

const advance = (S) =>
  turn(S, async () => {
    await ready(S);
    const { W, scene, machines } = S;
    const moments = await Promise.all(machines.map(async (M) => stepOf(M, W, switchesOf(M, S))));
    if (machines !== S.machines) return;
    S.count++;
    enter(S, moments, scene);
    S.steppedAt = performance.now();
    announce(S);
  });

// What was done to the state while nothing runs is seen at once.
async function settle(S) {
  await ready(S);
  const touched = present(S.line);
  const moments = await Promise.all(S.machines.map((M) => stillOf(M, S.W)));
  if (touched?.byHand) S.line.entries.pop(), S.line.at--;
  enter(S, moments, S.scene, true);
}

// Bring the engines to the entry on show, to the image, and do what the hand did.
async function ready(S) {
  here(S);
  const acts = S.acts.splice(0);
  const entry = present(S.line);
  await Promise.all(S.machines.map(async (M, m) => {
    await show(M, seenBy(S.W, S.scene), S.W.size);
    const moment = entry.moments[m];
    if (S.restore) [M.h, M.t] = [moment.h, moment.t];
    for (const does of acts) Object.assign(M, does(M, moment));
    if (S.restore || acts.length) await M.engine.setState(M.h, M.t);
  }));
  S.restore = false;
}

// Go on from the entry on show, where an earlier one is looked at.
function here(S) {
  if (live(S)) return;
  if (cut(S.line)) {
    [S.restore, S.scene] = [true, present(S.line).scene];
    S.count = present(S.line).n;
    refreshControls(S);
  }
}

function enter(S, moments, scene = S.scene, byHand = false) {
  for (const moment of moments) moment.f1 = meanF1(moment.mask, scene.labels, S.W.classes.length, S.W.void);
  push(S.line, { n: S.count, run: S.run, scene, moments, byHand });
  fresh(S);
}

function act(S, does) {
  if (!S.machines.length) return;
  S.acts.push(does);
  if (!S.playing) turn(S, () => settle(S));
}

// Another scene, made of the one on show (`here`); the state stays as it is.
function takeScene(S, scene) {
  S.scene = scene;
  S.touched = true;
  refreshControls(S);
  fresh(S);
}

const again = (S) =>
  turn(S, async () => {
    if (!S.machines.length) return;
    here(S);
    leaveTrace(S.line);
    S.run++;
    [S.restore, S.acts, S.touched] = [false, [], false];
    await Promise.all(S.machines.map(restart));
    await begin(S);
    S.line.at = S.line.entries.length - 1;
    play(S, true);
  });

function lookAt(S, at) {
  if (!S.machines.length) return;
  play(S, false);
  S.line.at = Math.min(Math.max(at, 0), S.line.entries.length - 1);
  fresh(S);
}

function stepOnce(S) {
  if (!S.machines.length) return;
  play(S, false);
  if (!live(S)) return lookAt(S, S.line.at + 1);
  advance(S);
}

function play(S, on) {
  S.playing = on && S.machines.length > 0;
  S.due = 0;
  S.$(".play").textContent = S.playing ? "▮▮ Pause" : "▶ Play";
  S.$(".live").dataset.playing = S.playing;
  fresh(S);
  if (!S.playing && S.acts.length && S.machines.length) turn(S, () => settle(S));
}
