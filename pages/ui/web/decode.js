// The payload of payload.py: header length, JSON header, blocks of uint8 or uint16.

function decodeHeader(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), start: 4 + length };
}

function decodeBlocks(bytes, header, start) {
  const blocks = {};
  for (const [name, [offset, type, shape, lo, hi]] of Object.entries(header.blocks)) {
    const Kind = type === "uint16" ? Uint16Array : Uint8Array;
    const count = shape.reduce((a, b) => a * b, 1);
    const from = start + offset;
    const data = new Kind(bytes.slice(from, from + count * Kind.BYTES_PER_ELEMENT).buffer);
    blocks[name] = { data, shape, lo, hi, top: type === "uint16" ? 65535 : 255 };
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

// A mask as pack_mask of fbseg_core/interventions.py writes it: bits, deflated, in base64 safe for links.
async function packMask(mask) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((on, i) => on && (bits[i >> 3] |= 128 >> (i & 7)));
  const stream = new Blob([bits]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (const byte of packed) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
