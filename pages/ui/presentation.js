// The keys of a presentation, from anywhere on the page.

const TYPED = "input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable], [role=combobox], [role=listbox], [role=dialog]";
const MOVED = `${TYPED}, input, canvas, [role=slider], [role=radio], [role=tab], [role=application]`;
const BY = { PageDown: 1, PageUp: -1, ArrowRight: 1, ArrowLeft: -1 };
const PATIENCE = 2000; // ms in which an answer to a press may still be on its way
const pages = new WeakMap();

export default function ({ data, setTriggerValue, parentElement }) {
  const page = pages.get(parentElement) ?? { onKey: (event) => press(page, event) };
  pages.set(parentElement, page);
  // Where several presses come before Python has answered the first, each goes on from the one before it.
  if (!(performance.now() - page.pressed < PATIENCE)) page.wanted = data.at;
  Object.assign(page, { send: setTriggerValue, ...data });
  // before a control hears of it: a slider would take a remote's keys for its own
  document.addEventListener("keydown", page.onKey, true);
  return () => document.removeEventListener("keydown", page.onKey, true);
}

function press(page, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inside = (what) => event.composedPath().some((one) => one instanceof Element && one.matches(what));
  if (event.key === "Escape" && !inside(TYPED)) return page.send("leave", true);
  const arrow = event.key.startsWith("Arrow");
  if (!(event.key in BY) || (arrow && (!page.arrows || inside(MOVED)))) return;
  event.preventDefault();
  event.stopPropagation();
  const to = Math.min(Math.max(page.wanted + BY[event.key], 0), page.last);
  page.pressed = performance.now();
  if (to !== page.wanted) page.send("to", (page.wanted = to));
}
