// The player: one run, decoded once, played here. Python is asked only for what changes the run.

const PATIENCE = 3000; // ms until a request that was not answered no longer holds back the next
const COLOURS = { run: "#0072B2", ghost: "#7f8c99", comparison: "#D55E00", chance: "#7f8c99", old: "#CC79A7" };
const DASHES = { ghost: "5 3", comparison: "8 4", chance: "2 3", old: "1 3" };
const sessions = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let S = sessions.get(root);
  if (!S) sessions.set(root, (S = open(root)));
  S.send = component.setTriggerValue;
  S.alive = true;
  clearTimeout(S.closing);
  document.addEventListener("keydown", S.onKey);
  // once: this is called again with each answer, and what it returns only as the player leaves the page
  S.watching ??= [
    watchWidgets("explore", S.$(".panels"), (...move) => sidebarMoved(S, ...move)),
    heedButtons("next-", S.$(".panels"), (field) => nextSeed(S, field)),
  ];
  receive(S, component.data);
  return () => {
    S.alive = false;
    document.removeEventListener("keydown", S.onKey);
    for (const end of S.watching ?? []) end();
    S.watching = null;
    for (const timer of [S.telling, S.backing]) clearTimeout(timer);
    S.closing = setTimeout(() => closeEngines(S), 1000); // unless Streamlit only draws it anew
  };
}

function open(root) {
  const $ = (selector) => root.querySelector(selector);
  const S = {
    root, $, header: null, blocks: {}, lut: null, t: 0, playing: false, sigma: 0, look: null, hidden: new Set(),
    panels: [], cursors: [], pixel: null, tool: null, stroke: null, bitmap: null, preview: false, cuePreview: null,
    undo: [], strokes: new Map(), hand: false, sent: 0, sentAt: 0, pending: null, dirty: false,
    values: {}, come: null, ahead: null, made: null, ran: null, engine: null, opening: "", following: false,
  };
  S.ask = (wish) => ask(S, wish);
  S.change = (values) => change(S, values);
  S.onKey = (event) => onKey(S, event);
  wire(S);
  new ResizeObserver(() => S.header && film(S)).observe($(".player"));
  return S;
}

function wire(S) {
  const { $ } = S;
  $(".reset").addEventListener("click", () => goTo(S, 0));
  $(".back").addEventListener("click", () => goTo(S, S.t - 1));
  $(".step").addEventListener("click", () => goTo(S, S.t + 1));
  $(".play").addEventListener("click", () => play(S, !S.playing));
  $(".time").addEventListener("input", (event) => goTo(S, +event.target.value));
  $(".film").addEventListener("click", (event) => {
    const { cell, pitch, frames } = S.film;
    const i = Math.round((event.clientX - $(".film").getBoundingClientRect().left - cell / 2) / pitch);
    goTo(S, frames[Math.min(Math.max(i, 0), frames.length - 1)].t);
  });
  const sigma = (held) => (event) => {
    S.sigma = +event.target.value;
    S.preview = true;
    previewSoon(S);
    follow(S, { sigma: S.sigma }, held);
  };
  $(".sigma").addEventListener("input", sigma(true));
  $(".sigma").addEventListener("change", sigma(false));
  const choose = (selector, key, read = (element) => element.value, remote = false) =>
    $(selector).addEventListener("change", (event) => {
      S.look[key] = read(event.target);
      if (remote) ask(S, { look: { ...S.look, t: S.t === rest(S) ? null : S.t } });
      if (!isComing(S)) {
        looks(S);
        draw(S);
      }
      report(S);
      if (S.ahead && !S.following) catchUp(S);
    });
  choose(".layer", "layer", (e) => e.value, true);
  choose(".channel", "channel", (e) => +e.value);
  choose(".of-class", "of_class", (e) => +e.value, true);
  choose(".against", "against", (e) => +e.value);
  choose(".what", "plane", (e) => e.value, true);
  choose(".points", "points", (e) => e.value, true);
  choose(".view", "chart");
  choose(".curve", "curve");
  choose(".scale", "scale");
  $(".save").addEventListener("click", () => save(S));
}

