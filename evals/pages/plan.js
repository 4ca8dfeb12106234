// The plan as a picture: a card a node, columns by distance from the start, the longest path drawn stronger; a card opens what became of its
// node, and its JSON.

const CARD = { width: 208, height: 58, gapX: 72, gapY: 18, margin: 12 };
const FATES = { succeeded: "finished", failed: "failed", skipped: "cut", cancelled: "cancelled", uncertain: "error" }; // their icons
const clipped = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

function drawPlan(plan) {
  if (plan.unread) return el("pre", { class: "card final" }, JSON.stringify(plan.unread, null, 1));
  const places = placesOf(plan.columns);
  const width = Math.max(...[...places.values()].map(([x]) => x), 0) + CARD.width + CARD.margin;
  const height = Math.max(...[...places.values()].map(([, y]) => y), 0) + CARD.height + CARD.margin;
  const panel = el("aside", { class: "panel card", "aria-label": "One node", "aria-live": "polite" });
  const cards = Object.entries(plan.nodes).map(([id, node]) => drawCard(id, node, places.get(id)));
  const read = (card) => {
    for (const other of cards) other.setAttribute("aria-pressed", other === card);
    const id = card.dataset.node;
    panel.replaceChildren(
      el("header", {}, el("h4", {}, id), el("span", {}, plan.nodes[id].title)),
      ...outcomeOf(plan.nodes[id].outcome),
      el("div", { class: "item injected" }, el("pre", {}, JSON.stringify(plan.nodes[id].data, null, 1))),
    );
  };
  for (const card of cards) {
    card.addEventListener("click", () => {
      read(card);
      rove(cards, card);
    });
    card.addEventListener("keydown", (event) => {
      const to = neighbour(cards, card, { ArrowRight: "ArrowDown", ArrowLeft: "ArrowUp" }[event.key] ?? event.key);
      if (to) {
        rove(cards, to);
        read(to);
      } else if (event.key === "Enter" || event.key === " ") read(card);
      else return;
      event.preventDefault();
    });
  }
  if (cards.length) {
    cards[0].setAttribute("tabindex", "0");
    read(cards[0]);
  }
  return el(
    "div",
    { class: "cols" },
    el(
      "div",
      { class: "plan card" },
      svg(
        "svg",
        { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Plan of ${cards.length} nodes` },
        svg(
          "defs",
          {},
          svg(
            "marker",
            {
              id: "tip-of-edge",
              viewBox: "0 0 8 8",
              refX: 7,
              refY: 4,
              markerUnits: "userSpaceOnUse",
              markerWidth: 9,
              markerHeight: 9,
              orient: "auto",
            },
            svg("path", { class: "arrow", d: "M0 0 L8 4 L0 8 z" }),
          ),
        ),
        plan.edges.map((edge) => drawEdge(edge, places)),
        cards,
      ),
    ),
    panel,
  );
}

/** What became of a node: its state, when it ran, what it gave. */
function outcomeOf(outcome) {
  if (!outcome) return [];
  const { status, started, finished, output, error } = outcome;
  const ran = started !== null && finished !== null;
  return [
    facts([
      ["status", status],
      ...(ran
        ? [
            ["from", seconds(started)],
            ["to", seconds(finished)],
            ["took", seconds(finished - started)],
          ]
        : []),
    ]),
    error !== null && el("p", { class: "bad" }, error),
    output !== null && el("div", { class: "item sampled" }, el("small", {}, "gave"), el("pre", {}, output)),
  ].filter((part) => part);
}

/** Upper left corners; columns are centred on each other. */
function placesOf(columns) {
  const tallest = Math.max(0, ...columns.map((ids) => ids.length));
  return new Map(
    columns.flatMap((ids, column) =>
      ids.map((id, row) => [
        id,
        [
          CARD.margin + column * (CARD.width + CARD.gapX),
          CARD.margin + ((tallest - ids.length) * (CARD.height + CARD.gapY)) / 2 + row * (CARD.height + CARD.gapY),
        ],
      ]),
    ),
  );
}

function drawEdge(edge, places) {
  const [left, top] = places.get(edge.from),
    [right, low] = places.get(edge.to);
  const x1 = left + CARD.width,
    y1 = top + CARD.height / 2,
    x2 = right - 2,
    y2 = low + CARD.height / 2;
  const bend = Math.max((x2 - x1) / 2, 30);
  const path = svg("path", {
    class: `edge${edge.data ? "" : " waits"}${edge.critical ? " critical" : ""}`,
    "marker-end": "url(#tip-of-edge)",
    d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
  });
  return edge.policy === "fail"
    ? path
    : svg("g", {}, path, svg("text", { class: "policy", x: x2 - 14, y: y2 - 7, "text-anchor": "end" }, edge.policy));
}

function drawCard(id, node, [x, y]) {
  const { outcome } = node;
  const fate = outcome && FATES[outcome.status];
  const took = outcome && outcome.started !== null && outcome.finished !== null && seconds(outcome.finished - outcome.started);
  return svg(
    "g",
    {
      class: `node${node.critical ? " critical" : ""}${node.output ? " output" : ""}${node.outcome ? ` ${node.outcome.status}` : ""}`,
      transform: `translate(${x} ${y})`,
      "data-node": id,
      tabindex: "-1",
      role: "button",
      "aria-pressed": "false",
      "aria-label": `${id}: ${node.title}${node.outcome ? `, ${node.outcome.status}` : ""}`,
    },
    svg("title", {}, `${id}: ${node.details}`),
    svg("rect", { class: "box", width: CARD.width, height: CARD.height, rx: 8 }),
    fate &&
      svg(
        "svg",
        { class: `icon ${fate}`, x: 14, y: 14, width: 12, height: 12, viewBox: "0 0 12 12" },
        svg("use", { href: `#i-${fate}` }),
      ),
    svg("text", { class: "title", x: fate ? 33 : 14, y: 24 }, clipped(node.title, fate ? 18 : 20)),
    svg("text", { class: "id", x: CARD.width - 12, y: 24, "text-anchor": "end" }, clipped(id, 10)),
    svg("text", { class: "details", x: 14, y: 44 }, clipped(node.details, took ? 17 : 29)),
    took && svg("text", { class: "details", x: CARD.width - 12, y: 44, "text-anchor": "end" }, took),
  );
}
