// Streamlit's own sliders, toggles and menus, heard while the hand has them. Python hears of a slider once it is let go;
// a component on the same page hears of every move here. The widget of key "explore-clock" stands in an element of the
// class st-key-explore-clock. Should what stands in it ever be built otherwise, nothing is heard, and Python still is.

// On a phone the sidebar stands below the page (style.css): what its widgets move is brought into sight above it.
const NARROW = matchMedia("(max-width: 640px)");

// Call moved(field, value, held) as the hand moves a widget of key `${screen}-${field}`; held: whether it still has it.
// pictures: what holds the pictures that it moves, the first of them most. Returns a function that ends it.
function watchWidgets(screen, pictures, moved) {
  const begins = `st-key-${screen}-`;
  const heard = new Map(); // field -> what was last told of it
  let touched = null; // where the hand or a key last was: what changes elsewhere was changed by Python
  const touch = ({ target }) => {
    touched = target;
    const sidebar = NARROW.matches && target.closest("[data-testid=stSidebar]");
    if (!sidebar || !target.closest(`[class*="${begins}"]`)) return;
    const { top, bottom } = pictures.firstElementChild.getBoundingClientRect();
    if (top < 0 || bottom > sidebar.getBoundingClientRect().top) pictures.scrollIntoView({ block: "start" });
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
