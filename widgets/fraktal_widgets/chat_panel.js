// The chat: conversations on the side, one of them in the middle, and the line to say something.

function render({ model, el }) {
  const send = sender(model, "wish");
  const messages = new Map();
  const downloads = new Downloads(model, send);
  let skew = 0;
  let editing = null; // the message that is being said otherwise
  let removed = null; // a conversation that can still be brought back

  const context = {
    send,
    files: true,
    edit,
    jobs: () => model.get("board").jobs ?? {},
    approvals: () => model.get("board").approvals ?? {},
    job: (id) => (model.get("api") ? `/#job-${id}` : ""),
    pictures: () => model.get("pictures"),
    api: () => model.get("api"),
    now: () => Date.now() + skew,
    fetch: (job, file) => {
      const coming = (share, trouble) => messages.forEach((one) => one.card(job)?.coming(file, share, trouble));
      downloads.fetch(job, file, coming).catch((error) => coming(1, error.message));
    },
  };

  // -- the side -----------------------------------------------------------------------------------
  const search = h("input", {
    class: "fk-input", type: "search", placeholder: "Search what was said", "aria-label": "Search conversations",
    oninput: () => send({ do: "search", text: search.value }),
  });
  const list = h("ul", { class: "fk-talks", "aria-label": "Conversations" });
  const undo = h("div", { class: "fk-away", role: "status", hidden: true });
  const side = h("aside", { class: "fk-chat-side", id: "fk-chat-side" },
    h("button", { type: "button", class: "fk-button", onclick: () => { send({ do: "new" }); fold(true); words.focus(); } }, shape("edit"), "New conversation"),
    search, undo, list);
  const unfold = h("button", {
    type: "button", class: "fk-button fk-button-small fk-chat-unfold", "aria-controls": "fk-chat-side", "aria-expanded": "false",
    onclick: () => fold(root.classList.contains("fk-chat-open")),
  }, shape("chat"), "Conversations");

  function fold(away) {
    root.classList.toggle("fk-chat-open", !away);
    setAttribute(unfold, "aria-expanded", String(!away));
  }

  function drawList(board) {
    list.replaceChildren(...board.conversations.map((talk) => h("li", { class: "fk-talk", "data-here": String(talk.id === board.here) },
      h("button", {
        type: "button", class: "fk-plain fk-talk-open", "aria-current": talk.id === board.here ? "true" : null,
        onclick: () => { send({ do: "open", conversation: talk.id }); fold(true); },
      }, h("span", { class: "fk-talk-title" }, talk.title || "Untitled"), h("span", { class: "fk-talk-time", title: exactTime(talk.changed) }, ago(talk.changed, context.now()))),
      h("button", {
        type: "button", class: "fk-button fk-button-quiet fk-message-tool", title: "Remove", "aria-label": `Remove ${talk.title || "this conversation"}`,
        onclick: () => { removed = talk; send({ do: "remove", conversation: talk.id }); },
      }, shape("close")))));
    if (board.conversations.length === 0 && board.search) list.append(h("li", { class: "fk-muted" }, "Nothing that was said matches."));
    if (board.older) list.append(h("li", {}, h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => send({ do: "older" }) }, "Older ones")));
    undo.hidden = removed === null || board.conversations.some((talk) => talk.id === removed.id);
    if (!undo.hidden) undo.replaceChildren(`Removed: ${removed.title || "Untitled"}`, h("button", {
      type: "button", class: "fk-button fk-button-small", onclick: () => { send({ do: "restore", conversation: removed.id }); removed = null; undo.hidden = true; },
    }, "Undo"));
  }

  // -- the middle ---------------------------------------------------------------------------------
  const said = h("div", { class: "fk-messages", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Messages" });
  const empty = h("div", { class: "fk-empty" });
  const status = h("div", { class: "fk-spoken", role: "status" });
  const trouble = h("p", { class: "fk-trouble", role: "alert", hidden: true });
  const words = h("textarea", {
    class: "fk-input fk-words", rows: 1, placeholder: "Ask for something, such as: render the seahorse valley with the fire palette", "aria-label": "Message",
    oninput: () => grow(),
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        say();
      } else if (event.key === "Escape") {
        if (editing) leaveEditing();
        else if (model.get("board").busy) send({ do: "stop" });
      }
    },
  });
  const act = h("button", { type: "button", class: "fk-button fk-primary fk-say", onclick: () => (model.get("board").busy ? send({ do: "stop" }) : say()) });
  const edited = h("div", { class: "fk-away", hidden: true }, "You say an earlier message otherwise; what was said before stays as another version.",
    h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => leaveEditing() }, "Leave it"));
  const foot = h("div", { class: "fk-chat-foot" }, edited, trouble, h("div", { class: "fk-line" }, words, act),
    h("p", { class: "fk-chat-models fk-muted" }));
  const root = h("div", { class: "fk fk-chat" },
    h("div", { class: "fk-chat-frame" }, unfold, side, h("div", { class: "fk-chat-middle" }, said, empty, status, foot)));
  el.replaceChildren(root);

  function grow() {
    words.style.height = "auto";
    words.style.height = `${Math.min(words.scrollHeight + 2, 240)}px`;
  }

  function say(text = words.value) {
    if (!text.trim() || model.get("board").busy) return;
    if (editing) send({ do: "edit", message: editing.id, text });
    else send({ do: "send", text });
    words.value = "";
    leaveEditing();
    grow();
  }

  function leaveEditing() {
    if (editing) words.value = "";
    editing = null;
    edited.hidden = true;
    grow();
  }

  function edit(message) {
    editing = message;
    edited.hidden = false;
    words.value = message.text;
    grow();
    words.focus();
  }

  const isAtEnd = () => said.scrollTop + said.clientHeight >= said.scrollHeight - 40;

  function drawMessages(board) {
    const wanted = new Set(board.messages.map((message) => message.id));
    for (const [id, one] of messages) {
      if (wanted.has(id)) continue;
      one.element.remove();
      messages.delete(id);
    }
    const stream = model.get("stream");
    board.messages.forEach((message, index) => {
      if (!messages.has(message.id)) messages.set(message.id, chatMessage(context));
      const one = messages.get(message.id);
      one.update(message, message.state === "open" && stream.message === message.id ? stream.parts : undefined);
      if (said.children[index] !== one.element) said.insertBefore(one.element, said.children[index] ?? null);
    });
  }

  function drawEmpty(board) {
    empty.hidden = board.loading || board.messages.length > 0;
    said.hidden = !empty.hidden || board.messages.length === 0;
    const key = JSON.stringify(board.suggestions);
    if (empty.hidden || empty.dataset.key === key) return;
    empty.dataset.key = key;
    empty.replaceChildren(
      h("p", { class: "fk-empty-title" }, "Say what you want done"),
      h("p", {}, "Everything the workbench can do is done for you as a job; what cannot be taken back waits for your yes."),
      h("div", { class: "fk-row fk-suggestions" }, board.suggestions.map((text) => h("button", { type: "button", class: "fk-button fk-button-small fk-button-long", onclick: () => say(text) }, text))));
  }

  let wasBusy = false, wasFirst;
  function draw() {
    const board = model.get("board");
    if (!board.messages) return;
    if (board.now) skew = board.now - Date.now();
    const first = board.messages[0]?.id;
    const toEnd = first !== wasFirst || isAtEnd(); // another conversation opens at its newest words
    drawList(board);
    drawMessages(board);
    drawEmpty(board); // what is hidden cannot be scrolled
    if (toEnd) said.scrollTop = said.scrollHeight;
    wasFirst = first;
    const busy = Boolean(board.busy);
    root.setAttribute("aria-busy", String(busy));
    act.replaceChildren(shape(busy ? "stop" : "send"), h("span", {}, busy ? "Stop" : "Send"));
    if (busy !== wasBusy) setText(status, busy ? "An answer is being written." : "The answer is there.");
    wasBusy = busy;
    setText(trouble, board.trouble);
    trouble.hidden = !board.trouble;
    drawModels(board.models);
  }

  function drawModels(names) {
    const words = names.length ? `Answers come from ${names.join(", then ")}. ` : "";
    if (foot.lastChild.dataset.words === words) return;
    foot.lastChild.dataset.words = words;
    foot.lastChild.replaceChildren(words, words && model.get("api") ? h("a", { class: "fk-link", href: "/models" }, "Change the models") : "");
  }

  function drawStream() {
    const { message, parts } = model.get("stream");
    const one = messages.get(message);
    if (!one || !parts) return;
    const atEnd = isAtEnd();
    one.live(parts);
    if (atEnd) said.scrollTop = said.scrollHeight;
  }

  const clock = setInterval(() => messages.forEach((one) => one.tick()), 1000);
  const unfollow = follow(model, {
    board: draw,
    stream: drawStream,
    pictures: draw,
    spec: () => {
      const spec = model.get("spec");
      messages.forEach((one) => one.ask(spec.key)?.openForm(spec));
    },
    download: () => downloads.take(),
  });
  draw();
  send({ do: "ready" });
  return () => {
    clearInterval(clock);
    unfollow();
    downloads.stop();
  };
}

export default { render };
