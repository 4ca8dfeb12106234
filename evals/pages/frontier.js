// Accuracy against each cost: one point a run, one plot a cost.

const AXES = [
  { key: "work", title: "Work", unit: "tokens sampled a try", words: count },
  { key: "span", title: "Span", unit: "tokens on the critical path", words: count },
  { key: "wall_seconds", title: "Wall clock", unit: "seconds a try, median", words: seconds },
  { key: "context", title: "Context", unit: "most tokens in one context", words: count },
];
const PLOT = { width: 0, height: 262, left: 40, right: 0, top: 12, bottom: 218 }; // as wide as its card: letters keep their size

const known = (run, axis) => run.summary[axis.key] !== null && run.summary.accuracy !== null;

function drawFrontiers() {
  const axes = AXES.filter((axis) => RUNS.some((run) => known(run, axis)));
  if (!axes.length)
    return byId("frontiers").append(el("p", { class: "nothing card" }, "No try was graded: there is nothing to plot."));
  const figures = axes.map((axis) =>
    el("figure", { class: "card" }, el("h3", {}, axis.title, el("small", {}, axis.unit)), el("div", {})),
  );
  byId("frontiers").append(...figures);
  new ResizeObserver(() => {
    const width = figures[0].lastChild.clientWidth;
    if (!width || width === PLOT.width) return;
    Object.assign(PLOT, { width, right: width - 14 });
    for (const [number, figure] of figures.entries()) figure.lastChild.replaceChildren(frontier(axes[number]));
  }).observe(byId("frontiers"));
}

function frontier(axis) {
  const points = RUNS.map((run, number) => ({ run, number, cost: run.summary[axis.key], ...accuracyOf(run.summary) })).filter(
    ({ run }) => known(run, axis),
  );
  const xs = costScale(points.map((one) => one.cost));
  const ys = percentScale(
    points.map((one) => one.low),
    points.map((one) => one.high),
  );
  const x = (cost) => PLOT.left + Math.min(Math.max(xs.place(cost), 0), 1) * (PLOT.right - PLOT.left);
  const y = (accuracy) => PLOT.bottom - Math.min(Math.max(ys.place(100 * accuracy), 0), 1) * (PLOT.bottom - PLOT.top);
  for (const one of points)
    Object.assign(one, { x: x(one.cost), y: y(one.accuracy), bars: { top: y(one.high), bottom: y(one.low) } });
  const labels = placed(points);
  return svg(
    "svg",
    { width: PLOT.width, height: PLOT.height, role: "group", "aria-label": `Accuracy against ${axis.title.toLowerCase()}` },
    axesOf(xs, ys, x, y),
    svg(
      "text",
      { class: "tick", x: PLOT.right, y: PLOT.bottom + 33, "text-anchor": "end" },
      axis.unit + (xs.logarithmic ? ", logarithmic" : ""),
    ),
    svg("text", { class: "tick", x: PLOT.left - 34, y: PLOT.bottom + 33 }, "accuracy %"),
    [...new Set(RUNS.map((run) => run.summary.benchmark))].map((benchmark) =>
      svg("path", { class: "best", d: best(points.filter((one) => one.run.summary.benchmark === benchmark)) }),
    ),
    points.map((one, n) => pointOf(one, axis, labels[n])),
  );
}

/** With the ends of its 95 % interval, which are the accuracy itself where there is none. */
const accuracyOf = ({ accuracy, accuracy_low, accuracy_high }) => ({
  accuracy,
  low: accuracy_low ?? accuracy,
  high: accuracy_high ?? accuracy,
});

function axesOf(xs, ys, x, y) {
  return [
    ...ys.ticks.flatMap((tick) => [
      svg("line", { class: "rule", x1: PLOT.left, x2: PLOT.right, y1: y(tick / 100), y2: y(tick / 100) }),
      svg("text", { class: "tick", x: PLOT.left - 7, y: y(tick / 100) + 4, "text-anchor": "end" }, short(tick)),
    ]),
    ...xs.ticks.flatMap((tick) => [
      svg("line", { class: "rule", x1: x(tick), x2: x(tick), y1: PLOT.top, y2: PLOT.bottom }),
      svg("text", { class: "tick", x: x(tick), y: PLOT.bottom + 16, "text-anchor": "middle" }, short(tick)),
    ]),
    svg("line", { class: "frame", x1: PLOT.left, x2: PLOT.right, y1: PLOT.bottom, y2: PLOT.bottom }),
  ];
}

