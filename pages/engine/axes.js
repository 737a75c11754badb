// Principal axes of a few long states, as fbseg_core/analysis/pca.py fits them. The states are gone through about ten times,
// which is a generator, so that a page can go on between its turns.

// What the generator returns, at once.
function finished(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

// Of states (arrays of one length) the mean, k axes of length 1, and the share of variance along each. Each axis is turned
// so that the last state lies on its positive side. Fewer states than axes leave the last ones empty.
function* axesOf(states, k) {
  const [mean, origin, ...axes] = Array.from({ length: k + 2 }, () => new Float64Array(states[0].length));
  for (const h of states) yield added(mean, h, origin, 1 / states.length);
  let total = 0;
  for (const h of states) yield (total += squaredGap(h, mean));
  const { values, vectors } = yield* leading(states, mean, k);
  const there = values.filter((value) => value > 1e-12 * total).length;
  for (let i = 0; i < there; i++) {
    const scale = (vectors[i].at(-1) < 0 ? -1 : 1) / Math.sqrt(values[i]);
    for (let s = 0; s < states.length; s++) yield added(axes[i], states[s], mean, scale * vectors[i][s]);
  }
  return { mean, axes, explained: axes.map((_, i) => (i < there ? values[i] / total : 0)) };
}

const ROUNDS = 60;

// The k largest eigenvalues of the Gram matrix of the states less their mean, and its vectors: Lanczos' method, each vector
// freed of all before it. The matrix itself is never made. A round that leads nowhere new goes on by chance: axes may be alike.
function* leading(states, mean, k) {
  const n = states.length;
  const [basis, diagonal, beside] = [[], [], []];
  let draw = 1;
  const chance = () => (draw = (draw * 1664525 + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  const byChance = () => unit(freed(Float64Array.from({ length: n }, chance), basis));
  let [vector, led] = [byChance(), true];
  for (;;) {
    const [sum, image] = [new Float64Array(states[0].length), new Float64Array(n)];
    for (let s = 0; s < n; s++) yield added(sum, states[s], mean, vector[s]);
    for (let s = 0; s < n; s++) yield (image[s] = placeOn(sum, states[s], mean));
    basis.push(vector);
    diagonal.push(dotOf(image, vector));
    freed(image, basis);
    const left = Math.sqrt(dotOf(image, image));
    const { values, vectors } = eigen(diagonal.map((a, i) => diagonal.map((_, j) => (i === j ? a : Math.abs(i - j) === 1 ? beside[Math.min(i, j)] : 0))));
    const off = Math.max(...vectors.slice(0, k).map((weights) => left * Math.abs(weights.at(-1))));
    if (basis.length >= Math.min(n - 1, ROUNDS) || (led && basis.length > k && off <= 1e-11 * values[0])) {
      const turned = (weights) => Float64Array.from({ length: n }, (_, s) => weights.reduce((sum, w, i) => sum + w * basis[i][s], 0));
      return { values: values.slice(0, k), vectors: vectors.slice(0, k).map(turned) };
    }
    led &&= left > 1e-13 * values[0];
    vector = left > 1e-13 * values[0] ? unit(image) : byChance();
    beside.push(left > 1e-13 * values[0] ? left : 0);
  }
}

// In place: without its mean, and without what lies along the vectors of the basis; twice, as rounding leaves some.
function freed(vector, basis) {
  for (let time = 0; time < 2; time++) {
    const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
    for (let s = 0; s < vector.length; s++) vector[s] -= mean;
    for (const one of basis) {
      const share = dotOf(one, vector);
      for (let s = 0; s < vector.length; s++) vector[s] -= share * one[s];
    }
  }
  return vector;
}

function unit(vector) {
  const length = Math.sqrt(dotOf(vector, vector));
  return vector.map((value) => (length ? value / length : 0));
}

function added(sum, h, mean, weight) {
  for (let j = 0; j < h.length; j++) sum[j] += weight * (h[j] - mean[j]);
}

// How far a state lies from the mean along an axis.
function placeOn(axis, h, mean) {
  let sum = 0;
  for (let j = 0; j < h.length; j++) sum += (h[j] - mean[j]) * axis[j];
  return sum;
}

function squaredGap(a, b) {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] - b[j]) ** 2;
  return sum;
}

function dotOf(a, b) {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j] * b[j];
  return sum;
}

// All eigenvalues of a small symmetric matrix, falling, and their vectors: Jacobi's rotations.
function eigen(matrix) {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((__, j) => +(i === j)));
  const scale = Math.max(...a.map((row, i) => Math.abs(row[i])), 1e-300);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        off = Math.max(off, Math.abs(a[p][q]));
        if (Math.abs(a[p][q]) <= 1e-15 * scale) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        for (const row of a) rotated(row, p, row, q, c, t);
        for (let i = 0; i < n; i++) rotated(a[p], i, a[q], i, c, t);
        for (const row of v) rotated(row, p, row, q, c, t);
      }
    if (off <= 1e-14 * scale) break;
  }
  const order = a.map((row, i) => [row[i], i]).sort((x, y) => y[0] - x[0]);
  return { values: order.map(([value]) => value), vectors: order.map(([, i]) => v.map((row) => row[i])) };
}

function rotated(a, p, b, q, c, t) {
  const x = a[p];
  const y = b[q];
  a[p] = c * x - c * t * y;
  b[q] = c * t * x + c * y;
}

// All of it at once, with the states' own points.
function fitPlane(states, k = 3) {
  const plane = finished(axesOf(states, k));
  return { ...plane, points: states.map((h) => place(plane, h)) };
}

// A state's point, one coordinate an axis.
const place = ({ mean, axes }, h) => axes.map((axis) => placeOn(axis, h, mean));
