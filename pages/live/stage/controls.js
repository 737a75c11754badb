// The controls: what each does to the stage. Nothing here asks the server but another world or other models.

const PACES = { slow: 1000, usual: 140, quick: 50, full: 0 }; // ms from step to step

function wireControls(S) {
  const { $ } = S;
  const click = (selector, does) => $(selector).addEventListener("click", does);
  click(".play", () => play(S, !S.playing));
  click(".again", () => again(S));
  click(".back", () => lookAt(S, S.line.at - 1));
  click(".step", () => stepOnce(S));
  click(".wind", () => wind(S));
  click(".hold", () => hold(S));
  click(".perturb", () => perturb(S));
  click(".swap", () => swap(S));
  click(".redraw", () => changeScene(S, { noiseDraw: (S.scene.noiseDraw % 999) + 1 }));
  click(".clear", () => changeScene(S, sceneOf(S.W, sceneShown(S).picture.seed, sceneShown(S).sigma, sceneShown(S).noiseDraw)));
  click(".space", () => setSpace(S, !S.space));
  click(".fit", () => fitAnew(S));
  click(".save", () => saveAsFile(S).catch((error) => say(S, `It could not be saved: ${error.message}`)));
  click(".reset", () => S.send("ask", { reset: true, n: Date.now() }));
  click(".all", () => openAll(S));
  click(".large", () => playLarge(S, !$(".live").classList.contains("large-stage")));
  $(".past").addEventListener("input", (event) => lookAt(S, +event.target.value));
  dragged(S, ".sigma", (value) => changeScene(S, { sigma: value }));
  dragged(S, ".tau", (value) => setNumber(S, "tau", value));
  dragged(S, ".k", (value) => setNumber(S, "k", value));
  $(".size").addEventListener("input", (event) => ($(".size-text").textContent = event.target.value));
  $(".pace").addEventListener("change", (event) => setPace(S, event.target.value));
  $(".tool").addEventListener("change", (event) => {
    S.tool = event.target.value;
    fresh(S);
  });
  $(".worlds").addEventListener("change", (event) => fetchAnew(S, { world: event.target.value, shown: [] }));
  for (const one of S.root.querySelectorAll("[data-switch]")) one.addEventListener("click", () => flipSwitch(S, one.dataset.switch));
  for (const one of S.root.querySelectorAll(".cover")) one.addEventListener("change", () => setCover(S, one.value, !one.checked));
  wirePlane(S);
}

// A slider that acts while it is dragged; Python hears of it once it rests.
function dragged(S, selector, does) {
  const slider = S.$(selector);
  slider.addEventListener("pointerdown", () => (S.hand = true));
  for (const name of ["pointerup", "pointercancel", "change"])
    slider.addEventListener(name, () => {
      S.hand = false;
      told(S);
    });
  slider.addEventListener("input", () => does(+slider.value));
}

