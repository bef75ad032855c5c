// One thing that was given up: why, how often it was tried, what it held, and what may be done.

Object.assign(SHAPES, { letter: "M1.5 3.5h13v9h-13zM1.5 4.5 8 9l6.5-4.5" });

/**
 * Build the card of one letter once and patch it from then on, so that focus and an open payload survive.
 * @param context {send, now: () => ms, job: (id) => address of a job or ""}
 * @param kind "message" or "job"
 */
function letterCard(context, kind, id) {
  let item = null;
  let open = false;
  let sent = "";

  const error = h("p", { class: "fk-letter-error" });
  const about = h("p", { class: "fk-letter-about" });
  const line = h("p", { class: "fk-letter-line" });
  const facts = h("dl", { class: "fk-facts" });
  const payload = h("pre", { class: "fk-letter-payload", tabindex: 0 });
  const sheet = h("div", { class: "fk-letter-sheet", id, hidden: true }, facts, payload);
  const button = (what, label, extra = {}) => h("button", {
    type: "button", class: "fk-button fk-button-small", "data-act": what, onclick: () => {
      if (sent) return;
      sent = what;
      context.send({ do: what, key: item.key });
      drawButtons();
    }, ...extra,
  }, label);
  const again = button("again", kind === "job" ? "Retry" : "Deliver again");
  const away = button("discard", "Discard", { class: "fk-button fk-button-small fk-button-quiet" });
  const details = h("button", {
    type: "button", class: "fk-button fk-button-small fk-button-quiet", "data-act": "details",
    "aria-controls": id, "aria-expanded": "false", onclick: () => toggle(),
  }, h("span", { class: "fk-turn" }, shape("chevron")), "Details");
  const element = h("li", { class: "fk-letter" },
  h("span", { class: "fk-letter-mark" }, shape(kind === "job" ? "failed" : "letter")),
  h("div", { class: "fk-letter-middle" }, error, about, line),
  h("div", { class: "fk-row fk-letter-buttons" }, again, away, details), sheet);

  closeOnEscape(element, () => open, () => toggle());

  function drawButtons() {
    // not disabled: the keyboard's focus would be lost before the card is gone
    for (const one of [again, away]) setAttribute(one, "aria-disabled", Boolean(sent));
  }

  function toggle() {
    open = !open;
    context.send({ do: open ? "open" : "close", key: item.key });
    setAttribute(details, "aria-expanded", String(open));
    sheet.hidden = !open;
    if (!open) details.focus();
  }

  function tick() {
    const now = context.now();
    const tries = `tried ${item.tries === 1 ? "once" : `${item.tries} times`}`;
    const parts = [item.who, tries, `given up ${ago(item.died, now)}`].filter(Boolean);
    setText(about.lastChild, parts.join(", "));
    setAttribute(about, "title", `Made ${exactTime(item.born)}; given up ${exactTime(item.died)}`);
  }

  return {
    element, tick,
    /** The wish of this card was refused: its buttons work again. */
    refused() {
      sent = "";
      drawButtons();
    },
    update(next) {
      if (!item) {
        const address = next.job ? context.job(next.job) : "";
        const name = address ? h("a", { class: "fk-link", href: address }, next.name) : h("span", { class: "fk-letter-name" }, next.name);
        about.replaceChildren(name, ", ", h("span"));
        for (const [one, words] of [[again, again.textContent], [away, "Discard"], [details, "Details"]]) {
          setAttribute(one, "aria-label", `${words}: ${next.name}`);
        }
        setAttribute(payload, "aria-label", `What ${next.name} held`);
        setAttribute(element, "aria-label", next.name);
      }
      if (item && item.died !== next.died) sent = "";
      item = next;
      element.dataset.key = item.key;
      setText(error, item.error);
      setText(line, item.line);
      line.hidden = open;
      facts.replaceChildren(...item.facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat());
      setText(payload, item.payload ?? "");
      payload.hidden = item.payload === null;
      drawButtons();
      tick();
    },
  };
}
