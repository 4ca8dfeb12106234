// One tree on the sheet: its lanes on one clock, and beside them what the chosen thread saw and wrote.

const LANE = 26; // px, as in detail.css
const STACKED = matchMedia("(max-width: 62rem)"); // the words stand below the lanes

function drawTree(tree) {
  const laid = layTree(tree);
  const panel = el("aside", { class: "panel card", "aria-label": "One thread", "aria-live": "polite" });
  const lanes = laid.lanes.map((lane, number) => drawLane(lane, number));
  const read = (number) => {
    for (const [other, lane] of lanes.entries()) lane.setAttribute("aria-selected", other === number);
    panel.replaceChildren(...wordsOf(laid.lanes[number], tree, go));
    panel.scrollTop = 0;
  };
  const go = (id) => {
    const number = tree.threads.findIndex((thread) => thread.id === id);
    if (number < 0) return;
    read(number);
    rove(lanes, lanes[number]);
  };
  for (const [number, lane] of lanes.entries()) {
    const { thread } = laid.lanes[number];
    lane.addEventListener("click", () => {
      go(thread.id);
      if (STACKED.matches) panel.scrollIntoView({ behavior: "smooth" });
    });
    lane.addEventListener("keydown", (event) => {
      const child = tree.threads.find((other) => other.parent === thread.id);
      const parent = tree.threads.find((other) => other.id === thread.parent);
      const to = { ArrowLeft: parent?.id, ArrowRight: child?.id }[event.key] ?? neighbour(tree.threads, thread, event.key)?.id;
      if (to) go(to);
      else if (event.key === "Enter" || event.key === " ") read(number);
      else return;
      event.preventDefault();
    });
  }
  read(0);
  return el(
    "div",
    { class: "cols" },
    el(
      "figure",
      { class: "timeline card", "aria-label": "Thread timeline" },
      silhouette(laid),
      el(
        "div",
        { class: "axis", "aria-hidden": "true" },
        laid.ticks.map((tick, n) =>
          el(
            "span",
            { class: n % 2 ? "minor" : "", style: { left: `${(100 * tick) / laid.scale}%` } },
            tickWords(tick, laid.scale),
          ),
        ),
      ),
      el("div", { class: "lanes" }, drawLinks(laid), el("div", { role: "tree", "aria-label": "Threads" }, lanes)),
      legend(laid),
    ),
    panel,
  );
}

const tickWords = (tick, scale) => (scale >= 1 ? `${Number(tick.toPrecision(6))} s` : `${Number((1000 * tick).toPrecision(6))} ms`);

function silhouette(laid) {
  const peak = Math.max(1, ...laid.steps.map(([, running]) => running));
  const path = laid.steps.map(([x, running]) => `H${x.toFixed(3)}V${peak - running}`).join("");
  return svg(
    "svg",
    { class: "silhouette", viewBox: `0 0 100 ${peak}`, preserveAspectRatio: "none", role: "img" },
    svg("title", {}, `${peak} threads at most decode at once`),
    svg("path", { d: `M0 ${peak}${path}H${laid.end}V${peak}Z` }),
  );
}

function drawLane({ thread, bars, cut, critical, winner, off }, number) {
  const state = winner ? "winner" : thread.status;
  const sampled = thread.items.reduce((sum, item) => sum + (item.request ? item.tokens : 0), 0);
  const last = bars.at(-1);
  const star = winner && last ? icon("winner") : null;
  if (star) star.style.left = `${last.left + last.width}%`;
  return el(
    "div",
    {
      class: `lane${critical ? " critical" : ""}${off ? " off" : ""}`,
      role: "treeitem",
      "aria-level": thread.id.split(".").length,
      "aria-selected": "false",
      tabindex: number ? -1 : 0,
      "aria-label": `Thread ${thread.id}, ${state}${critical ? ", critical path" : ""}, ${sampled} tokens`,
    },
    el(
      "span",
      { class: "label", style: { "--depth": thread.id.split(".").length - 1 } },
      icon(state),
      el("b", {}, thread.id),
      el("small", {}, count(sampled)),
    ),
    el(
      "span",
      { class: "plot" },
      bars.map((bar) =>
        el("i", {
          class: `bar ${bar.kind}${bar.critical ? " critical" : ""}${bar.aborted ? " aborted" : ""}`,
          style: { left: `${bar.left}%`, width: `${bar.width}%` },
          title: bar.words,
        }),
      ),
      cut !== null && el("i", { class: "cut-here", style: { left: `${cut}%` }, title: thread.status }),
      star,
    ),
  );
}

