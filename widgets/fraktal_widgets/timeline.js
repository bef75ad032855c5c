// What took the time of a job: one row a span, its name at the left and its bar over time.

const KINDS = {
  job: "job", queue: "waits in the queue", start: "is started", attempt: "attempt", step: "step",
  model: "language model", tool: "tool", person: "waits for a person", children: "waits for its jobs",
  work: "recorded",
};
const MARKS = { error: "failed", cancelled: "cancelled", open: "running" };
const ENDS = { ok: "", error: "failed", cancelled: "cancelled", open: "goes on" };
const FOLDED_FROM = 120; // with so many rows, jobs below the first begin folded

function render({ model, el }) {
  const send = sender(model, "wish");
  const scale = new TimeScale();
  const rows = new Map(); // id -> {element, ...}
  const folded = new Set();
  let shown = []; // the spans whose rows are to be seen, in their order
  let current = "";
  let chosen = "";
  let skew = 0;
  let drawnJob = null;
  const now = () => Date.now() + skew;
  const end = (span) => span.ended ?? now();

  const trouble = h("p", { class: "fk-trouble", role: "status", hidden: true });
  const recent = h("nav", { class: "fk-row fk-time-recent", "aria-label": "Newest jobs" });
  const mark = h("span", { class: "fk-time-mark" });
  const title = h("h3", { class: "fk-time-title" });
  const facts = h("p", { class: "fk-muted" });
  const act = (label, words, does) => h("button", { type: "button", class: "fk-button fk-button-small", title: words, "aria-label": words, onclick: () => { does(); place(); } }, label);
  const zooming = h("div", { class: "fk-row" },
    act("−", "Zoom out (−)", () => scale.zoom(1.6)), act("+", "Zoom in (+)", () => scale.zoom(1 / 1.6)), act("Fit", "The whole time (0)", () => scale.fit()));
  const head = h("div", { class: "fk-time-head" }, mark, h("div", { class: "fk-time-what" }, title, facts), zooming);
  const axis = h("div", { class: "fk-time-axis", "aria-hidden": "true" });
  const tree = h("div", { class: "fk-time-rows", role: "tree", "aria-label": "Spans; arrow keys go from one to the next, right and left unfold and fold" });
  const box = h("div", { class: "fk-time-box" }, axis, tree);
  const details = h("section", { class: "fk-time-details", "aria-label": "One span", "aria-live": "polite", hidden: true });
  const body = h("div", { class: "fk-time-body" }, box, details);
  const more = h("p", { class: "fk-muted", hidden: true });
  const legend = h("ul", { class: "fk-time-legend", "aria-label": "Colours" });
  const empty = h("div", { class: "fk-empty", hidden: true });
  const root = h("section", { class: "fk fk-time", "aria-label": "Timeline" }, trouble, recent, empty, head, body, more, legend);
  el.replaceChildren(root);

  const spans = () => model.get("board").spans ?? [];
  const parents = () => new Set(spans().map((span) => span.parent));

  function draw() {
    const board = model.get("board");
    if (!board.spans) return;
    skew = board.now - Date.now();
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    drawRecent(board);
    const none = !board.job;
    for (const part of [head, body, legend]) part.hidden = none;
    empty.hidden = !none || board.loading;
    if (none) {
      empty.replaceChildren(h("p", { class: "fk-empty-title" }, board.missing || "No jobs yet"),
        h("p", {}, "What took the time of a job stands here: waiting, attempts, steps, questions to models and people, and the jobs below it."));
      return;
    }
    if (drawnJob !== board.job.id) {
      drawnJob = board.job.id;
      scale.fit();
      folded.clear();
      if (board.spans.length > FOLDED_FROM) board.spans.filter((span) => span.kind === "job" && span.depth > 0).forEach((span) => folded.add(span.id));
      choose("");
    }
    const words = `${board.job.title} #${board.job.id}`;
    if (title.textContent !== words) title.replaceChildren(model.get("api") ? h("a", { class: "fk-link", href: `/#job-${board.job.id}` }, words) : words);
    if (mark.dataset.state !== board.job.state) mark.replaceChildren(shape(board.job.state));
    mark.dataset.state = board.job.state;
    const parts = [board.left_out ? `${board.left_out.toLocaleString()} more spans` : "", board.jobs_left_out ? `${board.jobs_left_out.toLocaleString()} more jobs` : ""].filter(Boolean);
    setText(more, parts.length ? `Not shown: ${parts.join(", ")}. The web interface has them.` : "");
    more.hidden = !parts.length;
    drawRows(board.spans);
    drawLegend(board.spans);
    place();
  }

  function drawRecent(board) {
    const key = JSON.stringify([board.recent, board.job?.id]);
    if (recent.dataset.key === key) return;
    recent.dataset.key = key;
    recent.hidden = board.recent.length < 2;
    recent.replaceChildren(...board.recent.map((one) => h("button", {
      type: "button", class: "fk-button fk-button-small", "aria-pressed": String(one.id === board.job?.id),
      onclick: () => send({ do: "job", job: one.id }),
    }, `${one.title} #${one.id}`)));
  }

  function drawLegend(all) {
    const kinds = [...new Set(all.map((span) => span.kind))];
    const key = kinds.join();
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(...kinds.map((kind) => h("li", { "data-kind": kind }, h("i", {}), KINDS[kind])));
  }

  /** A row is built once and patched, so that the keyboard's focus stays where it is. */
  function rowOf(span) {
    if (rows.has(span.id)) return rows.get(span.id);
    const turn = h("button", { type: "button", class: "fk-time-turn", tabindex: "-1", "aria-hidden": "true", onclick: (event) => { event.stopPropagation(); fold(span.id); } }, h("span", { class: "fk-turn" }, shape("chevron")));
    const state = h("span", { class: "fk-time-state" });
    const name = h("span", { class: "fk-time-name" });
    const length = h("span", { class: "fk-time-length" });
    const bar = h("div", { class: "fk-time-bar" });
    const lane = h("div", { class: "fk-time-lane" }, bar);
    const element = h("div", {
      class: "fk-time-row", role: "treeitem", tabindex: "-1", "data-span": span.id, "data-kind": span.kind,
      onclick: () => { go(span.id); choose(chosen === span.id ? "" : span.id); },
    }, h("div", { class: "fk-time-label" }, turn, state, name, length), lane);
    const row = { element, turn, state, name, length, bar };
    rows.set(span.id, row);
    return row;
  }

  function drawRows(all) {
    const wanted = new Set(all.map((span) => span.id));
    for (const [id, row] of rows) if (!wanted.has(id)) { row.element.remove(); rows.delete(id); }
    const withParts = parents();
    const hidden = new Set();
    shown = all.filter((span) => {
      const away = hidden.has(span.parent) || folded.has(span.parent);
      if (away) hidden.add(span.id);
      return !away;
    });
    const visible = new Set(shown.map((span) => span.id));
    if (!visible.has(current)) current = shown[0]?.id ?? "";
    for (const [id, row] of rows) row.element.hidden = !visible.has(id);
    let before = null;
    for (const span of all) {
      const row = rowOf(span);
      const next = before ? before.nextSibling : tree.firstChild;
      if (next !== row.element) tree.insertBefore(row.element, next);
      before = row.element;
      row.element.hidden = !visible.has(span.id);
      row.element.dataset.state = span.state;
      row.element.style.setProperty("--depth", Math.min(span.depth, 8));
      setAttribute(row.element, "aria-level", span.depth + 1);
      setAttribute(row.element, "aria-expanded", withParts.has(span.id) ? String(!folded.has(span.id)) : null);
      setAttribute(row.element, "tabindex", span.id === current ? "0" : "-1");
      row.turn.classList.toggle("fk-time-leaf", !withParts.has(span.id));
      setText(row.name, span.kind === "job" && span.depth > 0 ? `${span.name} #${span.job}` : span.name);
      if (row.state.dataset.state !== span.state) row.state.replaceChildren(...(MARKS[span.state] ? [shape(MARKS[span.state])] : []));
      row.state.dataset.state = span.state;
    }
  }

  /** Put the bars where the window of time has them; called each second while something goes on. */
  function place() {
    const all = spans();
    if (!all.length) return;
    const first = Math.min(...all.map((span) => span.began));
    const last = Math.max(...all.map(end));
    scale.whole = [first, Math.max(last, first + 1)];
    scale.move(0);
    for (const span of shown) {
      const row = rows.get(span.id);
      const [from, to] = [scale.at(span.began), scale.at(end(span))];
      row.bar.style.left = `${100 * Math.max(0, Math.min(from, 1))}%`;
      row.bar.style.right = `${100 * (1 - Math.max(0, Math.min(to, 1)))}%`;
      row.bar.hidden = to < 0 || from > 1;
      const long = took(end(span) - span.began);
      setText(row.length, long);
      const words = [KINDS[span.kind], span.name, long, ENDS[span.state], span.error].filter(Boolean).join(", ");
      setAttribute(row.element, "aria-label", words);
      setAttribute(row.bar, "title", `${words}; from ${exactTime(span.began)}`);
    }
    axis.replaceChildren(h("span", {}, ""), h("div", { class: "fk-time-marks" }, scale.marks(tree.clientWidth * 0.62).map(([share, words]) =>
      h("span", { class: share > 0.92 ? "fk-time-end" : "", style: `left: ${100 * share}%` }, words))));
    const open = all.some((span) => span.state === "open");
    setText(facts, `${open ? "for" : "took"} ${took(last - first)}, ${all.length.toLocaleString()} ${all.length === 1 ? "span" : "spans"}`);
    setAttribute(facts, "title", `Trace ${model.get("board").trace}`);
  }

  function fold(id, away = !folded.has(id)) {
    if (away) folded.add(id);
    else folded.delete(id);
    drawRows(spans());
    place();
  }

  function go(id) {
    rows.get(current)?.element.setAttribute("tabindex", "-1");
    current = id;
    const element = rows.get(id)?.element;
    element?.setAttribute("tabindex", "0");
    element?.focus();
  }

  function choose(id) {
    chosen = id;
    send({ do: "open", span: id });
    for (const [each, row] of rows) setAttribute(row.element, "aria-selected", String(each === chosen));
    drawDetails();
  }

  function drawDetails() {
    const span = spans().find((one) => one.id === chosen);
    details.hidden = !span;
    if (!span) return;
    const told = model.get("details");
    const known = told.id === chosen ? told.facts : [];
    const times = [["kind", KINDS[span.kind]], ["began", exactTime(span.began)], ["after", took(span.began - scale.whole[0])],
      ["took", span.ended ? took(span.ended - span.began) : "it goes on"], ["span", span.id], ["job", `#${span.job}`]];
    const inside = details.contains(root.getRootNode().activeElement);
    details.replaceChildren(
      h("div", { class: "fk-time-head" }, h("h4", { class: "fk-time-what" }, span.name),
        h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", "aria-label": "Close", onclick: () => { choose(""); go(current); } }, shape("close"))),
      span.error ? h("p", { class: "fk-fault" }, span.error) : "",
      h("dl", { class: "fk-time-facts" }, [...times, ...known].flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
    if (inside) details.querySelector("button").focus(); // what is told later does not take the keyboard away
  }

  closeOnEscape(details, () => Boolean(chosen), () => { choose(""); go(current); });
  tree.addEventListener("keydown", (event) => {
    const at = shown.findIndex((span) => span.id === current);
    const span = shown[at];
    if (!span || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowDown: () => at + 1 < shown.length && go(shown[at + 1].id),
      ArrowUp: () => at > 0 && go(shown[at - 1].id),
      Home: () => go(shown[0].id),
      End: () => go(shown.at(-1).id),
      ArrowRight: () => (event.shiftKey ? scale.move(0.2) : folded.has(span.id) ? fold(span.id, false) : shown[at + 1]?.parent === span.id && go(shown[at + 1].id)),
      ArrowLeft: () => (event.shiftKey ? scale.move(-0.2) : parents().has(span.id) && !folded.has(span.id) ? fold(span.id, true) : span.parent && go(span.parent)),
      Enter: () => choose(chosen === span.id ? "" : span.id),
      " ": () => choose(chosen === span.id ? "" : span.id),
      Escape: () => choose(""),
      "+": () => scale.zoom(1 / 1.6),
      "-": () => scale.zoom(1.6),
      0: () => scale.fit(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    place();
  });

  const share = (event) => {
    const lane = tree.querySelector(".fk-time-row:not([hidden]) .fk-time-lane").getBoundingClientRect();
    return Math.min(Math.max((event.clientX - lane.left) / lane.width, 0), 1);
  };
  box.addEventListener("wheel", (event) => { // with Ctrl, so that the page still scrolls
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    scale.zoom(Math.exp(event.deltaY / 300), share(event));
    place();
  }, { passive: false });

  let ticks = 0;
  const clock = setInterval(() => { // what goes on grows; of many rows once a second is enough
    ticks += 1;
    const all = spans();
    if ((all.length > 200 && ticks % 5) || document.hidden) return;
    if (all.some((span) => span.state === "open")) place();
  }, 200);
  const watched = new ResizeObserver(() => place());
  watched.observe(box);
  const unfollow = follow(model, { board: draw, details: drawDetails });
  draw();
  send({ do: "ready" }); // Python begins to follow the job
  return () => {
    clearInterval(clock);
    watched.disconnect();
    unfollow();
  };
}

export default { render };
