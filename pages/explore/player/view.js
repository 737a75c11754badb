// What a step changes: panels, words, cursors; and the parts around them that a new layer changes.

function draw(S) {
  S.dirty = false;
  const { header, $ } = S;
  if (!header) return;
  for (const panel of S.panels) {
    drawPanel(S, panel);
    caption(panel, ...captionOf(S, panel.entity));
    panel.canvas.style.touchAction = toolOn(S, panel.entity) ? "none" : "auto";
    panel.canvas.style.cursor = toolOn(S, panel.entity) ? "crosshair" : "default";
  }
  if (+$(".time").value !== S.t) $(".time").value = S.t;
  $(".time").setAttribute("aria-valuetext", `step ${S.t} of ${header.steps}`);
  drawControls(S);
  for (const cursor of S.cursors) cursor(S.t);
  S.pixelCursors?.forEach((cursor) => cursor(S.t));
  filmCursor(S);
  const back = S.t === 0;
  $(".back").disabled = $(".reset").disabled = back;
  $(".step").disabled = S.t >= header.steps;
  $(".play").disabled = header.steps === 0;
  // While it plays the words change with the picture, but are not read out.
  $(".summary").setAttribute("aria-live", S.playing ? "off" : "polite");
  say($(".summary"), summary(S));
  say($(".at"), `At step ${S.t}:`);
  if (!S.playing && S.actsAt !== S.t) buildActs(S);
  $(".player").dataset.t = S.t;
  $(".player").dataset.playing = S.playing;
}

// Words that stay are left as they are: a page whose words change is laid out anew.
function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function caption(panel, title, note) {
  if (panel.told === `${title}: ${note}`) return;
  panel.told = `${title}: ${note}`;
  panel.caption.replaceChildren(Object.assign(document.createElement("b"), { textContent: title }), note);
  panel.canvas.setAttribute("aria-label", panel.told);
}

// A control in the hand: what it says, and the input that it makes. All else waits for the run.
function previewSoon(S) {
  requestAnimationFrame(() => {
    if (!S.header) return;
    drawControls(S);
    drawPanel(S, S.panels.find(({ entity }) => entity === "input"));
  });
}

function drawControls(S) {
  const { header, $ } = S;
  if (S.root.activeElement !== $(".sigma") || +$(".sigma").value !== S.sigma) $(".sigma").value = S.sigma;
  const paper = ((S.sigma * 512) / Math.sqrt(header.size[0] * header.size[1])).toFixed(1);
  say($(".sigma-text"), `${(+S.sigma).toFixed(2)} (paper σ ${paper}, trained at ${header.trained.map(short).join(" to ")})`);
  drawSettings(S);
}

function drawSettings(S) {
  for (const label of S.$(".settings").children) {
    const { field, unit, built, value } = S.header.settings.find((setting) => setting.field === label.dataset.field);
    const [, input, text] = label.childNodes;
    const now = S.values[field] ?? value;
    if (S.root.activeElement !== input || +input.value !== now) input.value = now;
    say(text, `${now.toFixed(2)} ${unit}${now === built ? "" : ` (built with ${short(built)})`}`);
  }
}

const at = (S, entity, curve) => {
  const values = S.header.curves[entity][curve];
  return values[Math.min(S.t, values.length - 1)];
};

function captionOf(S, entity) {
  const { header } = S;
  const layer = LAYERS[S.look.layer].title;
  const old = S.blocks.of_step.data[S.t] ? header.curves.run.old : undefined; // another truth than at the start
  const image = old ? ", new image" : "";
  if (entity === "input") return [header.drawn ? "Your drawing + noise" : "Input x", `${header.size.join("×")} px${image}`];
  if (entity === "truth") return ["Truth", `the exact label${image}`];
  const why = S.blocks[`${entity}.mask`].shape[0] > 1 ? "" : ", as its one answer holds at every step";
  const shown = layerOf(S, entity) === S.look.layer ? "" : `${probabilityName(S, classOf(S, entity))}: no ${layer} here${why}. `;
  const name = { run: header.names[0], ghost: "untouched", comparison: header.names[1] }[entity];
  let score = `F1 ${at(S, entity, "f1").toFixed(3)}`;
  if (old && entity === "run") score += `, first image ${old[S.t].toFixed(3)}`;
  if (old && entity === "ghost") score += ", first image";
  return [name[0].toUpperCase() + name.slice(1) + (entity === "comparison" && header.still ? "" : `, t = ${S.t}`), shown + score];
}

