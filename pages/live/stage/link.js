// The set-up: what a link holds, read and written by Python's names (pages/live/state.py). Python is told once the
// hand rests, never while it drags.

const REST = 700; // ms

const unpackBits = async (text, pixels) => {
  const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bits = new Uint8Array(await new Response(stream).arrayBuffer());
  if (bits.length !== Math.ceil(pixels / 8)) throw new Error("a drawing of another size");
  return Uint8Array.from({ length: pixels }, (_, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1);
};

// The scene that a set-up describes. A drawing that cannot be read is left out.
async function sceneFrom(W, setup) {
  let scene = sceneOf(W, setup.picture ?? W.pictures[0].seed, setup.noise_sd ?? W.sigma, setup.noise_draw);
  const bits = (text) => (text ? unpackBits(text, W.pixels).catch(() => null) : null);
  const [drawn, sprayed] = [await bits(setup.drawn), await bits(setup.sprayed)];
  if (drawn) scene = inkedAs(W, scene, drawn);
  if (setup.cue_at && W.cue !== null) scene = withCue(W, scene, setup.cue_at);
  return sprayed ? { ...scene, sprayed } : scene;
}

function inkedAs(W, scene, wanted) {
  const now = inkOf(W, scene);
  for (const ink of [0, 1]) {
    const pixels = Array.from(wanted.keys()).filter((i) => wanted[i] === ink && now[i] !== ink);
    if (pixels.length) scene = withInk(W, scene, pixels, ink);
  }
  return scene;
}

// What is on show as a set-up; what is as it opens is None.
async function setupOf(S) {
  const { W, scene } = S;
  const own = sceneOf(W, scene.picture.seed);
  const ink = inkOf(W, scene);
  const moved = scene.cue && String(scene.cue) !== String(own.cue);
  return {
    world: W.task,
    shown: S.asked.shown,
    picture: scene.picture.seed === W.pictures[0].seed ? null : scene.picture.seed,
    noise_draw: scene.noiseDraw,
    noise_sd: scene.sigma === W.sigma ? null : scene.sigma,
    tau_steps: S.tau,
    k_share: S.k,
    switched_off: ["loop", "softmax", "decay"].filter((name) => S.off.has(name)),
    clock_at: S.clock,
    cue_at: moved ? scene.cue : null,
    drawn: inkOf(W, own).some((value, i) => value !== ink[i]) ? await packMask(ink) : "",
    sprayed: scene.sprayed ? await packMask(scene.sprayed) : "",
    pace: S.pace,
    space: S.space,
    covered: ["truth", "scores"].filter((name) => S.covered.has(name)),
  };
}

// Something that a link holds has changed: tell Python after a rest, unless the hand is at it again.
function told(S) {
  clearTimeout(S.telling);
  if (!S.send) return; // a saved page has no one to tell
  S.telling = setTimeout(async () => {
    if (S.hand) return told(S);
    const setup = await setupOf(S);
    const text = JSON.stringify(setup);
    if (!S.alive || S.hand || text === S.toldLast) return;
    S.toldLast = text;
    S.send("ask", { setup, n: Date.now() });
  }, REST);
}

// Only the server can bring another world, or other models: what is on show otherwise goes along.
async function fetchAnew(S, changes) {
  clearTimeout(S.telling);
  const setup = { ...(changes.world ? S.plain : await setupOf(S)), ...changes };
  S.send("ask", { setup, n: Date.now() });
}
