// The three charts: the path of the state, curves over time, and one pixel.

function charts(S) {
  S.cursors = [planeKept(S), curvesOf(S)];
  S.cursors.forEach((cursor) => cursor(S.t));
}

// While the hand holds a control the plane stays as it is.
function planeKept(S) {
  const of = [S.header.plane, S.header.presented, S.look.chart, S.ahead === null];
  if (!S.planeDrawn?.of.every((one, i) => one === of[i])) S.planeDrawn = { of, cursor: planeOf(S) };
  return S.planeDrawn.cursor;
}

function planeOf(S) {
  const { plane, names } = S.header;
  const svg = S.$("svg.plane");
  const alone = plane && plane.what !== "logits";
  S.$(".plane-note").textContent = !plane
    ? "The plane is being fitted…"
    : S.ahead ? "Fitted anew once the hand rests."
    : alone ? `The ${names[1]} model has neurons of its own: it is a point in the plane of the logits only.` : "";
  if (!plane) {
    svg.replaceChildren();
    return () => {};
  }
  const shares = plane.explained.map((v, i) => `PC${i + 1} (${(100 * v).toFixed(1)} % of variance)`);
  const regionStyle = (i) => (plane.regions.length > 1 && i ? "3 2" : undefined);
  const label = `Path of ${plane.what} through ${S.header.steps} steps, ${shares.join(", ")}`;
  const named = (name, region) => (plane.regions.length > 1 ? region : name);
  const styleOf = (i) => (plane.classes ? lineOf(S, plane.classes[i]) : { colour: COLOURS.run, dash: regionStyle(i) });
  const jump = (t) => goTo(S, t);
  if (S.look.chart === "time") {
    const first = (points) => points.map((p) => p[0]);
    const cloud = (plane.cloud ?? []).flatMap((draws, i) => draws.map((points) => ({ name: "", values: first(points), colour: styleOf(i).colour, width: 0.5 })));
    const series = [
      ...plane.run.map((points, i) => ({ name: named(names[0], plane.regions[i]), values: first(points), ...styleOf(i) })),
      ...(plane.ghost ?? []).map((points, i) => ({ name: i ? "" : "untouched", values: first(points), colour: COLOURS.ghost, dash: DASHES.ghost, width: 1.5 })),
      ...(plane.comparison ?? []).map((points, i) => ({ name: i ? "" : names[1], values: plane.run[0].map(() => points[0][0]), colour: COLOURS.comparison, dash: DASHES.comparison })),
    ];
    return thinned(svg, series, cloud, { yLabel: shares[0], label, at: jump });
  }
  return planeChart(svg, {
    paths: [
      ...(plane.ghost ?? []).map((points, i) => ({ name: i ? "" : "untouched", points, colour: COLOURS.ghost, dash: DASHES.ghost })),
      ...plane.run.map((points, i) => ({ name: named(names[0], plane.regions[i]), points, ...styleOf(i), live: true })),
    ].filter((path) => path.points.length),
    dots: (plane.comparison ?? []).map((points, i) => ({ name: i ? "" : names[1], point: points[0], colour: COLOURS.comparison })),
    cloud: plane.cloud?.flatMap((draws, i) => draws.map((points) => ({ points, colour: styleOf(i).colour }))),
    labels: shares, label, at: jump,
  });
}

// How a class's line is drawn; the background's colour would be lost on a dark page.
function lineOf(S, k) {
  return { colour: k ? S.header.palette[k] : "var(--text)", dash: ["", "7 3", "2 3", "7 3 2 3"][Math.floor(k / RUN.round) % 4] };
}

// A line chart whose cloud is drawn under it and has no part in legend or cursor.
function thinned(svg, series, cloud, rest) {
  const all = [...series, ...cloud].flatMap((s) => s.values);
  const room = (Math.max(...all) - Math.min(...all)) * 0.06 || 1;
  const y = [Math.min(...all) - room, Math.max(...all) + room];
  return lineChart(svg, { series, faint: cloud, y, ...rest });
}

function curvesOf(S) {
  const { curves, bands, names, chance, trivial } = S.header;
  const key = S.look.curve;
  const svg = S.$(".over-time");
  const line = (entity, values, name, more) => ({ name, values, colour: COLOURS[entity], dash: DASHES[entity], ...more });
  const eitherScale = key === "norms" || key === "update";
  const log = eitherScale && S.look.scale === "log";
  S.$(".scale").hidden = !eitherScale;
  S.$(".contraction").textContent = contractionText(S);
  if (key === "confusion") return confusionChart(S, svg);
  let series, y, yLabel;
  if (key === "norms") {
    yLabel = "norm";
    series = [
      ...(curves.run.delta // until it is computed again with what led to each step
        ? [line("run", curves.run.delta, S.header.leaks ? "‖δ − h‖, error" : "‖δ‖"), line("run", curves.run.applied, "‖δ̃‖ applied", { dash: "2 3" })]
        : []),
      line("run", curves.run.norm, "‖h‖", { colour: "#009E73", dash: "8 3" }),
      ...(curves.ghost ? [line("ghost", curves.ghost.norm, "‖h‖ untouched", { width: 1.5 })] : []),
    ];
  } else {
    yLabel = { f1: "F1 of this image", iou: "IoU of this image", update: "‖Δh‖/‖h‖", entropy: "bits a pixel" }[key];
    if (key === "f1" || key === "iou") y = [-0.03, 1.03];
    series = [
      line("run", curves.run[key], names[0]),
      ...(curves.ghost ? [line("ghost", curves.ghost[key], curves.run.old ? "untouched, first image" : "untouched", { width: 1.5 })] : []),
      ...(curves.comparison[key] ? [line("comparison", curves.comparison[key], names[1])] : []),
      ...(key === "f1" ? [line("chance", chance, "chance", { width: 1.5 })] : []),
      ...(key === "f1" && trivial ? [line("chance", trivial.f1, trivial.name, { width: 1.5, dash: "6 2" })] : []),
      ...(key === "f1" && curves.run.old ? [line("old", curves.run.old, `${names[0]}, first image`)] : []),
    ];
  }
  const band = bands?.[key];
  const drawn = band ? [{ low: band[1], high: band[2], colour: COLOURS.run }] : [];
  if (eitherScale) yLabel += log ? ", logarithmic" : ", linear";
  const label = `${yLabel} over ${S.header.steps} steps`;
  return lineChart(svg, { series, bands: drawn, y, log, yLabel, label, at: (t) => goTo(S, t), stop: S.header.auto?.stop });
}

