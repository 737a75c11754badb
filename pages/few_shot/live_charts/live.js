// Lines of plotly figures in SVG, drawn in place.

const DASH = { solid: "", dash: "8 4", dot: "2 3", dashdot: "8 3 2 3", longdash: "12 4", longdashdot: "12 3 2 3" };

export default function (component) {
  const root = component.parentElement.querySelector(".live");
  const { charts } = component.data;
  while (root.children.length < charts.length) {
    const figure = document.createElement("figure");
    const svg = node(figure, "svg", { role: "img" });
    figure.prepend(document.createElement("figcaption"));
    figure.append(svg);
    root.append(figure);
  }
  charts.forEach((chart, i) => drawLines(root.children[i], chart));
}

function drawLines(figure, { title, height, label, x, y, log, levels, lines }) {
  figure.querySelector("figcaption").textContent = title;
  const svg = figure.querySelector("svg");
  const told = lines.map(({ name, y }) => `${name} ${y.length && y.at(-1) !== null ? short(y.at(-1)) : "none"}`);
  svg.setAttribute("aria-label", `${title}, last values: ${told.join(", ")}`);
  const there = lines.flatMap((line) => line.y).filter((v) => v !== null && (!log || v > 0));
  const bounds = y ?? (there.length ? [Math.min(...there) / 1.3, Math.max(...there) * 1.3] : [0.01, 1]);
  const { px, py } = frame(svg, { height: height - 22, x, y: bounds, xLabel: label, yLabel: "", legend: [], log });
  for (const level of levels)
    node(svg, "line", { x1: px(x[0]), x2: px(x[1]), y1: py(level.y), y2: py(level.y), stroke: level.colour, "stroke-width": 2, "stroke-dasharray": DASH[level.dash] ?? "" });
  for (const line of lines) {
    const style = { stroke: line.colour, "stroke-width": line.width, "stroke-dasharray": DASH[line.dash] ?? "", opacity: line.opacity };
    node(svg, "path", { d: pathOf(line.y, (i) => px(line.x[i]), py, log), fill: "none", ...style });
    if (line.dots || line.x.length === 1)
      line.x.forEach((at, i) => line.y[i] !== null && node(svg, "circle", { cx: px(at), cy: py(line.y[i]), r: 2.5, fill: line.colour }));
  }
}
