// The payload of wire.py: header length, JSON header, blocks of numbers. WIRE is what wire.py declares.

function decodeHeader(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), start: 4 + length };
}

// Why a payload cannot be read by this page, or "".
function refusalOf(header) {
  return header.version === WIRE.version ? "" : "The app was updated after this page was opened: reload the page.";
}

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

function decodeBlocks(bytes, header, start) {
  if (refusalOf(header)) throw new Error(refusalOf(header));
  const blocks = {};
  for (const [name, [offset, type, shape, lo, hi]] of Object.entries(header.blocks)) {
    const Kind = ARRAYS[type];
    const count = shape.reduce((a, b) => a * b, 1);
    const from = start + offset;
    const data = new Kind(bytes.slice(from, from + count * Kind.BYTES_PER_ELEMENT).buffer);
    blocks[name] = { data, shape, lo, hi, top: WIRE.dtypes[type] };
  }
  return blocks;
}

// The frame of a block at step t: a block of one frame holds at every step.
function frameOf(block, t) {
  const pixels = block.shape[1] * block.shape[2];
  const i = Math.min(t, block.shape[0] - 1);
  return block.data.subarray(i * pixels, (i + 1) * pixels);
}

function valueOf(block, t, pixel) {
  return block.lo + ((block.hi - block.lo) * frameOf(block, t)[pixel]) / block.top;
}

// A mask as pack_mask of fbseg_core/rollout/interventions.py writes it: bits, deflated, in base64 safe for links.
async function packMask(mask) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((on, i) => on && (bits[i >> 3] |= 128 >> (i & 7)));
  const stream = new Blob([bits]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (const byte of packed) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// The pixels that such a text marks, 1 where; null where it is no mask of so many pixels.
async function unpackMask(text, pixels) {
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bits = new Uint8Array(await new Response(stream).arrayBuffer());
    if (bits.length !== Math.ceil(pixels / 8)) return null;
    return Uint8Array.from({ length: pixels }, (_, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1);
  } catch {
    return null;
  }
}
