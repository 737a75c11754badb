// What was: the last steps, to be gone back to, and the paths of earlier runs.

const KEPT = 300; // entries that can be looked at again
const RESUMED = 60; // of them the last, whose states are kept whole: 147 kB each at 48 px, for each model
const TRACES = 6; // earlier paths left in the plane

// entries: { n, run, scene, moments }, n counting steps, moments one a machine; at: the one on show.
const timeline = () => ({ entries: [], at: -1, traces: [] });
const present = (line) => line.entries[line.at] ?? null;
const atEnd = (line) => line.at === line.entries.length - 1;

// A further entry. It is shown, unless one before it is looked at.
function push(line, entry) {
  const follows = atEnd(line);
  line.entries.push(entry);
  if (line.entries.length > KEPT) {
    line.entries.shift();
    line.at = Math.max(line.at - 1, 0);
  }
  line.entries.at(-1 - RESUMED)?.moments.forEach((moment) => (moment.h = null));
  if (follows) line.at = line.entries.length - 1;
}

// Whether the run can go on from the entry on show: its states are still there.
const resumable = (line) => present(line)?.moments.every(({ h }) => h) ?? false;

// Make the entry on show the last, what came after it a trace. Where its state is gone, the last is shown instead.
// Says whether the engines must be brought back to it.
function cut(line) {
  if (atEnd(line)) return false;
  if (!resumable(line)) {
    line.at = line.entries.length - 1;
    return false;
  }
  leaveTrace(line, line.at);
  line.entries.length = line.at + 1;
  return true;
}

// The path of the last run as a trace, from an entry on, or all of it: for each machine its points.
function leaveTrace(line, from = 0) {
  const run = line.entries.at(-1)?.run;
  const part = line.entries.slice(from).filter((entry) => entry.run === run);
  if (part.length < 2) return;
  line.traces.push(part[0].moments.map((_, m) => part.map(({ moments }) => moments[m].at)));
  if (line.traces.length > TRACES) line.traces.shift();
}

// The points of a machine's path up to the entry on show: those of its run.
function pathTo(line, m) {
  const run = present(line)?.run;
  const part = line.entries.slice(0, line.at + 1).filter((entry) => entry.run === run);
  return part.flatMap(({ moments }) => (moments[m].at ? [moments[m].at] : []));
}
