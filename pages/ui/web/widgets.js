// Streamlit's own sliders, toggles and menus, heard while the hand has them. Python hears of a slider once it is let go;
// a component on the same page hears of every move here. The widget of key "explore-clock" stands in an element of the
// class st-key-explore-clock. Should what stands in it ever be built otherwise, nothing is heard, and Python still is.

// On a phone the sidebar stands below the page (style.css): what its widgets move is brought into sight above it.
const NARROW = matchMedia("(max-width: 640px)");

function bringIntoSight(pictures, widget) {
  const sidebar = NARROW.matches && widget.closest("[data-testid=stSidebar]");
  if (!sidebar) return;
  const { top, bottom } = pictures.firstElementChild.getBoundingClientRect();
  if (top < 0 || bottom > sidebar.getBoundingClientRect().top) pictures.scrollIntoView({ block: "start" });
}

// Call moved(field, value, held) as the hand moves a widget of key `${screen}-${field}`; held: whether it still has it.
// pictures: what holds the pictures that it moves, the first of them most. Returns a function that ends it.
function watchWidgets(screen, pictures, moved) {
  const begins = `st-key-${screen}-`;
  const heard = new Map(); // field -> what was last told of it
  let touched = null; // where the hand or a key last was: what changes elsewhere was changed by Python
  const touch = ({ target }) => {
    touched = target;
    if (target.closest(`[class*="${begins}"]`)) bringIntoSight(pictures, target);
  };
  const hear = (records) => {
    for (const place of new Set(records.map(({ target }) => target.closest(`[class*="${begins}"]`)))) {
      const input = place?.querySelector("input");
      if (!input || ![touched, document.activeElement].some((one) => place.contains(one))) continue;
      const field = [...place.classList].find((name) => name.startsWith(begins)).slice(begins.length);
      const value = input.type === "checkbox" ? input.checked : input.type === "range" ? +input.value : input.value;
      const held = place.querySelector("[data-dragging]") !== null;
      const told = JSON.stringify([value, held]);
      if (heard.get(field) === told) continue;
      heard.set(field, told);
      moved(field, value, held);
    }
  };
  const observer = new MutationObserver(hear);
  observer.observe(document.body, { subtree: true, attributeFilter: ["value", "data-selected", "data-dragging"] });
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, touch, true);
  return () => {
    observer.disconnect();
    for (const kind of ["pointerdown", "keydown"]) document.removeEventListener(kind, touch, true);
  };
}

// Call pressed(rest of its key) for a button of Streamlit's whose key begins so; where that returns true, Streamlit does
// not hear of it. pictures: as in watchWidgets. Returns a function that ends it.
function heedButtons(begins, pictures, pressed) {
  const hear = (event) => {
    const place = event.target.closest?.("button") && event.target.closest(`[class*="st-key-${begins}"]`);
    const name = place && [...place.classList].find((one) => one.startsWith(`st-key-${begins}`));
    if (!name || !pressed(name.slice(`st-key-${begins}`.length))) return;
    event.stopPropagation();
    bringIntoSight(pictures, place);
  };
  document.addEventListener("click", hear, true);
  return () => document.removeEventListener("click", hear, true);
}