function drawLinks(laid) {
  const height = LANE * laid.lanes.length,
    middle = (lane) => (lane + 0.5) * LANE;
  const arrow = (kind, x, y, look) =>
    svg(
      "svg",
      { x: `${x}%`, y, overflow: "visible", width: 1, height: 1 },
      svg("path", { class: look, d: kind === "join" ? "M-4 5 0-1 4 5z" : "M-1-3.5 5 0-1 3.5z" }),
    );
  const line = (link, child, look) => [
    svg("line", { class: look, x1: `${link.x}%`, x2: `${link.x}%`, y1: middle(link.parent) + 7, y2: middle(child) }),
    link.kind === "join" ? arrow("join", link.x, middle(link.parent) + 8, look) : arrow("fork", link.x, middle(child), look),
  ];
  return svg(
    "svg",
    { class: "links", "aria-hidden": "true" },
    laid.ticks.map((tick) =>
      svg("line", { class: "rule", x1: `${(100 * tick) / laid.scale}%`, x2: `${(100 * tick) / laid.scale}%`, y1: 0, y2: height }),
    ),
    svg("line", { class: "end", x1: `${laid.end}%`, x2: `${laid.end}%`, y1: 0, y2: height + 6 }),
    laid.links.flatMap((link) => [
      ...line(link, Math.max(...link.children), ""),
      ...(link.kind === "fork" ? link.children.map((child) => arrow("fork", link.x, middle(child), "")) : []),
      ...(link.critical === null ? [] : line(link, link.critical, "critical")),
    ]),
  );
}

function legend(laid) {
  const sample = (look, ...more) => el("i", { class: "plot" }, el("i", { class: `bar ${look}` }), more);
  const has = (kind) => laid.lanes.some((lane) => lane.bars.some((bar) => bar.kind === kind));
  const entries = [
    [has("decode"), sample("decode"), "decodes"],
    [laid.lanes.some((lane) => lane.critical), sample("critical decode"), "critical path"],
    [has("prefill"), sample("prefill"), "waits for its first token"],
    [has("children"), sample("children"), "waits for children"],
    [has("siblings"), sample("siblings"), "done, siblings go on"],
    [
      laid.lanes.some((lane) => lane.cut !== null),
      el("span", { class: "off" }, sample("decode", el("i", { class: "cut-here", style: { left: "100%" } }))),
      "cancelled, cut here",
    ],
    [laid.lanes.some((lane) => lane.winner), icon("winner"), "won the join"],
  ];
  return el(
    "figcaption",
    { class: "legend" },
    entries.filter(([there]) => there).map(([, picture, words]) => el("span", {}, picture, words)),
  );
}

/** What a thread saw and wrote, in order. */
function wordsOf({ thread, winner, critical }, tree, go) {
  const state = winner ? "finished, won the join" : thread.status;
  const link = (id) => el("button", { type: "button", class: "go", onclick: () => go(id) }, id);
  const on = new Set(tree.critical.filter(([id]) => id === thread.id).map(([, item]) => item));
  return [
    el(
      "header",
      {},
      icon(winner ? "winner" : thread.status),
      el("h4", {}, thread.id),
      el("span", {}, state + (critical ? ", critical path" : "")),
    ),
    thread.error && el("p", { class: "bad" }, thread.error),
    facts([
      ["from", seconds(thread.started)],
      ["to", seconds(thread.finished)],
    ]),
    thread.parent && el("small", {}, "parent ", link(thread.parent)),
    ...thread.items.map((item, position) =>
      item.kind === "fork"
        ? el(
            "div",
            { class: "item" },
            el(
              "small",
              {},
              `forks ${item.children.length} at ${seconds(item.started)}, joins ${item.join}${item.finished === null ? "" : ` at ${seconds(item.finished)}`}`,
            ),
            item.children.map(link),
          )
        : segment(item, position, on.has(position)),
    ),
  ].filter((part) => part);
}

/** Where text was put: at the end of the context, or after its beginning. */
function keptWords(keep) {
  if (keep === null) return "";
  return keep ? `, after the first ${keep} tokens of the context` : ", a new prompt";
}

function segment(item, position, critical) {
  const { request } = item;
  if (!request) {
    const place = position ? keptWords(item.keep) : ", the prompt";
    return el("div", { class: "item injected" }, el("small", {}, `injected ${item.tokens}${place}`), el("pre", {}, item.text));
  }
  const aborted = request.finish === "abort";
  const words = [
    `sampled ${item.tokens}${aborted ? ", then aborted" : `, ended by ${request.finish}`}`,
    request.cached !== null && `${request.cached} cached`,
    request.logprob !== null && `mean log-probability ${request.logprob.toFixed(3)}`,
  ];
  return el(
    "div",
    { class: `item sampled${aborted ? " aborted" : ""}${critical ? " critical" : ""}` },
    el("small", {}, words.filter((part) => part).join(" · ")),
    item.text && el("pre", {}, item.text),
  );
}