// ---- Python: what comes, what is asked ------------------------------------------------------------

function receive(S, data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const { header, start } = decodeHeader(bytes);
  const refusal = refusalOf(header);
  if (refusal || S.refused) return refuse(S, refusal || S.refused);
  const first = S.header === null;
  const fresh = first || header.id !== S.header.id || S.ahead !== null;
  const elsewhere = first || header.epoch !== S.header.epoch; // a preset, a link or a reset, not this player
  const place = placeOf(S);
  S.come = { header, blocks: fresh ? decodeBlocks(bytes, header, start) : S.come.blocks };
  S.blocks = S.come.blocks;
  S.header = header;
  S.lut = lutOf(header);
  S.hidden = new Set(header.hide);
  if (elsewhere) {
    fallBehind(S);
    S.look = { ...header.look };
    S.tool = null;
    S.undo = [];
    S.pending &&= S.pending.state && { state: true }; // what was wished of another view
  }
  const answered = header.answered >= S.sent;
  if (answered && !S.pending && !S.hand && (!S.ahead || (S.ahead.told && agreed(header, S.ahead)))) {
    fallBehind(S);
    S.values = {};
    S.sigma = header.sigma;
    S.preview = false;
    S.bitmap = null;
    S.cuePreview = S.stroke = null;
  } else if (S.ahead) S.header = { ...header, ...saidAhead(S) };
  if (elsewhere) S.t = Math.min(S.t, header.steps);
  else standAt(S, place);
  S.bitmap ??= bitmapOf(S);
  sayWaiting(S, !answered);
  if (fresh || elsewhere) build(S);
  if (elsewhere) begin(S);
  draw(S);
  if (S.ahead && S.made?.scene === header.engine.of) takeMade(S, place);
  if (S.ahead && !S.following) catchUp(S);
  prepare(S);
  if (answered) flush(S);
  S.$(".player").dataset.run = header.run;
  S.$(".player").dataset.payload = header.id;
  S.$(".player").dataset.bytes = bytes.length;
}

// A payload of another version than the page: nothing of it can be shown.
function refuse(S, why) {
  const said = Object.assign(document.createElement("p"), { className: "refused", textContent: why });
  said.setAttribute("role", "alert");
  S.$(".player").replaceChildren(said);
  clearTimeout(S.reporting);
  Object.assign(S, { refused: why, header: null, playing: false });
}

function begin(S) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  S.playing = false;
  if (S.header.look.t !== null) S.t = Math.min(S.header.look.t, S.header.steps);
  else if (still) S.t = rest(S);
  else {
    S.t = 0;
    play(S, true);
  }
}

// The last wish always wins: one request is under way at a time, and what came meanwhile goes next.
function ask(S, wish) {
  S.pending = { ...S.pending, ...wish };
  flush(S);
}

function flush(S) {
  if (!S.pending) return;
  const waiting = S.sent > (S.header?.answered ?? 0) && performance.now() - S.sentAt < PATIENCE;
  sayWaiting(S, true);
  if (waiting) return void setTimeout(() => flush(S), PATIENCE);
  S.sent = Math.max(S.sent + 1, Date.now());
  S.sentAt = performance.now();
  S.send("ask", { ...S.pending, n: S.sent });
  S.pending = null;
}

// A seed's run that the browser shows already waits for nothing that is seen.
function sayWaiting(S, waits) {
  S.$(".busy").hidden = !waits || (Boolean(S.ahead?.pressed?.length) && !lacksImage(S));
}

// Tell Python what is looked at, for the link, once it no longer changes.
function report(S) {
  clearTimeout(S.reporting);
  S.reporting = setTimeout(() => {
    if (S.playing || !S.alive) return;
    const look = { ...S.look, t: S.t === rest(S) ? null : S.t };
    if (JSON.stringify(look) !== JSON.stringify(S.header.look)) ask(S, { look });
  }, 600);
}
