// One model on one image: equations E1-E6 of engine.c, driven from JavaScript. ENGINE is what weights.py declares.
// It computes at once, so a page leaves it to a Worker (worker.js). What is refused is an Error of one sentence.

// An engine from the bytes of engine-simd.wasm and engine.wasm; the second where there is no SIMD, or none is wanted.
async function loadEngine(files, simd = true) {
  if (typeof WebAssembly !== "object") throw new Error("This browser has no WebAssembly, which the engine needs.");
  const fast = simd && WebAssembly.validate(files.simd);
  try {
    const { instance } = await WebAssembly.instantiate(fast ? files.simd : files.plain);
    if (instance.exports.version() !== ENGINE.version) throw new Error("it is of another version");
    return engineOf(instance.exports, fast);
  } catch (error) {
    throw new Error(`The browser's engine could not be started: ${error.message}.`);
  }
}

function engineOf(wasm, simd) {
  let settings, loop, weights, view; // of the model; view: its arrays, once an image says how large they are
  let [size, t] = [null, 0];

  // A model of weights.packed. The image must be given again; after a refusal, so must a model.
  function setModel(bytes) {
    [weights, size, t] = [null, null, 0];
    const { header, start } = headerOf(bytes);
    if (header.version !== ENGINE.version) throw new Error("The app was updated after this page was opened: reload the page.");
    new Int32Array(wasm.memory.buffer, wasm.settings(), ENGINE.settings.length).set(header.settings);
    settings = Object.fromEntries(ENGINE.settings.map((name, i) => [name, header.settings[i]]));
    loop = header.loop;
    const given = (bytes.length - start) / 4;
    if (given !== wasm.weight_count()) throw new Error(`This model has ${wasm.weight_count()} weights, and ${given} came.`);
    weights = new Float32Array(bytes.slice(start).buffer);
  }

  // x (C, H, W) of size [H, W]. Of the same size as the one before, the state stays as it is; else it is at rest.
  function setImage(x, [height, width]) {
    if (!weights) throw new Error("The engine has no model yet.");
    const [least, most] = ENGINE.sides;
    if (![height, width].every((side) => Number.isInteger(side) && side >= least && side <= most))
      throw new Error(`The browser's engine takes images of ${least} to ${most} px a side, not ${height}×${width}.`);
    if (x.length !== settings.in_channels * height * width)
      throw new Error(`An image of ${settings.in_channels}×${height}×${width} values is needed, not of ${x.length}.`);
    if (size?.[0] !== height || size?.[1] !== width) layOut(height, width);
    view.image.set(x);
    wasm.prepare();
  }

  function layOut(height, width) {
    [size, t] = [null, 0];
    const end = wasm.plan(height, width) >>> 0;
    const { memory } = wasm;
    try {
      if (end > ENGINE.memory) throw new RangeError();
      memory.grow(Math.max(0, Math.ceil((end - memory.buffer.byteLength) / 65536)));
    } catch {
      throw new Error(`This model needs more memory on ${height}×${width} px than the browser's engine takes.`);
    }
    const { in_channels, classes, u, v } = settings;
    const channels = { image: in_channels, state: u + v, delta: u + v, applied: u + v, v_hat: v, logits: classes };
    const floats = { weights: weights.length, gains: u + v };
    const lengthOf = (name) => floats[name] ?? channels[name] * height * width;
    view = Object.fromEntries(ENGINE.views.map((name, i) => [name, new Float32Array(memory.buffer, wasm.address(i), lengthOf(name))]));
    new Uint8Array(memory.buffer, wasm.address(0), end - wasm.address(0)).fill(0); // frames of planes, and h(0) (E1)
    view.weights.set(weights);
    size = [height, width];
    wasm.readout();
  }

  function headerOf(bytes) {
    try {
      return decodeHeader(bytes);
    } catch {
      throw new Error("This model cannot be read: its bytes are damaged.");
    }
  }

  const ready = () => {
    if (!size) throw new Error("The engine has no image yet.");
  };

  // h(t) (U+V, H, W), to go on from.
  function setState(h, at = 0) {
    ready();
    if (h.length !== view.state.length) throw new Error(`A state of ${view.state.length} values is needed, not of ${h.length}.`);
    view.state.set(h);
    t = at;
    wasm.readout();
  }

  const reset = () => (ready(), setState(new Float32Array(view.state.length)));

  // h(t), and its class logits (K, H, W). (E6)  What is returned here and by `step` are views: copy what is kept.
  const state = () => (ready(), { t, h: view.state, logits: view.logits });

  // From h(t) to h(t+1), with switches as in config.Switches. δ, δ̃ and v̂ led there; v̂ is null where nothing is fed back.
  function step(switches = {}) {
    ready();
    const looped = loop.closed && switches.loop !== false;
    const gains = gainsOf(loop, view.gains.length, t, switches);
    view.gains.set(gains);
    const leaky = (switches.integrator ?? loop.integrator) === "leaky";
    new Int32Array(wasm.memory.buffer, wasm.settings())[ENGINE.settings.indexOf("leaky")] = leaky;
    const mixed = settings.basis && gains.some((gain) => gain !== gains[0]) && gains.every(Number.isFinite);
    const simplex = inForce(loop.projection, switches.softmax, "softmax") === "softmax";
    const row = Math.min(switches.clock ?? t, Math.max(settings.rows - 1, 0)); // batch norm: the last trained step's past that
    wasm.step(looped, simplex, mixed, row, switches.batch_statistics === true);
    wasm.readout();
    t += 1;
    return { ...state(), delta: view.delta, applied: view.applied, v_hat: looped ? view.v_hat : null };
  }

  return { simd, setModel, setImage, setState, reset, state, step };
}

// The factor on what is added, along each of n eigenvectors: decay times kernel (E4), times k where the state leaks; once: a single pass, whose later steps add nothing.
function gainsOf(loop, n, t, switches) {
  if (loop.once) return new Float32Array(n).fill(t === 0 ? 1 : 0);
  const now = switches.clock ?? t;
  const spectrum = switches.spectrum ?? loop.spectrum;
  if (spectrum.length !== 1 && spectrum.length !== n)
    throw new Error(`spectrum: this model takes 1 eigenvalue or U+V = ${n}, not ${spectrum.length}.`);
  const decays = inForce(loop.decay, switches.decay, "exponential") === "exponential";
  const kernel = (switches.kernel ?? loop.kernel) === "fractional" ? fractional(now, loop) : 1;
  const late = now / (switches.tau || loop.tau);
  const decayed = (i) => (decays ? Math.exp(late * spectrum[i % spectrum.length]) : 1);
  const share = (switches.integrator ?? loop.integrator) === "leaky" ? switches.k || loop.k : 1; // E5'
  return Float32Array.from({ length: n }, (_, i) => share * kernel * decayed(i));
}

// The authors' weight (1 − t/T)^(α−1)/Γ(α), not a number past T.
function fractional(t, { steps, alpha, gamma }) {
  return t > steps ? NaN : (1 - t / steps) ** (alpha - 1) / gamma;
}

// What is in force: as built; or switched off; or on, which is the usual one where the model was built without.
const inForce = (built, switched, usual) => (switched == null ? built : !switched ? "none" : built === "none" ? usual : built);
