// One thing that waits for a person: what will be done, to what, by whom asked, and the answers.

Object.assign(SHAPES, {
  approval: "M8 1.5 13.5 3.6v4c0 3.4-2.3 5.7-5.5 6.9-3.2-1.2-5.5-3.5-5.5-6.9v-4zM5.6 7.9l1.7 1.7 3.2-3.4",
  question: SHAPES.waiting,
  doubt: SHAPES.warning,
});
const OUTCOMES = { approved: "succeeded", used: "succeeded", denied: "cancelled", expired: "queued", withdrawn: "cancelled", answered: "succeeded", gone: "cancelled" };

/** Say how long there is still to answer. */
function until(then, now) {
  return then > now ? `${duration(then - now)} left to answer` : "its time is over";
}

/**
 * Build the card of one thing once and patch it from then on, so that what one types survives.
 * Nothing is chosen beforehand, and no key but the ones of a focused button answers.
 * @param context {send, now: () => ms, job: (id) => address of a job or ""}
 */
function approvalCard(context) {
  let item = null;
  let sent = ""; // the answer that is under way
  let form = null; // the form of changed arguments, while it is open
  let denying = false;
  let drawn = {};

  const mark = h("span", { class: "fk-ask-mark" });
  const title = h("h3", { class: "fk-ask-title" });
  const who = h("p", { class: "fk-ask-who" });
  const effect = h("p", { class: "fk-ask-effect" });
  const text = h("p", { class: "fk-ask-text" });
  const params = h("dl", { class: "fk-facts fk-ask-params", "aria-label": "Arguments" });
  const reason = h("p", { class: "fk-ask-reason" });
  const times = h("span", { class: "fk-muted" });
  const buttons = h("div", { class: "fk-row fk-ask-buttons", role: "group" });
  const sheet = h("div", { class: "fk-ask-sheet", hidden: true });
  const fault = h("p", { class: "fk-fault", role: "alert", hidden: true });
  const outcome = h("p", { class: "fk-ask-outcome", role: "status", hidden: true });
  const element = h("article", { class: "fk-ask" },
    h("div", { class: "fk-ask-head" }, mark, h("div", {}, title, who)), effect, text, params, reason, times, buttons, sheet, fault, outcome);

  function part(name, facts, draw) {
    const key = JSON.stringify(facts);
    if (drawn[name] === key) return;
    drawn[name] = key;
    draw();
  }

  function answer(what, rest = {}) {
    sent = what;
    context.send({ do: what, key: item.key, digest: item.digest ?? "", ...rest });
    drawButtons();
  }

  /** A button that answers; a key that is held down does not press it again and again. */
  function button(label, act, extra = {}) {
    return h("button", {
      type: "button", class: "fk-button fk-button-small", disabled: Boolean(sent), onclick: act,
      onkeydown: (event) => { if (event.repeat) event.preventDefault(); }, ...extra,
    }, label);
  }

  function drawButtons() {
    const open = item.state === "open";
    buttons.hidden = !open || Boolean(form) || denying;
    part("buttons", [item.kind, item.choices, item.state, sent, Boolean(form), denying], () => {
      setAttribute(buttons, "aria-label", `Answers for job ${item.job}`);
      if (item.kind !== "approval") {
        buttons.replaceChildren(...item.choices.map((choice) => button(choice, () => answer("choose", { choice }))));
        return;
      }
      buttons.replaceChildren(
        button([shape("succeeded"), "Approve"], () => answer("approve")),
        button([shape("cancelled"), "Deny"], () => openDeny()),
        button("Change arguments", () => context.send({ do: "change", key: item.key }), { class: "fk-button fk-button-small fk-button-quiet" }));
    });
  }

  function closeSheet() {
    form = null;
    denying = false;
    sheet.hidden = true;
    sheet.replaceChildren();
    drawButtons();
    buttons.querySelector("button")?.focus();
  }

  // words that somebody typed are not thrown away by a key
  closeOnEscape(element, () => denying && !sheet.querySelector("textarea").value, () => closeSheet());

  function openDeny() {
    denying = true;
    const why = h("textarea", { class: "fk-input", id: `fk-deny-${item.key}`, rows: 2, placeholder: "It is shown where this was asked" });
    sheet.hidden = false;
    sheet.replaceChildren(
      h("label", { for: `fk-deny-${item.key}` }, "Why not? May stay empty"), why,
      h("div", { class: "fk-row" }, button("Deny", () => {
        const note = why.value;
        closeSheet();
        answer("deny", { note });
      }), button("Back", closeSheet, { class: "fk-button fk-button-small fk-button-quiet" })));
    drawButtons();
    why.focus();
  }

  /** Show the arguments as a form; only its own button approves, Enter in a field does not. */
  function openForm(spec) {
    form = schemaForm(spec.schema, spec.files);
    sheet.hidden = false;
    sheet.replaceChildren(h("form", {
      class: "fk-form", novalidate: true, "aria-label": `Arguments of job ${item.job}`, onsubmit: (event) => event.preventDefault(),
    }, form.element, h("div", { class: "fk-row" },
      button("Approve with these arguments", () => {
        form.clear();
        const { values, faults } = form.read();
        for (const [path, words] of faults) form.fault(path, words);
        say(faults.size ? (faults.size === 1 ? "One field needs a look." : `${faults.size} fields need a look.`) : "");
        if (!faults.size) {
          context.send({ do: "approve", key: item.key, digest: item.digest, params: values });
          say("Asking", false);
        }
      }), button("Back", closeSheet, { class: "fk-button fk-button-small fk-button-quiet" }))));
    form.write(spec.fill);
    form.clear();
    drawButtons();
    form.focus();
  }

  function say(words, bad = true) {
    setText(fault, words);
    fault.hidden = !words;
    fault.classList.toggle("fk-muted", !bad);
  }

  function drawParams() {
    part("params", item.params, () => {
      params.hidden = item.params.length === 0;
      params.replaceChildren(...item.params.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat());
    });
  }

  function draw() {
    element.dataset.kind = item.kind;
    element.dataset.state = item.state;
    element.dataset.key = item.key;
    element.dataset.job = item.job;
    setAttribute(element, "aria-label", `${item.title}, job ${item.job}, ${item.state === "open" ? "waits for you" : item.outcome}`);
    part("mark", [item.kind, item.state], () => mark.replaceChildren(shape(item.state === "open" ? item.kind : OUTCOMES[item.state] ?? "succeeded")));
    part("title", [item.title, item.job, item.kind], () => {
      const address = context.job(item.job);
      title.replaceChildren(item.title, " ", address ? h("a", { class: "fk-link fk-ask-job", href: address }, `job ${item.job}`) : h("span", { class: "fk-ask-job" }, `job ${item.job}`));
    });
    setAttribute(title, "title", item.capability);
    setText(who, item.kind === "doubt" ? "Its worker was lost after it had begun, so nobody knows whether it was done. It is never repeated by itself."
      : item.asked_by ? `Asked by ${item.asked_by}` : "Asked by the job itself");
    setText(effect, item.effect ? `This ${item.effect}.` : "");
    effect.hidden = !item.effect;
    setText(text, item.text);
    text.hidden = !item.text;
    drawParams();
    setText(reason, item.reason);
    reason.hidden = !item.reason;
    drawButtons();
    part("problem", [item.problem, item.tries], () => {
      say(item.problem);
      if (form && item.problem) {
        form.clear();
        const rest = Object.entries(item.faults).filter(([path, words]) => !form.fault(path, words));
        if (Object.keys(item.faults).length > rest.length) say("The workbench refused; see beside the fields.");
      }
    });
    setText(outcome, item.outcome);
    outcome.hidden = item.state === "open";
    if (item.state !== "open" && !sheet.hidden) {
      form = null;
      denying = false;
      sheet.hidden = true;
      sheet.replaceChildren();
    }
    tick();
  }

  function tick() {
    if (!item) return;
    const now = context.now();
    const parts = [`asked ${ago(item.asked, now)}`];
    if (item.expires && item.state === "open") parts.push(until(item.expires, now));
    setText(times, parts.join(", "));
    setAttribute(times, "title", exactTime(item.asked) + (item.expires ? `; until ${exactTime(item.expires)}` : ""));
  }

  return {
    element, tick, openForm,
    update(next) {
      if (!item || item.state !== next.state || (next.problem && item.tries !== next.tries)) sent = "";
      item = next;
      draw();
    },
  };
}
