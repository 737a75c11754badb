// Images on this page by their task and seed, which buttons show next: one component brings them (bring.js), the player
// looks them up. They share nothing but the page.

const OFFERED = (globalThis.fbsegOffered ??= new Map());
const MOST_OFFERED = 12;

function offer(task, image) {
  const key = `${task} ${image.seed}`;
  OFFERED.delete(key); // the last brought stands last
  OFFERED.set(key, image);
  if (OFFERED.size > MOST_OFFERED) OFFERED.delete(OFFERED.keys().next().value);
}

const offered = (task, seed) => OFFERED.get(`${task} ${seed}`) ?? null;

// Clean image and truth of what `packed` of offered.py deflates.
async function inflated(bytes, [channels, height, width]) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = channels * height * width;
  const clean = new Uint8Array(4 * count);
  for (let i = 0; i < clean.length; i++) clean[i] = raw[(i % 4) * count + (i >> 2)];
  return { clean: new Float32Array(clean.buffer), truth: raw.slice(4 * count) };
}
