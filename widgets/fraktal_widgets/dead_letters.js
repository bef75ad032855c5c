// What the bus and the jobs gave up: by topic and by capability, with undo for what was put away.

function render({ model, el }) {
  const send = sender(model, "wish");
  const serial = Math.random().toString(36).slice(2, 8);
  let skew = 0; // how far this browser's clock is from Python's
  let count = 0;
  let asked = 0; // the number of the last wish of this page that does something
  let seen = "";
  const sections = new Map(); // by key: {element, cards, ...}
  const context = {
    send: (wish) => {
      const number = send(wish);
      if (wish.do !== "open" && wish.do !== "close") asked = number;
      return number;
    },
    now: () => Date.now() + skew,
    job: (id) => (model.get("api") ? `/#job-${id}` : ""),
  };

  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const fault = h("p", { class: "fk-fault", role: "alert", hidden: true });
  const done = h("span", { role: "status", tabindex: -1 });
  const undo = h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => context.send({ do: "undo" }) }, "Undo");
  const note = h("div", { class: "fk-row fk-letters-note", hidden: true }, done, undo);
  const list = h("div", { class: "fk-letters-list" });
  const rest = h("p", { class: "fk-muted", hidden: true });
  const empty = h("div", { class: "fk-empty", hidden: true },
    h("p", { class: "fk-empty-title" }, "Nothing was given up"),
    h("p", {}, "A message of the bus that nobody could handle after five tries stands here with the reason, and so does a job that failed: to be tried again, or put away."));
  const root = h("section", { class: "fk fk-letters", "aria-label": "Dead letters" }, trouble, fault, note, empty, list, rest);
  el.replaceChildren(root);

  function makeSection({ key, kind, title }) {
    const of = kind === "job" ? "failed jobs" : "messages";
    const name = h("h3", { class: "fk-letters-title", id: `fk-letters-${serial}-${(count += 1)}` }, title);
    const number = h("span", { class: "fk-muted" });
    const act = (what, label, extra = {}) => h("button", {
      type: "button", class: "fk-button fk-button-small", "aria-label": `${label}: ${title}`, onclick: () => context.send({ do: what, key }), ...extra,
    }, label);
    const buttons = h("div", { class: "fk-row fk-letters-all" },
      act("again", kind === "job" ? "Retry all" : "Deliver all again"),
      act("discard", "Discard all", { class: "fk-button fk-button-small fk-button-quiet" }));
    const letters = h("ul", { class: "fk-letters-of" });
    const element = h("section", { class: "fk-letters-section", "aria-labelledby": name.id, "data-key": key },
      h("div", { class: "fk-letters-head" }, h("div", {}, name, number), buttons), letters);
    if (kind === "message") name.classList.add("fk-letters-topic");
    return { element, letters, number, buttons, of, kind, cards: new Map() };
  }

  /** Keep the elements of a list in the order of their items, and take away those that are gone. */
  function place(parent, made, items, make) {
    const wanted = new Set(items.map((item) => item.key));
    for (const [key, one] of made) {
      if (wanted.has(key)) continue;
      one.element.remove();
      made.delete(key);
    }
    items.forEach((item, index) => {
      if (!made.has(item.key)) made.set(item.key, make(item));
      const { element } = made.get(item.key);
      if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
    });
  }

  function draw() {
    const board = model.get("board");
    if (!board.sections) return;
    skew = board.now - Date.now();
    const active = el.getRootNode().activeElement;
    const inside = root.contains(active) && active !== root;
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    place(list, sections, board.sections, makeSection);
    for (const item of board.sections) {
      const section = sections.get(item.key);
      const { length } = item.letters;
      setText(section.number, `${length} ${length === 1 ? section.of.slice(0, -1) : section.of}`);
      section.buttons.hidden = length < 2;
      place(section.letters, section.cards, item.letters, () => letterCard(context, section.kind, `fk-letter-${serial}-${(count += 1)}`));
      for (const letter of item.letters) section.cards.get(letter.key).update(letter);
    }
    setText(rest, `${board.left_out.toLocaleString()} more are not shown; they come up as these are dealt with.`);
    rest.hidden = !board.left_out;
    empty.hidden = board.loading || board.sections.length > 0;
    hear(board.outcome);
    // what was pressed has gone with its card: the keyboard goes on where that can be undone, or said
    if (inside && !active.isConnected) (undo.hidden ? done : undo).focus();
  }

  /** Say what became of the last wish. */
  function hear(outcome) {
    undo.hidden = !outcome.can_undo;
    const mark = `${outcome.visit} ${outcome.seq}`;
    if (!outcome.do || mark === seen) return;
    seen = mark;
    setText(fault, outcome.problem);
    fault.hidden = !outcome.problem;
    setText(done, outcome.text);
    note.hidden = !outcome.text && !outcome.can_undo;
    if (outcome.problem && outcome.seq === asked) {
      for (const { cards } of sections.values()) cards.get(outcome.key)?.refused();
    }
  }

  const clock = setInterval(() => sections.forEach(({ cards }) => cards.forEach((card) => card.tick())), 1000);
  const unfollow = follow(model, { board: draw });
  draw();
  send({ do: "ready" }); // Python begins to follow what is given up
  return () => {
    clearInterval(clock);
    unfollow();
  };
}

export default { render };
