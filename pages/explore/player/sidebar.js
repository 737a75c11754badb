// The switches in Streamlit's sidebar, followed as the player's own sliders are (follow.js). Streamlit tells Python of
// them, so that here is only waited until its answer shows the same.

// A switch moved: show what follows. In the middle of a menu's text, or of another screen's, it is none.
function sidebarMoved(S, field, value, held) {
  const known = S.header?.sidebar[field];
  if (!known || !(known.options?.includes(value) ?? true) || !canFollow(S)) return;
  const values = { ...S.ahead?.values, [field]: value };
  if (field === "frozen") values.clock = 0; // where Python begins to hold it
  S.ahead = { ...S.ahead, values, told: S.ahead?.told ?? true };
  clearTimeout(S.backing);
  // back where it was, of which Streamlit has nothing to tell
  if (!held && agreed(S.header, values)) S.backing = setTimeout(() => tell(S), REST);
  if (!S.following) catchUp(S);
}

// Whether a header shows what the sidebar does, for all its switches among these values.
function agreed({ sidebar }, values) {
  const same = (a, b) => a === b || Math.abs(a - b) < 1e-6;
  return Object.entries(values).every(([field, value]) => !(field in sidebar) || same(sidebar[field].value, value));
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
