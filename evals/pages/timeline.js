// Geometry of the thread timeline: bars, links and lanes of one tree, in percent of its wall clock. The same rules as the timeline page.

function layTree(tree) {
  const scale = Math.max(tree.wall, ...tree.threads.map((thread) => thread.finished ?? 0)) || 1;
  const x = (moment) => (100 * moment) / scale;
  const index = new Map(tree.threads.map((thread, lane) => [thread.id, lane]));
  const critical = new Set(tree.critical.map(([thread, item]) => `${thread} ${item}`));
  const through = new Set(tree.critical.map(([thread]) => thread));
  const forks = tree.threads.flatMap((thread) =>
    thread.items.filter((item) => item.kind === "fork").map((fork) => ({ thread, fork })),
  );
  const joined = new Map(forks.flatMap(({ fork }) => fork.children.map((child) => [child, fork.finished])));
  const winners = new Set(forks.map(({ fork }) => fork.winner));
  const lanes = tree.threads.map((thread) => ({
    thread,
    critical: through.has(thread.id),
    winner: winners.has(thread.id),
    off: thread.status === "cancelled" || thread.status === "refused",
    ...barsOf(thread, { x, wall: scale, critical, joined: joined.get(thread.id) }),
  }));
  const links = forks.flatMap(({ thread, fork }) => linksOf(thread, fork, { x, index, threads: tree.threads, through }));
  return { scale, end: x(tree.wall), lanes, links, steps: stepsOf(tree, x), ticks: linear(0, scale, 7).ticks };
}

function barsOf(thread, { x, wall, critical, joined }) {
  const bars = [];
  const add = (kind, from, to, words, more = {}) =>
    bars.push({ kind, left: x(from), width: x(to - from), words: `${words}, ${seconds(from)} to ${seconds(to)}`, ...more });
  let cut = thread.started === null && thread.finished !== null ? x(thread.finished) : null;
  for (const [position, item] of thread.items.entries()) {
    if (item.kind === "fork") add("children", item.started, item.finished ?? wall, `waits for ${item.children.length} children`);
    else if (item.request) {
      const { submitted, first, finished, finish } = item.request;
      const look = { critical: critical.has(`${thread.id} ${position}`), aborted: finish === "abort" };
      // Without a first token the whole request waited, unless tokens came and the engine could not tell when.
      const begin = first ?? (item.tokens ? submitted : finished);
      if (begin > submitted) add("prefill", submitted, begin, "waits for its first token", look);
      if (item.tokens) add("decode", begin, finished, `${item.tokens} tokens sampled${look.aborted ? ", then aborted" : ""}`, look);
      if (look.aborted) cut = x(finished);
    }
  }
  if (["finished", "cut", "failed"].includes(thread.status) && thread.finished !== null && joined > thread.finished)
    add("siblings", thread.finished, joined, "has ended, waits for its siblings");
  return { bars, cut };
}

function linksOf(thread, fork, { x, index, threads, through }) {
  if (!fork.children.length) return [];
  const of = (id) => threads[index.get(id)];
  const link = (kind, moment, children) => ({
    kind,
    x: x(moment),
    parent: index.get(thread.id),
    children: children.map((child) => index.get(child)),
    critical: index.get(children.find((child) => through.has(child))) ?? null,
  });
  const started = fork.children.filter((child) => of(child).started !== null);
  const returned = started.filter((child) => of(child).status !== "cancelled");
  const links = [link("fork", fork.started, started.length ? started : fork.children)];
  if (fork.finished !== null && returned.length) links.push(link("join", fork.finished, returned));
  return links;
}

/** How many threads decode from each moment on. */
function stepsOf(tree, x) {
  const changes = tree.threads.flatMap((thread) =>
    thread.items
      .filter((item) => item.request)
      .flatMap(({ request }) => [
        [request.submitted, 1],
        [request.finished, -1],
      ]),
  );
  changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const steps = new Map();
  let running = 0;
  for (const [moment, change] of changes) {
    running += change;
    steps.set(x(moment), running);
  }
  return [...steps];
}
