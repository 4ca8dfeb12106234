// The table of tries. Only the rows in view exist; columns that do not fit are left out, the least telling first.

const ROW = 34; // px, as in table.css
const SPARE = 8; // rows above and below what is seen
const named = (name) => (one) => value(one, name);
const text = (one, name) => value(one, name) ?? "";

/** When a column says anything. */
const SEEN = {
  score: () => RUNS.some((run) => run.summary.score !== null),
  context: () => TRIES.some((one) => value(one, "context") !== null),
};

/** `room`: rem that it takes; `rank`: which go first when the window is narrow, the highest. */
const COLUMNS = [
  {
    key: "state",
    head: "result",
    room: 2.9,
    rank: 0,
    look: "mark",
    sort: (one) => one.state,
    draw: (one) => [icon(MARKS[one.state], one.state, one.state), isKept(one) && icon("timeline", "kept", "has details")],
  },
  {
    key: "name",
    head: "problem",
    room: 6,
    grow: 2,
    rank: 0,
    sort: (one) => problemValue(one, "name"),
    draw: (one) => problemValue(one, "name"),
  },
  {
    key: "group",
    head: "group",
    room: 5.5,
    rank: 8,
    look: "soft",
    when: () => GROUPS.length > 1,
    sort: (one) => problemValue(one, "group"),
    draw: (one) => problemValue(one, "group"),
  },
  {
    key: "run",
    head: "run",
    room: 4.5,
    grow: 1,
    rank: 1,
    when: () => RUNS.length > 1,
    sort: (one) => one.run,
    draw: (one) => [el("i", { class: `dot tone${RUNS[one.run].tone}` }), RUNS[one.run].label],
  },
  {
    key: "epoch",
    head: "epoch",
    room: 3.2,
    rank: 9,
    look: "number",
    when: () => EPOCHS > 1,
    sort: named("epoch"),
    draw: (one) => count(value(one, "epoch")),
  },
  {
    key: "answer",
    head: "answer",
    room: 6,
    grow: 1.4,
    rank: 3,
    look: "code",
    sort: named("answer"),
    draw: (one) => (one.state === "error" ? text(one, "error") : text(one, "answer") || text(one, "flaw") || "–"),
  },
  {
    key: "gold",
    head: "gold",
    room: 4,
    grow: 0.7,
    rank: 7,
    look: "code soft",
    when: () => TRIES.some((one) => problemValue(one, "gold")),
    sort: (one) => problemValue(one, "gold"),
    draw: (one) => problemValue(one, "gold") ?? "",
  },
  ...[
    ["score", 4, 9],
    ["work", 4.2, 2],
    ["span", 4.2, 3],
    ["wasted", 4.6, 5],
    ["context", 4.6, 6],
    ["threads", 4.2, 8],
  ].map(([key, room, rank]) => ({
    key,
    head: key,
    room,
    rank,
    look: "number",
    when: SEEN[key] ?? null,
    sort: named(key),
    draw: (one) => count(value(one, key)),
  })),
  {
    key: "wall_seconds",
    head: "wall",
    room: 4.6,
    rank: 4,
    look: "number",
    sort: named("wall_seconds"),
    draw: (one) => seconds(value(one, "wall_seconds")),
  },
];

const table = { grid: null, body: null, head: null, rows: [], columns: [], active: 0 };

function drawTable() {
  table.body = el("div", { class: "body", role: "rowgroup" });
  table.head = el("div", { class: "cells head", role: "row" });
  table.grid = el(
    "div",
    { class: "grid", role: "grid", tabindex: "0", "aria-label": "Tries", "aria-readonly": "true" },
    el("div", { role: "rowgroup" }, table.head),
    table.body,
  );
  byId("tries").append(table.grid);
  table.grid.addEventListener("scroll", drawRows, { passive: true });
  table.grid.addEventListener("keydown", moveInTable);
  table.body.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) {
      activate(Number(row.dataset.place));
      openTry(shown[table.active]);
    }
  });
  new ResizeObserver(layTable).observe(table.grid);
  onFilter.push(() => {
    table.active = 0;
    table.grid.scrollTop = 0;
    layTable();
  });
}

