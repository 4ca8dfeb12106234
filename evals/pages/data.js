// The runs' rows, read from columns, and the kept tries, unpacked when somebody looks.

const DATA = JSON.parse(byId("data").textContent);
const RUNS = DATA.runs;
const STATES = { r: "right", w: "wrong", e: "error" };
const MARKS = { right: "finished", wrong: "failed", error: "error" };

const at = (column, index) => (Array.isArray(column) ? column[index] : column.all);

/** One try: its run's position, its own position among the run's rows, its problem's position. */
const TRIES = RUNS.flatMap((run, number) =>
  run.rows.problem.map((problem, index) => ({
    run: number,
    index,
    problem,
    state: STATES[run.rows.states[index]],
    order: 0,
    words: "",
  })),
);

const value = (one, name) => at(RUNS[one.run].rows[name], one.index);
const problemValue = (one, name) => at(DATA.problems[name], one.problem);
const isKept = (one) => value(one, "kept") !== null;

for (const [order, one] of TRIES.entries()) {
  one.order = order;
  one.words = [
    problemValue(one, "name"),
    problemValue(one, "group"),
    problemValue(one, "gold"),
    value(one, "answer"),
    value(one, "flaw"),
    value(one, "error"),
    problemValue(one, "id"),
  ]
    .filter((text) => text)
    .join("\n")
    .toLowerCase();
}

const GROUPS = [...new Set(TRIES.map((one) => problemValue(one, "group")))].filter((group) => group).sort();
const EPOCHS = new Set(TRIES.map((one) => value(one, "epoch"))).size;

let packedTries = null;

/** What was kept of a try: {problem, text, tree, plan}; null when the page does not hold it. */
async function unpack(one) {
  const place = value(one, "kept");
  if (place === null) return null;
  packedTries ??= byId("kept").textContent;
  const packed = atob(packedTries.slice(place[0], place[0] + place[1]));
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}
