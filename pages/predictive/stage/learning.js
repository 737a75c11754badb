// Learning in view: one image after another settles, and the weights move by the local rules.

const SETTLING = 60; // updates of r and s before the weights move
const OF_ONE = 0.2; // of the learning rate, which was chosen for the mean over a batch: one image tells less
const ROUNDS = 3; // of the estimate of a gain after each update: the weights moved only a little

function startLearning(S) {
  const { U, W } = S.coder;
  const ones = (bank) => Float32Array.from({ length: bank.codes * bank.h * bank.w }, (_, i) => 1 + ((i * 7919) % 13) / 13);
  S.probe ??= { U: ones(U), W: ones(W), V: ones(S.coder.V) };
}

function estimateGains(S, rounds) {
  startLearning(S);
  for (const name of ["U", "V", "W"]) S.coder.gains[name] = S.coder.labels || name !== "V" ? gainOf(S.coder[name], S.probe[name], rounds) : 0;
}

// One update from the next of the images that are kept for learning.
function teachOnce(S) {
  const lesson = S.lessons[S.updates % S.lessons.length];
  const { coder, header } = S;
  const all = { x: lesson.x, y: lesson.y, pi: S.full, piTop: header.config.pi_top, piLabel: lesson.y ? header.config.pi_label : 0 };
  let state = measure(coder, all, restOf(coder));
  for (let n = 0; n < SETTLING; n++) state = descend(coder, all, state);
  S.learned.push(state.total / coder.pixels);
  learnFrom(coder, all, state, OF_ONE * header.rate);
  S.updates += 1;
  estimateGains(S, ROUNDS);
  moreStill(S);
}

// The weights that are sent, or random ones of the same shape.
function setWeights(S, fresh) {
  const { coder } = S;
  for (const name of ["U", "V", "W"]) coder[name].weight.set(S.sent[name]);
  if (fresh) {
    const draw = normals(17);
    coder.U.weight.forEach((_, i) => (coder.U.weight[i] = draw()));
    coder.W.weight.forEach((_, i) => (coder.W.weight[i] = Math.abs(draw())));
    coder.V.weight.fill(0);
    for (const bank of [coder.U, coder.W]) rescale(bank);
    estimateGains(S, 60);
  } else Object.assign(coder.gains, S.header.gains);
  [S.updates, S.learned] = [0, []];
  moreStill(S);
}

// Standard normal numbers, the same for the same seed (mulberry32, and Box and Muller's transform).
function normals(seed) {
  const even = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - even())) * Math.cos(2 * Math.PI * even());
}

function drawLearning(S) {
  const { learned } = S;
  const n = S.lessons.length; // one image has more energy than another, so whole passes are compared
  const mean = (some) => short(some.reduce((sum, value) => sum + value, 0) / some.length);
  S.$(".learning").toggleAttribute("hidden", learned.length < 2); // an SVG has no property of that name
  S.$(".learned").textContent = learned.length
    ? `${S.updates} updates. Settled energy a pixel before an update, mean of the last ${Math.min(n, learned.length)} images: ${mean(learned.slice(-n))}` +
      (learned.length >= 2 * n ? `; of the first ${n}: ${mean(learned.slice(0, n))}` : "")
    : "";
  if (learned.length > 1)
    lineChart(S.$(".learning"), { series: [{ name: "energy a pixel", values: learned, colour: "#cc79a7" }], xLabel: "update", yLabel: "E a pixel", height: 150, label: "Settled energy by update", at: () => {} });
}
