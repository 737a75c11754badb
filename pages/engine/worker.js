// The Worker's side: one engine, one call at a time. A message is { id, call, args }, its answer { id, answer } or { id, error }.

let engine; // a promise of one, so that calls may come before it is ready

const calls = {
  open: async (files, simd) => {
    engine = loadEngine(files, simd);
    return (await engine).simd;
  },
  setModel: async (bytes) => (await engine).setModel(bytes),
  setImage: async (x, size) => (await engine).setImage(x, size),
  setState: async (h, t) => (await engine).setState(h, t),
  reset: async () => (await engine).reset(),
  state: async () => kept((await engine).state()),
  // So many steps, and of each what is wanted: all of it, or the names of a few. switches: of all steps, or a list with
  // those of each.
  run: async (steps, switches, wanted) => {
    const { step } = await engine;
    return Array.from({ length: steps }, (_, i) => kept(step(Array.isArray(switches) ? switches[i] : switches), wanted));
  },
};

// Copies of what are views of the engine's memory.
function kept(found, wanted = Object.keys(found)) {
  const copy = (value) => (value instanceof Float32Array ? value.slice() : value);
  return Object.fromEntries(wanted.map((name) => [name, copy(found[name])]));
}

self.onmessage = async ({ data: { id, call, args } }) => {
  try {
    const answer = await calls[call](...args);
    const copies = [answer].flat().flatMap((one) => Object.values(one ?? {})).filter((value) => value instanceof Float32Array);
    self.postMessage({ id, answer }, copies.map((copy) => copy.buffer));
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
