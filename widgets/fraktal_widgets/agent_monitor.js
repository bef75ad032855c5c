// All agents at a glance, how they fared over time, and everything that they did.

const AGENT_FILTERS = [["", "All"], ["online", "Online"], ["draining", "Draining"], ["offline", "Offline"]];
const WINDOWS = [[900, "15 min"], [3600, "1 h"], [86400, "24 h"], [604800, "7 days"]];
const CHARTS = [["cpu", "CPU", "%", 100], ["memory", "Memory", "GiB", null], ["gpu", "GPU", "%", 100], ["busy", "Tasks at once", "", null], ["response", "Response time, median", "s", null]];
const TYPING_MS = 250;

function render({ model, el }) {
  const send = sender(model, "wish");
  let skew = 0; // how far this browser's clock is from Python's
  const context = {
    send,
    now: () => Date.now() + skew,
    job: (id) => (model.get("api") ? `/#job-${id}` : ""),
    chosen: () => model.get("board").picked,
  };
  const cards = new Map();

  const search = h("input", {
    class: "fk-input fk-agents-search", type: "search", placeholder: "Filter by name or machine", "aria-label": "Filter agents", autocomplete: "off",
    oninput: () => {
      clearTimeout(search.timer);
      search.timer = setTimeout(() => filter({ text: search.value }), TYPING_MS);
    },
  });
  const capability = h("select", { class: "fk-input fk-agents-capability", "aria-label": "Show agents that offer", onchange: () => filter({ capability: capability.value }) });
  const states = new Map(AGENT_FILTERS.map(([name, label]) => {
    const count = h("span", { class: "fk-count" });
    return [name, { count, button: h("button", { type: "button", class: "fk-filter", "aria-pressed": "false", onclick: () => filter({ state: name }) }, label, count) }];
  }));
  const filters = h("div", { class: "fk-agents-filters", role: "toolbar", "aria-label": "Which agents" }, search, capability,
    h("div", { class: "fk-filters" }, [...states.values()].map(({ button }) => button)));
  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const list = h("div", { class: "fk-agent-list" });
  const none = h("p", { class: "fk-muted", hidden: true }, "No agent fits these filters.");
  const where = h("span", { class: "fk-muted" });
  const before = h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => filter({ page: model.get("board").page - 1 }) }, "Previous");
  const after = h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => filter({ page: model.get("board").page + 1 }) }, "Next");
  const pager = h("div", { class: "fk-row", hidden: true }, before, where, after);

  const charts = new TimeCharts(CHARTS, (from, to) => send({ do: "zoom", from: from ?? null, to: to ?? null }));
  const windows = new Map(WINDOWS.map(([seconds, label]) => [seconds, h("button", {
    type: "button", class: "fk-filter", "aria-pressed": "false", onclick: () => filter({ window_s: seconds }),
  }, label)]));
  const chosen = h("p", { class: "fk-muted" });
  const overTime = h("section", { class: "fk-agents-part", "aria-label": "Over time" },
    h("div", { class: "fk-agents-head" }, h("h3", {}, "Over time"),
      h("div", { class: "fk-filters", role: "toolbar", "aria-label": "Time shown" }, [...windows.values()]), charts.buttons),
    chosen, charts.element);

  const tasks = new TaskList(context);
  const whose = h("select", { class: "fk-input fk-agents-capability", "aria-label": "Show the history of", onchange: () => send({ do: "tasks", agent: whose.value }) });
  const narrowed = h("p", { class: "fk-muted", hidden: true }, "Only what began in the time that the charts show.");
  const history = h("section", { class: "fk-agents-part", "aria-label": "History", tabindex: "-1" },
    h("div", { class: "fk-agents-head" }, h("h3", {}, "History"), whose), narrowed, tasks.element);

  const empty = h("div", { class: "fk-empty", hidden: true });
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "fk fk-agents", "aria-label": "Agents" }, trouble, empty, filters, none, list, pager, overTime, history, spoken);
  el.replaceChildren(root);

  /** What the user filters by is one thing in Python; the parts that did not change stay. */
  function filter(part) {
    send({ do: "filter", ...part });
  }

  function draw() {
    const board = model.get("board");
    if (!board.agents) return;
    skew = board.now - Date.now();
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    const nobody = board.total === 0 && !board.loading;
    for (const part of [filters, list, overTime, history]) part.hidden = board.total === 0;
    empty.hidden = !nobody;
    if (nobody && !empty.childElementCount) drawEmpty(board.command);

    for (const [name, { button, count }] of states) {
      setAttribute(button, "aria-pressed", String(name === board.filter.state));
      setText(count, name ? String(board.counts[name] ?? 0) : String(board.total));
    }
    drawChoices(capability, [["", "Any capability"], ...board.capabilities.map((name) => [name, name])], board.filter.capability);
    drawChoices(whose, [["", "All agents"], ...board.names.map((name) => [name, name])], board.filter.whose);
    if (root.getRootNode().activeElement !== search && search.value !== board.filter.text) search.value = board.filter.text;

    const wanted = new Set(board.agents.map((agent) => agent.id));
    for (const [id, card] of cards) {
      if (wanted.has(id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    board.agents.forEach((agent, index) => {
      if (!cards.has(agent.id)) cards.set(agent.id, agentCard(context));
      const card = cards.get(agent.id);
      card.update(agent);
      const there = list.children[index] ?? null;
      if (there !== card.element) list.insertBefore(card.element, there);
    });
    none.hidden = board.agents.length > 0 || board.total === 0;
    pager.hidden = board.pages < 2;
    before.disabled = board.page === 0;
    after.disabled = board.page >= board.pages - 1;
    setText(where, `Page ${board.page + 1} of ${board.pages}, ${board.shown} agents`);

    for (const [seconds, button] of windows) setAttribute(button, "aria-pressed", String(seconds === board.filter.window_s));
    setText(chosen, board.picked
      ? "The charts show the agents that you picked; press an agent's colour to take it out."
      : board.shown > 8 ? "The charts show the first eight of these agents; press an agent's colour to pick others." : "");
    chosen.hidden = !chosen.textContent;
  }

  function drawChoices(select, choices, value) {
    const key = JSON.stringify(choices);
    if (select.dataset.key !== key) {
      select.dataset.key = key;
      select.replaceChildren(...choices.map(([name, label]) => h("option", { value: name }, label)));
    }
    if (select.value !== value) select.value = value;
  }

  function drawEmpty(command) {
    const copied = h("span", { class: "fk-muted", role: "status" });
    empty.replaceChildren(
      h("p", { class: "fk-empty-title" }, "No agents yet"),
      h("p", {}, "An agent does jobs on this machine or another, and stands here with its state, its tasks and its load. This command starts the first one; let it run in a terminal."),
      h("div", { class: "fk-agents-command" }, h("code", {}, command),
        h("button", { type: "button", class: "fk-button fk-button-small fk-primary", onclick: async () => {
          setText(copied, (await copyText(command)) ? "Copied" : "Select it and copy it by hand");
        } }, "Copy")), copied);
  }

  let told = new Map();
  function speak() {
    const { agents = [] } = model.get("board");
    for (const { id, name, state } of agents) {
      if (told.has(id) && told.get(id) !== state) setText(spoken, `Agent ${name} is ${state}.`);
    }
    told = new Map(agents.map(({ id, state }) => [id, state]));
  }

  const drawCharts = () => {
    charts.update(model.get("charts"));
    narrowed.hidden = !model.get("charts").zoomed;
  };
  const drawTasks = () => {
    const given = model.get("tasks");
    if (given.tasks) tasks.update(given);
    if (given.jump && given.jump !== drawTasks.jumped) {
      drawTasks.jumped = given.jump;
      history.scrollIntoView({ block: "start" });
      history.focus({ preventScroll: true });
    }
  };
  const clock = setInterval(() => {
    cards.forEach((card) => card.tick());
    tasks.tick();
  }, 1000);
  const unfollow = follow(model, {
    board: () => { draw(); speak(); },
    charts: drawCharts,
    tasks: drawTasks,
  });
  draw();
  drawCharts();
  drawTasks();
  send({ do: "ready" }); // Python begins to follow the agents
  return () => {
    clearInterval(clock);
    clearTimeout(search.timer);
    charts.stop();
    unfollow();
  };
}

export default { render };
