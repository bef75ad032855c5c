// Everything that waits for a person, oldest first; what was answered lately below.

function render({ model, el }) {
  const send = sender(model, "wish");
  let skew = 0; // how far this browser's clock is from Python's
  const context = {
    send,
    now: () => Date.now() + skew,
    job: (id) => (model.get("api") ? `/#job-${id}` : ""),
  };
  const cards = new Map();
  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const list = h("div", { class: "fk-ask-list" });
  const empty = h("div", { class: "fk-empty", hidden: true },
    h("p", { class: "fk-empty-title" }, "Nothing waits for you"),
    h("p", {}, "When an agent, a plan or the chat wants to do something that cannot be taken back, it stops here: with what it would do, to what, and who asked. Questions of jobs stand here, too."));
  const recent = h("ul", { class: "fk-ask-recent" });
  const recently = h("section", { hidden: true, "aria-label": "Answered lately" }, h("h3", {}, "Answered lately"), recent);
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  el.replaceChildren(h("section", { class: "fk fk-approvals", "aria-label": "Approvals" }, trouble, empty, list, recently, spoken));

  let known = null;
  function draw() {
    const board = model.get("board");
    if (!board.items) return;
    skew = board.now - Date.now();
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    const wanted = new Set(board.items.map((item) => item.key));
    for (const [key, card] of cards) {
      if (wanted.has(key)) continue;
      card.element.remove();
      cards.delete(key);
    }
    board.items.forEach((item, index) => {
      if (!cards.has(item.key)) cards.set(item.key, approvalCard(context));
      const card = cards.get(item.key);
      card.update(item);
      const there = list.children[index] ?? null;
      if (there !== card.element) list.insertBefore(card.element, there);
    });
    empty.hidden = board.items.length > 0 || board.loading;
    recently.hidden = board.recent.length === 0;
    recent.replaceChildren(...board.recent.map((item) => h("li", {}, shape(OUTCOMES[item.state] ?? "succeeded"),
      h("span", {}, `${item.title}, job ${item.job}: ${item.outcome}`))));
    const open = new Map(board.items.filter((item) => item.state === "open").map((item) => [item.key, item]));
    if (known) {
      const fresh = [...open.values()].filter((item) => !known.has(item.key));
      if (fresh.length) setText(spoken, `${fresh.at(-1).title} waits for your answer.`);
    }
    known = open;
    showLinked();
  }

  // A link such as /approvals#job-5 goes to what that job waits for.
  let linked = "";
  function showLinked() {
    const wanted = /^#job-(\d+)$/.exec(location.hash)?.[1] ?? "";
    if (!wanted || wanted === linked) return;
    const card = list.querySelector(`[data-job="${wanted}"]`);
    if (!card) return;
    linked = wanted;
    card.scrollIntoView({ block: "center" });
  }

  const clock = setInterval(() => cards.forEach((card) => card.tick()), 1000);
  const unfollow = follow(model, {
    board: draw,
    spec: () => {
      const spec = model.get("spec");
      cards.get(spec.key)?.openForm(spec);
    },
  });
  draw();
  send({ do: "ready" }); // Python begins to follow what waits
  return () => {
    clearInterval(clock);
    unfollow();
  };
}

export default { render };
