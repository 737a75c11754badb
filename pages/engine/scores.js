// Numbers of one step, as fbseg_core/scores and analysis/curves have them; tests hold the two against each other.

// Pixels by class: right, and wrong as a false positive or a false negative of it. Void pixels count nowhere.
function countsOf(mask, truth, classes, nothing) {
  const [hit, wrong] = [new Float64Array(classes), new Float64Array(classes)];
  for (let i = 0; i < mask.length; i++) {
    if (truth[i] === nothing) continue;
    if (mask[i] === truth[i]) hit[mask[i]]++;
    else (wrong[mask[i]]++, wrong[truth[i]]++); // a false positive of one class, a false negative of the other
  }
  return { hit, wrong };
}

// Mean of a score over the foreground classes that truth or answer hold; 1 where there is none.
function meanScore({ hit, wrong }, score) {
  let [sum, present] = [0, 0];
  for (let k = 1; k < hit.length; k++) {
    if (hit[k] + wrong[k] === 0) continue;
    sum += score(hit[k], wrong[k]);
    present++;
  }
  return present ? sum / present : 1;
}

const f1Of = (counts) => meanScore(counts, (hit, wrong) => (2 * hit) / (2 * hit + wrong));
const iouOf = (counts) => meanScore(counts, (hit, wrong) => hit / (hit + wrong));
const meanF1 = (mask, truth, classes, nothing) => f1Of(countsOf(mask, truth, classes, nothing));

// Of class logits (K, H, W): the mask, the probability of any class but the background (0 to 255), and the mean
// entropy in bits. Of equals the first class wins.
function readAnswer(logits, classes, pixels) {
  const [mask, shade] = [new Uint8Array(pixels), new Uint8Array(pixels)];
  const p = new Float64Array(classes);
  let bits = 0;
  for (let i = 0; i < pixels; i++) {
    let best = 0;
    for (let k = 1; k < classes; k++) if (logits[k * pixels + i] > logits[best * pixels + i]) best = k;
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += p[k] = Math.exp(logits[k * pixels + i] - logits[best * pixels + i]);
    for (let k = 0; k < classes; k++) if (p[k] > 0) bits -= (p[k] / sum) * Math.log2(p[k] / sum);
    mask[i] = best;
    shade[i] = Math.round(255 * (1 - p[0] / sum));
  }
  return { mask, shade, entropy: bits / pixels };
}

function norm(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

// The length of a vector at each pixel: of (N, H, W) the (H, W) of √Σ over N.
function lengths(values, pixels) {
  const out = new Float32Array(pixels);
  for (let from = 0; from < values.length; from += pixels) for (let i = 0; i < pixels; i++) out[i] += values[from + i] ** 2;
  for (let i = 0; i < pixels; i++) out[i] = Math.sqrt(out[i]);
  return out;
}

// Of channels (V, H, W) the one that varies most from pixel to pixel, as bytes from its least to its largest value.
function liveliest(values, pixels) {
  let best = { spread: -1 };
  for (let from = 0; from < values.length; from += pixels) {
    const channel = values.subarray(from, from + pixels);
    let [sum, squares, lo, hi] = [0, 0, Infinity, -Infinity];
    for (const value of channel) {
      sum += value;
      squares += value * value;
      lo = Math.min(lo, value);
      hi = Math.max(hi, value);
    }
    const spread = squares / pixels - (sum / pixels) ** 2;
    if (spread > best.spread) best = { spread, channel, lo, hi };
  }
  return Uint8Array.from(best.channel, (value) => Math.round((255 * (value - best.lo)) / (best.hi - best.lo || 1)));
}

const middle = (values) => Float32Array.from(values).sort()[values.length >> 1];
