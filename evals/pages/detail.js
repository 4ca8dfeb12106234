// The sheet of one try. The address remembers which: #problem=…&run=…&epoch=….

let opened = null;

function openTry(one) {
  opened = one;
  const address = new URLSearchParams({ problem: problemValue(one, "id"), run: one.run, epoch: value(one, "epoch") });
  history.replaceState(null, "", `#${address}`);
  const place = shown.indexOf(one);
  if (place >= 0) activate(place);
  const dialog = byId("detail");
  const sheet = el("div", { class: "sheet" });
  sheet.append(head(one), ...body(one));
  dialog.replaceChildren(sheet);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("detail-title").focus({ preventScroll: true });
}

function openAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const [problem, run, epoch] = ["problem", "run", "epoch"].map((name) => address.get(name));
  if (problem === null) return byId("detail").close();
  const one = TRIES.find(
    (other) =>
      problemValue(other, "id") === problem &&
      (run === null || other.run === Number(run)) &&
      (epoch === null || value(other, "epoch") === Number(epoch)),
  );
  if (one && one !== opened) openTry(one);
}

function closed() {
  if (byId("detail").open) return; // the event comes late: another try may have been opened since
  opened = null;
  history.replaceState(null, "", location.pathname + location.search);
  byId("detail").replaceChildren();
  table.grid.focus({ preventScroll: true });
}

function turn(by) {
  const to = shown[shown.indexOf(opened) + by];
  if (to) openTry(to);
}

function head(one) {
  const place = shown.indexOf(one);
  const button = (words, sign, action, off) =>
    el("button", { type: "button", class: "quiet", "aria-label": words, disabled: off, onclick: action }, sign);
  return el(
    "header",
    {},
    el("h2", { id: "detail-title", tabindex: "-1" }, icon(MARKS[one.state], one.state, one.state), problemValue(one, "name")),
    el(
      "nav",
      { "aria-label": "Tries" },
      button("Previous try", "↑", () => turn(-1), place <= 0),
      button("Next try", "↓", () => turn(1), place < 0 || place + 1 >= shown.length),
      button("Close", "×", () => byId("detail").close()),
    ),
  );
}

function body(one) {
  const kept = el("div", {}, el("p", { class: "note" }, "Unpacking …")),
    question = el("div");
  unpack(isKept(one) ? one : (TRIES.find((other) => other.problem === one.problem && isKept(other)) ?? one)).then(
    (found) => opened === one && question.replaceChildren(...drawQuestion(found, one)),
    () => {}, // said below
  );
  unpack(one).then(
    (found) => {
      if (opened === one) kept.replaceChildren(...drawKept(found, one));
    },
    (error) =>
      kept.replaceChildren(
        el("p", { class: "bad" }, `This try cannot be unpacked (${error.message}): the page is damaged; make it again.`),
      ),
  );
  return [question, others(one), grade(one), costs(one), shares(one), kept, extra(one)].filter((part) => part);
}

/** What was asked, where the try's heading does not say it already. */
function drawQuestion(found, one) {
  const words = found?.problem?.trim();
  return words && words !== problemValue(one, "name") ? [el("pre", { class: "question card" }, words)] : [];
}

/** Tries at the same problem, this one among them. */
function others(one) {
  const same = TRIES.filter((other) => other.problem === one.problem);
  if (same.length < 2) return null;
  const several = (run) => same.filter((other) => other.run === run).length > 1;
  return el(
    "div",
    { class: "others", role: "group", "aria-label": "Tries at this problem" },
    same.map((other) =>
      el(
        "button",
        { type: "button", "aria-current": other === one, onclick: () => openTry(other) },
        icon(MARKS[other.state], other.state, other.state),
        el("i", { class: `dot tone${RUNS[other.run].tone}` }),
        RUNS[other.run].label,
        several(other.run) && el("small", {}, `epoch ${value(other, "epoch")}`),
      ),
    ),
  );
}

function drawKept(found, one) {
  if (!found) {
    const words = RUNS[one.run].leftOut
      ? leftOutWords(RUNS[one.run])
      : "Neither text nor threads of this try were kept by its run.";
    return [el("p", { class: "note" }, words)];
  }
  const part = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);
  return [
    found.plan && part("Plan", found.plan.goal && el("p", { class: "note" }, found.plan.goal), drawPlan(found.plan)),
    found.tree &&
      part(
        found.tree.protocol === "chat" ? "Model calls" : "Threads",
        facts([
          ["protocol", found.tree.protocol],
          ["join", found.tree.join],
          ["status", found.tree.status + (found.tree.timed_out ? ", out of time" : "")],
          ...Object.entries(found.tree.facts).filter(([name]) => name !== "problem"), // it stands above
        ]),
        found.tree.error && el("p", { class: "bad" }, found.tree.error),
        drawTree(found.tree),
      ),
    found.text !== null &&
      part(
        "Final text",
        found.text ? el("pre", { class: "final card" }, found.text) : el("p", { class: "note" }, "It said nothing."),
      ),
  ].filter((section) => section);
}

function extra(one) {
  const told = value(one, "facts");
  return (
    told &&
    el("section", {}, el("h3", {}, "What the method says"), el("pre", { class: "final card" }, JSON.stringify(told, null, 1)))
  );
}
