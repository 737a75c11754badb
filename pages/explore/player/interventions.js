// The buttons that intervene at the step on show, and the marks and chips of what was done.

// What an intervention does to the run from the step on show, and what to look for.
const HINTS = {
  "Cut the loop": "From here v̂ := 0 and F sees the image alone. Cut it half-way, and watch what the mask loses.",
  "Close the loop": "From here v is fed back to F again. See whether the mask takes up what it lost.",
  "Softmax off": "From here v is only normalised before it is fed back. Compare the mask with the untouched run.",
  "Softmax on": "From here each pixel's v̂ lies on the simplex again. See whether the mask grows steadier.",
  "Decay off": "From here every update counts in full. Lift it late: does a mask that stood still move on?",
  "Decay on": "From here updates are damped again as the clock says. See where the mask comes to rest.",
  "Freeze the clock": "From here updates keep the gain they have now. A mask that then moves was only switched off.",
  "Run the clock": "From here the gain falls again with every step. See where the mask comes to rest.",
  "Swap the image": "From here the model sees another image, and the state stays. Does the old mask let go?",
  "Perturb h": "Adds noise of the size given to every neuron of h. Do it early and late, and compare what is left.",
  "Paint v": "Paints into the feedback neurons what they hold where the model sees shape. Does the answer follow?",
  "Erase mask": "Wipes the state to what it holds where the model sees background. Does the mask grow back?",
};

// What is said of shape and background, said of more than two classes.
function shapeless(S, words) {
  const { classes, classNames } = S.header;
  if (classes === 2) return words;
  return words.replace("sees shape", `sees any class but ${classNames[0]}`).replace("sees background", `sees ${classNames[0]}`);
}

// The switches in force at the step on show: the run's own, then every intervention up to it.
function inForce(S) {
  const now = { ...S.header.switches };
  for (const item of S.header.do.filter((i) => i.t <= S.t)) {
    if (item.kind === "flip") now[item.switch] = item.on;
    if (item.kind === "freeze") now.frozen = item.on;
  }
  return now;
}

function buildActs(S) {
  const { header, $ } = S;
  const now = inForce(S);
  const add = (asked) => {
    const item = { t: S.t, ...asked };
    S.change({ do: [...header.do.filter((other) => !overrides(item, other)), item] });
  };
  const flip = (name, off, on) =>
    button(now[name] ? off : on, `${now[name] ? off : on} from the step on show`, () => add({ kind: "flip", switch: name, on: !now[name] }));
  const paint = (name, target, like, text, label) => {
    const active = S.tool?.kind === "paint" && S.tool.id === name;
    return button(text, label, () => useTool(S, active ? null : { kind: "paint", id: name, name: "pen", target, like }), active);
  };
  const size = Object.assign(document.createElement("input"), { type: "number", min: 0.1, max: 100, step: 0.1, value: S.noiseSize ?? 1 });
  size.className = "noise-size";
  size.setAttribute("aria-label", "Size of the perturbation: standard deviation at each neuron");
  size.title = "How much noise is added. Start small, and raise it until the mask no longer comes back.";
  size.addEventListener("change", () => {
    S.noiseSize = Math.min(100, Math.max(0.1, +size.value || 1));
    size.value = S.noiseSize;
  });
  const perturbations = header.do.filter((i) => i.kind === "perturb").length;
  const shown = header.do.findLast(isSwap)?.seed ?? S.header.image;
  const title = Object.assign(document.createElement("b"), { textContent: `At step ${S.t}:`, className: "at" });
  const full = header.do.length >= header.most;
  const items = [
    ...(header.loops ? [flip("loop", "Cut the loop", "Close the loop")] : []),
    flip("softmax", "Softmax off", "Softmax on"),
    flip("decay", "Decay off", "Decay on"),
    button(now.frozen ? "Run the clock" : "Freeze the clock", "Hold the decay's clock from the step on show, or let it run", () => add({ kind: "freeze", on: !now.frozen })),
    button("Swap the image", "Show the model another image from this step on; the state stays", () =>
      add({ kind: "swap", seed: (shown + 1) % RUN.seeds, noise: S.header.noise })),
    button("Perturb h", "Add noise to every neuron of the state", () => add({ kind: "perturb", size: S.noiseSize ?? 1, seed: perturbations })),
    size,
    ...(header.loops ? [paint("v", "v", "shape", "Paint v", shapeless(S, "Paint into the feedback neurons: as where the model sees shape"))] : []),
    paint("erase", "h", "background", "Erase mask", shapeless(S, "Wipe the state: as where the model sees background")),
  ];
  for (const item of items) item.title = shapeless(S, item.title);
  for (const item of items) if (item.tagName === "BUTTON") item.disabled = full && !item.hasAttribute("aria-pressed");
  refill($(".acts"), [title, ...items]);
  refill($(".chips"), [
    ...header.do.map((item, i) => button(`t = ${item.t}: ${nameOf(item)} ✕`, `Take back: ${nameOf(item)} at step ${item.t}`, () => S.change({ do: header.do.filter((_, j) => j !== i) }))),
    ...(header.do.length ? [button("Clear all", "Take back every intervention", () => S.change({ do: [] }))] : []),
    ...(full ? [Object.assign(document.createElement("span"), { textContent: `At most ${header.most} interventions.` })] : []),
  ]);
  $(".marks").replaceChildren(
    ...marksOf(S).map(({ t, name }) => {
      const mark = Object.assign(document.createElement("span"), { textContent: "▲", title: `step ${t}: ${name}` });
      mark.style.left = along(S, t);
      return mark;
    }),
  );
  S.actsAt = S.t;
}

// A new one of these replaces an earlier one of the same step.
function overrides(item, other) {
  if (other.kind !== item.kind || item.kind === "perturb" || item.kind === "paint") return false;
  return other.t === item.t && (item.kind !== "flip" || other.switch === item.switch);
}

// The interventions that fall within the run, as their marks name them.
function marksOf(S) {
  return S.header.do.map((item) => ({ t: item.t, name: nameOf(item) })).filter(({ t }) => t <= S.header.steps);
}

// What an intervention is called at its mark, as marks.py calls it.
function nameOf(item) {
  const state = (on) => (on ? "on" : "off");
  return {
    flip: () => (item.switch === "loop" ? `${item.on ? "close" : "cut"} the loop` : `${item.switch} ${state(item.on)}`),
    freeze: () => `${item.on ? "freeze" : "run"} the clock`,
    swap: () => `image ${item.seed}`,
    perturb: () => `perturb by ${+(+item.size).toPrecision(6)}`,
    paint: () => (item.target === "v" ? "paint v" : "erase"),
  }[item.kind]();
}