function wirePlane(S) {
  const plane = S.$(".plane");
  let from = null;
  const turn = (dx, dy) => {
    S.yaw += dx;
    S.tilt = Math.min(Math.max(S.tilt + dy, -1.5), 1.5);
    S.dirty = true;
  };
  plane.addEventListener("pointerdown", (event) => {
    if (!S.space) return;
    plane.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
  });
  plane.addEventListener("pointermove", (event) => {
    if (!from) return;
    turn((event.clientX - from[0]) / 120, (event.clientY - from[1]) / 120);
    from = [event.clientX, event.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) plane.addEventListener(name, () => (from = null));
  plane.addEventListener("keydown", (event) => {
    if (!S.space || !MOVES[event.key]) return;
    turn(MOVES[event.key][1] * 0.15, MOVES[event.key][0] * 0.15);
    event.preventDefault();
    event.stopPropagation();
  });
}

// ---- acts

function perturb(S) {
  const size = +S.$(".size").value;
  S.perturbations++;
  act(S, (M) => ({ h: perturbed(M.h, size, S.perturbations) }));
  say(S, `The state was perturbed by noise of ${size}.`);
}

function wind(S) {
  if (S.clock !== null) S.clock = 0;
  S.touched = false;
  act(S, ({ model }) => (model.switches.includes("clock") ? { t: 0, gain: 1 } : {}));
  say(S, "The clock is wound up: corrections count in full again.");
  told(S);
}

function hold(S) {
  S.clock = S.clock === null ? Math.min(S.machines[S.hero].t, 1000) : null;
  say(S, S.clock === null ? "The clock runs again." : `The clock is held at ${S.clock}.`);
  fresh(S);
  told(S);
}

function swap(S) {
  here(S);
  const { pictures } = S.W;
  const next = pictures[(pictures.indexOf(S.scene.picture) + 1) % pictures.length];
  takeSceneAndTell(S, sceneOf(S.W, next.seed, S.scene.sigma, S.scene.noiseDraw));
  say(S, "Another image, under the same state.");
}

function takeSceneAndTell(S, scene) {
  takeScene(S, scene);
  told(S);
}

function changeScene(S, changes) {
  here(S);
  takeSceneAndTell(S, { ...S.scene, ...changes });
}

function flipSwitch(S, name) {
  if (!S.machines.some(({ model }) => model.switches.includes(name))) return;
  if (S.off.has(name)) S.off.delete(name);
  else S.off.add(name);
  leaveTrace(S.line); // what was stays as a ghost, in the same plane
  S.run++;
  say(S, `${{ loop: "Feedback loop", softmax: "Softmax", decay: "Decay" }[name]} ${S.off.has(name) ? "off" : "on"}.`);
  refreshControls(S);
  play(S, true);
  told(S);
}

function setNumber(S, name, value) {
  S[name] = value;
  fresh(S);
  refreshControls(S);
}

function setPace(S, pace) {
  [S.pace, S.interval] = [pace, PACES[pace]];
  S.due = 0;
  told(S);
}

function setSpace(S, on) {
  S.space = on;
  S.$(".space").setAttribute("aria-pressed", on);
  fresh(S);
  told(S);
}

function setCover(S, what, on) {
  if (on) S.covered.add(what);
  else S.covered.delete(what);
  fresh(S);
  told(S);
}

function fitAnew(S) {
  const states = S.line.entries.slice(-RESUMED).map(({ moments }) => moments[S.hero].h).filter(Boolean);
  if (states.length < 3) return say(S, "The plane needs at least three steps.");
  const M = S.machines[S.hero];
  M.plane = fitPlane(states.slice(-40));
  M.centre = null;
  S.line.traces = [];
  for (const { moments } of S.line.entries) moments[S.hero].at = moments[S.hero].h && place(M.plane, moments[S.hero].h);
  fresh(S);
  say(S, "The plane was fitted to the last steps.");
}

function openAll(S) {
  const closed = S.$(".more").hidden;
  S.$(".more").hidden = !closed;
  S.$(".all").setAttribute("aria-expanded", closed);
}

function playLarge(S, on) {
  const stage = S.$(".live");
  stage.classList.toggle("large-stage", on);
  S.$(".large").setAttribute("aria-pressed", on);
  S.$(".large").textContent = on ? "⤡ Back to the page" : "⤢ Play large";
  if (on) stage.requestFullscreen?.().catch(() => {}); // where it is not allowed, the stage fills the window
  else if (document.fullscreenElement) document.exitFullscreen?.();
  S.dirty = true;
}

// ---- what the controls show

function buildControls(S) {
  const { $, W } = S;
  const [lo, hi, step] = W.sigmas;
  Object.assign($(".sigma"), { min: lo, max: hi, step });
  for (const [name, [least, most, by]] of [["tau", W.taus], ["k", W.ks]]) Object.assign($(`.${name}`), { min: least, max: most, step: by });
  const option = (value, text = value) => Object.assign(document.createElement("option"), { value, textContent: text });
  $(".worlds").replaceChildren(...W.worlds.map((name) => option(name)));
  $(".worlds").value = W.task;
  const tools = Object.keys(TOOLS).filter((tool) => (tool === "cue" ? W.cue !== null : !["draw", "wall"].includes(tool) || W.drawable));
  if (!tools.includes(S.tool)) S.tool = tools[0];
  $(".tool").replaceChildren(...tools.map((tool) => option(tool, TOOLS[tool].title)));
  $(".tool").value = S.tool;
  const classes = W.classes.map((name, k) => {
    const item = Object.assign(document.createElement("span"), { textContent: name });
    const swatch = document.createElement("i");
    swatch.style.background = W.palette[k];
    item.prepend(swatch);
    return item;
  });
  const nothing = Object.assign(document.createElement("span"), { textContent: "hatched: void, not scored" });
  const hatched = W.pictures.some(({ labels }) => labels.includes(W.void));
  $(".classes").replaceChildren(...(W.classes.length > 2 ? classes : []), ...(hatched ? [nothing] : []));
  $(".classes").hidden = !$(".classes").children.length;
  const menus = S.machines.map(({ model }, m) => {
    const menu = Object.assign(document.createElement("select"), { title: "Which checkpoint runs here. Compare one trained another way." });
    menu.setAttribute("aria-label", `Model ${m + 1}`);
    menu.append(...S.choices.map(([name, called]) => option(name, called)));
    menu.value = model.name;
    menu.addEventListener("change", () => fetchAnew(S, { shown: S.machines.map((one, i) => (i === m ? menu.value : one.model.name)) }));
    return menu;
  });
  $(".models").replaceChildren($(".models b"), ...menus);
  for (const selector of [".worlds", ".models", ".reset", ".save"]) $(selector).hidden = !S.send;
  for (const one of S.root.querySelectorAll(".cover")) one.checked = !S.covered.has(one.value);
  $(".pace").value = S.pace;
  $(".space").setAttribute("aria-pressed", S.space);
  refreshControls(S);
}

function refreshControls(S) {
  const { $ } = S;
  const { model } = S.machines[S.hero];
  $(".sigma").value = S.scene.sigma;
  const trained = S.scene.sigma === S.W.sigma ? " (as trained)" : "";
  $(".sigma-text").textContent = `${S.scene.sigma.toFixed(2)}${trained}`;
  const tau = S.tau ?? model.tau;
  $(".tau").value = tau;
  $(".tau-text").textContent = `${+tau.toFixed(2)} steps${S.tau === null ? " (as trained)" : ""}`;
  $(".tau-label").hidden = !model.switches.includes("tau");
  const k = S.k ?? model.k;
  $(".k").value = k;
  $(".k-text").textContent = `${k.toFixed(2)}${S.k === null ? " (as trained)" : ""}`;
  $(".k-label").hidden = !model.leaks;
  for (const one of S.root.querySelectorAll("[data-switch]")) {
    const name = one.dataset.switch;
    const able = S.machines.some((M) => M.model.switches.includes(name));
    one.disabled = !able;
    one.setAttribute("aria-checked", able && !S.off.has(name));
  }
}