function summary(S) {
  const changed = at(S, "run", "label_flips");
  return (
    `Step ${S.t} of ${S.header.steps}: F1 ${at(S, "run", "f1").toFixed(2)} ${S.header.names[0]}, ` +
    `${at(S, "comparison", "f1").toFixed(2)} ${S.header.names[1]}; ` +
    `${changed} pixel${changed === 1 ? "" : "s"} still changing.`
  );
}

function film(S) {
  const { $ } = S;
  const width = $(".film").clientWidth;
  if (!width) return;
  S.film = filmOf(S, width);
  const { cell, pitch, frames } = S.film;
  drawFilm(S, $(".film canvas"), width);
  $(".timeline").style.setProperty("--inset", `${cell / 2 - THUMB / 2}px`);
  $(".film-note").hidden = frames.length > S.header.steps;
  say($(".film-note"), `Film: ${frames.length} of ${S.header.steps + 1} steps.`);
  const stop = S.header.auto?.stop;
  $(".beyond").hidden = stop == null; // what a run stopped by itself would not have come to
  if (stop != null) $(".beyond").style.left = `${frameAt(S, stop).x + pitch / 2}px`;
  filmCursor(S);
}

// The frame that stands for a step: its own, or the last before it.
const frameAt = (S, t) => S.film.frames.findLast((frame) => frame.t <= t);

function filmCursor(S) {
  if (!S.film) return;
  S.$(".here").style.width = `${S.film.cell}px`;
  S.$(".here").style.transform = `translateX(${frameAt(S, S.t).x - S.film.cell / 2}px)`;
}

function legend(S) {
  const { look, header } = S;
  const holder = S.$(".legend");
  const block = blockOf(S, "run", look.layer);
  const ends = { difference: [-1, 1], commit: [0, header.steps], mask: [0, 1] }[look.layer] ?? (block ? [block.lo, block.hi] : [0, 1]);
  const of = JSON.stringify([look.layer, ends, !block, header.classNames, header.palette, header.void]);
  if (of === S.legendOf) return;
  S.legendOf = of;
  S.$(".channel-label").hidden = look.layer !== "v_hat";
  S.$(".against-label").hidden = look.layer !== "difference";
  S.$(".of-label").hidden = header.classes === 2 || !["probability", "difference"].includes(look.layer);
  classLegend(S);
  const text = (words) => Object.assign(document.createElement("span"), { textContent: words });
  const swatch = (rgb, words) => {
    const box = Object.assign(document.createElement("i"), { className: "swatch" });
    box.style.background = `rgb(${rgb})`;
    return [box, text(words)];
  };
  if (look.layer === "error")
    return holder.replaceChildren(...swatch(HIT, header.classes > 2 ? "right" : "hit"), ...(header.classes > 2 ? swatch(WRONG, "wrong class") : []), ...swatch(FALSE_ALARM, "false alarm"), ...swatch(MISS, header.classes > 2 ? "missed" : "miss"), ...swatch(REJECTION, "right to leave out"));
  if (look.layer === "mask" && header.classes > 2) return holder.replaceChildren(); // the classes' own legend tells
  const bar = Object.assign(document.createElement("canvas"), { width: 256, height: 1, className: "bar" });
  const image = bar.getContext("2d").createImageData(256, 1);
  for (let q = 0; q < 256; q++)
    image.data.set([...(look.layer === "difference" ? diverging(q / 127.5 - 1) : S.lut.subarray(3 * q, 3 * q + 3)), 255], 4 * q);
  bar.getContext("2d").putImageData(image, 0, 0);
  bar.setAttribute("aria-hidden", "true");
  const { note } = LAYERS[look.layer];
  const missing = look.layer === "v_hat" && !block ? " v̂ is zero: the loop is cut" : "";
  holder.replaceChildren(text(short(ends[0])), bar, text(short(ends[1]) + note + missing));
}

