// What is drawn: pictures while they move, words and charts less often.

const TERMS = [
  ["image", "½Σπε₀²", "#0072b2"],
  ["features", "½π₁‖ε₁‖²", "#009e73"],
  ["label", "½π_y‖ε_y‖²", "#d55e00"],
  ["sparsity", "λ‖r‖₁", "#e69f00"],
  ["shrink", "½β‖s‖²", "#56b4e9"],
];

function show(S) {
  const { state, header, coder } = S;
  const { size, shownChannels: channels, config } = header;
  const most = Math.max(Math.abs(S.span[0]), S.span[1]);
  const canvas = (name) => S.$(`.${name}`);
  paintGrey(S.$(".image canvas"), S.x, size, channels, S.span, S.covered);
  if (S.cursor) drawCursor(S);
  paintGrey(canvas("prediction"), state.prediction, size, channels, S.span);
  paintSigned(canvas("error"), state.image, size, channels, most);
  paintTiles(canvas("r"), state.r, config.features, coder.near, null);
  paintTiles(canvas("s"), state.s, config.causes, coder.far, null);
  paintFilters(S);
  const active = state.r.reduce((sum, value) => sum + (value > 0), 0) / state.r.length;
  S.$(".r-told").textContent = `${(100 * active).toFixed(0)} % of it above 0, one tile a channel`;
  const [left, whole] = [norm(state.image), norm(S.x)];
  S.$(".explained").textContent = `predicts ${(100 * (1 - (left / (whole || 1)) ** 2)).toFixed(1)} % of the image's power`;
  if (coder.labels) showMasks(S);
}

// What is read, not watched.
function showWords(S) {
  const { state, header, setup } = S;
  const rest = S.atRest ? ", at rest" : "";
  S.$(".count").textContent = `update ${state.t}${rest}`;
  S.$(".predictive").dataset.t = state.t;
  S.$(".predictive").dataset.rises = S.rises;
  S.$(".energy-told").textContent = `E = ${short(state.total)}; ${S.rises ? `rose in ${S.rises} updates` : "it never rose"} since the last change`;
  drawEnergy(S);
  drawLearning(S);
  drawTable(S);
  S.$(".next").title = header.help.picture;
  S.$(".play").textContent = S.playing ? "Pause" : "Play";
  S.$(".play").setAttribute("aria-pressed", S.playing);
  S.$(".teach").setAttribute("aria-pressed", S.teaching);
  S.$(".uncover").disabled = !S.covered.some(Boolean);
  S.$(".cut").setAttribute("aria-pressed", setup.trust_top === 0);
}

function paintFilters(S) {
  const { config, shownChannels: channels } = S.header;
  const [each, square] = [config.in_channels * config.kernel ** 2, config.kernel ** 2];
  const first = new Float32Array(config.features * square);
  for (let f = 0; f < config.features; f++)
    for (let i = 0; i < square; i++) for (const c of channels) first[f * square + i] += S.coder.U.weight[f * each + c * square + i] / channels.length;
  paintTiles(S.$(".filters"), first, config.features, [config.kernel, config.kernel], null);
}

function showMasks(S) {
  const { header, state, coder } = S;
  const { labels } = S.pictures[S.setup.picture];
  const { size, shownChannels: channels, palette, classes } = header;
  const mask = maskOf(coder, state);
  paintMask(S.$(".labelled .mask"), S.x, mask, labels, size, channels, S.span, palette);
  S.$(".f1").textContent = `F1 ${f1Of(mask, labels, classes.length).toFixed(3)}${S.senses.y ? ", while the label is shown" : ""}`;
  for (const loop of S.loops) {
    if (!loop.mask) continue;
    paintMask(loop.canvas, S.x, loop.mask, labels, size, channels, S.span, palette);
    loop.numbers.textContent = `t = ${loop.at.t}, F1 ${f1Of(loop.mask, labels, classes.length).toFixed(3)}`;
  }
}

function drawEnergy(S) {
  const { history } = S;
  const held = TERMS.filter(([name]) => history.some((one) => one[name] > 0));
  const series = [["total", "E", "currentColor"], ...held].map(([key, name, colour]) => ({ name, colour, values: history.map((one) => one[key]), width: key === "total" ? 3 : 1.8 }));
  lineChart(S.$(".energy svg"), { series, xLabel: `update, the last ${KEPT} at most`, yLabel: "energy", height: 220, label: `Energy by update, now ${short(S.state.total)}`, at: () => {} });
}
