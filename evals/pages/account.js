// What one try came to: its grade, what it cost, where its tokens went.

function grade(one) {
  const lines = [
    ["result", one.state + (value(one, "timed_out") ? ", out of time" : "") + ` (${value(one, "status")})`],
    ["answer", value(one, "answer"), true],
    ["gold", problemValue(one, "gold"), true],
    ["flaw", value(one, "flaw")],
    ["error", value(one, "error")],
    ["group", problemValue(one, "group")],
    ["run", RUNS[one.run].name],
    ["problem", problemValue(one, "id"), true],
  ];
  const score = value(one, "score");
  if (score !== 0 && score !== 1) lines.splice(1, 0, ["score", percent(score) + " %"]);
  return el(
    "dl",
    { class: "grade card" },
    lines
      .filter(([, words]) => words)
      .flatMap(([name, words, code]) => [el("dt", {}, name), el("dd", {}, code ? el("code", {}, words) : words)]),
  );
}

function costs(one) {
  const tokens = (name) => count(value(one, name));
  const work = value(one, "work"),
    span = value(one, "span");
  const cells = [
    ["work", tokens("work")],
    ["span", tokens("span")],
    ["work / span", span ? `${(work / span).toFixed(1)}×` : "–"],
    ["context", tokens("context")],
    ["threads", tokens("threads")],
    ["requests", tokens("requests")],
    ["wall", seconds(value(one, "wall_seconds"))],
    ["at once", tokens("at_once")],
  ];
  for (const [name, words] of [
    ["refused", "refused"],
    ["cut", "out of tokens"],
    ["retries", "retries"],
    ["judged", "judges read"],
    ["explored", "explored"],
  ])
    if (value(one, name)) cells.push([words, tokens(name)]);
  if (value(one, "engine_seconds")) cells.push(["engine", seconds(value(one, "engine_seconds"))]);
  return el(
    "dl",
    { class: "costs card" },
    cells.map(([name, words]) => el("div", {}, el("dt", {}, name), el("dd", {}, words))),
  );
}

/** Where the tokens went: what was sampled, what was read. */
function shares(one) {
  const [work, wasted, unobserved, injected, cached, prefilled] = [
    "work",
    "wasted",
    "unobserved",
    "injected",
    "cached",
    "prefilled",
  ].map((name) => value(one, name));
  const bar = (parts) =>
    el(
      "div",
      { class: "share", "aria-hidden": "true" },
      parts.filter(([, size]) => size).map(([look, size]) => el("i", { class: look, style: { flex: `${size} 1 0` } })),
    );
  const rows = [];
  if (work)
    rows.push(
      el("span", {}, "sampled"),
      bar([
        ["used", work - wasted],
        ["wasted", wasted],
      ]),
      el(
        "p",
        { class: "note" },
        `${count(work)} tokens; ${count(wasted)} wasted (${share(wasted, work)})${unobserved ? `, at most ${count(unobserved)} more after aborts` : ""}`,
      ),
    );
  if (cached !== null && cached + prefilled)
    rows.push(
      el("span", {}, "read"),
      bar([
        ["cached", cached],
        ["fresh", prefilled],
      ]),
      el(
        "p",
        { class: "note" },
        `${count(cached + prefilled)} prompt tokens; ${count(cached)} cached (${share(cached, cached + prefilled)}), ${count(prefilled)} computed${injected ? `; ${count(injected)} injected by us` : ""}`,
      ),
    );
  return rows.length ? el("div", { class: "shares" }, rows) : null;
}
