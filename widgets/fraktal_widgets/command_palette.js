// Ctrl-K: one input that finds everything. Arrow keys move, Enter opens, Esc closes and gives the focus back.

const SHOWN = 60;
const KINDS = { capability: "Capability", page: "Page", scene: "Scene", job: "Job" };

/**
 * How well a query fits a text, and where: every letter in order; runs and beginnings of words count more.
 * @returns null, or {score, marks: indices of the letters that matched}
 */
function fuzzy(query, text) {
  const letters = query.toLowerCase();
  const target = text.toLowerCase();
  if (!letters) return { score: 0, marks: [] };
  const whole = target.indexOf(letters);
  if (whole >= 0) {
    const starts = whole === 0 || /[\s._\-/]/.test(target[whole - 1]);
    return { score: 100 + letters.length * 4 + (starts ? 40 : 0) - whole * 0.5 - target.length * 0.05, marks: Array.from(letters, (_, index) => whole + index) };
  }
  const marks = [];
  let score = 0;
  let from = 0;
  for (const letter of letters) {
    if (letter === " ") continue;
    // the beginning of a word first, else the next place
    let found = -1;
    for (let index = from; index < target.length; index += 1) {
      if (target[index] === letter && (index === 0 || /[\s._\-/#]/.test(target[index - 1]))) {
        found = index;
        break;
      }
    }
    const next = target.indexOf(letter, from);
    if (next < 0) return null;
    if (found < 0 || (marks.length && next === marks.at(-1) + 1)) found = next;
    score += found === marks.at(-1) + 1 ? 6 : /[\s._\-/#]/.test(target[found - 1] ?? " ") ? 5 : 1;
    marks.push(found);
    from = found + 1;
  }
  return { score: score - (marks.at(-1) - marks[0]) * 0.2, marks };
}

/** Order entries by how well they fit; all words of the query must be found in the title, name or hint. */
function rank(entries, query) {
  const words = query.trim().split(/\s+/).filter(Boolean);
  const found = [];
  entries.forEach((entry, order) => {
    let score = 0;
    const marks = new Set();
    for (const word of words) {
      const title = fuzzy(word, entry.title);
      const rest = fuzzy(word, `${entry.name} ${entry.kind} ${entry.hint}`);
      if (!title && !(rest && (rest.score > 100 || word.length <= 2))) {
        if (!rest) return;
        score += rest.score * 0.3;
        continue;
      }
      if (title && title.score >= (rest?.score ?? 0) * 0.6) {
        score += title.score;
        title.marks.forEach((mark) => marks.add(mark));
      } else score += rest.score * 0.6;
    }
    found.push({ entry, score, marks, order });
  });
  return found.sort((one, other) => other.score - one.score || one.order - other.order).slice(0, SHOWN);
}

let palettes = []; // of all widgets on the page the one shown last answers to the keys

function render({ model, el }) {
  const send = sender(model, "wish");
  const serial = Math.random().toString(36).slice(2, 8);
  let results = [];
  let active = 0;
  let before = null; // where the focus was

  const input = h("input", {
    class: "fk-palette-input", type: "text", role: "combobox", "aria-expanded": "true", "aria-autocomplete": "list",
    "aria-controls": `fk-palette-${serial}`, "aria-label": "Find a capability, page, scene or job",
    placeholder: "Find a capability, page, scene or job", autocomplete: "off", spellcheck: "false",
    oninput: () => { active = 0; drawResults(); }, onkeydown: (event) => onKey(event),
  });
  const options = h("div", { class: "fk-palette-list", role: "listbox", id: `fk-palette-${serial}`, "aria-label": "Found" });
  const spoken = h("div", { class: "fk-spoken", role: "status", "aria-live": "polite" });
  const dialog = h("dialog", { class: "fk fk-palette", "aria-label": "Command palette", onclose: () => giveBack() },
    h("div", { class: "fk-palette-box" },
      h("div", { class: "fk-palette-head" }, shape("search"), input, h("kbd", {}, "Esc")), options, spoken,
      h("div", { class: "fk-palette-foot", "aria-hidden": "true" }, h("span", {}, h("kbd", {}, "↑"), h("kbd", {}, "↓"), " move"), h("span", {}, h("kbd", {}, "↵"), " open"))));
  dialog.addEventListener("pointerdown", (event) => { if (event.composedPath()[0] === dialog) dialog.close(); });

  const keys = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘ K" : "Ctrl K";
  const opener = h("button", { type: "button", class: "fk-button fk-palette-opener", "aria-haspopup": "dialog", "aria-label": "Find anything", "aria-keyshortcuts": "Control+K Meta+K", onclick: () => open() },
    shape("search"), h("span", { class: "fk-palette-words" }, "Find anything"), h("kbd", {}, keys));
  el.replaceChildren(h("div", { class: "fk fk-palette-host" }, opener, dialog));

  const focused = () => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at;
  };

  function open() {
    if (dialog.open) return;
    before = focused();
    send({ do: "open" }); // Python looks which jobs there are now
    input.value = "";
    active = 0;
    drawResults();
    dialog.showModal();
    input.focus();
  }

  function giveBack() {
    if (before?.isConnected) before.focus({ preventScroll: true });
    before = null;
  }

  function drawResults() {
    results = rank(model.get("entries"), input.value);
    active = Math.min(active, Math.max(0, results.length - 1));
    options.replaceChildren(...results.map(({ entry, marks }, index) => h("div", {
      class: "fk-palette-option", role: "option", id: `fk-palette-${serial}-${index}`, "aria-selected": String(index === active),
      onpointermove: () => { if (active !== index) { active = index; drawActive(); } }, onclick: () => choose(index),
    }, shape(entry.state || entry.kind),
    h("span", { class: "fk-palette-title" }, Array.from(entry.title, (letter, at) => (marks.has(at) ? h("mark", {}, letter) : letter))),
    h("span", { class: "fk-palette-hint" }, entry.hint),
    h("span", { class: "fk-palette-kind" }, KINDS[entry.kind])))) ;
    if (!results.length) options.append(h("p", { class: "fk-palette-none" }, "Nothing is called that. Try fewer letters."));
    setText(spoken, input.value ? `${results.length} found` : "");
    drawActive();
  }

  function drawActive() {
    [...options.querySelectorAll("[role=option]")].forEach((option, index) => {
      setAttribute(option, "aria-selected", String(index === active));
      if (index === active) option.scrollIntoView({ block: "nearest" });
    });
    setAttribute(input, "aria-activedescendant", results.length ? `fk-palette-${serial}-${active}` : null);
  }

  function onKey(event) {
    const last = results.length - 1;
    const moves = { ArrowDown: active >= last ? 0 : active + 1, ArrowUp: active <= 0 ? last : active - 1, PageDown: Math.min(last, active + 8), PageUp: Math.max(0, active - 8) };
    if (event.key in moves) {
      active = moves[event.key];
      drawActive();
    } else if (event.key === "Enter") choose(active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function choose(index) {
    const entry = results[index]?.entry;
    if (!entry) return;
    before = entry.kind === "page" ? before : null; // the form or the card takes the focus
    dialog.close();
    if (entry.href) location.href = entry.href;
    send({ do: "choose", kind: entry.kind, name: entry.name });
  }

  const onShortcut = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
    if (palettes.at(-1) !== serial) return;
    event.preventDefault();
    event.stopPropagation();
    if (dialog.open) dialog.close();
    else open();
  };
  palettes.push(serial);
  window.addEventListener("keydown", onShortcut, { capture: true });
  const unfollow = follow(model, { entries: () => { if (dialog.open) drawResults(); } });
  return () => {
    if (dialog.open) dialog.close();
    palettes = palettes.filter((one) => one !== serial);
    window.removeEventListener("keydown", onShortcut, { capture: true });
    unfollow();
  };
}

export default { render };
