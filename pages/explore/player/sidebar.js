// The controls in Streamlit's sidebar, followed as the player's own sliders are (follow.js). Streamlit tells Python of its
// sliders, toggles and menus, so that here is only waited until its answer shows the same. The buttons "New" beside the
// seeds the player heeds alone, and tells Python which seed it shows: of many quick clicks Streamlit passes on a few.

// A control moved: show what follows. In the middle of a menu's text, or of another screen's, it is none.
function sidebarMoved(S, field, value, held) {
  const known = S.header?.sidebar[field];
  if (!known || !(known.options?.includes(value) ?? true) || !canFollow(S)) return;
  if (field === "image" && !follows(S, value, held)) return;
  const values = { ...S.ahead?.values, [field]: value };
  if (field === "frozen") values.clock = 0; // where Python begins to hold it
  const pressed = (S.ahead?.pressed ?? []).filter((one) => one !== field);
  if (S.pending) delete S.pending[field];
  S.ahead = { ...S.ahead, values, pressed, told: S.ahead?.told ?? true };
  clearTimeout(S.backing);
  // back where it was, of which Streamlit has nothing to tell
  if (!held && agreed(S.header, S.ahead)) S.backing = setTimeout(() => tell(S), REST);
  if (!S.following) catchUp(S);
}

// Whether a seed of the image that its slider shows is followed: once it is let go, and where the browser has the image,
// or has one on show that Python does not know of, which stays until Python answers.
function follows(S, seed, held) {
  if (held) return false;
  return "image" in (S.ahead?.values ?? {}) || seed === S.come.header.image || imageOfSeed(S.come, seed) !== null;
}

// "New" is pressed beside the seed of image or noise: show the next. Returns whether that is dealt with; else Streamlit
// tells Python, and until that has answered the next press is left to it, too. Streamlit, too, ends noise draws under way.
function nextSeed(S, field) {
  if (!S.header?.sidebar[field] || !canFollow(S) || S.header.draws || S.leftTo === S.come) {
    S.leftTo = S.come;
    return false;
  }
  const seed = (sceneAhead(S)[field] + 1) % RUN.seeds;
  if (field === "image") S.undo = [];
  follow(S, field === "image" ? { image: seed, drawing: "", cue: null } : { noise: seed }, false);
  S.ahead.pressed = [...new Set([...(S.ahead.pressed ?? []), field])];
  return true;
}

// Whether a header shows what the sidebar does: all its controls among these values that Streamlit tells of.
function agreed({ sidebar }, { values, pressed = [] }) {
  const same = (a, b) => a === b || Math.abs(a - b) < 1e-6;
  const told = Object.entries(values).filter(([field]) => field in sidebar && !pressed.includes(field));
  return told.every(([field, value]) => same(sidebar[field].value, value));
}

// The engine's switches, as run.py's scene_of has them: null is as built.
function switchesOf({ sidebar }, values) {
  const found = {};
  for (const [field, value] of Object.entries(values)) found[field] = value === sidebar[field]?.built ? null : value;
  const { eigenvalue, frozen = sidebar.frozen?.value, ...switches } = found;
  if ("clock" in values) switches.clock = frozen ? values.clock : null;
  if ("eigenvalue" in values) switches.spectrum = eigenvalue === null ? null : [eigenvalue];
  return switches;
}
