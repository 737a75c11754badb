// The world: image, cue and noise, and what is true of them, as the task makes them in Python. A scene is never
// changed: whatever acts on it gives another. Tests hold `observe` and `truthOf` against fbseg_core/tasks.

// ---- chance: mulberry32 and Box-Muller. Drawn here, so not NumPy's numbers; the same seed gives the same ones.

function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normals(count, seed) {
  const next = generator(seed * 7919 + 1);
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

// ---- scenes

// What a payload holds of the world: its header's `world`, and the arrays of its pictures.
function worldOf(header, bytes, start) {
  const { world } = header;
  const part = ([offset, length]) => bytes.slice(start + offset, start + offset + length);
  const floats = (place) => new Float32Array(part(place).buffer);
  const pictures = world.pictures.map(({ seed, clean, labels }) => ({ seed, clean: floats(clean), labels: part(labels) }));
  return { ...world, pictures, noise: floats(world.noise), pixels: world.size[0] * world.size[1] };
}

// A picture as it was drawn, by its seed; the first where there is none of that seed.
function sceneOf(W, seed, sigma = W.sigma, noiseDraw = 0) {
  const picture = W.pictures.find((one) => one.seed === seed) ?? W.pictures[0];
  const { clean, labels } = picture;
  const scene = { picture, clean, labels, cue: null, sigma, noiseDraw, sprayed: null };
  if (W.cue === null) return scene;
  const at = clean.subarray(W.cue * W.pixels, (W.cue + 1) * W.pixels).indexOf(1);
  return at < 0 ? scene : { ...scene, cue: [Math.floor(at / W.size[1]), at % W.size[1]] };
}

// A region is where the first channel that is no cue is more than half: what drawing lays down, and walls take away.
const inkChannel = (W) => (W.cue === 0 ? 1 : 0);
function inkOf(W, scene) {
  const from = inkChannel(W) * W.pixels;
  return Uint8Array.from({ length: W.pixels }, (_, i) => +(scene.clean[from + i] > 0.5));
}

function withCue(W, scene, [row, column]) {
  const clean = scene.clean.slice();
  const at = row * W.size[1] + column;
  clean.fill(0, W.cue * W.pixels, (W.cue + 1) * W.pixels)[W.cue * W.pixels + at] = 1;
  return withTruth(W, { ...scene, clean, cue: [row, column] });
}

// Pixels turned into region (ink 1) or background (0). Without a cue a drawn pixel is of the first class.
function withInk(W, scene, pixels, ink) {
  const [clean, labels] = [scene.clean.slice(), scene.labels.slice()];
  for (const i of pixels) {
    for (let c = 0; c < W.channels; c++) if (c !== W.cue) clean[c * W.pixels + i] = ink;
    if (W.cue === null && labels[i] > 0 !== ink > 0) labels[i] = ink;
  }
  return withTruth(W, { ...scene, clean, labels });
}

function withSpray(W, scene, pixels) {
  const sprayed = scene.sprayed?.slice() ?? new Uint8Array(W.pixels);
  for (const i of pixels) sprayed[i] = 1;
  return { ...scene, sprayed };
}

const withTruth = (W, scene) => (W.cue === null ? scene : { ...scene, labels: truthOf(W, scene) });

// The 4-connected region that holds the cue, as `geodesic` of fbseg_core/tasks/grouping.py finds it.
function truthOf(W, scene) {
  const ink = inkOf(W, scene);
  const found = new Uint8Array(W.pixels);
  const [rows, columns] = W.size;
  const front = scene.cue ? [scene.cue[0] * columns + scene.cue[1]] : [];
  while (front.length) {
    const i = front.pop();
    if (found[i] || !ink[i]) continue;
    found[i] = 1;
    const [row, column] = [Math.floor(i / columns), i % columns];
    if (row > 0) front.push(i - columns);
    if (row < rows - 1) front.push(i + columns);
    if (column > 0) front.push(i - 1);
    if (column < columns - 1) front.push(i + 1);
  }
  return found;
}

// ---- what the model sees

const SPRAY = 1; // standard deviation of sprayed noise, in grey levels, whatever σ is

function noiseOf(W, draw) {
  if (draw === 0) return W.noise;
  const all = normals(W.noise.length, draw);
  return all.map((value, i) => (W.noisy[Math.floor(i / W.pixels)] ? value : 0));
}

// x (C, H, W): clean image plus σ times unit noise, normalised, as `Task.observe`.
function observe(W, scene, noise = noiseOf(W, scene.noiseDraw)) {
  const { sigma, sprayed } = scene;
  const x = withNoise(scene.clean, noise, sigma);
  if (sprayed) {
    const more = normals(x.length, 1e6);
    for (let i = 0; i < x.length; i++) if (sprayed[i % W.pixels] && W.noisy[Math.floor(i / W.pixels)]) x[i] += SPRAY * more[i];
  }
  return normalised(x, W.normalise);
}
