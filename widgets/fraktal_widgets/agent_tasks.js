// What agents did, newest first: each try of a job, with what it was asked and how it ended.

class TaskList {
  /** @param context {send, now: () => ms, job: (id) => address of a job or ""} */
  constructor(context) {
    this.context = context;
    this.rows = new Map();
    this.list = h("div", { class: "fk-tasks" });
    this.empty = h("p", { class: "fk-muted" });
    this.older = h("button", { type: "button", class: "fk-button fk-button-quiet", onclick: () => context.send({ do: "older" }) }, "Older tasks");
    this.element = h("div", {}, this.list, this.empty, this.older);
  }

  update({ tasks, more, open, loading }) {
    const wanted = new Set(tasks.map((task) => task.id));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    tasks.forEach((task, index) => {
      if (!this.rows.has(task.id)) this.rows.set(task.id, this.row());
      const row = this.rows.get(task.id);
      row.update(task, open?.id === task.id ? open : null);
      const there = this.list.children[index] ?? null;
      if (there !== row.element) this.list.insertBefore(row.element, there);
    });
    this.empty.hidden = tasks.length > 0;
    setText(this.empty, loading ? "Reading the history." : "No task yet. Each try of a job on an agent stands here, with what it was asked and what came of it.");
    this.older.hidden = !more;
  }

  row() {
    const { context } = this;
    let task = null;
    let open = false;
    let drawn = "";
    const mark = h("span", { class: "fk-job-mark" });
    const what = h("span", { class: "fk-task-what" });
    const agent = h("span", { class: "fk-task-agent" });
    const word = h("span", { class: "fk-job-word" });
    const when = h("span", { class: "fk-muted" });
    const error = h("span", { class: "fk-job-fault fk-task-error" });
    const more = h("div", { class: "fk-task-more", hidden: true });
    const toggle = h("button", {
      type: "button", class: "fk-button fk-button-small fk-button-quiet", "aria-expanded": "false",
      onclick: () => context.send({ do: open ? "close-task" : "open-task", task: task.id }),
    }, h("span", { class: "fk-turn" }, shape("chevron")), "Details");
    const element = h("article", { class: "fk-task" }, mark, what, agent, word, when, toggle, error, more);
    closeOnEscape(element, () => open, () => { toggle.click(); toggle.focus(); });
    const tick = () => {
      if (!task) return;
      const took = task.ended ? `took ${inSeconds((task.ended - task.started) / 1000)}, ${ago(task.ended, context.now())}` : `for ${duration(context.now() - task.started)}`;
      setText(when, took);
      setAttribute(when, "title", exactTime(task.ended ?? task.started));
    };
    return {
      element, tick,
      update(next, details) {
        task = next;
        open = Boolean(details);
        element.dataset.state = task.state;
        element.dataset.job = task.job;
        setAttribute(element, "aria-label", `${task.title}, job ${task.job}, on ${task.agent}, ${task.state}`);
        setAttribute(toggle, "aria-label", `Details of job ${task.job} on ${task.agent}`);
        const key = JSON.stringify([task, details]);
        if (key !== drawn) {
          drawn = key;
          mark.replaceChildren(shape(task.state));
          const address = context.job(task.job);
          what.replaceChildren(address ? h("a", { class: "fk-link", href: address }, `${task.title} #${task.job}`) : `${task.title} #${task.job}`);
          setText(agent, task.agent);
          setText(word, STATES[task.state] ?? task.state);
          setText(error, task.error);
          error.hidden = !task.error;
          setAttribute(toggle, "aria-expanded", String(open));
          element.classList.toggle("fk-open", open);
          more.hidden = !open;
          const lines = (title, facts) => (facts?.length ? h("dl", { class: "fk-facts", "aria-label": title },
            facts.map(([fact, value]) => [h("dt", {}, fact || title), h("dd", {}, value)]).flat()) : h("p", { class: "fk-muted" }, `${title}: none.`));
          if (open) {
            more.replaceChildren(details.loading ? h("p", { class: "fk-muted" }, "Reading.") : h("div", { class: "fk-task-both" },
              h("section", {}, h("h4", {}, "Asked"), lines("Parameters", details.params)),
              h("section", {}, h("h4", {}, "Answered"), details.error ? h("p", { class: "fk-job-fault" }, details.error) : lines("Result", details.result))));
          }
        }
        tick();
      },
    };
  }

  tick() {
    this.rows.forEach((row) => row.tick());
  }
}