function layTable() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const room = table.grid.clientWidth / rem - 1.5;
  const wanted = COLUMNS.filter((column) => !column.when || column.when());
  const wide = (columns) => columns.reduce((sum, column) => sum + column.room + 0.9, 0);
  let columns = wanted;
  while (wide(columns) > room && columns.length > 3) {
    const least = columns.reduce((worst, column) => (column.rank >= worst.rank ? column : worst));
    columns = columns.filter((column) => column !== least);
  }
  table.columns = columns;
  table.grid.style.setProperty(
    "--columns",
    columns.map((column) => (column.grow ? `minmax(0, ${column.grow}fr)` : `${column.room}rem`)).join(" "),
  );
  table.head.replaceChildren(
    ...columns.map((column) =>
      el(
        "span",
        {
          class: column.look === "number" ? "cell number" : "cell",
          role: "columnheader",
          "aria-sort": sorting.key === column.key ? (sorting.down ? "descending" : "ascending") : null,
        },
        el(
          "button",
          { type: "button", "data-key": column.key, "aria-label": `Sort by ${column.head}`, onclick: () => setSorting(column.key) },
          column.head,
        ),
      ),
    ),
  );
  table.grid.setAttribute("aria-rowcount", shown.length + 1);
  table.grid.setAttribute("aria-colcount", columns.length);
  table.grid.classList.toggle("short", shown.length <= 12);
  table.body.style.height = shown.length ? `${shown.length * ROW}px` : "auto";
  table.body.replaceChildren();
  table.rows = [];
  if (!shown.length)
    table.body.append(el("p", { class: "nothing" }, TRIES.length ? "No try fits these filters." : "These runs have no rows yet."));
  drawRows();
}

function drawRows() {
  const { grid, body, rows } = table;
  const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
  const last = Math.min(shown.length, Math.ceil((grid.scrollTop + (grid.clientHeight || 400)) / ROW) + SPARE);
  const kept = new Map();
  for (const row of rows) {
    const place = Number(row.dataset.place);
    if (place >= first && place < last) kept.set(place, row);
    else row.remove();
  }
  table.rows = [];
  for (let place = first; place < last; place++) {
    let row = kept.get(place);
    if (!row) {
      row = drawRow(place);
      body.append(row);
    }
    row.setAttribute("aria-selected", place === table.active);
    table.rows.push(row);
  }
  if (shown.length) grid.setAttribute("aria-activedescendant", `try-${table.active}`);
  else grid.removeAttribute("aria-activedescendant");
}

function drawRow(place) {
  const one = shown[place];
  return el(
    "div",
    {
      class: "cells row",
      role: "row",
      id: `try-${place}`,
      "data-place": place,
      "aria-rowindex": place + 2,
      style: { transform: `translateY(${place * ROW}px)` },
    },
    table.columns.map((column) => {
      const drawn = column.draw(one);
      return el(
        "span",
        {
          class: `cell ${column.look ?? ""}`,
          role: "gridcell",
          title: typeof drawn === "string" && drawn.length > 9 ? drawn.slice(0, 500) : null,
        },
        drawn,
      );
    }),
  );
}

function activate(place) {
  table.active = Math.min(Math.max(place, 0), shown.length - 1);
  const top = table.active * ROW,
    seen = table.grid.clientHeight - ROW;
  if (top < table.grid.scrollTop) table.grid.scrollTop = top;
  else if (top + ROW > table.grid.scrollTop + seen) table.grid.scrollTop = top + ROW - seen;
  drawRows();
}

function moveInTable(event) {
  if (event.target !== table.grid || !shown.length) return;
  const page = Math.max(1, Math.floor(table.grid.clientHeight / ROW) - 2);
  const to = {
    ArrowDown: table.active + 1,
    ArrowUp: table.active - 1,
    PageDown: table.active + page,
    PageUp: table.active - page,
    Home: 0,
    End: shown.length - 1,
  }[event.key];
  if (to !== undefined) activate(to);
  else if (event.key === "Enter" || event.key === " ") openTry(shown[table.active]);
  else return;
  event.preventDefault();
}
