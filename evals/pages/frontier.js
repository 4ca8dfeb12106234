// Accuracy against each cost: one point a run, one plot a cost.

const AXES = [
  { key: "work", title: "Work", unit: "tokens sampled a try", words: count },
  { key: "span", title: "Span", unit: "tokens on the critical path", words: count },
  { key: "wall", title: "Wall clock", unit: "seconds a try, mean", words: seconds },
  { key: "context", title: "Context", unit: "most tokens in one context", words: count },
];
const PLOT = { width: 0, height: 262, left: 40, right: 0, top: 12, bottom: 218 }; // as wide as its card: letters keep their size

const known = (run, axis) => run.summary[axis.key] && run.summary.accuracy;

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
  const points = RUNS.map((run, number) => ({ run, number, cost: run.summary[axis.key], accuracy: run.summary.accuracy })).filter(
    ({ run }) => known(run, axis),
  );
  const xs = costScale(points.map((one) => one.cost.value));
  const ys = percentScale(
    points.map((one) => Math.max(0, one.accuracy.value - (one.accuracy.error ?? 0))),
    points.map((one) => Math.min(1, one.accuracy.value + (one.accuracy.error ?? 0))),
  );
  const x = (cost) => PLOT.left + Math.min(Math.max(xs.place(cost), 0), 1) * (PLOT.right - PLOT.left);
  const y = (accuracy) => PLOT.bottom - Math.min(Math.max(ys.place(100 * accuracy), 0), 1) * (PLOT.bottom - PLOT.top);
  for (const one of points) Object.assign(one, { x: x(one.cost.value), y: y(one.accuracy.value), bars: barsAt(one, x, y) });
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
    svg("path", { class: "best", d: best(points) }),
    points.map((one, n) => pointOf(one, axis, labels[n])),
  );
}

/** The ends of a point's error bars. A mean less its error may be negative, which no logarithm has. */
function barsAt({ accuracy, cost }, x, y) {
  const up = accuracy.error ?? 0,
    wide = cost.error ?? 0;
  return {
    top: y(Math.min(1, accuracy.value + up)),
    bottom: y(Math.max(0, accuracy.value - up)),
    left: x(Math.max(cost.value - wide, 1e-9)),
    right: x(cost.value + wide),
  };
}

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
    .sort((a, b) => a.cost.value - b.cost.value || b.accuracy.value - a.accuracy.value)
    .filter((one) => one.accuracy.value > top && ((top = one.accuracy.value), true));
  return kept.length > 1 ? `M${kept.map((one) => `${one.x} ${one.y}`).join("L")}` : "";
}

function pointOf(one, axis, label) {
  const { accuracy, cost, run, bars } = one;
  const lines = [
    `accuracy ${percent(accuracy.value)}${accuracy.error === null ? "" : ` ± ${percent(accuracy.error)}`} %`,
    `${axis.title.toLowerCase()} ${axis.words(cost.value)}${cost.error === null ? "" : ` ± ${axis.words(cost.error)}`}`,
    `${count(run.summary.tries)} tries at ${count(run.summary.problems)} problems` +
      (axis.key === "wall" ? `, ${run.summary.at_once.join("/")} at once` : ""),
  ];
  const point = svg(
    "g",
    { class: `point tone${run.tone}`, tabindex: "0", role: "button", "aria-label": `${run.full}: ${lines.join(", ")}` },
    svg("line", { x1: one.x, x2: one.x, y1: bars.bottom, y2: bars.top }),
    svg("line", { x1: bars.left, x2: bars.right, y1: one.y, y2: one.y }),
    label && svg("text", { x: label.x, y: label.y + 4, "text-anchor": label.anchor }, label.text),
    svg("circle", { class: "ring", cx: one.x, cy: one.y, r: 9 }),
    svg("circle", { cx: one.x, cy: one.y, r: 5 }),
  );
  for (const event of ["mouseenter", "focus"])
    point.addEventListener(event, () => showTip(point.querySelector(".ring"), run.full, lines));
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

/** A name beside each point where there is room for it: none lies on another, on a point or its bars, or outside. */
function placed(points) {
  const taken = points.flatMap((one) => [
    { left: one.x - 7, right: one.x + 7, top: one.y - 7, bottom: one.y + 7 },
    { left: one.x - 1, right: one.x + 1, top: one.bars.top, bottom: one.bars.bottom },
    { left: one.bars.left, right: one.bars.right, top: one.y - 1, bottom: one.y + 1 },
  ]);
  return points.map((one) => {
    const text = one.run.label.length > 28 ? `${one.run.label.slice(0, 27)}…` : one.run.label;
    const width = 6.6 * text.length;
    for (const [dx, dy, anchor] of [
      [10, 0, "start"],
      [-10, 0, "end"],
      [0, -15, "middle"],
      [0, 15, "middle"],
      [9, -13, "start"],
      [9, 13, "start"],
      [-9, -13, "end"],
      [-9, 13, "end"],
    ]) {
      const x = one.x + dx,
        left = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
      const box = { left, right: left + width, top: one.y + dy - 7, bottom: one.y + dy + 7 };
      const inside = box.left >= PLOT.left && box.right <= PLOT.width && box.top >= 0 && box.bottom <= PLOT.bottom;
      if (
        inside &&
        !taken.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom)
      ) {
        taken.push(box);
        return { x, y: one.y + dy, anchor, text };
      }
    }
    return null;
  });
}
