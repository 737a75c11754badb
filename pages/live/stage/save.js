// Saving the stage as one HTML file: engine, weights, images and set-up in it, nothing to fetch. OWN is the stage's
// own text, by stage/__init__.py.

async function savedPage(S) {
  const { header, start } = decodeHeader(S.bytes);
  const setup = await setupOf(S);
  const text = new TextEncoder().encode(JSON.stringify({ ...header, setup, saved: true }));
  const pad = (4 - ((4 + text.length) % 4)) % 4;
  const bytes = new Uint8Array(4 + text.length + pad + S.bytes.length - start);
  new DataView(bytes.buffer).setUint32(0, text.length + pad, true);
  bytes.fill(32, 4, 4 + text.length + pad);
  bytes.set(text, 4);
  bytes.set(S.bytes.subarray(start), 4 + text.length + pad);
  const theme = getComputedStyle(S.root.host ?? document.documentElement);
  const colours = ["text-color", "border-color", "secondary-background-color", "primary-color", "background-color", "font"]
    .map((name) => `--st-${name}: ${theme.getPropertyValue(`--st-${name}`) || "initial"};`)
    .join(" ");
  const told = S.machines.map(({ model }) => `<li>${escaped(model.told)}</li>`).join("");
  // a "</script" inside the text would end the element
  const code = [`const ENGINE_FILES = ${JSON.stringify(ENGINE_FILES)};`, "const OWN = null;", OWN.js, `const STAGE = "${base64Of(bytes)}";`, "openSaved();"].join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Watch a network correct itself</title>
<style>:root { ${colours} } body { margin: 1rem; background: var(--st-background-color, white); color: var(--st-text-color, #1b2733); font-family: var(--st-font, sans-serif); }
${OWN.css}</style></head>
<body><main><h1>Watch a network correct itself</h1>
<p>The network guesses, looks at its own guess, and corrects it, step after step (<a href="https://arxiv.org/abs/2507.10143">the paper</a>). It runs in this file: take hold of anything while it runs.</p>
<div id="stage">${OWN.html}</div><ul>${told}</ul></main>
<script type="module">${code.replaceAll("</script", "<\\/script")}</script></body></html>`;
}

// In a saved file: read what stands in it, and open it.
function openSaved() {
  const bytes = Uint8Array.from(atob(STAGE), (c) => c.charCodeAt(0));
  const S = openStage(document.querySelector("#stage"), null);
  receive(S, bytes);
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function base64Of(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

async function saveAsFile(S) {
  const page = await savedPage(S);
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([page], { type: "text/html" })), download: `live-${S.W.task}.html` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say(S, "Saved as one HTML file.");
}
