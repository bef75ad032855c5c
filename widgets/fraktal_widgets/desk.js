// The desk of an explorer: the picture's stage, the column of controls, the line of facts.

Object.assign(SHAPES, {
  back: "M10 3 5 8l5 5",
  forward: "M6 3l5 5-5 5",
  home: "M2 7.5 8 2l6 5.5M3.8 6v7.5h3V10h2.4v3.5h3V6",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  keys: "M1.5 4h13v8h-13zM4 6.5v.1M6.7 6.5v.1M9.3 6.5v.1M12 6.5v.1M5 9.5h6",
  controls: "M2 4.5h6M12 4.5h2M10 3v3M2 11.5h2M8 11.5h6M6 10v3",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  command: "M2.5 4 6 8l-3.5 4M8 12h5.5",
  turn: "M13 8a5 5 0 1 1-1.8-3.8M13 1.8v3h-3",
  upright: "M8 13.5v-11M4.5 6 8 2.5 11.5 6M3 13.5h10",
  paste: "M5.5 3h-2v11h9V3h-2M5.5 1.8h5v2.7h-5z",
});

const tool = (name, label, act) => h(
  "button", { class: "fk-button fk-button-quiet fk-explorer-tool", type: "button", title: label, "aria-label": label, onclick: act },
  shape(name),
);
const labelled = (name, label, act) => h(
  "button", { class: "fk-button fk-button-small", type: "button", onclick: act }, shape(name), label,
);
const group = (title, open, ...children) => h(
  "details", { class: "fk-explorer-group", open },
  h("summary", {}, shape("chevron"), title),
  h("div", { class: "fk-explorer-group-body" }, children),
);
const row = (...children) => h("div", { class: "fk-explorer-row" }, children);

/** Put the parts of an explorer on the page; what they do is theirs. */
class Desk {
  constructor({ exchange, picture, views, julia, choices, formula, poster }) {
    this.canvas = picture.canvas;
    this.views = views;
    this.message = h("div", { class: "fk-explorer-message", role: "status", "aria-live": "polite" });
    this.help = h(
      "div", { class: "fk-explorer-help", role: "dialog", "aria-label": "Keys", tabindex: -1, hidden: true },
      h("h2", {}, "Keys"),
      h("dl", {}, KEYS.map(([keys, words]) => h("div", {}, h("dt", {}, keys), h("dd", {}, words)))),
      h("button", { class: "fk-button fk-button-small", onclick: () => this.showHelp(false) }, "Close"),
    );
    this.busy = h(
      "div", { class: "fk-explorer-busy fk-bar fk-bar-unknown", "aria-hidden": "true" }, h("div", { class: "fk-bar-fill" }),
    );
    const stage = h("div", { class: "fk-explorer-stage" }, this.canvas, this.busy, julia.peekBox, this.message, this.help);

    this.back = tool("back", "Back to the view before ( [ )", () => views.travel(-1));
    this.forward = tool("forward", "Forward again ( ] )", () => views.travel(1));
    this.upright = tool("upright", "Upright again (U)", () => exchange.upright());
    const tools = h(
      "div", { class: "fk-explorer-tools", role: "toolbar", "aria-label": "View" },
      this.back, this.forward,
      tool("home", "The formula as a whole (Home)", () => exchange.wish({ home: true })),
      tool("minus", "Zoom out (−)", () => exchange.zoom(2)),
      tool("plus", "Zoom in (+)", () => exchange.zoom(0.5)),
      tool("turn", "Turn by 15° (R)", () => exchange.turn(15)),
      this.upright,
    );
    const side = h(
      "div", { class: "fk-explorer-side" },
      tools,
      group("Scenes", true, choices.scenes),
      group("Formula", false, formula.element),
      group(
        "Colours", true, choices.colours,
        h("label", { class: "fk-explorer-range" }, h("span", {}, "Density"), choices.density),
      ),
      group("Look", false, choices.looks),
      group("Julia set", false, julia.words, julia.button),
      group("Iterations", false, h("label", { class: "fk-explorer-check" }, choices.auto, "By depth"), choices.iterations),
      group(
        "Keep", false,
        row(poster.sizes, labelled("download", "Save", () => poster.save())),
        poster.large ? h(
          "div", { class: "fk-explorer-row fk-explorer-poster" },
          poster.width, h("span", { class: "fk-explorer-unit" }, "px wide"), poster.file,
          labelled("download", "Poster", () => poster.make()),
        ) : null,
        poster.jobs.element,
        row(
          labelled("copy", "Copy view", () => views.copy("view")),
          labelled("command", "Copy command", () => views.copy("command")),
          labelled("paste", "Paste", () => views.pasteFromClipboard()),
        ),
      ),
    );

    this.facts = Object.fromEntries(["re", "im", "width", "turn", "iterations", "method", "time"].map((name) => [name, h("span")]));
    this.link = h("span", { class: "fk-explorer-link", hidden: true }, shape("warning"), h("span"));
    this.controlsTool = tool("controls", "Hide controls (H)", () => this.showControls());
    const { re, im, width, turn, iterations, method, time } = this.facts;
    const status = h(
      "div", { class: "fk-explorer-status" },
      h("div", { class: "fk-explorer-facts" },
        h("span", {}, "re ", re), h("span", {}, "im ", im), h("span", {}, "width ", width),
        h("span", {}, turn), h("span", {}, iterations), h("span", {}, method), h("span", {}, time), this.link),
      tool("full", "Full screen (F)", () => this.fullScreen()),
      tool("keys", "Keys (?)", () => this.showHelp(true)),
      this.controlsTool,
    );
    const grid = h("div", { class: "fk-explorer-grid" }, stage, side, status);
    this.root = h("div", { class: "fk fk-explorer", "data-lm-suppress-shortcuts": "true" }, grid);
    this.showControls(true);
    this.showTravel();
  }

