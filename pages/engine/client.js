// The page's side of an engine in a Worker of its own. ENGINE_FILES holds the Worker's script and, in base64, the .wasm files.
//
//   const engine = await openEngine();             // an Error of one sentence where that cannot be
//   await engine.setModel(bytes);                  // of weights.packed
//   await engine.setImage(x, [height, width]);     // Float32Array (C, H, W)
//   const [{ logits }] = await engine.run(1);      // or run(steps, switches, ["h", "logits"])
//   engine.end();                                  // as a page does in its clean-up; what is under way is refused
//
// Each call is answered by a promise, in order. reset, state and setState(h, t) as in engine.js.

async function openEngine(simd = true) {
  const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([ENGINE_FILES.worker], { type: "text/javascript" }));
  const worker = startWorker(url);
  const waiting = new Map(); // id -> [resolve, reject]
  let [last, ended] = [0, ""];

  function call(name, ...args) {
    if (ended) return Promise.reject(new Error(ended));
    return new Promise((resolve, reject) => {
      waiting.set(++last, [resolve, reject]);
      worker.postMessage({ id: last, call: name, args });
    });
  }

  function end(why = "The browser's engine has ended.") {
    ended ||= why;
    worker.terminate();
    URL.revokeObjectURL(url);
    for (const [, reject] of waiting.values()) reject(new Error(ended));
    waiting.clear();
  }

  worker.onmessage = ({ data: { id, answer, error } }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(answer);
  };
  worker.onerror = (event) => end(`The browser's engine broke off: ${event.message || "its Worker was not allowed to start"}.`);

  const engine = { end };
  for (const name of ["setModel", "setImage", "setState", "reset", "state", "run"]) engine[name] = (...args) => call(name, ...args);
  try {
    engine.simd = await call("open", { simd: bytesOf(ENGINE_FILES.simd), plain: bytesOf(ENGINE_FILES.plain) }, simd);
  } catch (error) {
    end();
    throw error;
  }
  return engine;
}

function startWorker(url) {
  try {
    return new Worker(url);
  } catch (error) {
    URL.revokeObjectURL(url);
    throw new Error(`The browser's engine could not be started: ${error.message}.`);
  }
}
