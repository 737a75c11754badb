// Small SVG charts. Each returns a function that moves its cursor to a step, which is all a step costs.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const AREA = { left: 44, right: 10, top: 26, bottom: 34 };
const LEGEND_ROW = 16;

function node(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const rounded = +value.toPrecision(3);
  return size >= 1e4 || size < 1e-2 ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

function ticksOf(lo, hi, log) {
  if (log) {
    const [from, to] = [Math.ceil(Math.log10(lo)), Math.floor(Math.log10(hi))];
    const by = Math.max(1, Math.ceil((to - from) / 4));
    const decades = Array.from({ length: Math.max(0, Math.floor((to - from) / by) + 1) }, (_, i) => 10 ** (from + i * by));
    if (decades.length > 2) return decades;
    const all = Array.from({ length: to - from + 3 }, (_, i) => [1, 2, 5].map((m) => m * 10 ** (from - 1 + i))).flat();
    const between = all.filter((v) => v >= lo && v <= hi);
    return between.length > 1 ? between : ticksOf(lo, hi).filter((v) => v > 0); // hardly a digit lies between
  }
  const raw = (hi - lo) / 4.5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const by = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.8);
  const from = Math.ceil(lo / by);
  const count = Math.min(Math.max(Math.floor(hi / by + 1e-6) - from + 1, 0), 10); // no loop: a huge v + by may be v
  return Array.from({ length: count }, (_, i) => (from + i) * by);
}

// The power of ten that an axis leaves to its label, where its ticks would be too long to read.
function factorOf(ticks) {
  const most = Math.max(...ticks.map(Math.abs));
  return most >= 1e4 || (most > 0 && most < 1e-2) ? Math.floor(Math.log10(most)) : 0;
}

const legends = new WeakMap(); // of a chart: what its legend says, in which size, its nodes, and their further rows

// In place of all that the chart holds a row of names, and another where they do not fit; returns the height of the
// further rows. To measure a name the browser must lay out the page, so a legend that stays is left as it is.
function drawLegend(svg, items) {
  const of = JSON.stringify(items.map(({ name, colour, dash }) => [name, colour, dash]));
  const sizeOf = (nodes) => getComputedStyle(nodes.at(-1)).fontSize;
  const there = legends.get(svg);
  if (there?.of === of && there.nodes[0].parentNode === svg && there.size === sizeOf(there.nodes)) {
    svg.replaceChildren(...there.nodes);
    return there.down;
  }
  svg.replaceChildren();
  let [left, down] = [AREA.left, 0];
  for (const item of items) {
    const line = node(svg, "line", { stroke: item.colour, "stroke-width": 3, "stroke-dasharray": item.dash ?? "" });
    const text = node(svg, "text", { class: "tick" }, item.name);
    const width = 22 + (text.getComputedTextLength?.() || item.name.length * 6);
    if (left + width > WIDTH && left > AREA.left) [left, down] = [AREA.left, down + LEGEND_ROW];
    for (const [key, value] of Object.entries({ x1: left, x2: left + 18, y1: down + 10, y2: down + 10 })) line.setAttribute(key, value);
    text.setAttribute("x", left + 22);
    text.setAttribute("y", down + 14);
    left += width + 12;
  }
  const nodes = [...svg.children];
  if (nodes.at(-1)?.getComputedTextLength?.()) legends.set(svg, { of, size: sizeOf(nodes), nodes, down });
  return down;
}