/** A line through the runs that no other beats on cost and on accuracy. */
function best(points) {
  let top = -1;
  const kept = [...points]
    .sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy)
    .filter((one) => one.accuracy > top && ((top = one.accuracy), true));
  return kept.length > 1 ? `M${kept.map((one) => `${one.x} ${one.y}`).join("L")}` : "";
}

function pointOf(one, axis, label) {
  const { accuracy, low, high, cost, run, bars } = one;
  const lines = [
    `accuracy ${percent(accuracy)} %${low === high ? "" : ` [${percent(low)}, ${percent(high)}]`}`,
    `${axis.title.toLowerCase()} ${axis.words(cost)}`,
    `${count(run.summary.tries)} tries at ${count(run.summary.problems)} problems` +
      (axis.key === "wall_seconds" ? `, ${run.summary.at_once ?? "different numbers"} at once` : ""),
  ];
  const point = svg(
    "g",
    { class: `point tone${run.tone}`, tabindex: "0", role: "button", "aria-label": `${run.name}: ${lines.join(", ")}` },
    svg("line", { x1: one.x, x2: one.x, y1: bars.bottom, y2: bars.top }),
    label && svg("text", { x: label.x, y: label.y + 4, "text-anchor": label.anchor }, label.text),
    svg("circle", { class: "ring", cx: one.x, cy: one.y, r: 9 }),
    svg("circle", { cx: one.x, cy: one.y, r: 5 }),
  );
  for (const event of ["mouseenter", "focus"])
    point.addEventListener(event, () => showTip(point.querySelector(".ring"), run.name, lines));
  for (const event of ["mouseleave", "blur"]) point.addEventListener(event, hideTip);
  const visit = () => {
    setFilter({ run: String(one.number), pair: null });
    byId("h-tries").scrollIntoView({ behavior: "smooth" });
  };
  point.addEventListener("click", visit);
  point.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    visit();
    table.grid.focus({ preventScroll: true });
  });
  return point;
}

/** Of a name from its point, best first. */
const PLACES = [
  [10, 0, "start"],
  [-10, 0, "end"],
  [0, -15, "middle"],
  [0, 15, "middle"],
  [9, -13, "start"],
  [9, 13, "start"],
  [-9, -13, "end"],
  [-9, 13, "end"],
];

/** A name beside each point where there is room for it: none lies on another, on a point or outside, nor on a bar if that can be helped. */
function placed(points) {
  const taken = points.map((one) => ({ left: one.x - 7, right: one.x + 7, top: one.y - 7, bottom: one.y + 7 }));
  const bars = points.map((one) => ({ left: one.x - 1, right: one.x + 1, top: one.bars.top, bottom: one.bars.bottom }));
  const free = (box, others) =>
    others.every(
      (other) => box.left >= other.right || other.left >= box.right || box.top >= other.bottom || other.top >= box.bottom,
    );
  return points.map((one) => {
    const text = one.run.label.length > 28 ? `${one.run.label.slice(0, 27)}…` : one.run.label;
    const width = 6.6 * text.length;
    for (const [dx, dy, anchor, avoided] of [
      ...PLACES.map((place) => [...place, bars]),
      ...PLACES.map((place) => [...place, []]),
    ]) {
      const x = one.x + dx,
        left = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
      const box = { left, right: left + width, top: one.y + dy - 7, bottom: one.y + dy + 7 };
      const inside = box.left >= PLOT.left && box.right <= PLOT.width && box.top >= 0 && box.bottom <= PLOT.bottom;
      if (inside && free(box, taken) && free(box, avoided)) {
        taken.push(box);
        return { x, y: one.y + dy, anchor, text };
      }
    }
    return null;
  });
}
