// Four curves that roll on with the run: F1, how large a step is against the state, what F would still change, and
// how unsure the mask is. All models at once, the one in the large picture drawn thick.

const ROLL = { width: 300, height: 96, left: 54, right: 6, top: 8, bottom: 16 };
const CURVES = [
  { key: "f1", name: "F1", told: "how well the mask matches the right answer", lo: 0, hi: 1, scored: true },
  { key: "update", name: "‖Δh‖/‖h‖", told: "the step against the whole state", log: true },
  { key: "delta", name: "‖δ‖ undamped", leaky: "‖δ − h‖ error", told: "what F would still change" },
  { key: "entropy", name: "entropy", told: "bits a pixel: how unsure the mask is", lo: 0 },
];

function buildCurves(S) {
  S.curves = CURVES.map((curve) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const leaks = S.machines[S.hero].model.leaks;
    const name = Object.assign(document.createElement("b"), { textContent: (leaks && curve.leaky) || curve.name });
    caption.append(name, ` ${curve.told}`);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${ROLL.width} ${ROLL.height}`);
    svg.setAttribute("role", "img");
    figure.append(caption, svg);
    const lines = S.machines.map((_, m) => node(svg, "path", { fill: "none", style: `stroke: ${colourOf(S, m)}`, "stroke-width": m === S.hero ? 2.5 : 1.5, "stroke-dasharray": m === S.hero ? "" : "5 3" }));
    const ends = [0, 1].map((end) => node(svg, "text", { x: ROLL.left - 5, y: end ? ROLL.top + 9 : ROLL.height - ROLL.bottom, class: "tick end" }));
    const first = node(svg, "text", { x: ROLL.left, y: ROLL.height - 2, class: "tick" });
    const last = node(svg, "text", { x: ROLL.width - ROLL.right, y: ROLL.height - 2, class: "tick end" });
    node(svg, "line", { x1: ROLL.left, x2: ROLL.width - ROLL.right, y1: ROLL.height - ROLL.bottom, y2: ROLL.height - ROLL.bottom, class: "grid" });
    const here = node(svg, "line", { y1: ROLL.top, y2: ROLL.height - ROLL.bottom, class: "cursor" });
    return { curve, figure, svg, lines, ends, first, last, here };
  });
  S.$(".curves").replaceChildren(...S.curves.map(({ figure }) => figure));
  const names = S.machines.map(({ model }, m) => {
    const item = document.createElement("span");
    const bar = document.createElement("i");
    bar.style.borderTop = `${m === S.hero ? 3 : 2}px ${m === S.hero ? "solid" : "dashed"} ${colourOf(S, m)}`;
    item.append(bar, nameOf(S, model));
    return item;
  });
  S.$(".curve-names").replaceChildren(...names);
}

function drawCurves(S) {
  const { entries, at } = S.line;
  const x = (i) => ROLL.left + ((ROLL.width - ROLL.left - ROLL.right) * i) / Math.max(entries.length - 1, 40);
  for (const { curve, figure, svg, lines, ends, first, last, here } of S.curves) {
    figure.hidden = Boolean(curve.scored) && S.covered.has("scores");
    if (figure.hidden) continue;
    const values = S.machines.map((_, m) => entries.map(({ moments }) => moments[m][curve.key]));
    const all = values.flat().filter((v) => Number.isFinite(v) && (!curve.log || v > 0));
    const lo = curve.lo ?? (curve.log ? Math.min(...all, 1) / 1.2 : Math.min(...all, Infinity) * 0.95);
    const hi = curve.hi ?? Math.max(...all, lo + 1e-9, curve.key === "entropy" ? 0.1 : -Infinity) * 1.02;
    const scale = curve.log ? Math.log : (v) => v;
    const y = (v) => ROLL.height - ROLL.bottom - ((ROLL.height - ROLL.bottom - ROLL.top) * (scale(v) - scale(lo))) / (scale(hi) - scale(lo) || 1);
    const clean = (v) => (Number.isFinite(v) ? v : null);
    lines.forEach((line, m) => line.setAttribute("d", pathOf(values[m].map(clean), x, y, curve.log)));
    ends[0].textContent = all.length ? short(lo) : "";
    ends[1].textContent = all.length ? short(hi) : "";
    first.textContent = `step ${entries[0].n}`;
    last.textContent = entries.length > 1 ? `${entries.at(-1).n}` : "";
    for (const end of ["x1", "x2"]) here.setAttribute(end, x(at));
    const now = values[S.hero][at];
    svg.setAttribute("aria-label", `${curve.name}, ${curve.told}: ${figureOf(now)} now`);
  }
}

const figureOf = (value) => (Number.isFinite(value) ? short(value) : "none");
