// Which tries are shown, in which order: one state, told to whoever draws it.

const filter = { text: "", state: "all", group: "", run: "", pair: null };
const sorting = { key: "order", down: false };
const onFilter = [];
let shown = [];

const PAIR_WORDS = {
  first: (pair) => `only ${RUNS[pair.a].label} right`,
  second: (pair) => `only ${RUNS[pair.b].label} right`,
  both: () => "both right",
  none: () => "neither right",
};

/** Of two runs at one problem: who solves it in more than half of its tries; null when one of them has none that was graded. */
function pairKind(a, b, problem) {
  const first = RUNS[a].solved[problem],
    second = RUNS[b].solved[problem];
  if (first === "-" || second === "-") return null;
  return first === "1" ? (second === "1" ? "both" : "first") : second === "1" ? "second" : "none";
}

function setFilter(change) {
  Object.assign(filter, change);
  select();
}

function setSorting(key) {
  sorting.down = sorting.key === key ? !sorting.down : false;
  sorting.key = key;
  select();
  table.head.querySelector(`[data-key="${key}"]`)?.focus(); // the heads are new, and the keyboard was on one of them
}

function select() {
  const words = filter.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word);
  const run = filter.run === "" ? null : Number(filter.run);
  const pair = filter.pair;
  shown = TRIES.filter(
    (one) =>
      (run === null || one.run === run) &&
      (filter.state === "all" || one.state === filter.state) &&
      (filter.group === "" || problemValue(one, "group") === filter.group) &&
      (pair === null || ((one.run === pair.a || one.run === pair.b) && pairKind(pair.a, pair.b, one.problem) === pair.kind)) &&
      words.every((word) => one.words.includes(word)),
  );
  sort();
  for (const tell of onFilter) tell();
}

function sort() {
  if (sorting.key === "order" && pairless()) return sorting.down && shown.reverse();
  const key = sorting.key === "order" ? (one) => one.problem : COLUMNS.find((column) => column.key === sorting.key).sort;
  const keys = new Map(shown.map((one) => [one, key(one)]));
  const sign = sorting.down ? -1 : 1;
  shown.sort((a, b) => {
    const x = keys.get(a),
      y = keys.get(b);
    if (x === y) return a.order - b.order;
    if (x === null || y === null) return x === null ? 1 : -1; // what is not known comes last, whichever way
    return sign * (typeof x === "string" ? collator.compare(x, y) : x - y);
  });
}
const collator = new Intl.Collator("en", { numeric: true });
const pairless = () => filter.pair === null; // two runs are compared problem by problem

function drawFilters() {
  const states = ["all", "right", "wrong", "error"];
  const sizes = Object.fromEntries(
    states.map((state) => [state, state === "all" ? TRIES.length : TRIES.filter((one) => one.state === state).length]),
  );
  const search = el("input", {
    type: "search",
    id: "search",
    placeholder: "Filter: problem, answer, flaw, error …",
    "aria-label": "Filter tries by text",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => setFilter({ text: search.value }),
  });
  const buttons = states
    .filter((state) => state !== "error" || sizes.error)
    .map((state) =>
      el(
        "button",
        { type: "button", "data-state": state, onclick: () => setFilter({ state }) },
        state,
        el("small", {}, count(sizes[state])),
      ),
    );
  const groups = choose(
    "group",
    "All groups",
    GROUPS.map((group) => [group, group]),
  );
  const runs = choose(
    "run",
    "All runs",
    RUNS.map((run, number) => [String(number), run.name]),
  );
  const chip = el("button", { type: "button", class: "chip", onclick: () => setFilter({ pair: null }) });
  const found = el("span", { class: "found", role: "status" });
  filled(byId("filters"), {}, [
    search,
    el("span", { class: "choice", role: "group", "aria-label": "Result" }, buttons),
    GROUPS.length > 1 && groups,
    RUNS.length > 1 && runs,
    chip,
    found,
  ]);
  onFilter.push(() => {
    if (search.value !== filter.text) search.value = filter.text;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.state === filter.state);
    groups.firstChild.value = filter.group;
    runs.firstChild.value = filter.run;
    chip.hidden = filter.pair === null;
    if (filter.pair) chip.replaceChildren(PAIR_WORDS[filter.pair.kind](filter.pair), " ×");
    chip.setAttribute("aria-label", `Remove filter: ${chip.textContent}`);
    found.textContent = `${count(shown.length)} of ${count(TRIES.length)} tries`;
  });
}

function choose(name, all, options) {
  const list = el(
    "select",
    { "aria-label": name === "run" ? "Run" : "Group", onchange: () => setFilter({ [name]: list.value }) },
    [["", all], ...options].map(([key, text]) => el("option", { value: key }, text)),
  );
  return el("label", {}, list);
}
