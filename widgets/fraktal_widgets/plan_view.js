// A plan at work: its head, its graph, one step in detail, and the same as a list of words.

const PLAN_STATES = { ...STATES, waiting: "waiting" };
const ITEMS_SHOWN = 60;

function render({ model, el }) {
  const send = sender(model, "wish");
  let skew = 0; // how far this browser's clock is from Python's
  let sent = "";
  const now = () => Date.now() + skew;
  const jobAddress = (id) => (model.get("api") && id ? `/#job-${id}` : "");
  const link = (id, words) => (jobAddress(id) ? h("a", { class: "fk-link", href: jobAddress(id) }, words) : words);

  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const mark = h("span", { class: "fk-job-mark" });
  const title = h("h3", { class: "fk-plan-title" });
  const word = h("span", { class: "fk-job-word" });
  const facts = h("span", { class: "fk-muted" });
  const bar = h("div", { class: "fk-bar", role: "progressbar", "aria-label": "Steps done", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div", { class: "fk-bar-fill" }));
  const message = h("p", { class: "fk-muted" });
  const fault = h("p", { class: "fk-job-fault", role: "status", hidden: true });
  const waits = h("p", { class: "fk-plan-waits", hidden: true });
  const act = (what, label, words) => h("button", {
    type: "button", class: "fk-button fk-button-small", title: words, onclick: () => {
      sent = what;
      send({ do: what });
      drawHead();
    },
  }, label);
  const stop = act("stop", "Stop", "End what runs; finished steps are kept");
  const resume = act("resume", "Go on", "Go on where it stopped; finished steps are not done again");
  const timeline = h("a", { class: "fk-button fk-button-small fk-button-quiet", hidden: true }, "Timeline");
  const head = h("div", { class: "fk-plan-head" }, mark,
    h("div", { class: "fk-plan-what" }, title, h("div", { class: "fk-job-status" }, word, facts)), h("div", { class: "fk-row" }, timeline, stop, resume));

  const graph = new PlanGraph((step) => choose(step));
  const details = h("section", { class: "fk-plan-details", "aria-label": "One step", "aria-live": "off", hidden: true });
  const list = h("ol", { class: "fk-plan-list" });
  const asList = h("details", { class: "fk-plan-words" }, h("summary", {}, h("span", { class: "fk-turn" }, shape("chevron")), "The steps as a list"), list);
  const body = h("div", { class: "fk-plan-body" }, graph.element, details);
  const empty = h("div", { class: "fk-empty", hidden: true });
  const plans = h("nav", { class: "fk-plan-choice", "aria-label": "Plans", hidden: true });
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "fk fk-plan", "aria-label": "Plan" }, trouble, empty, plans, head, bar, message, waits, fault, body, asList, spoken);
  el.replaceChildren(root);

  let chosen = "";
  let item = null;
  function choose(step, part = null) {
    chosen = step;
    item = part;
    send({ do: "open", step, item: part });
    drawDetails();
  }

  /** Close the step, and let the keyboard go on at its node. */
  function leave() {
    const step = chosen;
    const inside = root.contains(root.getRootNode().activeElement);
    chosen = drawn = "";
    graph.choose("");
    if (inside) graph.nodes.get(step)?.element.focus();
  }
  closeOnEscape(body, () => Boolean(chosen), leave);

  function drawHead() {
    const { job } = model.get("board");
    if (!job) return;
    head.dataset.state = job.state;
    if (mark.dataset.state !== job.state) mark.replaceChildren(shape(job.state));
    mark.dataset.state = job.state;
    const board = model.get("board");
    const name = `${board.name || job.title} #${job.id}`;
    if (title.textContent !== name) title.replaceChildren(link(job.id, name));
    setText(word, PLAN_STATES[job.state]);
    timeline.hidden = !model.get("api");
    setAttribute(timeline, "href", `/timeline?job=${job.id}`);
    const percent = board.total ? Math.round((100 * board.done) / board.total) : 0;
    setAttribute(bar, "aria-valuenow", percent);
    bar.firstChild.style.transform = `scaleX(${percent / 100})`;
    setText(message, job.message);
    message.hidden = !job.message || job.state !== "running" || job.message.endsWith(" steps");
    const words = board.problem || job.error;
    setText(fault, words ?? "");
    fault.hidden = !words;
    waits.hidden = !board.asks.length;
    if (board.asks.length) {
      const text = board.asks.length === 1 ? `${board.asks[0]} waits for your answer. ` : `${board.asks.length} steps wait for your answer. `;
      waits.replaceChildren(text, model.get("api") ? h("a", { class: "fk-link", href: "/approvals" }, "Answer") : "Show ApprovalsPanel() to answer.");
    }
    const ended = ENDED.has(job.state);
    stop.hidden = ended;
    resume.hidden = !(job.state === "failed" || job.state === "cancelled");
    setText(resume, job.state === "failed" ? "Re-run from the failed step" : "Go on");
    stop.disabled = sent === "stop";
    resume.disabled = sent === "resume";
    tick();
  }

  function tick() {
    const { job, done, total, cost, limits } = model.get("board");
    if (!job) return;
    const parts = [`${done} of ${total} steps`];
    if (job.started) parts.push(job.ended ? `took ${duration(job.ended - job.started)}` : `for ${duration(now() - job.started)}`);
    if (cost > 0) parts.push(`cost ${digitsOf(cost)}`);
    if (limits) parts.push(limits);
    setText(facts, parts.join(", "));
  }

  const digitsOf = (value) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));

  function draw() {
    const board = model.get("board");
    if (!board.nodes) return;
    skew = board.now - Date.now();
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    drawPlans(board);
    const none = !board.job;
    for (const part of [head, bar, body, asList]) part.hidden = none;
    empty.hidden = !none || board.loading;
    if (none) {
      if (!empty.hidden && !empty.childElementCount) {
        empty.replaceChildren(h("p", { class: "fk-empty-title" }, board.missing || "No plans yet"),
          h("p", {}, "A plan is a graph of things to do, one after the other and side by side. It stands here with the colour of each step while it works. Save one as plan.yaml and run it:"),
          h("code", { class: "fk-plan-command" }, "fraktal plan run plan.yaml"));
      }
      return;
    }
    if (board.job.state !== draw.state) {
      if (draw.state) setText(spoken, `The plan ${PLAN_STATES[board.job.state]}.`);
      draw.state = board.job.state;
      sent = "";
    }
    if (board.problem) sent = "";
    drawHead();
    graph.update(board.nodes);
    drawList(board.nodes);
    drawDetails();
  }

  function drawPlans({ plans: found, job }) {
    plans.hidden = found.length < 2 && Boolean(job);
    const key = JSON.stringify([found, job?.id]);
    if (plans.dataset.key === key) return;
    plans.dataset.key = key;
    plans.replaceChildren(...found.map((one) => h("button", {
      type: "button", class: "fk-filter", "aria-pressed": String(one.id === job?.id), "data-state": one.state, onclick: () => { chosen = ""; send({ do: "plan", job: one.id }); },
    }, h("span", { class: "fk-job-mark" }, shape(one.state)), `${one.title} #${one.id}`)));
  }

  const rows = new Map();
  function drawList(nodes) {
    for (const [id, row] of rows) {
      if (nodes.some((node) => node.id === id)) continue;
      row.remove();
      rows.delete(id);
    }
    for (const node of nodes) {
      if (!rows.has(node.id)) {
        const row = h("li", {}, h("button", { type: "button", class: "fk-plain fk-plan-step", onclick: () => graph.choose(node.id) }, h("span", { class: "fk-job-mark" }), h("b", {}), h("span", { class: "fk-job-word" }), h("span", { class: "fk-muted" })));
        rows.set(node.id, row);
        list.append(row);
      }
      const row = rows.get(node.id);
      const [markPart, name, state, after] = row.firstChild.children;
      row.dataset.state = node.state;
      if (markPart.dataset.state !== node.state) markPart.replaceChildren(shape(SHAPES[node.state] ? node.state : "planned"));
      markPart.dataset.state = node.state;
      setText(name, node.title);
      setText(state, stepWords(node));
      setText(after, node.after.length ? `after ${node.after.join(", ")}` : "first");
    }
  }

  let drawn = "";
  function drawDetails() {
    details.hidden = !chosen;
    if (!chosen) return;
    const node = model.get("board").nodes.find((one) => one.id === chosen);
    const given = model.get("details");
    const step = given.step === chosen && (given.item ?? null) === item ? given : null;
    const key = JSON.stringify([node, step, chosen, item]);
    if (key === drawn || !node) return;
    drawn = key;
    const focused = details.contains(root.getRootNode().activeElement) ? root.getRootNode().activeElement.dataset.act : null;
    const lines = (name, found) => (found?.length ? h("div", {}, h("h5", {}, name), h("dl", { class: "fk-facts", "aria-label": name },
      found.map(([fact, value]) => [h("dt", {}, fact || name), h("dd", {}, value)]).flat())) : "");
    const back = item !== null ? h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", "data-act": "back", onclick: () => choose(chosen) }, "All parts") : "";
    const close = h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", "data-act": "close", "aria-label": "Close the step", onclick: () => leave() }, shape("close"));
    details.replaceChildren(
      h("div", { class: "fk-plan-step-head" }, h("h4", {}, item === null ? node.title : `${node.title}, part ${item + 1}`), back, close),
      h("p", { class: "fk-muted" }, node.capability),
      step?.words ? h("p", {}, step.words) : "",
      ...(step ? [
        step.job ? h("p", { class: "fk-plan-run" }, link(step.job, `Job ${step.job}`), step.facts.length ? `: ${step.facts.join(", ")}` : "") : "",
        step.error ? h("p", { class: "fk-job-fault" }, step.error) : "",
        lines("Arguments", step.params), lines("Result", step.result),
        step.pictures?.length ? h("div", { class: "fk-job-pictures" }, step.pictures.map(({ name, url }) => h("img", { class: "fk-picture", src: url, alt: name }))) : "",
        step.files?.length ? h("ul", { class: "fk-files" }, step.files.map((name) => h("li", {}, link(step.job, name)))) : "",
        step.items?.length ? parts(step.items) : "",
      ].flat() : [h("p", { class: "fk-muted" }, "Reading.")]));
    if (focused) details.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  /** The parts of a fan-out, those that need a look first. */
  function parts(items) {
    const rank = { failed: 0, waiting: 1, running: 2 };
    const sorted = [...items].sort((one, other) => (rank[one.state] ?? 3) - (rank[other.state] ?? 3));
    return h("div", {}, h("h5", {}, `${items.length} parts`), h("ul", { class: "fk-plan-items" }, sorted.slice(0, ITEMS_SHOWN).map((part) => h("li", { "data-state": part.state },
      h("button", { type: "button", class: "fk-plain fk-plan-step", onclick: () => choose(chosen, part.index) }, h("span", { class: "fk-job-mark" }, shape(SHAPES[part.state] ? part.state : "planned")), `Part ${part.index + 1}`, h("span", { class: "fk-job-word" }, STEP_STATES[part.state]))))),
    items.length > ITEMS_SHOWN ? h("p", { class: "fk-muted" }, `and ${items.length - ITEMS_SHOWN} more`) : "");
  }

  const clock = setInterval(tick, 1000);
  const unfollow = follow(model, { board: draw, details: drawDetails });
  draw();
  send({ do: "ready" }); // Python begins to follow the plan
  return () => {
    clearInterval(clock);
    graph.stop();
    unfollow();
  };
}

export default { render };
