// The stage: one world and several machines, what is loaded, shown and said of them, and how it ends.

const PARTS = ["scene", "hand", "first", "works", "rolls"];

function openStage(root, send) {
  const $ = (selector) => root.querySelector(selector);
  const S = {
    root, $, send, alive: true, W: null, id: "", epoch: null, bytes: null, machines: [], pictures: [], hero: 0, choices: [], asked: {}, plain: {},
    scene: null, off: new Set(), tau: null, k: null, clock: null, pace: "usual", interval: PACES.usual, space: false, covered: new Set(), yaw: 0.6, tilt: 0.45,
    line: timeline(), run: 0, count: 0, acts: [], restore: false, perturbations: 0, playing: false, busy: false, due: 0, steppedAt: 0, toldAt: 0, touched: false,
    tool: "cue", pointed: null, hand: false, dirty: false, stale: false, toldLast: "",
    still: matchMedia("(prefers-reduced-motion: reduce)").matches,
  };
  S.onKey = (event) => onKey(S, event);
  wireControls(S);
  document.addEventListener("fullscreenchange", () => !document.fullscreenElement && playLarge(S, false));
  new ResizeObserver(() => (S.dirty = true)).observe($(".live"));
  wake(S);
  return S;
}

function wake(S) {
  clearTimeout(S.closing);
  document.removeEventListener("keydown", S.onKey);
  document.addEventListener("keydown", S.onKey);
  const sleeping = !S.looping;
  [S.alive, S.looping] = [true, true];
  if (sleeping) requestAnimationFrame((now) => loop(S, now));
}

// Left for good the Workers end; where Streamlit only draws it anew, `wake` comes first.
function sleep(S) {
  S.alive = false;
  document.removeEventListener("keydown", S.onKey);
  clearTimeout(S.telling);
  S.closing = setTimeout(() => {
    close(S);
    S.id = "";
  }, 1000);
}

function close(S) {
  for (const { engine } of S.machines) engine.end();
  S.machines = [];
}

// ---- what comes from Python, or from the file

function receive(S, bytes) {
  const { header, start } = decodeHeader(bytes);
  if (header.id === S.id && header.epoch === S.epoch) return;
  const loading = load(S, bytes, header, start);
  const { token } = S;
  loading.catch((error) => token === S.token && fail(S, error)); // one that was interrupted has no engine left
}

async function load(S, bytes, header, start) {
  const token = (S.token = {});
  [S.id, S.epoch, S.bytes] = [header.id, header.epoch, bytes];
  play(S, false);
  close(S);
  const W = worldOf(header, bytes, start);
  const scene = await sceneFrom(W, header.setup);
  const part = ([offset, length]) => bytes.slice(start + offset, start + offset + length);
  const machines = await Promise.all(header.models.map((model) => openMachine(model, part(model.bytes))));
  if (token !== S.token) return machines.forEach(({ engine }) => engine.end());
  const { setup } = header;
  const { tau_steps: tau, k_share: k, clock_at: clock, pace, space } = setup;
  Object.assign(S, { W, scene, machines, tau, k, clock, pace, space, choices: header.choices, asked: { shown: setup.shown }, hero: 0, line: timeline() });
  Object.assign(S, { off: new Set(setup.switched_off), covered: new Set(setup.covered), interval: PACES[pace], run: S.run + 1, count: 0, acts: [], touched: false, restore: false });
  S.plain = { pace, covered: setup.covered };
  S.toldLast = JSON.stringify(await setupOf(S));
  await Promise.all(machines.map(async (M) => {
    await show(M, seenBy(W, scene), W.size);
    await rehearse(M, W, switchesOf(M, S));
  }));
  for (const name of PARTS) S.$(`.${name}`).hidden = false;
  S.$(".loading").hidden = true;
  buildPictures(S);
  buildControls(S);
  buildDiagram(S);
  buildCurves(S);
  await begin(S);
  play(S, !S.still);
}

// At rest: the first entry of a run.
async function begin(S) {
  const moments = await Promise.all(S.machines.map(async (M) => stillOf(M, S.W)));
  enter(S, moments);
}

function fail(S, error) {
  play(S, false);
  close(S);
  for (const name of [...PARTS, "more", "loading"]) S.$(`.${name}`).hidden = true;
  const way = Object.assign(document.createElement("a"), { href: "./explore", target: "_self", textContent: "Explore" });
  S.$(".refused").replaceChildren(`${error.message} `, way, " shows the same models, computed on the server.");
  S.$(".refused").hidden = false;
}

// ---- pictures

// What a model is called: its title, or of several with one title the names of their checkpoints.
function nameOf(S, model) {
  const alike = S.machines.filter((M) => M.model.title === model.title).length > 1;
  return alike ? model.called.replace(`${S.W.task}-`, "") : model.title;
}

function buildPictures(S) {
  S.pictures = S.machines.map(({ model }, m) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const name = Object.assign(document.createElement("b"), { textContent: nameOf(S, model) });
    const numbers = Object.assign(document.createElement("span"), { className: "numbers" });
    const canvas = Object.assign(document.createElement("canvas"), { className: "picture", tabIndex: 0 });
    canvas.style.aspectRatio = `${S.W.size[1]} / ${S.W.size[0]}`;
    const keys = m === S.hero ? (S.W.cue === null ? "Arrow keys move the tool, Enter uses it." : "Arrow keys move the dot.") : "Enter brings it into the large picture.";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `What ${model.title} answers. ${keys}`);
    figure.title = m === S.hero ? model.told : `${model.told} Click to see it large.`;
    caption.append(name, numbers);
    figure.append(caption, canvas);
    handle(S, canvas);
    return { figure, canvas, numbers };
  });
  S.$(".hero").replaceChildren(S.pictures[S.hero].figure);
  S.$(".smalls").style.setProperty("--others", Math.max(S.pictures.length - 1, 2));
  S.$(".smalls").replaceChildren(...S.pictures.filter((_, m) => m !== S.hero).map(({ figure }) => figure));
}

function makeHero(S, m) {
  S.hero = m;
  buildPictures(S);
  buildDiagram(S);
  buildCurves(S);
  refreshControls(S);
  S.pictures[m].canvas.focus({ preventScroll: true });
  say(S, `${nameOf(S, S.machines[m].model)} in the large picture.`);
  fresh(S);
}

// ---- what is said

function say(S, text) {
  S.$(".said").textContent = text;
}

// For who does not see it: some steps of a run, in words.
function announce(S) {
  const moment = present(S.line).moments[S.hero];
  if (![1, 5, 10, 20].includes(moment.t) && moment.t % 50) return;
  const marked = moment.mask.reduce((sum, k) => sum + (k > 0), 0) / moment.mask.length;
  say(S, `Step ${moment.t}: ${percent(marked)} of the image marked${S.covered.has("scores") ? "" : `, F1 ${moment.f1.toFixed(2)}`}.`);
}

const TAKEN = "input, select, textarea, button, summary, a, canvas, [contenteditable], [role=slider], [role=combobox], [role=switch], [role=menuitem]";

function onKey(S, event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && S.$(".live").classList.contains("large-stage")) return playLarge(S, false);
  const target = event.composedPath()[0];
  if (target instanceof Element && target.closest(TAKEN)) return;
  const does = { " ": () => play(S, !S.playing), ArrowRight: () => stepOnce(S), ArrowLeft: () => lookAt(S, S.line.at - 1), Home: () => again(S) }[event.key];
  if (!does || !S.machines.length) return;
  event.preventDefault();
  does();
}