  show({ about = {}, elapsed_s: elapsed, stopped }) {
    const { re, im, width, turn, iterations, method, time } = this.facts;
    setText(re, about.re ?? "");
    setText(im, about.im ?? "");
    setText(width, about.width ?? "");
    setText(turn, about.turn ? `turned ${about.turn}°` : about.straight === false ? "stretched" : "");
    setText(iterations, about.iterations ? `${about.iterations.toLocaleString("en")} iterations` : "");
    setText(method, about.method ?? "");
    this.upright.disabled = about.straight ?? true;
    const drawn = elapsed < 1 ? `${Math.round(elapsed * 1000)} ms` : duration(elapsed * 1000);
    const unfinished = elapsed === null || elapsed === undefined;
    this.drawing = unfinished && !stopped;
    setText(time, stopped ? "stopped" : unfinished ? "drawing" : drawn);
    if (!this.drawing) this.showWork(null);
  }

  /** Show how far a picture is that takes its time. */
  showWork(work) {
    this.busy.classList.toggle("fk-bar-unknown", !work);
    this.busy.firstChild.style.transform = work ? `scaleX(${work.done})` : "";
    if (work && this.drawing) setText(this.facts.time, `${Math.round(100 * work.done)} %, ${work.text}`);
  }

  showState(sharp) {
    this.root.dataset.state = sharp ? "sharp" : "drawing";
  }

  showLink(state, words) {
    this.root.dataset.connection = state;
    setText(this.link.lastChild, words);
    this.link.hidden = !words;
  }

  showTravel() {
    this.back.disabled = this.views.first;
    this.forward.disabled = this.views.last;
  }

  /** Show words over the picture for a moment. */
  say(words, kind = "info") {
    const { message } = this;
    setText(message, words);
    message.dataset.kind = kind;
    message.classList.add("fk-explorer-message-shown");
    clearTimeout(this.messageTimer);
    const forget = () => message.classList.remove("fk-explorer-message-shown");
    this.messageTimer = setTimeout(forget, kind === "error" ? 9000 : 2500);
  }

  showHelp(open = this.help.hidden) {
    this.help.hidden = !open;
    (open ? this.help : this.canvas).focus({ preventScroll: true });
  }

  showControls(shown = this.root.dataset.controls === "hidden") {
    this.root.dataset.controls = shown ? "shown" : "hidden";
    const label = shown ? "Hide controls (H)" : "Show controls (H)";
    this.controlsTool.title = label;
    this.controlsTool.setAttribute("aria-label", label);
    this.controlsTool.setAttribute("aria-pressed", String(!shown));
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => this.say("This page does not allow the full screen.", "error"));
  }

  stop() {
    clearTimeout(this.messageTimer);
  }
}
