// Predictive coding as fbseg_core/predictive has it: r and s, what they predict, the energy, a step down it, and local
// learning. Arrays are Float32Array, channel by channel; tests hold them against Python's.

// The geometry of a filter bank: codes on an h × w grid, and the channels that they predict at `stride` times that.
function bankOf(weight, codes, channels, kernel, stride, [h, w]) {
  return { weight, codes, channels, kernel, stride, h, w, height: h * stride, width: w * stride, edge: (kernel - stride) / 2 };
}

// Calls what(code, row of the filter's weights, row of the picture, first and last column of the filter) for every place.
function eachRow(bank, active, what) {
  const { codes, channels, kernel, stride, h, w, height, width, edge } = bank;
  for (let f = 0; f < codes; f++)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) {
        const at = (f * h + i) * w + j;
        if (active && active[at] === 0) continue; // most of r is 0
        const [top, left] = [i * stride - edge, j * stride - edge];
        const [from, to] = [Math.max(0, -left), Math.min(kernel, width - left)];
        const [first, last] = [Math.max(0, -top), Math.min(kernel, height - top)];
        for (let c = 0; c < channels; c++)
          for (let k = first; k < last; k++)
            what(at, ((f * channels + c) * kernel + k) * kernel, (c * height + top + k) * width + left, from, to);
      }
}

// weight∗code: what the codes predict.
function spread(bank, code) {
  const out = new Float32Array(bank.channels * bank.height * bank.width);
  const { weight } = bank;
  eachRow(bank, code, (at, row, place, from, to) => {
    const a = code[at];
    for (let k = from; k < to; k++) out[place + k] += a * weight[row + k];
  });
  return out;
}

// weightᵀ of an error: what the codes take from it.
function gather(bank, error) {
  const out = new Float32Array(bank.codes * bank.h * bank.w);
  const { weight } = bank;
  eachRow(bank, null, (at, row, place, from, to) => {
    let sum = 0;
    for (let k = from; k < to; k++) sum += error[place + k] * weight[row + k];
    out[at] += sum;
  });
  return out;
}

// Activity at a synapse's start times the error at its end, over all places that share the synapse.
function meet(bank, code, error) {
  const out = new Float32Array(bank.weight.length);
  eachRow(bank, code, (at, row, place, from, to) => {
    const a = code[at];
    for (let k = from; k < to; k++) out[row + k] += a * error[place + k];
  });
  return out;
}

// An upper estimate of the largest ‖weight∗code‖²/‖code‖², by iterating on `vector`, which is kept for the next time.
function gainOf(bank, vector, rounds) {
  let gain = 0;
  for (let round = 0; round < rounds; round++) {
    const size = norm(vector) || 1;
    for (let i = 0; i < vector.length; i++) vector[i] /= size;
    const next = gather(bank, spread(bank, vector));
    gain = norm(next);
    vector.set(next);
  }
  return 1.1 * gain; // the iteration comes from below
}

