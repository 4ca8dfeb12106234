// Two runs on the same problems: who solves what, and the paired difference with its interval.

const beginning = DATA.pairs.find((pair) => pair.second === DATA.baseline) ?? DATA.pairs[0];
const chosen = { a: beginning?.first ?? 1, b: beginning?.second ?? 0 };

function drawCompare() {
  const list = (side, words) => {
    const select = el(
      "select",
      { "aria-label": words, onchange: () => choosePair({ [side]: Number(select.value) }) },
      RUNS.map((run, number) => el("option", { value: number, selected: number === chosen[side] }, run.name)),
    );
    return select;
  };
  const difference = el("output", { "aria-live": "polite" });
  const four = el("div", { class: "four", role: "group", "aria-label": "Problems by who solves them" });
  const note = el("p", { class: "note" });
  byId("compare").append(
    el("div", { class: "versus" }, list("a", "First run"), "against", list("b", "Second run"), difference),
    four,
    note,
  );
  const draw = () => {
    const { a, b } = chosen;
    const pair = pairOf(a, b);
    difference.replaceChildren(...differenceWords(pair, RUNS[a]));
    four.replaceChildren(...kindsOf(a, b).map(([kind, number]) => kindButton(kind, number)));
    note.textContent =
      `${count(pair.problems)} problems that both have graded tries at. A problem counts as solved when more than half of its ` +
      "tries are right; the difference is of shares of right tries, with its 95 % interval and p over problems. " +
      "Choose a part to see its tries below.";
  };
  onFilter.push(draw);
}

function choosePair(change) {
  Object.assign(chosen, change);
  setFilter({ pair: null });
}

/** Numbers of a pair, whichever way round it is asked for. */
function pairOf(a, b) {
  if (a === b) return { problems: RUNS[a].summary.problems, difference: 0, low: null, high: null, p: 1 };
  const found = DATA.pairs.find(
    (pair) => Math.min(pair.first, pair.second) === Math.min(a, b) && Math.max(pair.first, pair.second) === Math.max(a, b),
  );
  if (!found || found.first === a) return found ?? { problems: 0 };
  const turned = (x) => (x === null ? null : -x);
  return { ...found, difference: -found.difference, low: turned(found.high), high: turned(found.low) };
}

function differenceWords(pair, run) {
  if (!pair.problems) return ["no problem in common"];
  const interval = pair.low === null ? "" : ` [${signed(100 * pair.low)}, ${signed(100 * pair.high)}]`;
  return [
    `${run.label} `,
    el("b", {}, `${signed(100 * pair.difference)} points`),
    el("small", {}, `${interval}, p ${pair.p < 0.001 ? "< 0.001" : `= ${pair.p.toFixed(3)}`}`),
  ];
}

function kindsOf(a, b) {
  const sizes = { first: 0, second: 0, both: 0, none: 0 };
  for (let problem = 0; problem < DATA.problems.id.length; problem++) {
    const kind = pairKind(a, b, problem);
    if (kind) sizes[kind]++;
  }
  return Object.entries(sizes);
}

function kindButton(kind, number) {
  const pair = { ...chosen, kind };
  const pressed = filter.pair?.kind === kind && filter.pair.a === chosen.a && filter.pair.b === chosen.b;
  const look = kind === "first" ? `only tone${RUNS[chosen.a].tone}` : kind === "second" ? `only tone${RUNS[chosen.b].tone}` : kind;
  const button = el(
    "button",
    {
      type: "button",
      class: look,
      "data-kind": kind,
      "aria-pressed": pressed,
      style: { "flex-grow": Math.sqrt(number) + 1 },
      onclick: () => {
        setFilter({ pair: pressed ? null : pair, run: "", state: "all" });
        document.querySelector(`.four [data-kind="${kind}"]`).focus();
      },
    },
    el("b", {}, count(number)),
    PAIR_WORDS[kind](pair),
  );
  return button;
}
