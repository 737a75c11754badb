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

// Blocks and curves of class logits (K, H, W), one array a step, or of one answer that holds at all of `steps`.
// asked: the classes whose own probability is wanted.
function layAnswers(entity, logits, { truth, size, classes, steps, asked }) {
  const pixels = truth.length;
  const room = () => new Float64Array(logits.length * pixels);
  const [probability, margin, bits, mask, commit] = [room(), room(), room(), room(), room()];
  const of = asked.map(room);
  const curves = { f1: [], iou: [], entropy: [], label_flips: [] };
  const p = new Float64Array(classes);
  logits.forEach((values, t) => {
    let [sum, flips] = [0, 0];
    for (let i = 0, at = t * pixels; i < pixels; i++, at++) {
      let [best, other] = [0, 1];
      for (let k = 1; k < classes; k++) {
        if (values[k * pixels + i] > values[best * pixels + i]) best = k;
        if (values[k * pixels + i] > values[other * pixels + i]) other = k;
      }
      const top = values[best * pixels + i];
      let whole = 0;
      for (let k = 0; k < classes; k++) whole += p[k] = Math.exp(values[k * pixels + i] - top);
      for (let k = 0; k < classes; k++) if ((p[k] /= whole) > 0) bits[at] -= p[k] * Math.log2(p[k]);
      probability[at] = 1 - p[0];
      margin[at] = values[other * pixels + i] - values[i];
      asked.forEach((k, j) => (of[j][at] = p[k]));
      mask[at] = best;
      sum += bits[at];
      if (!t) continue;
      const changed = best !== mask[at - pixels];
      commit[at] = changed ? t : commit[at - pixels];
      flips += changed;
    }
    const counts = countsOf(mask.subarray(t * pixels, (t + 1) * pixels), truth, classes, RUN.void);
    for (const [key, value] of Object.entries({ f1: f1Of(counts), iou: iouOf(counts), entropy: sum / pixels, label_flips: flips })) curves[key].push(value);
  });
  const blocks = {};
  const put = (name, values) => (blocks[`${entity}.${name}`] = layBlock(`${entity}.${name}`, values, [logits.length, ...size], classes));
  for (const [name, values] of Object.entries({ probability, logit: margin, mask, entropy: bits, commit })) put(name, values);
  asked.forEach((k, j) => put(`class.${k}`, of[j]));
  const held = (values) => (logits.length > 1 ? values : Array(steps + 1).fill(values[0]));
  return { blocks, curves: Object.fromEntries(Object.entries(curves).map(([key, values]) => [key, listed(held(values))])) };
}

// Blocks and curves of a run with a state. moments: what the engine gave at rest, then of each step. leaks: whether
// the state is drawn to δ; fed: how many channels of v̂ are wanted; state: whether u and v are.
function layRun(entity, moments, told) {
  const { size, classes, leaks, fed, state } = told;
  const pixels = told.truth.length;
  const shape = [moments.length, ...size];
  const { blocks, curves } = layAnswers(entity, moments.map(({ logits }) => logits), told);
  const layers = { delta: ({ delta }) => delta, applied: ({ applied }) => applied };
  if (leaks) layers.mismatch = ({ delta }, before) => minus(delta, before.h);
  const norms = {};
  for (const [name, read] of Object.entries(layers)) {
    const values = new Float64Array(moments.length * pixels); // nothing led to the start
    norms[name] = moments.map((moment, t) => {
      if (!t) return null;
      const part = read(moment, moments[t - 1]);
      values.set(lengths(part, pixels), t * pixels);
      return norm(part);
    });
    blocks[`${entity}.${name}`] = layBlock(`${entity}.${name}`, values, shape, classes);
  }
  const update = ({ h }, before) => norm(minus(h, before.h)) / Math.max(norm(h), 1e-12);
  Object.assign(curves, {
    update: listed(moments.map((moment, t) => (t ? update(moment, moments[t - 1]) : null))),
    delta: listed(leaks ? norms.mismatch : norms.delta),
    applied: listed(norms.applied),
    norm: listed(moments.map(({ h }) => norm(h))),
  });
  if (fed && moments.some(({ v_hat }) => v_hat)) Object.assign(blocks, layChannels(`${entity}.v_hat`, moments.map(({ v_hat }) => v_hat ?? null), fed, shape, classes, true));
  if (state) Object.assign(blocks, layChannels("state", moments.map(({ h }) => h), moments[0].h.length / pixels, shape, classes));
  return { blocks, curves };
}

function minus(a, b) {
  const out = new Float32Array(a.length); // no callback for each value: this stands between the hand and the picture
  for (let i = 0; i < a.length; i++) out[i] = a[i] - b[i];
  return out;
}

// Channel by channel (one array a step, null for zeros). spanned: all on one scale, which on the simplex is 0 to 1.
function layChannels(name, arrays, channels, shape, classes, spanned = false) {
  const pixels = shape[1] * shape[2];
  const [lo, hi] = spanned ? extremes(arrays.flatMap((values) => (values ? extremes(values, values[0]) : [])), 0) : [];
  const ends = spanned ? (lo >= 0 && hi <= 1 ? [0, 1] : [lo, hi]) : undefined;
  return Object.fromEntries(Array.from({ length: channels }, (_, c) => {
    const values = new Float64Array(arrays.length * pixels);
    arrays.forEach((array, t) => array && values.set(array.subarray(c * pixels, (c + 1) * pixels), t * pixels));
    return [`${name}.${c}`, layBlock(`${name}.${c}`, values, shape, classes, ends)];
  }));
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