function norm(values) {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

// config: the settings of PredictiveConfig. gains: of U, V and W, from above, as squared_gain gives them.
function coderOf(config, size, U, V, W, gains) {
  const { features, causes, kernel, stride, kernel_top: kernelTop, stride_top: strideTop } = config;
  const near = [size[0] / stride, size[1] / stride];
  const far = [near[0] / strideTop, near[1] / strideTop];
  const labels = Math.max(config.classes - 1, 0);
  return {
    config, size, near, far, labels, pixels: size[0] * size[1], gains: { ...gains },
    U: bankOf(U, features, config.in_channels, kernel, stride, near),
    V: bankOf(V, features, labels, kernel, stride, near),
    W: bankOf(W, causes, features, kernelTop, strideTop, far),
  };
}

// r = 0 and s = 0.
function restOf({ config, near, far }) {
  return { t: 0, r: new Float32Array(config.features * near[0] * near[1]), s: new Float32Array(config.causes * far[0] * far[1]) };
}

// senses: { x, y or null, pi (one a pixel), piTop, piLabel }. Fills in prediction, errors and energy of where a state is.
function measure(coder, senses, state) {
  const { config, pixels } = coder;
  const { x, y, pi, piTop, piLabel } = senses;
  state.prediction = spread(coder.U, state.r);
  state.image = x.map((value, i) => value - state.prediction[i]);
  const above = spread(coder.W, state.s);
  state.features = state.r.map((value, i) => value - above[i]);
  state.label = coder.labels ? spread(coder.V, state.r) : null;
  state.labelError = y && state.label.map((value, i) => y[i] - value);
  let [image, features, label, sparsity, shrink] = [0, 0, 0, 0, 0];
  state.image.forEach((e, i) => (image += pi[i % pixels] * e * e));
  state.features.forEach((e) => (features += e * e));
  state.labelError?.forEach((e) => (label += e * e));
  state.r.forEach((value) => (sparsity += value));
  state.s.forEach((value) => (shrink += value * value));
  const terms = { image: image / 2, features: (piTop * features) / 2, label: (piLabel * label) / 2 };
  state.energy = { ...terms, sparsity: config.sparsity * sparsity, shrink: (config.shrink * shrink) / 2 };
  state.total = Object.values(state.energy).reduce((a, b) => a + b);
  return state;
}

// An upper bound on the curvature of the energy's smooth part; a step of at most 1 over it never raises the energy.
function curvature({ config, gains }, { pi, y, piTop, piLabel }) {
  const most = pi.reduce((a, b) => Math.max(a, b), 0);
  return Math.max(most * gains.U + (y ? piLabel * gains.V : 0) + piTop * (1 + gains.W) + config.shrink, 1e-6);
}

// The next state: r moved along Uᵀ(π ε₀) − π₁ ε₁ + π_y Vᵀ ε_y and thresholded, s along π₁ Wᵀ ε₁ − β s. `state` is measured.
function descend(coder, senses, state, step = 1 / curvature(coder, senses)) {
  const { config, pixels } = coder;
  const { pi, piTop, piLabel } = senses;
  const up = gather(coder.U, state.image.map((e, i) => pi[i % pixels] * e));
  const told = state.labelError && gather(coder.V, state.labelError);
  const r = state.r.map((value, i) => {
    const pull = up[i] - piTop * state.features[i] + (told ? piLabel * told[i] : 0);
    return Math.max(0, value + step * (pull - config.sparsity));
  });
  const upTop = gather(coder.W, state.features);
  const s = state.s.map((value, i) => value + step * (piTop * upTop[i] - config.shrink * value));
  return measure(coder, senses, { t: state.t + 1, r, s });
}

// One local update of U, V and W in place, as learning.py: `learn` makes it of a batch of one image.
function learnFrom(coder, senses, state, rate) {
  const { pi, piTop, piLabel } = senses;
  const weighted = state.image.map((e, i) => pi[i % coder.pixels] * e);
  const mean = pi.reduce((a, b) => a + b, 0) / pi.length;
  take(coder.U, meet(coder.U, state.r, weighted), state.r, mean, rate);
  if (state.labelError) take(coder.V, meet(coder.V, state.r, state.labelError.map((e) => piLabel * e)), state.r, piLabel, rate);
  take(coder.W, meet(coder.W, state.s, state.features.map((e) => piTop * e)), state.s, piTop, rate);
  for (const bank of [coder.U, coder.W]) rescale(bank);
}

function take(bank, change, activity, trust, rate) {
  const { weight, codes } = bank;
  const places = activity.length / codes;
  const power = Array.from({ length: codes }, (_, f) => trust * norm(activity.subarray(f * places, (f + 1) * places)) ** 2);
  const floor = Math.max(power.reduce((a, b) => a + b, 0) / codes, 1e-12);
  const each = weight.length / codes;
  for (let i = 0; i < weight.length; i++) weight[i] += (rate * change[i]) / (power[Math.floor(i / each)] + 0.05 * floor);
}

// Every filter to norm 1, as rescale in model.py.
function rescale({ weight, codes }) {
  const each = weight.length / codes;
  for (let f = 0; f < codes; f++) {
    const filter = weight.subarray(f * each, (f + 1) * each);
    const size = Math.max(norm(filter), 1e-12);
    for (let i = 0; i < each; i++) filter[i] /= size;
  }
}

// The class of each pixel that V∗r predicts, 0 where none reaches ½.
function maskOf(coder, state) {
  const mask = new Uint8Array(coder.pixels);
  for (let i = 0; i < coder.pixels; i++) {
    let best = 0.5;
    for (let k = 0; k < coder.labels; k++) {
      const value = state.label[k * coder.pixels + i];
      if (value > best) [best, mask[i]] = [value, k + 1];
    }
  }
  return mask;
}
