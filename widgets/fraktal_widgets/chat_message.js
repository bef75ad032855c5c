// One message of a conversation: what was said, the jobs that an answer called in between, what of
// them waits for a yes, and how the answer came about.

Object.assign(SHAPES, {
  edit: "M2.5 13.5v-3l8-8 3 3-8 8zM9 4l3 3",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  before: "M10 3 5 8l5 5",
  after: "M6 3l5 5-5 5",
  stop: "M4 4h8v8H4z",
  send: "M8 13.5v-11M3.5 7 8 2.5 12.5 7",
  chat: "M2 2.5h12v8.5H7l-3.5 3V11H2z",
  note: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 7.2v4M8 4.8v.1",
});

// No HTML of a model's reaches the page, and no picture from anywhere: an address can carry
// secrets away as soon as it is fetched. A link is only followed when a person presses it.
const writing = markdownit({ html: false, linkify: false }).disable("image");
writing.validateLink = (address) => /^https?:\/\//i.test(address.trim());
writing.renderer.rules.link_open = (tokens, index, options, env, self) => {
  const token = tokens[index];
  token.attrSet("target", "_blank");
  token.attrSet("rel", "noopener noreferrer");
  token.attrSet("title", token.attrGet("href"));
  return self.renderToken(tokens, index, options);
};

/** Say how an answer came about: model, time, tokens, cost. */
function origin(message) {
  const words = [];
  if (message.model) words.push(message.model);
  if (message.cached) words.push("kept from before");
  if (message.seconds) words.push(duration(message.seconds * 1000));
  if (message.tokens) words.push(`${message.tokens.toLocaleString()} tokens`);
  if (message.cost) words.push(`cost ${message.cost < 0.01 ? message.cost.toPrecision(2) : message.cost.toFixed(2)}`);
  return words.join(" · ");
}

/** A text of a model, or a note, in the order of an answer; patched as more of it comes. */
function chatText(kind) {
  const element = h(kind === "note" ? "p" : "div", { class: kind === "note" ? "fk-note" : "fk-said" });
  let shown = null;
  return {
    element,
    update(part) {
      if (part.text === shown) return;
      shown = part.text;
      if (kind === "note") element.replaceChildren(shape("note"), h("span", {}, part.text));
      else element.innerHTML = writing.render(part.text);
    },
  };
}

/** What an answer called: the card of its job and what of it waits for a yes; a question has none. */
function chatCall(context) {
  const line = h("p", { class: "fk-call-line" });
  const element = h("div", { class: "fk-call" }, line);
  let card = null;
  let asked = null;
  return {
    element,
    update(part) {
      const job = part.job && context.jobs()[part.job];
      if (job && !card) {
        card = jobCard(context.send, context);
        element.prepend(card.element);
      }
      if (job) card.update(job);
      const item = part.job && context.approvals()[part.job];
      if (item && !asked) {
        asked = approvalCard(context);
        element.append(asked.element);
      }
      if (item) asked.update(item);
      else if (asked) {
        asked.element.remove();
        asked = null;
      }
      const words = part.arguments.map(([name, value]) => `${name} ${value}`).join(", ");
      setText(line, job ? "" : `${part.title}${words ? ` (${words})` : ""}${part.error ? `: ${part.error}` : ""}`);
      line.classList.toggle("fk-fault", Boolean(part.error));
      line.hidden = Boolean(job);
    },
    tick: () => { card?.tick(); asked?.tick(); },
    card: () => card,
    ask: () => asked,
  };
}

/**
 * Build one message once and patch it from then on.
 *
 * @param context what cards need, and {edit(message), jobs: () => ({id: card}), approvals: () => ({job: item})}
 */
function chatMessage(context) {
  let message = null;
  let drawn = "";
  let parts = []; // {kind, view} in the order of the answer
  const body = h("div", { class: "fk-message-body" });
  const fault = h("p", { class: "fk-fault" });
  const foot = h("div", { class: "fk-message-foot" });
  const element = h("article", { class: "fk-message" }, body, fault, foot);

  function drawParts(wanted) {
    wanted.forEach((part, index) => {
      const there = parts[index];
      if (!there || there.kind !== part.say || (part.say === "call" && there.id !== part.id)) {
        for (const old of parts.splice(index)) old.view.element.remove();
        const view = part.say === "call" ? chatCall(context) : chatText(part.say);
        parts.push({ kind: part.say, id: part.id, view });
        body.append(view.element);
      }
      parts[index].view.update(part);
    });
    for (const old of parts.splice(wanted.length)) old.view.element.remove();
  }

  function button(name, label, act, extra = {}) {
    return h("button", { type: "button", class: "fk-button fk-button-quiet fk-message-tool", title: label, "aria-label": label, onclick: act, ...extra }, shape(name));
  }

  function drawFoot() {
    const key = JSON.stringify([message.state, message.branches, origin(message)]);
    if (drawn === key) return;
    drawn = key;
    const at = message.branches.indexOf(message.id);
    const go = (step) => () => context.send({ do: "branch", message: message.branches[at + step] });
    const made = message.branches.length < 2 ? [] : [
      button("before", "The version before", go(-1), { disabled: at === 0 }),
      h("span", { class: "fk-message-branch" }, `${at + 1} of ${message.branches.length}`),
      button("after", "The next version", go(1), { disabled: at === message.branches.length - 1 }),
    ];
    if (message.role === "user") made.push(button("edit", "Say it otherwise", () => context.edit(message)));
    else {
      const copy = button("copy", "Copy the answer", async () => {
        setAttribute(copy, "title", (await copyText(message.text)) ? "Copied" : "The browser does not let us copy");
      });
      made.push(copy, h("span", { class: "fk-message-origin", title: exactTime(message.created) }, origin(message)));
      if (context.api() && message.job) made.push(h("a", { class: "fk-link fk-message-timeline", href: `/timeline?job=${message.job}`, "aria-label": "Timeline of this answer" }, "Timeline"));
    }
    foot.replaceChildren(...made);
  }

  return {
    element,
    update(next, live) {
      message = next;
      element.dataset.role = message.role;
      element.dataset.state = message.state;
      element.dataset.message = message.id;
      setAttribute(element, "aria-label", message.role === "user" ? "You" : `Answer${message.model ? ` of ${message.model}` : ""}`);
      if (message.role === "user") setText(body, message.text);
      else drawParts(live ?? message.parts);
      setText(fault, message.error || (message.state === "stopped" ? "Stopped; what had come is kept." : ""));
      fault.hidden = !fault.textContent;
      foot.hidden = message.state === "open";
      drawFoot();
    },
    live: (wanted) => drawParts(wanted),
    tick: () => parts.forEach((part) => part.view.tick?.()),
    card: (job) => parts.map((part) => part.view.card?.()).find((card) => card && card.element.dataset.job === String(job)),
    ask: (key) => parts.map((part) => part.view.ask?.()).find((card) => card && card.element.dataset.key === key),
  };
}
