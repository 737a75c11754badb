// A control in the sidebar under the hand: the four run anew with what it shows, unseen up to the step on show, then on
// to their end. Streamlit tells Python of it; the runs of Python's answer take their place in the same way.

// S.ahead: what the sidebar shows that Python has not answered yet, { values, held }. S.made: what the runs on show are of.

const wantedOf = (S) => JSON.stringify([S.id, S.ahead?.values ?? {}]);

function sidebarMoved(S, field, value, held) {
  const known = S.header?.sidebar[field];
  if (!S.runs.length || !known || !(known.options?.includes(value) ?? true)) return;
  const values = { ...S.ahead?.values, [field]: value };
  S.ahead = held || differ(S.header, values) ? { values, held } : null; // back where it was, Python has nothing to answer
  if (S.playing) play(S, false);
  if (!S.following) catchUp(S);
}

const differ = ({ sidebar }, values) => Object.entries(values).some(([field, value]) => value !== (sidebar[field].value ?? sidebar[field].built));

// Python's answer to it: what else it holds is shown at once.
function answered(S, header, blocks) {
  Object.assign(S, { id: header.id, header, blocks });
  if (!S.ahead.held) S.ahead = null;
  if (!S.following) catchUp(S);
}

// The last wish wins, but what was begun is shown: else nothing would move as long as the hand does.
async function catchUp(S) {
  S.following = true;
  let shown = true;
  while (shown && S.runs.length && S.made !== wantedOf(S)) shown = await runAnew(S);
  S.following = false;
  if (!shown) return;
  settlePlane(S);
  if (!S.ahead) tell(S);
}

// Whether the four could be run with what is wanted now: not if another race began meanwhile.
async function runAnew(S) {
  const [token, made, atEnd, t] = [(S.token = {}), wantedOf(S), (S.goal ?? S.t) === S.steps, S.goal ?? S.t];
  const { header, blocks, ahead } = S;
  const x = ahead && "sigma" in ahead.values ? normalised(withNoise(blocks.clean.data, blocks.noise.data, ahead.values.sigma), header.normalise) : blocks.x.data;
  const scene = { header, blocks: { ...blocks, x: { ...blocks.x, data: x } } };
  const runs = S.runs.map(({ engine }, i) => ({ told: toldOf(header, header.runs[i], ahead?.values), engine, moments: [], h: null }));
  let computed = 0;
  try {
    await Promise.all(runs.map((run) => begin(scene, run)));
    const left = () => (atEnd ? longest(runs) : Math.min(t, longest(runs))) - computed;
    while (token === S.token && left() > 0) {
      const count = Math.min(atOnce(header), left());
      await Promise.all(runs.map((run) => stepOn(scene, run, count)));
      computed = Math.min(computed + count, longest(runs)); // the last ones may all have overflowed
    }
  } catch (error) {
    if (token === S.token) refuse(S, error.message);
    return false;
  }
  if (token !== S.token) return false;
  Object.assign(S, { scene, runs, made, computed, steps: longest(runs), t: computed, goal: null });
  S.$(".race").dataset.made = made;
  drawGiven(S, x);
  buildCharts(S);
  draw(S);
  computeAll(S, token).catch((error) => token === S.token && refuse(S, error.message));
  return true;
}

// A run as Python has it, or the sidebar. How many steps it takes is known once it has overflowed, or not.
function toldOf({ sidebar, planned }, told, values) {
  if (!values) return { ...told, steps: planned };
  const switches = switchesOf({ sidebar }, told, values);
  return { ...told, switches, leaks: (switches.integrator ?? told.integrator) === "leaky", steps: planned };
}

// The switches of one of the four, as state.py's variants_of has them: null is as built.
function switchesOf({ sidebar }, told, values) {
  const shown = (field) => {
    const { value, built } = sidebar[field];
    if (!(field in values)) return value;
    return values[field] === built ? null : values[field];
  };
  const [u, v] = told.neurons;
  const [own, fed] = [shown("eigenvalue"), shown("eigenvalue_v")];
  const whole = own === null ? told.spectrum : [own];
  const spectrum = Array.from({ length: u + v }, (_, i) => (i >= u ? fed : null) ?? whole[i % whole.length]);
  return { ...told.switches, tau: shown("tau"), k: shown("k"), integrator: shown("integrator"), spectrum: own === null && fed === null ? null : spectrum };
}
