// Models on this page by what they are known by: one component brings their bytes, others wait for them. They share
// nothing but the page.

const CARRIED = (globalThis.fbsegCarried ??= { bytes: new Map(), waiting: new Set() });
const MOST_CARRIED = 8; // models

function bring(models) {
  for (const [key, bytes] of models) {
    CARRIED.bytes.delete(key); // the last brought stands last
    CARRIED.bytes.set(key, bytes);
  }
  while (CARRIED.bytes.size > MOST_CARRIED) CARRIED.bytes.delete(CARRIED.bytes.keys().next().value);
  for (const look of [...CARRIED.waiting]) look();
}

// A model's bytes, once they are there.
const carried = (key) =>
  new Promise((resolve) => {
    const look = () => {
      if (!CARRIED.bytes.has(key)) return;
      CARRIED.waiting.delete(look);
      resolve(CARRIED.bytes.get(key));
    };
    CARRIED.waiting.add(look);
    look();
  });
