// Time: going to a step, playing, and the keys that do so from anywhere on the page.

const STEPS_A_SECOND = 4;

// Where a run rests once it has played: at the step it was stopped by itself, or at its end.
const rest = (S) => S.header.auto?.stop ?? S.header.steps;

function goTo(S, t, stop = true) {
  if (stop) play(S, false);
  S.t = Math.min(Math.max(Math.round(t), 0), S.header.steps);
  draw(S);
  report(S);
}

function play(S, on) {
  if (on === S.playing) return;
  S.playing = on;
  S.$(".play").textContent = on ? "▮▮ Pause" : "▶ Play";
  if (!on) return void (S.header && draw(S));
  if (S.t === rest(S) || S.t >= S.header.steps) S.t = 0;
  let due = performance.now() + 1000 / (STEPS_A_SECOND * speed(S));
  const tick = (now) => {
    if (!S.playing || !S.alive) return;
    if (now >= due) {
      const end = S.t < rest(S) ? rest(S) : S.header.steps; // past its stop it plays on
      S.t = Math.min(S.t + 1, end);
      due = now + 1000 / (STEPS_A_SECOND * speed(S));
      if (S.t >= end) {
        play(S, false);
        return report(S);
      }
      draw(S);
    }
    requestAnimationFrame(tick);
  };
  draw(S);
  requestAnimationFrame(tick);
}

const speed = (S) => +S.$(".speed").value;

const BUSY = "input, select, textarea, button, summary, a, canvas, [contenteditable], [role=slider], [role=combobox], [role=radio], [role=tab], [role=option], [role=menuitem], [role=listbox], [role=spinbutton]";

function onKey(S, event) {
  if (!S.header || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.composedPath()[0];
  if (target instanceof Element && target.closest(BUSY)) return;
  const act = {
    Home: () => goTo(S, 0),
    End: () => goTo(S, S.header.steps),
    ArrowLeft: () => goTo(S, S.t - 1),
    ArrowRight: () => goTo(S, S.t + 1),
    " ": () => play(S, !S.playing),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
