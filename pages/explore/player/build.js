// What a new run changes: panels, menus, the buttons to intervene and to draw.

function build(S) {
  const { header, $ } = S;
  for (const element of S.root.querySelectorAll("[data-part]"))
    element.classList.toggle("gone", S.hidden.has(element.dataset.part));
  $(".player").classList.toggle("presented", header.presented);
  buildPanels(S);
  buildChoices(S);
  Object.assign($(".time"), { max: header.steps, disabled: header.steps === 0 });
  Object.assign($(".sigma"), { min: header.sigmas[0], max: header.sigmas[1], step: header.sigmas[2] });
  buildSettings(S);
  buildActs(S);
  buildDrawTools(S);
  $(".player").style.setProperty("--mark", header.marks.colour);
  markStop(S);
  $(".cue-note").textContent = header.cueNote;
  $(".cue-note").hidden = !header.cueNote;
  looks(S);
}

// Sliders for numbers of the loop; those that stay are left where they are, so that none slips out of the hand.
function buildSettings(S) {
  const holder = S.$(".settings");
  const there = new Map([...holder.children].map((label) => [label.dataset.field, label]));
  const labels = S.header.settings.map((setting) => there.get(setting.field) ?? settingSlider(S, setting));
  for (const label of there.values()) if (!labels.includes(label)) label.remove();
  labels.forEach((label, i) => holder.children[i] !== label && holder.insertBefore(label, holder.children[i] ?? null));
}

function settingSlider(S, { field, label: name, range, help }) {
  const label = Object.assign(document.createElement("label"), { textContent: `${name} ` });
  const [min, max, step] = range;
  const input = Object.assign(document.createElement("input"), { type: "range", min, max, step, className: field, title: help });
  input.setAttribute("aria-label", name);
  label.dataset.field = field;
  label.append(input, document.createElement("output"));
  const moved = (held) => () => {
    const { built } = S.header.settings.find((setting) => setting.field === field);
    S.values[field] = +input.value;
    previewSoon(S);
    follow(S, { [field]: +input.value === built ? null : +input.value }, held);
  };
  input.addEventListener("input", moved(true));
  input.addEventListener("change", moved(false));
  return label;
}

// Where the run was stopped by itself, in words and on the time line.
function markStop(S) {
  const { header, $ } = S;
  const stop = header.auto?.stop;
  $(".auto").hidden = !header.auto;
  say($(".auto"), header.auto ? stopText(header) : "");
  $(".flag").hidden = stop == null;
  if (stop != null) $(".flag").style.left = along(S, stop);
}

function stopText({ auto, steps, curves }) {
  if (auto.stop === null) return `Auto: not stopped within ${steps} steps (${auto.why} did not happen).`;
  const f1 = (t) => curves.run.f1[t].toFixed(2);
  const after = auto.stop < steps ? `, ${f1(steps)} after all ${steps} steps` : "";
  return `Auto: stopped at t = ${auto.stop}, ${auto.why}; F1 ${f1(auto.stop)} there${after}.`;
}

const THUMB = 16; // px, the width of the range's thumb

// A step's place on the time line.
const along = (S, t) => `calc(${THUMB / 2}px + (100% - ${THUMB}px) * ${t / Math.max(S.header.steps, 1)})`;

// What a new run or another layer changes, but not another step.
function looks(S) {
  legend(S);
  film(S);
  charts(S);
  pixelChart(S);
}

function option(value, text) {
  return Object.assign(document.createElement("option"), { value, textContent: text });
}

function buildChoices(S) {
  const { header, $, look } = S;
  const shown = Object.entries(LAYERS).filter(([value]) => value !== "mismatch" || header.leaks);
  const titles = shown.map(([value, { title }]) => option(value, value === "probability" && header.classes > 2 ? "probability" : title));
  $(".layer").replaceChildren(...titles);
  look.of_class = look.of_class < header.classes ? look.of_class : 0;
  $(".of-class").replaceChildren(...header.classNames.map((name, k) => option(k, k ? name : `any but ${name}`)));
  $(".of-class").value = look.of_class;
  const regions = header.classes > 2 ? "each class" : "shape and background";
  $(".points").setAttribute("aria-label", `Points of the plane: the state of all pixels, or its means over ${regions}`);
  $(".points").title = `One path for the whole image, or one ${header.classes > 2 ? "for each class" : "each for shape and background"}. Try the second to see them part.`;
  $(".channel").replaceChildren(...Array.from({ length: header.channels.v }, (_, i) => option(i, i + 1)));
  $(".against").replaceChildren(...Array.from({ length: header.steps + 1 }, (_, i) => option(i, i)));
  look.channel = Math.min(look.channel, header.channels.v - 1);
  look.against = Math.min(look.against, header.steps);
  $(".layer").value = look.layer;
  $(".channel").value = look.channel;
  $(".against").value = look.against;
  $(".what").value = look.plane;
  $(".points").value = look.points;
  $(".view").value = look.chart;
  $(".curve").value = look.curve;
  $(".scale").value = look.scale;
}

