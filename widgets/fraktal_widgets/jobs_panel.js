// The running and finished jobs: filters, cards, what finished while one was away.

const FILTERS = [
  ["all", "All", () => true],
  ["active", "Running", (job) => job.state === "running" || job.state === "queued"],
  ["waiting", "Waiting", (job) => job.state === "waiting"],
  ["succeeded", "Succeeded", (job) => job.state === "succeeded"],
  ["failed", "Failed", (job) => job.state === "failed" || job.state === "cancelled"],
];

const NOTHING = {
  active: "Nothing runs right now. What you start shows its progress here.",
  waiting: "No job waits for an answer. When one asks something, it stands here with its choices.",
  succeeded: "Nothing has succeeded yet. Finished jobs keep their files and their log here.",
  failed: "Nothing failed. A failed job keeps its parameters and its log, and can be tried again.",
};

function render({ model, el }) {
  const send = sender(model, "wish");
  const cards = new Map();
  let filter = "all";
  let skew = 0; // how far this browser's clock is from Python's
  const now = () => Date.now() + skew;
  const context = { pictures: () => model.get("pictures"), api: () => model.get("api"), now };

  const filters = h("div", { class: "fk-filters", role: "toolbar", "aria-label": "Show jobs by state" });
  const away = h("div", { class: "fk-away", role: "status", hidden: true });
  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const list = h("div", { class: "fk-job-list" });
  const empty = h("div", { class: "fk-empty", hidden: true });
  const older = h("button", { type: "button", class: "fk-button fk-button-quiet", onclick: () => send({ do: "older", filter }) }, "Older jobs");
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "fk fk-jobs", "aria-label": "Jobs" }, filters, away, trouble, list, empty, older, spoken);
  el.replaceChildren(root);

  const buttons = new Map(FILTERS.map(([name, label]) => {
    const count = h("span", { class: "fk-count" });
    const button = h("button", {
      type: "button", class: "fk-filter", "aria-pressed": "false",
      onclick: () => {
        filter = name;
        send({ do: "filter", filter });
        draw();
      },
    }, label, count);
    filters.append(button);
    return [name, { button, count }];
  }));

  function draw() {
    const board = model.get("board");
    if (!board.jobs) return;
    skew = board.now - Date.now();
    const jobs = board.jobs;
    const known = new Set(jobs.map((job) => job.id));
    for (const [id, card] of cards) {
      if (!known.has(id)) {
        card.element.remove();
        cards.delete(id);
      }
    }
    for (const [name, , test] of FILTERS) {
      const { button, count } = buttons.get(name);
      const found = jobs.filter(test).length;
      setAttribute(button, "aria-pressed", String(name === filter));
      setText(count, (name === "active" || name === "waiting") && found ? String(found) : "");
    }
    const test = FILTERS.find(([name]) => name === filter)[2];
    let place = null;
    let shown = 0;
    for (const job of jobs) {
      let card = cards.get(job.id);
      const fresh = !card;
      if (fresh) {
        card = jobCard(send, context);
        cards.set(job.id, card);
      }
      card.update(job);
      card.element.hidden = !test(job);
      shown += card.element.hidden ? 0 : 1;
      const wanted = place ? place.nextSibling : list.firstChild;
      if (wanted !== card.element) list.insertBefore(card.element, wanted);
      place = card.element;
    }
    older.hidden = !board.more;
    setText(trouble, board.trouble || "");
    trouble.hidden = !board.trouble;
    drawEmpty(shown, jobs.length);
    drawAway(jobs);
    showLinked();
  }

  function drawEmpty(shown, all) {
    empty.hidden = shown > 0 || Boolean(model.get("board").loading);
    if (empty.hidden) return;
    if (all > 0 || filter !== "all") empty.replaceChildren(h("p", {}, NOTHING[filter] ?? ""));
    else {
      const start = model.get("board").start;
      empty.replaceChildren(
        h("p", { class: "fk-empty-title" }, "No jobs yet"),
        h("p", {}, "What you run as a job stands here with its progress, its log and its files, also after a restart."),
        start ? h("button", { type: "button", class: "fk-button fk-primary fk-button-long", onclick: () => send({ do: "start" }) }, `Run the first one: ${start}`) : "");
    }
  }

  // What finished while nobody looked is told once, then this browser remembers the time.
  let seen = Number(memory.get("jobs-seen")) || 0;
  let told = false;
  const looking = () => document.visibilityState === "visible";

  function drawAway(jobs) {
    if (!looking() || model.get("board").loading) return;
    const ended = jobs.filter((job) => job.ended && job.ended > seen);
    if (!told) {
      told = true;
      const good = ended.filter((job) => job.state === "succeeded").length;
      const bad = ended.filter((job) => job.state === "failed").length;
      if (seen && good + bad) {
        const parts = [good ? `${good} ${good === 1 ? "job" : "jobs"} succeeded` : "", bad ? `${bad} failed` : ""].filter(Boolean);
        away.replaceChildren(
          h("span", {}, `While you were away: ${parts.join(", ")}.`),
          h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", onclick: () => { away.hidden = true; } }, "Got it"));
        away.hidden = false;
      }
    } else {
      for (const job of ended) setText(spoken, `Job ${job.id}, ${job.title}, ${STATES[job.state]}.`);
    }
    const newest = Math.max(seen, 1, ...ended.map((job) => job.ended));
    if (newest !== seen) {
      seen = newest;
      memory.set("jobs-seen", String(seen));
    }
  }

  const onVisible = () => {
    if (!looking()) told = false;
    else draw();
  };
  document.addEventListener("visibilitychange", onVisible);

  // A link such as /#job-12 opens the details of that job.
  let linked = "";
  function showLinked() {
    const wanted = /^#job-(\d+)$/.exec(location.hash)?.[1] ?? "";
    if (wanted === linked || !wanted) return;
    const card = cards.get(Number(wanted));
    if (!card) return;
    linked = wanted;
    if (card.element.hidden) buttons.get("all").button.click();
    card.show();
  }
  const onHash = () => {
    linked = "";
    const wanted = /^#job-(\d+)$/.exec(location.hash)?.[1];
    if (wanted && !cards.has(Number(wanted))) send({ do: "open", job: Number(wanted) });
    showLinked();
  };
  window.addEventListener("hashchange", onHash);

  const clock = setInterval(() => cards.forEach((card) => card.tick()), 1000);
  const unfollow = follow(model, {
    board: draw,
    pictures: () => cards.forEach((card) => card.redraw()),
    download: () => saveDownload(model.get("download")),
  });
  draw();
  send({ do: "ready" }); // Python begins to follow the jobs
  if (location.hash) onHash();
  return () => {
    clearInterval(clock);
    unfollow();
    document.removeEventListener("visibilitychange", onVisible);
    window.removeEventListener("hashchange", onHash);
  };
}

export default { render };
