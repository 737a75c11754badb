// The plane of the paths comes by a component of its own, once Python has it: the race has begun by then. The two share
// nothing but the page.

const PLANE = (globalThis.fbsegRacePlane ??= { brought: null, heard: () => {} });

// The place of a moment in a plane.
function placed(plane, moment) {
  if (moment.plane === plane) return moment.at;
  const { header, blocks } = plane;
  const [mean, across, up] = [blocks.mean.data, blocks["axis.0"].data, blocks["axis.1"].data];
  let [x, y] = [0, 0];
  for (let i = 0, c = 0; i < mean.length; c += header.pixels)
    for (const pixel of header.kept) {
      const value = moment.sample[c + pixel] - mean[i];
      x += value * across[i];
      y += value * up[i++];
    }
  return Object.assign(moment, { plane, at: [x, y] }).at;
}