function contractionText(S) {
  const { bands } = S.header;
  if (!S.header.draws) return "";
  if (!bands) return "16 noise draws: running…";
  const factors = bands.contraction.filter((v) => v !== null);
  const times = (v) => `×${v < 1e4 ? v.toFixed(3) : short(v)}`;
  return (
    `Band: lowest to highest of ${bands.n} noise draws of this image, run untouched. Spread of their states ` +
    `‖h − mean‖ (rms): ${short(bands.spread.at(-1))} at step ${bands.spread.length - 1}` +
    (factors.length
      ? `, ${times(factors.at(-1))} in the last step, ${times(Math.min(...factors))} to ${times(Math.max(...factors))} over the run (below 1 they contract).`
      : ".")
  );
}

function pixelChartSoon(S) {
  if (S.pixelQueued) return;
  S.pixelQueued = true;
  requestAnimationFrame(() => {
    S.pixelQueued = false;
    pixelChart(S);
  });
}

function logitText(S, pixel) {
  const logit = valueOf(S.blocks["run.logit"], S.t, pixel);
  return Math.abs(logit) < 1e4 ? logit.toFixed(2) : short(logit);
}

// What two classes answer at a pixel, and what is true there.
function readShape(S, names, pixel) {
  const p = (entity) => valueOf(S.blocks[`${entity}.probability`], S.t, pixel).toFixed(2);
  const truth = truthAt(S, S.t)[pixel];
  return `${probabilityName(S, 0)} ${p("run")}, logit ${logitText(S, pixel)}, ${names.comparison} ${p("comparison")}, truth ${truth === RUN.void ? "void" : truth}`;
}

// The same of more classes: the answer by its name, the margin of the best class over the background, the truth.
function readClasses(S, names, pixel) {
  const { classNames } = S.header;
  const answer = (entity) => frameOf(S.blocks[`${entity}.mask`], S.t)[pixel];
  const [k, truth] = [answer("run"), truthAt(S, S.t)[pixel]];
  const block = S.blocks[`run.class.${k}`];
  const sure = block ? ` (P ${valueOf(block, S.t, pixel).toFixed(2)})` : "";
  return (
    `${names.run} ${classNames[k]}${sure}, ${probabilityName(S, 0)} ${valueOf(S.blocks["run.probability"], S.t, pixel).toFixed(2)}, ` +
    `logit of the best class less ${classNames[0]}'s ${logitText(S, pixel)}, ` +
    `${names.comparison} ${classNames[answer("comparison")]}, truth ${truth === RUN.void ? "void" : classNames[truth]}`
  );
}

function pixelChart(S) {
  const { header, blocks, $ } = S;
  const [upper, lower] = [$(".pixel-p"), $(".pixel-state")];
  if (!S.pixel || !header) {
    S.pixelCursors = [];
    upper.replaceChildren();
    lower.replaceChildren();
    $(".pixel-text").textContent = "Point at a pixel, or focus a panel and use the arrow keys.";
    return;
  }
  const [row, column] = S.pixel;
  const i = row * header.size[1] + column;
  const steps = [...header.curves.run.f1.keys()];
  const over = (name) => steps.map((t) => valueOf(blocks[name], t, i));
  const entities = ["run", ...(header.curves.ghost ? ["ghost"] : []), "comparison"];
  const names = { run: header.names[0], ghost: "untouched", comparison: header.names[1] };
  const many = header.classes > 2;
  const chances = entities.map((e) => ({ name: names[e], values: over(`${e}.probability`), colour: COLOURS[e], dash: DASHES[e] }));
  const classes = many && blocks["run.class.0"]; // they come with u and v
  const series = classes ? header.classNames.map((name, k) => ({ name, values: over(`run.class.${k}`), width: 1.6, ...lineOf(S, k) })) : chances;
  const yLabel = classes ? `P(class), ${names.run}` : probabilityName(S, 0);
  $(".pixel-text").textContent = `row ${row}, column ${column}: ${many ? readClasses(S, names, i) : readShape(S, names, i)}`;
  const jump = (t) => goTo(S, t);
  S.pixelCursors = [
    lineChart(upper, { series, y: [-0.03, 1.03], yLabel, label: `${yLabel} of this pixel over time`, at: jump, height: 150 }),
  ];
  if (!blocks["state.0"]) {
    lower.replaceChildren();
    if (!S.wantsState) S.ask({ state: (S.wantsState = true) });
  } else {
    const { u, v } = header.channels;
    const state = Array.from({ length: u + v }, (_, c) => ({
      name: c === 0 ? "u" : c === u ? "v" : "", values: over(`state.${c}`), width: 1.2,
      colour: c < u ? COLOURS.run : "#009E73", dash: c < u ? "" : "4 2",
    }));
    S.pixelCursors.push(lineChart(lower, { series: state, yLabel: "u and v", label: "u and v of this pixel over time", at: jump, height: 150 }));
  }
  S.pixelCursors.forEach((cursor) => cursor(S.t));
}