// Axes, title and legend; returns the scales, and where the area of the chart begins and ends.
function frame(svg, { height: least, x, y, xLabel, yLabel, legend, log, wholeX }) {
  const more = drawLegend(svg, legend.filter((entry) => entry.name));
  const [top, height] = [AREA.top + more, least + more];
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  const px = (v) => AREA.left + ((v - x[0]) / (x[1] - x[0] || 1)) * (WIDTH - AREA.left - AREA.right);
  const at = log ? (v) => Math.log10(v) : (v) => v;
  const py = (v) =>
    height - AREA.bottom - ((at(v) - at(y[0])) / (at(y[1]) - at(y[0]) || 1)) * (height - top - AREA.bottom);
  const yTicks = ticksOf(...y, log);
  const xTicks = ticksOf(...x).filter((v) => !wholeX || Number.isInteger(v));
  const [xPower, yPower] = [factorOf(xTicks), log ? 0 : factorOf(yTicks)];
  const text = (v, power) => short(v / 10 ** power);
  const named = (label, power) => (power ? `${label}, in 1e${power}` : label);
  for (const v of yTicks) {
    node(svg, "line", { x1: AREA.left, x2: WIDTH - AREA.right, y1: py(v), y2: py(v), class: "grid" });
    node(svg, "text", { x: AREA.left - 5, y: py(v) + 4, class: "tick end" }, text(v, yPower));
  }
  for (const v of xTicks)
    node(svg, "text", { x: px(v), y: height - AREA.bottom + 15, class: "tick middle" }, text(v, xPower));
  node(svg, "text", { x: (WIDTH + AREA.left) / 2, y: height - 4, class: "label middle" }, named(xLabel, xPower));
  node(svg, "text", { x: -(height - 8) / 2, y: 11, class: "label middle", transform: "rotate(-90)" }, named(yLabel, yPower));
  return { px, py, top, bottom: height - AREA.bottom };
}

const LEAST_SPAN = 0.1; // of the largest value: a change of 0.03 % is drawn as the level line that it is
const LEAST_RATIO = 2; // of a logarithmic axis' ends

// The ends of an axis that shows all these values with some room.
function boundsOf(values, log) {
  const [lo, hi] = values.length ? [Math.min(...values), Math.max(...values)] : [log ? 0.1 : 0, 1];
  if (log) {
    const stretch = Math.max(1.3, Math.sqrt(LEAST_RATIO / (hi / lo)));
    return [lo / stretch, hi * stretch];
  }
  const least = LEAST_SPAN * Math.max(Math.abs(lo), Math.abs(hi));
  const room = Math.max((hi - lo) * 0.06, (least - (hi - lo)) / 2) || 0.5;
  return [lo - room, hi + room];
}

