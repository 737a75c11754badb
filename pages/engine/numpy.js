// NumPy's standard normal numbers: default_rng(SeedSequence([seed, part])).standard_normal(count, dtype=float32). Tests
// hold the two against each other. Beyond 3.65, where one in 4000 lies, the last bit may differ with the library's log1p.

// O'Neill's seed_seq: `count` words of 32 bits made of a few others.
function seedWords(entropy, count) {
  const mul = Math.imul;
  const hasher = (start, factor) => {
    let a = start;
    return (value) => {
      let x = value ^ a;
      a = mul(a, factor);
      x = mul(x, a);
      return x ^ (x >>> 16);
    };
  };
  const [into, out] = [hasher(0x43b0d7e5, 0x931e8875), hasher(0x8b51f9dd, 0x58f38ded)];
  const pool = Array.from({ length: 4 }, (_, i) => into(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const mixed = (mul(0xca01f9dd, pool[to]) - mul(0x4973f715, into(pool[from]))) | 0;
      pool[to] = mixed ^ (mixed >>> 16);
    }
  return Array.from({ length: count }, (_, i) => out(pool[i % 4]) >>> 0);
}

// O'Neill's PCG64 (XSL-RR): a function that gives 32 bits at a time, of each 64 the lower half first.
function pcg64(entropy) {
  const words = seedWords(entropy, 8).map(BigInt);
  const wide = (i) => (words[i + 1] << 96n) | (words[i] << 64n) | (words[i + 3] << 32n) | words[i + 2];
  const stream = BigInt.asUintN(128, (wide(4) << 1n) | 1n);
  const stepped = (state) => BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + stream);
  let state = stepped(stream + wide(0));
  let upper = null;
  return () => {
    if (upper !== null) {
      const half = upper;
      upper = null;
      return half;
    }
    state = stepped(state);
    const mixed = BigInt.asUintN(64, (state >> 64n) ^ state);
    const turns = state >> 122n;
    const found = BigInt.asUintN(64, (mixed >> turns) | (mixed << (64n - turns)));
    upper = Number(found >> 32n);
    return Number(found & 0xffffffffn);
  };
}

const TAIL = 3.6541528853610088; // where the last of the layers begins
const LAYER = 0.00492867323397465; // the area of each

// The ziggurat of Marsaglia and Tsang (2000) in 256 layers: below how many of 2^23 parts of its width a layer lies
// wholly under the curve, the size of a part, and the curve's height at its edge.
const ZIGGURAT = (() => {
  const height = (x) => Math.exp(-0.5 * x * x);
  const edges = [TAIL];
  while (edges.length < 255) edges.push(Math.sqrt(-2 * Math.log(height(edges.at(-1)) + LAYER / edges.at(-1))));
  const x = [0, ...edges.reverse()];
  const under = x.map((edge, i) => Math.round(2 ** 23 * (i ? x[i - 1] / edge : (TAIL * height(TAIL)) / LAYER)));
  const part = Float32Array.from(x, (edge, i) => (i ? edge : LAYER / height(TAIL)) / 2 ** 23);
  return { under, part, heights: Float32Array.from(x, height) };
})();

// entropy: [seed, part]; part is which of a seed's streams.
function standardNormals(count, entropy) {
  const [next, { under, part, heights }, f32] = [pcg64(entropy), ZIGGURAT, Math.fround];
  const uniform = () => (next() >>> 8) / 2 ** 24;
  const beyond = (sign) => {
    for (;;) {
      const x = f32(-f32(1 / TAIL) * f32(Math.log1p(-uniform())));
      const y = f32(-f32(Math.log1p(-uniform())));
      if (f32(y + y) > f32(x * x)) return sign * f32(f32(TAIL) + x);
    }
  };
  const one = () => {
    for (;;) {
      const bits = next();
      const [layer, whole] = [bits & 0xff, bits >>> 9];
      const x = f32(whole * part[layer]) * ((bits >> 8) & 1 ? -1 : 1);
      if (whole < under[layer]) return x;
      if (!layer) return beyond((whole >> 8) & 1 ? -1 : 1);
      const y = f32(f32(f32(heights[layer - 1] - heights[layer]) * uniform()) + heights[layer]);
      if (y < Math.exp(-0.5 * x * x)) return x;
    }
  };
  return Float32Array.from({ length: count }, one);
}

// A task's unit noise of a seed (C, H, W), as `Task.noise` draws it for one image: zero in channels that carry none.
function unitNoise(seed, noisy, pixels) {
  const drawn = standardNormals((noisy.lastIndexOf(true) + 1) * pixels, [seed, 1]);
  const noise = new Float32Array(noisy.length * pixels);
  noisy.forEach((on, c) => on && noise.set(drawn.subarray(c * pixels, (c + 1) * pixels), c * pixels));
  return noise;
}
