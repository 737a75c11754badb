// Where a reader stands. What was pressed leaves the page as the answer comes, and the next Tab would begin at the
// top; a browser goes Back to an address, but to no place within a part of the page that scrolls by itself.

const PATIENCE = 2000; // ms until what is to be read is drawn
const pages = new WeakMap();

export default function ({ data, parentElement }) {
  const page = pages.get(parentElement) ?? follow();
  pages.set(parentElement, page);
  if (page.turned !== undefined && page.turned !== data.turned) stand(data.at, performance.now() + PATIENCE);
  Object.assign(page, data);
  document.addEventListener("click", page.onClick, true);
  window.addEventListener("hashchange", page.onHash);
  return () => {
    document.removeEventListener("click", page.onClick, true);
    window.removeEventListener("hashchange", page.onHash);
  };
}

// The part of the page of that key has the keyboard, and a screen reader tells what it says.
function stand(key, until) {
  const part = document.querySelector(`.st-key-${key}`);
  if (!part) return performance.now() < until && requestAnimationFrame(() => stand(key, until));
  part.setAttribute("role", "group");
  part.setAttribute("aria-label", part.textContent);
  part.tabIndex = -1;
  part.focus();
}

// From a term to its row of the glossary and, by a link or the browser's Back, to the same term again.
function follow() {
  const page = {};
  const terms = () => `a[href^="${page.row}"]`;
  page.onClick = ({ target }) => (page.term = target.closest?.(terms()) ?? page.term);
  page.onHash = ({ oldURL }) => {
    if (location.hash.startsWith(page.row) || !new URL(oldURL).hash.startsWith(page.row)) return;
    (page.term?.isConnected ? page.term : document.querySelector(terms()))?.focus();
  };
  return page;
}