function pathOf(values, px, py, log) {
  let path = "";
  let pen = "M";
  values.forEach((v, t) => {
    if (v === null || (log && v <= 0)) return void (pen = "M");
    path += `${pen}${px(t).toFixed(1)},${py(v).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

// The values of these lines at step t, in words; a line that ended before it tells its last.
function toldAt(series, t) {
  const at = series.filter((s) => s.name).map(({ name, values }) => [name, values[Math.min(t, values.length - 1)]]);
  return `Step ${t}: ${at.map(([name, v]) => `${name} ${v === null || v === undefined ? "none" : short(v)}`).join(", ")}`;
}

// series: [{ name, values, colour, dash, width }], those without a name stay out of the legend; faint: lines drawn
// thin beneath them; bands: [{ low, high, colour }]; stop: a step to be marked.
function lineChart(svg, { series, faint = [], bands = [], height = 230, y, xLabel = "step t", yLabel, log = false, label, at, stop }) {
  const last = Math.max(1, ...series.map((s) => s.values.length - 1));
  let bounds = y;
  if (!bounds) {
    const all = [...series.map((s) => s.values), ...bands.flatMap((b) => [b.low, b.high])]
      .flat()
      .filter((v) => v !== null && (!log || v > 0));
    bounds = boundsOf(all, log);
  }
  const { px, py, top, bottom } = frame(svg, { height, x: [0, last], y: bounds, xLabel, yLabel, legend: series, log, wholeX: true });
  svg.setAttribute("aria-label", label);
  const inside = (v) => Math.min(Math.max(v, bounds[0]), bounds[1]);
  for (const { low, high, colour } of bands) {
    const there = low.map((v, t) => [t, v, high[t]]).filter(([, v]) => v !== null);
    const edge = [...there.map(([t, , v]) => [t, v]), ...there.reverse().map(([t, v]) => [t, v])];
    node(svg, "polygon", { points: edge.map(([t, v]) => `${px(t)},${py(inside(v))}`).join(" "), fill: colour, opacity: 0.22 });
  }
  for (const s of faint)
    node(svg, "path", { d: pathOf(s.values, px, py, log), fill: "none", stroke: s.colour, "stroke-width": 1, opacity: 0.3 });
  series.forEach((s) =>
    node(svg, "path", { d: pathOf(s.values, px, py, log), fill: "none", stroke: s.colour, "stroke-width": s.width ?? 2.5, "stroke-dasharray": s.dash ?? "" }),
  );
  if (stop != null) node(svg, "line", { x1: px(stop), x2: px(stop), y1: top, y2: bottom, class: "stop" });
  const cursor = node(svg, "line", { y1: top, y2: bottom, class: "cursor" });
  const dots = series.map((s) => node(svg, "circle", { r: (s.width ?? 2.5) > 1.5 ? 4 : 2.5, fill: s.colour }));
  const hit = node(svg, "rect", { x: AREA.left, y: 0, width: WIDTH - AREA.left - AREA.right, height: bottom + AREA.bottom, fill: "transparent", class: "hit" });
  hit.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    at(Math.round(((x - AREA.left) / (WIDTH - AREA.left - AREA.right)) * last));
  });
  return (t) => {
    cursor.setAttribute("x1", px(t));
    cursor.setAttribute("x2", px(t));
    svg.setAttribute("aria-label", `${label}. ${toldAt(series, t)}`);
    series.forEach((s, i) => {
      const v = s.values[Math.min(t, s.values.length - 1)];
      const shown = v !== null && v !== undefined && (!log || v > 0);
      dots[i].setAttribute("visibility", shown ? "visible" : "hidden");
      if (shown) (dots[i].setAttribute("cx", px(t)), dots[i].setAttribute("cy", py(v)));
    });
  };
}

// paths: [{ name, points: [[x, y], …], colour, dash, live, bare }]; only live ones grow with time, and show each point,
// unless bare. cloud: paths drawn faintly beneath them, [{ points, colour, dash, strong }].
function planeChart(svg, { paths, cloud, dots, labels, label, at, height = 230 }) {
  const all = [...paths.flatMap((p) => p.points), ...(cloud ?? []).flatMap((c) => c.points), ...dots.map((d) => d.point)];
  const span = (i) => {
    const values = all.map((p) => p[i]);
    const [lo, hi] = [Math.min(...values), Math.max(...values)];
    const room = (hi - lo) * 0.07 || 1;
    return [lo - room, hi + room];
  };
  const legend = [...paths, ...dots];
  const { px, py } = frame(svg, { height, x: span(0), y: span(1), xLabel: labels[0], yLabel: labels[1], legend });
  svg.setAttribute("aria-label", label);
  const line = (points) => points.map((p, i) => `${i ? "L" : "M"}${px(p[0]).toFixed(1)},${py(p[1]).toFixed(1)}`).join("");
  for (const { points, colour, dash, strong } of cloud ?? []) {
    const style = { stroke: colour, "stroke-dasharray": dash ?? "", "stroke-width": strong ? 2 : 1, opacity: strong ? 0.5 : 0.3 };
    node(svg, "path", { d: line(points), fill: "none", class: "cloud", ...style });
  }
  const moving = paths.map((path) => {
    const style = { fill: "none", stroke: path.colour, "stroke-dasharray": path.dash ?? "" };
    node(svg, "path", { d: line(path.points), ...style, "stroke-width": 1, opacity: 0.5 });
    const grown = node(svg, "path", { ...style, "stroke-width": path.live ? 3 : 1.5 });
    if (path.live && !path.bare)
      path.points.forEach((p, t) => {
        const dot = node(svg, "circle", { cx: px(p[0]), cy: py(p[1]), r: 4, fill: path.colour, class: "point" });
        node(dot, "title", {}, `step ${t}`);
        node(svg, "circle", { cx: px(p[0]), cy: py(p[1]), r: 11, fill: "transparent", class: "hit" }).addEventListener("click", () => at(t));
      });
    const here = node(svg, "circle", { r: path.live ? 7 : 4, fill: path.colour, class: "here-point" });
    return { path, grown, here };
  });
  for (const { point, colour, name } of dots) {
    const mark = node(svg, "rect", { x: px(point[0]) - 5, y: py(point[1]) - 5, width: 10, height: 10, fill: colour });
    node(mark, "title", {}, name);
  }
  return (t) => {
    for (const { path, grown, here } of moving) {
      const i = Math.min(t, path.points.length - 1);
      grown.setAttribute("d", line(path.points.slice(0, i + 1)));
      here.setAttribute("cx", px(path.points[i][0]));
      here.setAttribute("cy", py(path.points[i][1]));
    }
  };
}
