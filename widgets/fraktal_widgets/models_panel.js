// Which language models the chat asks: the list in its order, a form to add one, and undo.

const SERVERS = {
  ollama: { words: "Ollama", name: "qwen3", make: (name) => `ollama:${name}` },
  openai: { words: "OpenAI", name: "gpt-5", make: (name) => `openai:${name}` },
  other: { words: "Another server, by address", name: "tiny", make: (name, address) => `openai:${name}@${address}` },
  offline: { words: "Nobody: the offline model", name: "", make: () => "offline" },
};

function render({ model, el }) {
  const send = sender(model, "wish");
  const serial = Math.random().toString(36).slice(2, 8);
  let skew = 0; // how far this browser's clock is from Python's
  let count = 0;
  let asked = 0; // the number of the wish that the form waits for
  let seen = "";
  const now = () => Date.now() + skew;
  const cards = new Map();

  const trouble = h("p", { class: "fk-fault", role: "alert", hidden: true });
  const fixed = h("p", { class: "fk-models-fixed", hidden: true });
  const list = h("ol", { class: "fk-model-list", "aria-label": "Language models in the order in which they are asked" });
  const undo = h("button", { type: "button", class: "fk-button", onclick: () => send({ do: "undo" }) }, "Undo the last change");
  const fault = h("p", { class: "fk-fault", role: "alert", hidden: true });
  const server = h("select", { class: "fk-input", id: `fk-server-${serial}`, onchange: () => drawForm() },
    Object.entries(SERVERS).map(([value, { words }]) => h("option", { value }, words)));
  const name = modelField(`fk-name-${serial}`, "Name", "As its server calls it.", { maxlength: 200 });
  const address = modelField(`fk-address-${serial}`, "Address", "Where it answers.", { maxlength: 400, placeholder: "http://127.0.0.1:8000/v1", inputmode: "url" });
  const { limit, key } = modelLimits(`fk-new-${serial}`);
  const form = h("form", { class: "fk-model-new", novalidate: true, "aria-label": "Add a model", onsubmit: (event) => { event.preventDefault(); add(); } },
    h("h3", {}, "Add a model"),
    h("div", { class: "fk-model-fields" },
      h("div", { class: "fk-field" }, h("label", { for: server.id }, "Served by"), server),
      name.element, address.element, limit.element, key.element),
    fault, h("div", { class: "fk-row" }, h("button", { type: "submit", class: "fk-button fk-primary" }, "Add")));
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  el.replaceChildren(h("section", { class: "fk fk-models", "aria-label": "Language models" }, trouble, fixed, list, h("div", { class: "fk-row" }, undo), form, spoken));

  function drawForm() {
    const kind = server.value;
    name.element.hidden = kind === "offline";
    address.element.hidden = kind !== "other";
    limit.element.hidden = key.element.hidden = kind === "offline";
    setAttribute(name.input, "placeholder", SERVERS[kind].name);
  }

  function add() {
    const kind = server.value;
    const wish = { do: "add", model: SERVERS[kind].make(name.input.value.trim(), address.input.value.trim()) };
    if (kind !== "offline") Object.assign(wish, { timeout_s: limit.input.value, key_variable: key.input.value });
    asked = send(wish);
  }

  function say(element, words) {
    setText(element, words ?? "");
    element.hidden = !words;
  }

  /** Show once what became of a wish of this page. */
  function hear(outcome) {
    const mark = `${outcome.visit} ${outcome.seq}`;
    if (!outcome.do || mark === seen) return;
    seen = mark;
    if (outcome.do === "add" && outcome.seq === asked) {
      say(fault, outcome.problem);
      if (!outcome.problem) {
        for (const { input } of [name, address, limit, key]) input.value = "";
        setText(spoken, `${outcome.model} is on the list.`);
      }
    } else if (cards.has(outcome.model)) cards.get(outcome.model).answer(outcome);
    else say(trouble, outcome.problem);
  }

  function draw() {
    const board = model.get("board");
    if (!board.models) return;
    skew = board.now - Date.now();
    say(trouble, board.trouble);
    say(fixed, board.fixed && board.fixed[0].toUpperCase() + board.fixed.slice(1));
    const focused = el.getRootNode().activeElement;
    const wanted = new Set(board.models.map((item) => item.model));
    for (const [one, card] of cards) {
      if (wanted.has(one)) continue;
      card.element.remove();
      cards.delete(one);
    }
    board.models.forEach((item, index) => {
      if (!cards.has(item.model)) cards.set(item.model, modelCard({ send, now, id: `fk-model-${serial}-${(count += 1)}` }));
      const card = cards.get(item.model);
      card.update({ ...item, place: index + 1 }, board.models.length, board.may_change);
      const there = list.children[index] ?? null;
      if (there !== card.element) list.insertBefore(card.element, there);
    });
    // an element that moves loses the focus, and the next press of the key would go nowhere
    if (focused?.isConnected && el.getRootNode().activeElement !== focused) focused.focus();
    undo.hidden = !board.may_change;
    undo.disabled = !board.can_undo;
    form.hidden = !board.may_change;
    hear(board.outcome);
  }

  const clock = setInterval(() => cards.forEach((card) => card.tick()), 500);
  const unfollow = follow(model, { board: draw });
  drawForm();
  draw();
  send({ do: "ready" }); // Python begins to read the list
  return () => {
    clearInterval(clock);
    unfollow();
  };
}

export default { render };
