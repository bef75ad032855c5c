// One language model of the list: its place, how it fares, and what may be done about it.

Object.assign(SHAPES, { up: "M8 13V3M3.5 7.5 8 3l4.5 4.5", down: "M8 3v10M3.5 8.5 8 13l4.5-4.5" });

/** A labelled input; the words below say what it is for. */
function modelField(id, label, help, attributes = {}) {
  const input = h("input", { class: "fk-input", id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-help`, ...attributes });
  return { input, element: h("div", { class: "fk-field" }, h("label", { for: id }, label), input, h("p", { class: "fk-help", id: `${id}-help` }, help)) };
}

/** The two fields that every model but the offline one has. */
function modelLimits(id) {
  const limit = modelField(`${id}-limit`, "Time limit, s", "In which it has to end its answer; empty for what holds for all.", { inputmode: "decimal", maxlength: 20 });
  const key = modelField(`${id}-key`, "Variable of its key", "Name of an environment variable of the server, such as LAB_API_KEY; never the key itself.", { maxlength: 100 });
  return { limit, key };
}

/** Say how a model fared since it was asked for the first time. */
function faring(item, now) {
  const parts = [];
  if (item.answers) parts.push(`${item.answers.toLocaleString()} ${item.answers === 1 ? "answer" : "answers"}`);
  if (item.median_s !== null) parts.push(`median ${duration(item.median_s * 1000)}`);
  if (item.tokens) parts.push(`${item.tokens.toLocaleString()} tokens`);
  if (item.cost) parts.push(`cost ${item.cost.toPrecision(3)}`);
  if (item.failures) parts.push(`${item.failures} without an answer, the last ${ago(item.error_at, now)}: ${item.error}`);
  return parts.length ? `${parts.join(", ")}; since ${ago(item.since, now).replace("just now", "a moment ago")}` : "Not asked yet.";
}

/**
 * Build the card of one model once and patch it from then on, so that focus and what one types survive.
 * @param context {send, now: () => ms, id: a word for element numbers}
 */
function modelCard(context) {
  let item = null;
  let open = false;
  const place = h("span", { class: "fk-model-place", "aria-hidden": "true" });
  const name = h("h3", { class: "fk-model-name" });
  const state = h("span", { class: "fk-model-state" });
  const facts = h("p", { class: "fk-model-facts fk-muted" });
  const fares = h("p", { class: "fk-model-facts" });
  const result = h("p", { class: "fk-model-tried", role: "status", hidden: true });
  const fault = h("p", { class: "fk-fault", role: "alert", hidden: true });
  const button = (label, onclick, extra = {}) => h("button", { type: "button", class: "fk-button fk-button-small", onclick, ...extra }, label);
  // at the end of the list they stay in reach of the keyboard, and do nothing
  const move = (by) => (event) => {
    if (!event.currentTarget.hasAttribute("aria-disabled")) context.send({ do: "move", model: item.model, place: item.place + by });
  };
  const up = button(shape("up"), move(-1));
  const down = button(shape("down"), move(1));
  const attempt = button("Try", () => context.send({ do: item.tried.state === "asking" ? "stop" : "try", model: item.model }));
  const edit = button("Edit", () => toggle(), { "aria-expanded": "false" });
  const remove = button("Remove", () => context.send({ do: "remove", model: item.model }), { class: "fk-button fk-button-small fk-button-quiet" });
  const buttons = h("div", { class: "fk-row fk-model-buttons" }, up, down, attempt, edit, remove);
  const { limit, key } = modelLimits(context.id);
  const sheet = h("form", { class: "fk-model-sheet", hidden: true, novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    context.send({ do: "set", model: item.model, timeout_s: limit.input.value, key_variable: key.input.value });
  } }, h("div", { class: "fk-model-fields" }, limit.element, key.element), h("div", { class: "fk-row" },
    h("button", { type: "submit", class: "fk-button fk-button-small fk-primary" }, "Keep"),
    button("Back", () => toggle(), { class: "fk-button fk-button-small fk-button-quiet" })));
  const element = h("li", { class: "fk-model" }, place,
    h("div", { class: "fk-model-middle" }, h("div", { class: "fk-model-head" }, name, state), facts, fares, result, fault, sheet), buttons);

  closeOnEscape(element, () => open, () => toggle(false));

  function toggle(now = !open) {
    open = now;
    sheet.hidden = !open;
    setAttribute(edit, "aria-expanded", String(open));
    if (open) {
      limit.input.value = item.timeout_s ?? "";
      key.input.value = item.key_variable;
      limit.input.focus();
    } else {
      say("");
      edit.focus();
    }
  }

  function say(words) {
    setText(fault, words);
    fault.hidden = !words;
  }

  function drawState() {
    const rest = Math.ceil(((item.rests_until ?? 0) - context.now()) / 1000);
    const words = rest > 0 ? `rests for ${rest} s after failures` : "ready";
    if (state.textContent === words) return;
    state.dataset.state = rest > 0 ? "waiting" : "ready";
    state.replaceChildren(shape(rest > 0 ? "waiting" : "succeeded"), words);
  }

  function drawTried() {
    const { state: how, text, reason, seconds, began } = item.tried;
    result.hidden = !how;
    element.dataset.tried = how ?? "";
    setText(attempt, how === "asking" ? "Stop" : "Try");
    if (how === "asking") setText(result, `Asking, ${duration(context.now() - began)} so far.`);
    else if (how === "answered") setText(result, `Answered in ${duration(seconds * 1000)}: ${text}`);
    else if (how) setText(result, `Did not answer: ${reason}.`.replace(/\.\.$/, "."));
  }

  return {
    element,
    /** What became of a wish about this model. */
    answer(outcome) {
      say(outcome.problem);
      if (outcome.do === "set" && !outcome.problem && open) toggle(false);
    },
    tick() {
      if (item?.tried.state === "asking") drawTried();
      if (item) drawState();
    },
    update(next, last, mayChange) {
      item = next;
      const offline = item.model === "offline";
      element.dataset.model = item.model;
      setText(place, String(item.place));
      setText(name, item.model.split("@")[0]); // the address stands below
      setAttribute(name, "title", item.model);
      setAttribute(element, "aria-label", `${item.place}: ${item.model}`);
      drawState();
      const about = [offline ? "Needs no server; understands commands" : item.address];
      if (item.timeout_s) about.push(`at most ${duration(item.timeout_s * 1000)} for an answer`);
      if (item.key_variable) about.push(`key from ${item.key_variable}${item.has_key ? "" : ", which is not set"}`);
      else if (item.has_key) about.push("has a key");
      setText(facts, about.join(", "));
      setText(fares, faring(item, context.now()));
      setAttribute(fares, "title", item.since ? `Since ${exactTime(item.since)}` : null);
      drawTried();
      for (const [one, words, off] of [[up, "Earlier", item.place === 1], [down, "Later", item.place === last]]) {
        setAttribute(one, "aria-label", `${words}: ${item.model}`);
        setAttribute(one, "title", words);
        one.hidden = !mayChange;
        setAttribute(one, "aria-disabled", off);
      }
      setAttribute(attempt, "aria-label", `${item.tried.state === "asking" ? "Stop trying" : "Try"} ${item.model}`);
      setAttribute(edit, "aria-label", `Edit limit and key of ${item.model}`);
      setAttribute(remove, "aria-label", `Remove ${item.model}`);
      edit.hidden = !mayChange || offline;
      remove.hidden = !mayChange || last === 1;
    },
  };
}
