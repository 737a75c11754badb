// A picture to point at. The place is a pixel's number, row by row; Python hears of it once it stands still.

const BY = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const STEP = 3; // pixels of a press
const SETTLES = 250; // ms after the last press
const fields = new WeakMap();

export default function ({ data, setStateValue, parentElement }) {
  const F = fields.get(parentElement) ?? build(parentElement.querySelector(".pointing"), data);
  fields.set(parentElement, F);
  F.send = (place) => setStateValue("place", place);
  F.image.src = data.picture;
  F.root.setAttribute("aria-label", data.label);
  show(F);
}

function build(root, { side, place }) {
  const F = { root, side, place, image: root.querySelector("img"), mark: root.querySelector("i") };
  root.addEventListener("click", (event) => {
    const box = F.image.getBoundingClientRect();
    move(F, ((event.clientY - box.top) / box.height) * side, ((event.clientX - box.left) / box.width) * side);
    tell(F);
  });
  root.addEventListener("keydown", (event) => {
    if (!(event.key in BY) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the page's own keys go from lesson to lesson
    const [down, right] = BY[event.key].map((one) => one * (event.shiftKey ? 1 : STEP));
    const middle = Math.floor(side / 2);
    const known = typeof F.place === "number";
    move(F, (known ? Math.floor(F.place / side) : middle) + down, (known ? F.place % side : middle) + right);
    clearTimeout(F.timer);
    F.timer = setTimeout(() => tell(F), SETTLES);
  });
  root.addEventListener("blur", () => tell(F));
  return F;
}

function move(F, row, column) {
  const inside = (one) => Math.min(Math.max(Math.floor(one), 0), F.side - 1);
  F.place = inside(row) * F.side + inside(column);
  F.moved = true;
  show(F);
}

function tell(F) {
  clearTimeout(F.timer);
  if (F.moved && F.root.isConnected) F.send(F.place);
  F.moved = false;
}

function show(F) {
  const known = typeof F.place === "number";
  F.mark.hidden = !known;
  if (!known) return;
  const [row, column] = [Math.floor(F.place / F.side), F.place % F.side];
  F.mark.style.top = `${(100 * (row + 0.5)) / F.side}%`;
  F.mark.style.left = `${(100 * (column + 0.5)) / F.side}%`;
  F.root.querySelector("output").textContent = `Row ${row + 1}, column ${column + 1} of ${F.side}`;
}
