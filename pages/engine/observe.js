// An image as a model sees it, made of clean image and unit noise as `Task.observe` makes it. Tests hold the two
// against each other.

function withNoise(clean, noise, sigma) {
  const x = new Float32Array(clean.length); // no callback for each value: this stands between the hand and the picture
  for (let i = 0; i < x.length; i++) x[i] = clean[i] + sigma * noise[i];
  return x;
}

// how: one of NORMALISATIONS of observe.py.
function normalised(x, how) {
  if (how === "none") return x;
  if (how === "minmax") {
    const [lo, hi] = [x.reduce((a, b) => Math.min(a, b)), x.reduce((a, b) => Math.max(a, b))];
    return x.map((value) => (value - lo) / Math.max(hi - lo, 1e-6));
  }
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const std = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (x.length - 1));
  return x.map((value) => (value - mean) / Math.max(std, 1e-6));
}