// Panels that stay are left where they are, so that none loses its focus when another comes or goes.
function buildPanels(S) {
  const wanted = ["input", "run", ...(S.header.curves.ghost ? ["ghost"] : []), "comparison", "truth"];
  const there = new Map(S.panels.map((panel) => [panel.entity, panel]));
  S.panels = wanted.map((entity) => there.get(entity) ?? newPanel(S, entity));
  const holder = S.$(".panels");
  holder.style.setProperty("--panels", wanted.length);
  for (const [entity, panel] of there) if (!wanted.includes(entity)) panel.canvas.parentElement.remove();
  S.panels.forEach((panel, i) => {
    const figure = panel.canvas.parentElement;
    if (holder.children[i] !== figure) holder.insertBefore(figure, holder.children[i] ?? null);
  });
}

function newPanel(S, entity) {
  const figure = Object.assign(document.createElement("figure"), { className: `panel ${entity}` });
  const canvas = Object.assign(document.createElement("canvas"), { tabIndex: 0 });
  const caption = document.createElement("figcaption");
  canvas.setAttribute("role", "img");
  figure.append(caption, canvas);
  const panel = { entity, canvas, caption };
  pointer(S, panel);
  return panel;
}

// New buttons in the place of old ones; the one at the place of the one in focus takes the focus over.
function refill(holder, items) {
  const at = [...holder.children].findIndex((child) => child.matches(":focus"));
  holder.replaceChildren(...items);
  if (at >= 0) holder.children[Math.min(at, items.length - 1)]?.focus();
}

function button(text, label, act, pressed) {
  const element = Object.assign(document.createElement("button"), { textContent: text, title: HINTS[text] ?? label });
  element.setAttribute("aria-label", label);
  if (pressed !== undefined) element.setAttribute("aria-pressed", pressed);
  element.addEventListener("click", act);
  return element;
}

function useTool(S, tool) {
  S.tool = tool;
  if (tool) play(S, false);
  buildActs(S);
  buildDrawTools(S);
  draw(S);
}

function buildDrawTools(S) {
  const holder = S.$(".draw-tools");
  if (!S.header.drawable) {
    const why = "Images of this task cannot be drawn: see others by their seed.";
    return refill(holder, [Object.assign(document.createElement("span"), { className: "hint", textContent: why })]);
  }
  const drawing = S.tool?.kind === "draw";
  const use = (name, text, label) =>
    button(text, label, () => useTool(S, { kind: "draw", name }), drawing && S.tool.name === name);
  const start = button(drawing ? "Stop drawing" : "Draw your own", "Draw the clean image with mouse, pen or finger", () => useTool(S, drawing ? null : { kind: "draw", name: "pen" }), drawing);
  const items = [start];
  if (drawing)
    items.push(
      use("pen", "Pen", "Draw"), use("rubber", "Rubber", "Rub out"), use("circle", "● Stamp", "Stamp a circle"),
      use("square", "■ Stamp", "Stamp a square"), use("triangle", "▲ Stamp", "Stamp a triangle"),
      Object.assign(button("Undo", "Take back the last stroke", () => undo(S)), { disabled: !S.undo.length }),
      button("Clear", "Start from an empty image", () => {
        S.undo.push({ bitmap: S.bitmap.slice(), drawn: S.header.drawn });
        S.bitmap = new Uint8Array(S.bitmap.length);
        S.preview = true;
        sendDrawing(S);
        buildDrawTools(S);
      }),
    );
  if (S.header.drawn || S.header.cue)
    items.push(button("Back to the drawn-by-seed image", "Drop the drawing and the cue placed by hand", () => {
      S.undo = [];
      S.change({ drawing: "", cue: null });
    }));
  if (S.header.cues) items.push(Object.assign(document.createElement("span"), { className: "hint", textContent: drawing ? "To move the cue, stop drawing and click the input." : "Click the input to move the cue." }));
  refill(holder, items);
}
