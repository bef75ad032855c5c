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
  waiting: "No job waits for an answer. When one asks something, it stands here with its choices; one that waits for others stands here, too.",
  succeeded: "Nothing has succeeded yet. Finished jobs keep their files and their log here.",
  failed: "Nothing failed. A failed job keeps its parameters and its log, and can be tried again.",
};

function render({ model, el }) {
  const send = sender(model, "wish");
  const list = new JobList(model, send);
  const { cards } = list;
  let filter = "all";

  const filters = h("div", { class: "fk-filters", role: "toolbar", "aria-label": "Show jobs by state" });
  const away = h("div", { class: "fk-away", role: "status", hidden: true });
  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const empty = h("div", { class: "fk-empty", hidden: true });
  const older = h("button", { type: "button", class: "fk-button fk-button-quiet", onclick: () => send({ do: "older", filter }) }, "Older jobs");
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "fk fk-jobs", "aria-label": "Jobs" }, filters, away, trouble, list.element, empty, older, spoken);
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
    const jobs = board.jobs;
    list.update(jobs, board.now);
    for (const [name, , test] of FILTERS) {
      const { button, count } = buttons.get(name);
      const found = jobs.filter(test).length;
      setAttribute(button, "aria-pressed", String(name === filter));
      setText(count, (name === "active" || name === "waiting") && found ? String(found) : "");
    }
    const test = FILTERS.find(([name]) => name === filter)[2];
    for (const job of jobs) cards.get(job.id).element.hidden = !test(job);
    older.hidden = !board.more;
    setText(trouble, board.trouble || "");
    trouble.hidden = !board.trouble;
    drawEmpty(jobs.filter(test).length, jobs.length);
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

  const unfollow = follow(model, { board: draw });
  draw();
  send({ do: "ready" }); // Python begins to follow the jobs
  if (location.hash) onHash();
  return () => {
    list.stop();
    unfollow();
    document.removeEventListener("visibilitychange", onVisible);
    window.removeEventListener("hashchange", onHash);
  };
}

export default { render };
