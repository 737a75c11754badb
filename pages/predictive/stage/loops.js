// The paper's loop on the same image, in the engine, and the table of what it shares with predictive coding.

async function openLoops(header, part) {
  return Promise.all(
    header.loops.map(async (told) => {
      const engine = await openEngine();
      await engine.setModel(part(told.bytes));
      return { told, engine, x: null, h: null, at: null, mask: null };
    }),
  );
}

async function showLoops(S) {
  for (const loop of S.loops) {
    if (loop.x === S.x) continue;
    loop.x = S.x;
    await loop.engine.setImage(S.x, S.header.size);
  }
}

// One step of each; what the table reads of it.
async function stepLoops(S) {
  await showLoops(S);
  for (const loop of S.loops) {
    const [found] = await loop.engine.run(1, {}, ["t", "h", "delta", "applied", "logits"]);
    const { told } = loop;
    const leaks = told.kind === "leaky";
    const rest = leaks ? found.delta.map((value, i) => value - (found.h[i] - found.applied[i])) : found.delta;
    const [size, error, applied] = [norm(found.h), norm(rest), norm(found.applied)];
    loop.at = { t: found.t, error: error / size, update: applied / size, gain: error ? applied / error : 0 };
    loop.mask = bestOf(found.logits, S.header.classes.length, S.coder.pixels);
  }
}

async function restLoops(S) {
  await showLoops(S);
  for (const loop of S.loops) {
    await loop.engine.reset();
    [loop.at, loop.mask] = [null, null];
  }
}

// The class of the largest logit, the first of equals.
function bestOf(logits, classes, pixels) {
  return Uint8Array.from({ length: pixels }, (_, i) => {
    let best = 0;
    for (let k = 1; k < classes; k++) if (logits[k * pixels + i] > logits[best * pixels + i]) best = k;
    return best;
  });
}

const percentOf = (value) => (value < 1e-4 && value > 0 ? "below 0.01 %" : `${(100 * value).toPrecision(3)} %`);

// Rows of the table: what each column does, with the numbers of this run.
function rowsOf(S) {
  const { state, falls, rises } = S;
  const loop = (kind) => S.loops.find(({ told }) => told.kind === kind)?.at;
  const [paper, leaky] = [loop("paper"), loop("leaky")];
  const said = (at, text) => (at ? text(at) : "");
  return [
    ["what the top-down signal does", "predicts the input", "v̂ is concatenated to the input", "same as the paper"],
    [
      "error",
      `x − prediction: ${percentOf(norm(state.image) / (norm(S.x) || 1))} of ‖x‖`,
      `none: F's normalised output δ is called one. ${said(paper, (at) => `‖δ‖ is ${percentOf(at.error)} of ‖h‖`)}`,
      `δ − h, which can vanish. ${said(leaky, (at) => `It is ${percentOf(at.error)} of ‖h‖`)}`,
    ],
    ["energy", `fell in ${falls} of ${falls + rises} updates, rose in ${rises}`, "none is defined", "none is defined; a fixed point is"],
    [
      "coming to rest",
      `the gradient vanishes: the last update moved r and s by ${percentOf(S.moved)}`,
      `by the clock e^(−t/τ). ${said(paper, (at) => `At t = ${at.t} it lets ${percentOf(at.gain)} of δ through`)}`,
      `where h = δ(h). ${said(leaky, (at) => `The last update moved h by ${percentOf(at.update)}`)}`,
    ],
    ["learning", `local. ${S.updates} updates made here`, "back-propagation through time, on labels", "the same, or at the fixed point"],
  ];
}

function drawTable(S) {
  const heads = ["", "Predictive coding", "The paper's loop", "With E5′ (leaky)"];
  if (!S.$(".compared thead").children.length) {
    const row = S.$(".compared thead").appendChild(document.createElement("tr"));
    for (const text of heads) row.appendChild(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  }
  const rows = rowsOf(S);
  const body = S.$(".compared tbody");
  while (body.children.length < rows.length) {
    const row = body.appendChild(document.createElement("tr"));
    rows[0].forEach((_, i) => (row.appendChild(document.createElement(i ? "td" : "th")).dataset.head = heads[i]));
  }
  rows.forEach((texts, n) =>
    texts.forEach((text, i) => {
      const cell = body.children[n].children[i];
      if (cell.textContent !== text) cell.textContent = text;
    }),
  );
}

function buildLoops(S) {
  const place = S.$(".loops");
  place.replaceChildren();
  for (const loop of S.loops) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.append(Object.assign(document.createElement("b"), { textContent: loop.told.kind === "leaky" ? "Leaky loop (E5′)" : "The paper's loop" }), " ");
    loop.numbers = caption.appendChild(document.createElement("span"));
    loop.canvas = Object.assign(document.createElement("canvas"), { className: "mask" });
    loop.canvas.setAttribute("role", "img");
    loop.canvas.setAttribute("aria-label", `Mask of ${loop.told.name} on the same image`);
    figure.append(caption, loop.canvas);
    place.append(figure);
  }
  const missing = S.header.classes.length
    ? ["paper", "leaky"].filter((kind) => !S.loops.some(({ told }) => told.kind === kind))
    : ["none"];
  const words = {
    none: "The paper's loop answers with labels, and photographs have none: choose shapes or grouping to run it beside this.",
    paper: "No model with the paper's loop ships for these images.",
    leaky: "No leaky model (E5′) ships for these images: its column tells its equations, without numbers.",
  };
  for (const kind of missing) place.append(Object.assign(document.createElement("p"), { textContent: words[kind] }));
}
