// A run as the engine gives it, laid as payload.py lays the server's: the same blocks and curves, so that nothing on
// the page moves when the server's come. Tests hold the two against each other.

// Values as wire.py lays those of a block of that name. ends: of a scale that is given.
function layBlock(name, values, shape, classes, given) {
  const { scale, dtype } = RUN.blocks[name.split(".").find((part) => RUN.blocks[part])];
  const [data, top] = [new ARRAYS[dtype](values.length), WIRE.dtypes[dtype]];
  if (scale === "whole") return data.set(values), { data, shape, lo: 0, hi: top, top };
  const [lo, hi] = scale === "own" ? extremes(values, 0) : scale === "bits" ? [0, Math.log2(classes)] : (given ?? WIRE.spans[scale]);
  const times = top / (hi - lo || 1);
  for (let i = 0; i < values.length; i++) data[i] = Math.min(Math.max(Math.round((values[i] - lo) * times), 0), top);
  return { data, shape, lo, hi, top };
}

function extremes(values, from) {
  let [lo, hi] = [from, from];
  for (const value of values) {
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return [lo, hi];
}

// Numbers as the header carries them.
const listed = (values) => values.map((value) => (value !== null && Number.isFinite(value) ? +value.toPrecision(5) : null));

// An object whose values are made when they are first asked for, and kept: what is not on show keeps no hand waiting.
function lazily(makers) {
  const found = {};
  for (const [name, make] of Object.entries(makers)) Object.defineProperty(found, name, { enumerable: true, get: once(make) });
  return found;
}

function once(make) {
  let made;
  return () => (made ??= make());
}

// Such objects in one, none of their values made.
const joined = (...parts) => Object.defineProperties({}, Object.assign({}, ...parts.map(Object.getOwnPropertyDescriptors)));

// Blocks and curves of class logits (K, H, W), one array a step, or of one answer that holds at all of `steps`.
// truths(t): the truth at a step; old: one that no longer holds, against which F1 is wanted too. asked: the classes whose
// own probability is wanted.
function layAnswers(entity, logits, { truths, old, size, classes, steps, asked }) {
  const pixels = size[0] * size[1];
  const { mask, margin, commit, flips } = masksOf(logits, classes, pixels);
  const chances = chancesOf(logits, mask, classes);
  const block = (name, values) => layBlock(`${entity}.${name}`, values(), [logits.length, ...size], classes);
  const values = {
    mask: () => mask, logit: () => margin, commit: () => commit,
    probability: chances.anyButFirst, entropy: chances.bits,
    ...Object.fromEntries(asked.map((k) => [`class.${k}`, () => chances.of(k)])),
  };
  const blocks = Object.fromEntries(Object.entries(values).map(([name, read]) => [`${entity}.${name}`, () => block(name, read)]));
  const against = (truth, t) => countsOf(mask.subarray(t * pixels, (t + 1) * pixels), truth, classes, RUN.void);
  const counts = logits.map((_, t) => against(truths(t), t));
  const held = (found) => listed(logits.length > 1 ? found : Array(steps + 1).fill(found[0]));
  const curves = {
    f1: () => held(counts.map(f1Of)), iou: () => held(counts.map(iouOf)),
    entropy: () => held(logits.map((_, t) => meanOf(chances.bits().subarray(t * pixels, (t + 1) * pixels)))), label_flips: () => held(flips),
    ...(old && { old: () => listed(logits.map((_, t) => f1Of(against(old, t)))) }),
  };
  return { blocks: lazily(blocks), curves: lazily(curves) };
}

// Of each step and pixel the best class (of equals the first), by how much the best class but the background exceeds
// it, and the step of its last change; of each step how many pixels changed.
function masksOf(logits, classes, pixels) {
  const [mask, commit] = [new Uint8Array(logits.length * pixels), new Uint16Array(logits.length * pixels)];
  const margin = new Float32Array(mask.length);
  const flips = logits.map((values, t) => {
    let changes = 0;
    for (let i = 0, at = t * pixels; i < pixels; i++, at++) {
      let other = 1; // the best class but the background
      for (let k = 2; k < classes; k++) if (values[k * pixels + i] > values[other * pixels + i]) other = k;
      margin[at] = values[other * pixels + i] - values[i];
      mask[at] = values[other * pixels + i] > values[i] ? other : 0;
      if (!t) continue;
      const changed = mask[at] !== mask[at - pixels];
      commit[at] = changed ? t : commit[at - pixels];
      changes += changed;
    }
    return changes;
  });
  return { mask, margin, commit, flips };
}

// Class probabilities of each step and pixel (softmax): of a class, of any but the first, and their entropy in bits.
function chancesOf(logits, mask, classes) {
  const pixels = mask.length / logits.length;
  const shares = (k) => {
    const found = new Float32Array(mask.length); // e^(z − the best)
    for (let t = 0; t < logits.length; t++) {
      const values = logits[t];
      for (let i = 0, at = t * pixels; i < pixels; i++, at++)
        found[at] = k === mask[at] ? 1 : Math.exp(values[k * pixels + i] - values[mask[at] * pixels + i]);
    }
    return found;
  };
  const whole = once(() => {
    const found = new Float32Array(mask.length);
    for (let k = 0; k < classes; k++) add(found, shares(k));
    return found;
  });
  const of = (k) => {
    const [found, divisor] = [shares(k), whole()];
    for (let i = 0; i < found.length; i++) found[i] /= divisor[i];
    return found;
  };
  const anyButFirst = () => {
    const found = of(0);
    for (let i = 0; i < found.length; i++) found[i] = 1 - found[i];
    return found;
  };
  const bits = once(() => {
    const found = new Float32Array(mask.length);
    for (let k = 0; k < classes; k++) {
      const p = of(k);
      for (let i = 0; i < p.length; i++) if (p[i] > 0) found[i] -= p[i] * Math.log2(p[i]);
    }
    return found;
  });
  return { of, anyButFirst, bits };
}

function add(to, values) {
  for (let i = 0; i < to.length; i++) to[i] += values[i];
}

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Blocks and curves of a run with a state. moments: what the engine gave at rest, then of each step. led: whether these
// say what led there; leaks: whether the state is drawn to δ; fed: how many channels of v̂ are wanted; state: whether u
// and v are.
function layRun(entity, moments, told) {
  const { size, classes, led, leaks, fed, state } = told;
  const pixels = size[0] * size[1];
  const shape = [moments.length, ...size];
  const answers = layAnswers(entity, moments.map(({ logits }) => logits), told);
  const layers = led ? { delta: (t) => moments[t].delta, applied: (t) => moments[t].applied } : {};
  if (led && leaks) layers.mismatch = (t) => minus(moments[t].delta, moments[t - 1].h);
  const over = (read) => moments.map((_, t) => (t ? read(t) : null)); // nothing led to the start
  const laid = (name) => () => {
    const values = new Float32Array(moments.length * pixels);
    for (let t = 1; t < moments.length; t++) values.set(lengths(layers[name](t), pixels), t * pixels);
    return layBlock(`${entity}.${name}`, values, shape, classes);
  };
  const blocks = Object.fromEntries(Object.keys(layers).map((name) => [`${entity}.${name}`, laid(name)]));
  const sizes = once(() => moments.map(({ h }) => norm(h)));
  const curves = {
    update: () => listed(over((t) => distance(moments[t].h, moments[t - 1].h) / Math.max(sizes()[t], 1e-12))),
    ...(led && {
      delta: () => listed(over((t) => norm(layers[leaks ? "mismatch" : "delta"](t)))),
      applied: () => listed(over((t) => norm(layers.applied(t)))),
    }),
    norm: () => listed(sizes()),
  };
  if (fed && moments.some(({ v_hat }) => v_hat)) Object.assign(blocks, layChannels(`${entity}.v_hat`, moments.map(({ v_hat }) => v_hat ?? null), fed, shape, classes, true));
  if (state) Object.assign(blocks, layChannels("state", moments.map(({ h }) => h), moments[0].h.length / pixels, shape, classes));
  return { blocks: joined(answers.blocks, lazily(blocks)), curves: joined(answers.curves, lazily(curves)) };
}

function minus(a, b) {
  const out = new Float32Array(a.length); // no callback for each value: this stands between the hand and the picture
  for (let i = 0; i < a.length; i++) out[i] = a[i] - b[i];
  return out;
}

function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

// Makers of blocks, channel by channel (one array a step, null for zeros). spanned: all on one scale, which on the
// simplex is 0 to 1.
function layChannels(name, arrays, channels, shape, classes, spanned = false) {
  const pixels = shape[1] * shape[2];
  const ends = once(() => {
    const [lo, hi] = extremes(arrays.flatMap((values) => (values ? extremes(values, values[0]) : [])), 0);
    return lo >= 0 && hi <= 1 ? [0, 1] : [lo, hi];
  });
  const laid = (c) => {
    const values = new Float32Array(arrays.length * pixels);
    arrays.forEach((array, t) => array && values.set(array.subarray(c * pixels, (c + 1) * pixels), t * pixels));
    return layBlock(`${name}.${c}`, values, shape, classes, spanned ? ends() : undefined);
  };
  return Object.fromEntries(Array.from({ length: channels }, (_, c) => [`${name}.${c}`, () => laid(c)]));
}

// Where the rule of "Stop by itself" stops a run, as fbseg_core/rollout/halting.py reads it; null where it never does.
function stopOf({ kind, value }, { label_flips: flips, update }) {
  const steps = [...flips.keys()].slice(1);
  const met = {
    fixed: (t) => t >= value,
    update: (t) => update[t] < value,
    mask: (t) => t >= value && flips.slice(t - value + 1, t + 1).every((count) => count === 0),
  }[kind];
  return steps.find(met) ?? null;
}