// The classes with their names and colours; of two classes only what is void.
function classLegend(S) {
  const { classes, classNames, palette } = S.header;
  const item = (colour, name, outline = "") => {
    const entry = Object.assign(document.createElement("span"), { className: "class" });
    const box = Object.assign(document.createElement("i"), { className: "swatch" });
    box.style.background = colour;
    if (outline) box.style.boxShadow = `inset 0 0 0 2px ${outline}`;
    entry.append(box, name);
    return entry;
  };
  const digits = classNames.some((name) => /^\d+$/.test(name)); // a number before a number would be taken for one
  const items = classes > 2 ? palette.map((colour, k) => item(colour, digits ? classNames[k] : `${k} ${classNames[k]}`, outlineOf(k))) : [];
  if (S.header.void) items.push(item(`repeating-linear-gradient(135deg, rgba(0, 0, 0, 0.45) 0 1px, ${RUN.voidColour} 1px 4px)`, "void: neither learned nor scored"));
  const title = Object.assign(document.createElement("b"), { textContent: "Classes" });
  S.$(".classes").replaceChildren(title, ...items);
  S.$(".classes").hidden = !items.length;
}

// The panels side by side with their captions, and the line of time with its marks, as a PNG.
function save(S) {
  const side = PANEL;
  const gap = 16;
  const canvas = document.createElement("canvas");
  const [height, width] = S.header.size.map((length) => Math.round((side * length) / Math.max(...S.header.size)));
  const named = namedClasses(S, S.panels.length * (side + gap));
  Object.assign(canvas, { width: S.panels.length * (side + gap) + gap, height: height + 136 + 24 * named.length });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#1b2733";
  S.panels.forEach((panel, i) => {
    const x = gap + i * (side + gap);
    const [title, note] = captionOf(S, panel.entity);
    context.font = "bold 18px sans-serif";
    context.fillText(title, x, 28, side);
    context.font = "15px sans-serif";
    context.fillText(note, x, 50, side);
    context.drawImage(panel.canvas, x, 62, width, height);
  });
  context.fillText(`${summary(S)} ${shownOf(S)}`, gap, height + 79, canvas.width - 2 * gap);
  saveTimeLine(context, S, gap, canvas.width - gap, height + 98);
  named.forEach((row, i) => row.forEach((one) => saveClass(context, one, gap, height + 136 + 24 * i)));
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `frame-${S.t}.png` });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// Which run that is.
function shownOf({ header: { title, image, noise }, sigma }) {
  return `${title}, σ = ${+(+sigma).toPrecision(6)}, one image: ${image}, noise ${noise}.`;
}

// The names of more than two classes in rows of that width: [{ name, colour, outline, left }].
function namedClasses(S, width) {
  const { classes, classNames, palette } = S.header;
  if (classes === 2) return [];
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "15px sans-serif";
  const rows = [[]];
  let left = 0;
  classNames.forEach((called, k) => {
    const name = `${k} ${called}`;
    const room = 40 + pen.measureText(name).width;
    if (left && left + room > width) {
      rows.push([]);
      left = 0;
    }
    rows.at(-1).push({ name, colour: palette[k], outline: outlineOf(k), left });
    left += room;
  });
  return rows;
}

function saveClass(context, { name, colour, outline, left }, gap, y) {
  context.fillStyle = colour;
  context.fillRect(gap + left, y, 14, 14);
  context.lineWidth = 2;
  context.strokeStyle = outline || colour;
  context.strokeRect(gap + left + 1, y + 1, 12, 12);
  context.fillStyle = "#1b2733";
  context.font = "15px sans-serif";
  context.fillText(name, gap + left + 20, y + 12);
}

// As draw_time_line of marks.py draws it.
function saveTimeLine(context, S, left, right, y) {
  const { colour, thumb } = S.header.marks;
  const x = (t) => left + ((right - left) * t) / Math.max(S.header.steps, 1);
  context.fillStyle = "#7f8c99";
  context.fillRect(left, y - 1, right - left, 2);
  context.fillStyle = thumb;
  context.beginPath();
  context.arc(x(S.t), y, 6, 0, 7);
  context.fill();
  context.fillStyle = colour;
  const marks = marksOf(S);
  for (const { t } of marks) {
    context.beginPath();
    for (const [dx, dy] of [[0, 6], [-5, 15], [5, 15]]) context.lineTo(x(t) + dx, y + dy);
    context.fill();
  }
  const done = marks.filter(({ t }) => t <= S.t).map(({ t, name }) => `t = ${t}: ${name}`);
  context.fillText(done.join("; "), left, y + 32, right - left);
}
