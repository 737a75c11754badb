// Which class is answered where: a matrix of truth by answer at the step on show.

const NAMED = 92; // px on the left for the classes' names
const SWATCH = 10;
const NUMBERED = 26; // px of a cell that has room for its number

// counts[truth * K + answer] of the pixels whose label is known.
function confusionAt(S, t) {
  const { classes } = S.header;
  const [answer, truth] = [frameOf(S.blocks["run.mask"], t), truthAt(S, t)];
  const counts = new Uint32Array(classes * classes);
  truth.forEach((k, i) => k !== RUN.void && counts[k * classes + answer[i]]++);
  return counts;
}

function confusionChart(S, svg) {
  const { classes, classNames, palette, names, lut } = S.header;
  const colours = lutOf({ lut });
  const side = Math.min(44, (WIDTH - NAMED - AREA.right) / classes);
  const top = AREA.top + 14;
  return (t) => {
    const counts = confusionAt(S, t);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${top + side * classes + 20}`);
    node(svg, "text", { x: NAMED, y: 12, class: "tick" }, `answer of ${names[0]}, step ${t}`);
    const told = [];
    for (let truth = 0; truth < classes; truth++) {
      const y = top + side * truth;
      const row = counts.subarray(truth * classes, (truth + 1) * classes);
      const all = row.reduce((sum, n) => sum + n, 0);
      node(svg, "rect", { x: NAMED - SWATCH - 4, y: y + side / 2 - SWATCH / 2, width: SWATCH, height: SWATCH, fill: palette[truth], stroke: "var(--line)" });
      node(svg, "rect", { x: NAMED + side * (truth + 0.5) - SWATCH / 2, y: top - SWATCH - 4, width: SWATCH, height: SWATCH, fill: palette[truth], stroke: "var(--line)" });
      const name = node(svg, "text", { x: NAMED - SWATCH - 8, y: y + side / 2 + 4, class: "tick end" }, trimmed(classNames[truth]));
      node(name, "title", {}, classNames[truth]);
      row.forEach((n, answer) => {
        const share = all ? n / all : 0;
        const rgb = colours.subarray(3 * Math.round(255 * share), 3 * Math.round(255 * share) + 3);
        const cell = node(svg, "rect", { x: NAMED + side * answer, y, width: side, height: side, fill: all ? `rgb(${rgb.join()})` : "none", stroke: "var(--line)", class: "cell" });
        node(cell, "title", {}, `truth ${classNames[truth]}, answer ${classNames[answer]}: ${n} px`);
        if (n && side > NUMBERED) node(svg, "text", { x: NAMED + side * (answer + 0.5), y: y + side / 2 + 4, class: "tick", "text-anchor": "middle", style: `fill: ${share > 0.5 ? "#000" : "#fff"}` }, shareText(share));
      });
      if (all) told.push(`${classNames[truth]} ${shareText(row[truth] / all)}`);
    }
    node(svg, "text", { x: 2, y: top + side * classes + 15, class: "tick" }, side > NUMBERED ? "rows: the true class; numbers: % of its pixels" : "rows: the true class; point at a cell to read it");
    svg.setAttribute("aria-label", `Truth by answer at step ${t}. Answered right, in % of each class: ${told.join(", ")}`);
  };
}

const shareText = (share) => (share > 0 && share < 0.005 ? "<1" : String(Math.round(100 * share)));
const trimmed = (name) => (name.length > 11 ? `${name.slice(0, 10)}…` : name);
