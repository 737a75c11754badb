// The plane of the state's path: principal axes over time of one run, as fbseg_core/analysis/pca.py fits them, from
// the Gram matrix of its few states. Fitted once, then frozen: later states are projected onto it.

// states: Float32Arrays of one length. Gives the mean, k axes of length 1, the share of variance along each, and
// the states' own points. Each axis is turned so that the last point lies on its positive side.
function fitPlane(states, k = 3) {
  const n = states.length;
  const mean = new Float64Array(states[0].length);
  for (const h of states) for (let j = 0; j < h.length; j++) mean[j] += h[j] / n;
  const centred = states.map((h) => {
    const out = new Float64Array(h.length); // no callback for each value: this stands between opening and the first step
    for (let j = 0; j < h.length; j++) out[j] = h[j] - mean[j];
    return out;
  });
  const gram = centred.map(() => new Float64Array(n));
  for (let p = 0; p < n; p++) for (let q = p; q < n; q++) gram[p][q] = gram[q][p] = dotOf(centred[p], centred[q]);
  const { values, vectors } = eigen(gram);
  const total = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  const axes = Array.from({ length: k }, (_, i) => {
    const axis = new Float64Array(mean.length);
    const size = i < n ? Math.sqrt(Math.max(values[i], 0)) : 0;
    if (size <= 1e-6 * Math.sqrt(total)) return axis; // fewer states than axes leave the last ones empty
    const sign = vectors[i][n - 1] < 0 ? -1 : 1;
    centred.forEach((h, s) => {
      const share = (sign * vectors[i][s]) / size;
      for (let j = 0; j < axis.length; j++) axis[j] += share * h[j];
    });
    return axis;
  });
  const plane = { mean, axes, explained: axes.map((_, i) => (total > 0 && i < n ? Math.max(values[i], 0) / total : 0)) };
  return { ...plane, points: states.map((h) => place(plane, h)) };
}

function dotOf(a, b) {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j] * b[j];
  return sum;
}

// A state's point, one coordinate an axis.
const place = ({ mean, axes }, h) =>
  axes.map((axis) => {
    let sum = 0;
    for (let j = 0; j < h.length; j++) sum += (h[j] - mean[j]) * axis[j];
    return sum;
  });

// Eigenvalues of a symmetric matrix, falling, and their vectors: Jacobi's rotations.
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
        for (let i = 0; i < n; i++) [a[i][p], a[i][q]] = [c * a[i][p] - c * t * a[i][q], c * t * a[i][p] + c * a[i][q]];
        for (let i = 0; i < n; i++) [a[p][i], a[q][i]] = [c * a[p][i] - c * t * a[q][i], c * t * a[p][i] + c * a[q][i]];
        for (let i = 0; i < n; i++) [v[i][p], v[i][q]] = [c * v[i][p] - c * t * v[i][q], c * t * v[i][p] + c * v[i][q]];
      }
    if (off <= 1e-14 * scale) break;
  }
  const order = a.map((row, i) => [row[i], i]).sort((x, y) => y[0] - x[0]);
  return { values: order.map(([value]) => value), vectors: order.map(([, i]) => v.map((row) => row[i])) };
}

// Points seen from a side: turned about the upright axis by yaw, then tilted. In two axes as they are.
function seen(point, { space, yaw, tilt }) {
  if (!space) return [point[0], point[1], 0];
  const [x, y, z] = point;
  const across = x * Math.cos(yaw) + z * Math.sin(yaw);
  const deep = -x * Math.sin(yaw) + z * Math.cos(yaw);
  return [across, y * Math.cos(tilt) - deep * Math.sin(tilt), y * Math.sin(tilt) + deep * Math.cos(tilt)];
}
