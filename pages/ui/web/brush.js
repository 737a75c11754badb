// The pixels of a stroke: what a tool marks at a point, and the points on its way.

const STAMPS = { circle: 0, square: 4, triangle: 3 };

// The pixels a tool marks at a point: a small disc, or a stamp a fifth of the image wide.
function marked(tool, size, row, column) {
  const sides = STAMPS[tool];
  const side = Math.min(...size);
  const radius = sides === undefined ? Math.max(1, side / 32) : side / 5;
  const found = [];
  for (let r = Math.floor(row - radius); r <= row + radius; r++)
    for (let c = Math.floor(column - radius); c <= column + radius; c++) {
      if (r < 0 || c < 0 || r >= size[0] || c >= size[1]) continue;
      if (insideOf(sides, r - row, c - column, radius)) found.push(r * size[1] + c);
    }
  return found;
}

function insideOf(sides, dy, dx, radius) {
  if (!sides) return dx * dx + dy * dy <= radius * radius;
  for (let k = 0; k < sides; k++) {
    const normal = (sides === 4 ? -Math.PI / 4 : -Math.PI / 2) + ((2 * k + 1) * Math.PI) / sides;
    if (dx * Math.cos(normal) + dy * Math.sin(normal) > radius * Math.cos(Math.PI / sides)) return false;
  }
  return true;
}

// Every pixel on the way, so that a quick stroke has no gaps.
function between(from, to) {
  const steps = Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]), 1);
  return Array.from({ length: steps }, (_, i) =>
    [0, 1].map((axis) => Math.round(from[axis] + ((to[axis] - from[axis]) * (i + 1)) / steps)),
  );
}
