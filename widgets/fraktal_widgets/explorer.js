// The explorer: hands on the picture, controls beside it, and the talk with Python.
//
// Up goes one Dict, `asked`: the scene that Python last answered, how the view moved since then, and
// what else changed. It is a state, not a message: hosts drop states that a newer one replaces, so
// each says all that is unanswered. Down come `answer` (the scene in exact decimals, words for the
// status line) and `frame` (pixels); they meet by the serial number that stands in both.
// With picture.js and dom.js in front, this is one module.

const FINEST = 1; // the level of a frame: how many pixels of the picture one of its samples stands for
const PEEK = 0xffff; // the level of a frame that is a small preview of a Julia set
const MAX_PIXELS = 2.4e6; // finer screens get a picture that the browser enlarges a little
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
const SLOW_MS = 2500;
const LOST_MS = 9000;

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
  paste: "M5.5 3h-2v11h9V3h-2M5.5 1.8h5v2.7h-5z",
});

const KEYS = [
  ["Wheel, pinch, + −", "zoom at the pointer; keys at the centre"],
  ["Drag, arrow keys", "move; with Shift in large steps"],
  ["Double click", "zoom in; with Shift out"],
  ["[ ]", "back and forward through the views"],
  ["Home", "the whole set"],
  ["J", "Julia set of the point under the pointer, and back"],
  ["P", "next palette; with Shift the one before"],
  ["F", "full screen"],
  ["H", "hide and show the controls"],
  ["Ctrl C, Ctrl V", "copy and paste the view"],
  ["?", "these keys"],
];

const SIZES = [
  ["As shown", null],
  ["1920 × 1080", [1920, 1080]],
  ["2560 × 1440", [2560, 1440]],
  ["3840 × 2160", [3840, 2160]],
  ["Square 2048", [2048, 2048]],
  ["Poster 4961 × 7016", [4961, 7016]],
];

function render({ model, el }) {
  const me = Math.random().toString(36).slice(2, 10);
  const ends = new AbortController();
  const { signal } = ends;

  // --- the parts on the page -----------------------------------------------------------------

  const canvas = h("canvas", {
    class: "fk-explorer-canvas", tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Fractal picture: plus and minus zoom, arrow keys move, question mark lists all keys",
  });
  const peekCanvas = h("canvas", { width: 192, height: 144 });
  const peekBox = h("div", { class: "fk-explorer-peek", hidden: true, "aria-hidden": "true" }, peekCanvas);
  const message = h("div", { class: "fk-explorer-message", role: "status", "aria-live": "polite" });
  const help = h(
    "div", { class: "fk-explorer-help", role: "dialog", "aria-label": "Keys", tabindex: -1, hidden: true },
    h("h2", {}, "Keys"),
    h("dl", {}, KEYS.map(([keys, words]) => h("div", {}, h("dt", {}, keys), h("dd", {}, words)))),
    h("button", { class: "fk-button fk-button-small", onclick: () => showHelp(false) }, "Close"),
  );
  const busy = h(
    "div", { class: "fk-explorer-busy fk-bar fk-bar-unknown", "aria-hidden": "true" }, h("div", { class: "fk-bar-fill" }),
  );
  const stage = h("div", { class: "fk-explorer-stage" }, canvas, busy, peekBox, message, help);

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

  const backTool = tool("back", "Back to the view before ( [ )", () => travel(-1));
  const forwardTool = tool("forward", "Forward again ( ] )", () => travel(1));
  const tools = h(
    "div", { class: "fk-explorer-tools", role: "toolbar", "aria-label": "View" },
    backTool, forwardTool,
    tool("home", "The whole set (Home)", () => wish({ home: true })),
    tool("minus", "Zoom out (−)", () => zoomBy(2)),
    tool("plus", "Zoom in (+)", () => zoomBy(0.5)),
    tool("full", "Full screen (F)", () => fullScreen()),
    tool("keys", "Keys (?)", () => showHelp(true)),
  );

  const sceneList = h("div", { class: "fk-explorer-scenes" });
  const paletteList = h("div", { class: "fk-explorer-palettes", role: "radiogroup", "aria-label": "Palette" });
  const autoBox = h("input", { type: "checkbox", onchange: () => setIterations() });
  const iterationsBox = h("input", {
    class: "fk-input", type: "number", min: 1, max: 1e9, step: 100, "aria-label": "Iteration limit", onchange: () => setIterations(),
  });
  const juliaButton = h("button", {
    class: "fk-button fk-button-small", type: "button", "aria-pressed": "false", onclick: () => juliaClicked(),
  }, "Pick a point");
  const juliaWords = h("p", { class: "fk-explorer-hint" });
  const sizeList = h("select", { class: "fk-input", "aria-label": "Size of the saved picture" },
    SIZES.map(([label], index) => h("option", { value: index }, label)));
  const saveButton = labelled("download", "Save", () => save());
  const side = h(
    "div", { class: "fk-explorer-side" },
    tools,
    group("Scenes", true, sceneList),
    group("Colours", true, paletteList),
    group("Julia set", false, juliaWords, juliaButton),
    group(
      "Iterations", false,
      h("label", { class: "fk-explorer-check" }, autoBox, "By depth"),
      iterationsBox,
    ),
    group(
      "Keep", false,
      h("div", { class: "fk-explorer-row" }, sizeList, saveButton),
      h(
        "div", { class: "fk-explorer-row" },
        labelled("copy", "Copy view", () => copy("view")),
        labelled("command", "Copy command", () => copy("command")),
        labelled("paste", "Paste", () => pasteFromClipboard()),
      ),
    ),
  );

  const facts = Object.fromEntries(["re", "im", "width", "iterations", "time"].map((name) => [name, h("span")]));
  const note = h("span", { class: "fk-explorer-note", hidden: true });
  const link = h("span", { class: "fk-explorer-link", hidden: true }, shape("warning"), h("span"));
  const controlsTool = tool("controls", "Hide controls (H)", () => showControls());
  const status = h(
    "div", { class: "fk-explorer-status" },
    h("div", { class: "fk-explorer-facts" },
      h("span", {}, "re ", facts.re), h("span", {}, "im ", facts.im), h("span", {}, "width ", facts.width),
      h("span", {}, facts.iterations), h("span", {}, facts.time), note, link),
    controlsTool,
  );
  const grid = h("div", { class: "fk-explorer-grid" }, stage, side, status);
  const root = h("div", { class: "fk fk-explorer", "data-lm-suppress-shortcuts": "true" }, grid);
  el.append(root);

  // --- the talk with Python ------------------------------------------------------------------

  const picture = new Picture(canvas);
  const catalog = model.get("catalog");
  const palettes = catalog.palettes;
  let answer = {}; // what Python said last
  let base = null; // the scene that `places.get("base")` stands for
  let asked = null; // {at, seq, changes, jump, own}: what is on its way
  let again = false; // something changed while an ask was on its way
  let changes = {}; // what no answer has confirmed yet
  let jumping = false; // the next answer's view is not where the target is
  let drawn = null;
  let task = null;
  let peek = null;
  const sizes = new Map(); // of the pictures, by their serial numbers
  let held = null; // a frame that came before its answer
  let seq = 0;
  let count = 0;
  let live = true;
  let palette = null;
  picture.places.set("base", HERE);

  function send() {
    count += 1;
    model.set("asked", {
      client: me, n: count, seq, drawn, task, peek,
      size: [canvas.width, canvas.height],
      base: asked?.base ?? base,
      move: asked?.move ?? [1, 0, 0],
      change: asked?.changes ?? {},
    });
    model.save_changes();
  }

  /** Ask for the view of now; while an ask is on its way, only note that there is more. */
  function ask() {
    if (!canvas.width || !canvas.height) return;
    if (asked) {
      again = true;
      return;
    }
    again = false;
    seq += 1;
    const move = jumping ? HERE : seenFrom(picture.target, picture.places.get("base"));
    picture.places.set("sent", { ...picture.target });
    asked = {
      at: performance.now(), seq, jump: jumping, base, changes, move: [move.s, move.x, move.y],
    };
    changes = {};
    showState();
    send();
  }

  /** Ask for something whose view only Python knows. */
  function wish(change) {
    if (jumping) return;
    jumping = true;
    changes = { ...changes, ...change };
    ask();
  }

  function onAnswer() {
    const news = model.get("answer");
    if (!news?.serial) return;
    const before = answer;
    answer = news;
    sizes.set(news.serial, news.size);
    if (news.client === me && asked && news.seq === asked.seq) {
      const done = asked;
      asked = null;
      live = true;
      if (done.jump) jumping = false;
      if (news.refused) {
        if (!done.jump) picture.moveTo({ ...picture.places.get("base") });
      } else if (done.jump || !picture.places.has("sent")) {
        land(news);
      } else {
        const place = picture.places.get("sent");
        picture.places.set(news.serial, place);
        if (!done.replaced) {
          base = news.scene;
          picture.places.set("base", place);
        }
      }
      if (again || Object.keys(changes).length) ask();
    } else if (news.serial !== before.serial && news.client !== me) {
      jumping = false;
      land(news);
    }
    for (const serial of sizes.keys()) {
      if (serial < news.serial - 24) [sizes, picture.places].forEach((map) => map.delete(serial));
    }
    if (news.error && (news.seq !== before.seq || news.client !== before.client)) say(news.error, "error");
    showAnswer();
    showState();
    remember();
    if (held && held.sequence <= news.serial) showFrame(held);
  }

  /** Begin at a view that has no known place among the others. */
  function land(news) {
    base = news.scene;
    const known = picture.places.get(news.serial);
    if (known) picture.moveTo({ ...known });
    else picture.jump();
    picture.places.set(news.serial, { ...picture.target });
    picture.places.set("base", { ...picture.target });
  }

  function onFrame() {
    const frame = unpackFrame(model.get("frame"));
    if (!frame) return;
    if (frame.level === PEEK) showPeek(frame);
    else if (frame.sequence > (answer.serial ?? 0)) held = frame;
    else showFrame(frame);
  }

  function showFrame(frame) {
    held = null;
    const place = picture.places.get(frame.sequence);
    if (place) {
      picture.show(frame, extentOf(frame, place), frame.level === FINEST);
    }
    // Only who asked says that it was drawn, so that several views do not talk at once.
    drawn = [frame.sequence, frame.level];
    showState();
    if (answer.client === me || !answer.client) send();
  }

  /** Say which place a frame covers: coarse samples stick out to the right and below. */
  function extentOf({ sequence, level, width, height }, place) {
    const [w, h] = sizes.get(sequence);
    const pixel = place.s / w;
    return {
      x: place.x + ((width * level - w) / 2) * pixel,
      y: place.y + ((height * level - h) / 2) * pixel,
      s: width * level * pixel,
    };
  }

  const watch = setInterval(() => {
    const waited = asked ? performance.now() - asked.at : 0;
    if (waited > SLOW_MS && Math.floor(waited / SLOW_MS) !== asked.tries) {
      asked.tries = Math.floor(waited / SLOW_MS);
      send();
    }
    connection(waited);
  }, 500);

  function connection(waited = 0) {
    let words = "";
    if (!live || waited > LOST_MS) words = "Not connected: run the cell again, or reload the page";
    else if (waited > SLOW_MS) words = "Waiting for Python";
    root.dataset.connection = words ? (live && waited <= LOST_MS ? "slow" : "lost") : "ok";
    setText(link.lastChild, words);
    link.hidden = !words;
  }

  // --- what is shown -------------------------------------------------------------------------

  function showAnswer() {
    const { about = {}, elapsed_s: elapsed } = answer;
    setText(facts.re, about.re ?? "");
    setText(facts.im, about.im ?? "");
    setText(facts.width, about.width ?? "");
    setText(facts.iterations, about.iterations ? `${about.iterations.toLocaleString("en")} iterations` : "");
    setText(facts.time, elapsed === null || elapsed === undefined ? "drawing" : `${Math.round(elapsed * 1000)} ms`);
    setText(note, about.note ?? "");
    note.hidden = !about.note;
    if (about.palette !== palette) usePalette(about.palette);
    autoBox.checked = about.automatic ?? true;
    iterationsBox.disabled = autoBox.checked;
    if (document.activeElement !== iterationsBox) iterationsBox.value = about.iterations ?? "";
    setText(juliaButton, about.julia ? "Back to the Mandelbrot set" : picking ? "Cancel" : "Pick a point");
    setText(juliaWords, about.julia
      ? `Seed ${about.julia}`
      : "Every point of the picture has its own Julia set. Point, look, click.");
    for (const button of sceneList.children) {
      setAttribute(button, "aria-pressed", String(button.dataset.name === about.scene));
    }
  }

  function showState() {
    const sharp = !asked && drawn?.[0] === answer.serial && drawn[1] === FINEST;
    root.dataset.state = sharp ? "sharp" : "drawing";
  }

  function usePalette(name) {
    const found = palettes.find((one) => one.name === name) ?? palettes[0];
    palette = found.name;
    picture.recolour(colourWords(found), found.inside);
    for (const input of paletteList.querySelectorAll("input")) input.checked = input.value === palette;
  }

  function showThumbnails() {
    const thumbnails = model.get("thumbnails") ?? {};
    for (const button of sceneList.children) {
      const address = thumbnails[button.dataset.name];
      if (address) setAttribute(button.firstChild, "src", address);
    }
  }

  function choosePalette(name) {
    usePalette(name);
    changes = { ...changes, palette: name };
    ask();
  }

  function nextPalette(step) {
    const at = palettes.findIndex((one) => one.name === palette);
    const next = palettes[(at + step + palettes.length) % palettes.length];
    choosePalette(next.name);
    say(`Palette ${next.title}`);
  }

  let messageTimer;
  function say(words, kind = "info") {
    setText(message, words);
    message.dataset.kind = kind;
    message.classList.add("fk-explorer-message-shown");
    clearTimeout(messageTimer);
    messageTimer = setTimeout(() => message.classList.remove("fk-explorer-message-shown"), kind === "error" ? 9000 : 2500);
  }

  function showHelp(open = help.hidden) {
    help.hidden = !open;
    (open ? help : canvas).focus({ preventScroll: true });
  }

  function showControls(shown = root.dataset.controls === "hidden") {
    root.dataset.controls = shown ? "shown" : "hidden";
    const label = shown ? "Hide controls (H)" : "Show controls (H)";
    controlsTool.title = label;
    controlsTool.setAttribute("aria-label", label);
    controlsTool.setAttribute("aria-pressed", String(!shown));
  }

  function fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen?.().catch(() => say("This page does not allow the full screen.", "error"));
  }

  // --- views: move, remember, copy ------------------------------------------------------------

  function moved() {
    if (!jumping) ask();
  }

  function zoomBy(factor, px = 0, py = 0) {
    if (jumping) return;
    picture.zoom(factor, px, py);
    moved();
  }

  function panBy(dx, dy, atOnce) {
    if (jumping) return;
    picture.pan(dx, dy, atOnce);
    moved();
  }

  const views = []; // {scene, key}: where the user rested
  let viewAt = -1;
  let restTimer;
  const sameView = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function remember() {
    clearTimeout(restTimer);
    restTimer = setTimeout(keepView, 400);
  }

  function keepView() {
    clearTimeout(restTimer);
    if (!answer.scene || asked || sameView(views[viewAt]?.scene, answer.scene)) return;
    views.splice(viewAt + 1);
    viewAt = views.push({ scene: answer.scene, key: `view ${seq} ${answer.serial}` }) - 1;
    if (views.length > 200) views.splice(0, 1);
    viewAt = views.length - 1;
    picture.places.set(views[viewAt].key, { ...picture.places.get("base") });
    showTravel();
  }

  function showTravel() {
    backTool.disabled = viewAt <= 0;
    forwardTool.disabled = viewAt >= views.length - 1;
  }

  function travel(step) {
    keepView();
    const view = views[viewAt + step];
    if (!view || jumping) return;
    viewAt += step;
    goTo(view.scene, picture.places.get(view.key));
    showTravel();
  }

  /** Go to a scene known in full; glide there if it lies near, else begin anew. */
  function goTo(scene, place) {
    const near = place && Math.abs(Math.log10(place.s / picture.target.s)) < 8;
    if (!near) picture.jump();
    base = scene;
    if (asked) asked.replaced = true;
    picture.places.set("base", near ? { ...place } : { ...HERE });
    picture.moveTo({ ...picture.places.get("base") });
    ask();
  }

  async function copy(what) {
    const text = what === "command" ? answer.command : JSON.stringify(answer.scene);
    if (!text) return;
    const done = await copyText(text);
    say(done ? `Copied the ${what}` : "This browser does not allow copying here.", done ? "info" : "error");
  }

  async function pasteFromClipboard() {
    try {
      paste(await navigator.clipboard.readText());
    } catch {
      say("This browser does not show the clipboard to a button: press Ctrl V on the picture.", "error");
    }
  }

  function paste(text) {
    if (text.trim()) wish({ paste: text.slice(0, 20000) });
  }

  function setIterations() {
    iterationsBox.disabled = autoBox.checked;
    const limit = Math.round(Number(iterationsBox.value));
    if (!autoBox.checked && !(limit >= 1)) return;
    changes = { ...changes, max_iter: autoBox.checked ? null : limit };
    ask();
  }

  function save() {
    const size = SIZES[sizeList.value][1] ?? [canvas.width, canvas.height];
    task = { id: `${me}-${count}`, do: "save", width: size[0], height: size[1] };
    say("Drawing the picture to save");
    send();
  }

  let savedOf = model.get("saved")?.id;
  function onSaved() {
    const saved = model.get("saved");
    if (!saved?.id || saved.id === savedOf) return;
    savedOf = saved.id;
    if (saved.id !== task?.id) return;
    task = null;
    if (saved.error) {
      say(saved.error, "error");
      return;
    }
    const bytes = Uint8Array.from(atob(saved.png), (letter) => letter.charCodeAt(0));
    const address = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    h("a", { href: address, download: saved.name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    say(`Saved ${saved.name}`);
  }

  // --- the Julia set of a point -----------------------------------------------------------------

  let picking = false;
  let pointer = null; // where it hovers, in widths from the centre
  let peeking = false;
  let mandelbrot = null; // where the user came from

  function pick(on) {
    picking = on;
    stage.classList.toggle("fk-explorer-picking", on);
    setAttribute(juliaButton, "aria-pressed", String(on));
    peekBox.hidden = !on || !pointer;
    if (on) canvas.focus({ preventScroll: true });
    showAnswer();
  }

  function juliaClicked() {
    if (answer.about?.julia) leaveJulia();
    else pick(!picking);
  }

  function enterJulia([x, y]) {
    pick(false);
    keepView();
    mandelbrot = { scene: base };
    const { target } = picture;
    const at = seenFrom({ x: target.x + x * target.s, y: target.y + y * target.s, s: target.s }, picture.places.get("base"));
    wish({ julia: [at.x, at.y] });
  }

  function leaveJulia() {
    keepView();
    if (mandelbrot) goTo(mandelbrot.scene, null);
    else wish({ home: true, formula: "mandelbrot" });
    mandelbrot = null;
  }

  function askPeek() {
    if (!picking || !pointer || peeking || jumping) return;
    peeking = true;
    const { target } = picture;
    const at = seenFrom(
      { x: target.x + pointer[0] * target.s, y: target.y + pointer[1] * target.s, s: 1 }, picture.places.get("base"),
    );
    peek = { id: (peek?.id ?? 0) + 1, base, x: at.x, y: at.y, for: pointer };
    send();
    setTimeout(() => { peeking = false; }, 400);
  }

  function showPeek(frame) {
    peeking = false;
    if (!picking) return;
    paint(peekCanvas, frame, picture.colours);
    peekBox.hidden = !pointer;
    if (pointer && peek.for !== pointer) askPeek();
  }

  // --- hands ------------------------------------------------------------------------------------

  const on = (target, type, act, options = {}) => target.addEventListener(type, act, { signal, ...options });
  const hands = new Map(); // pointers that touch the picture
  let travelled = 0;

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) / box.width - 0.5,
      (event.clientY - box.top - box.height / 2) / box.width,
    ];
  }

  on(canvas, "wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    // A pinch on a touch pad comes as a wheel with Ctrl, in much smaller steps.
    const speed = event.ctrlKey ? 0.012 : 0.0022;
    zoomBy(Math.exp(Math.max(-0.7, Math.min(0.7, pixels * speed))), ...at(event));
  }, { passive: false });

  on(canvas, "pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    if (!hands.size) travelled = 0;
    hands.set(event.pointerId, at(event));
  });

  on(canvas, "pointermove", (event) => {
    const now = at(event);
    if (event.pointerType !== "touch" || hands.size) pointer = now;
    placePeek(event);
    const before = hands.get(event.pointerId);
    if (!before) {
      askPeek();
      return;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]) * canvas.clientWidth;
    if (hands.size === 1) {
      if (travelled > 3) {
        stage.classList.add("fk-explorer-dragging");
        panBy(before[0] - now[0], before[1] - now[1], true);
      }
    } else if (hands.size === 2) {
      const other = [...hands].find(([id]) => id !== event.pointerId)[1];
      const apart = (a) => Math.max(0.01, Math.hypot(a[0] - other[0], a[1] - other[1]));
      const middle = (a) => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
      const [from, to] = [middle(before), middle(now)];
      picture.pan(from[0] - to[0], from[1] - to[1], true);
      zoomBy(apart(before) / apart(now), ...to);
    }
    hands.set(event.pointerId, now);
  });

  function lift(event) {
    const click = hands.delete(event.pointerId) && travelled <= 3 && event.type === "pointerup";
    if (!hands.size) stage.classList.remove("fk-explorer-dragging");
    if (click && picking) enterJulia(at(event));
  }
  on(canvas, "pointerup", lift);
  on(canvas, "pointercancel", lift);
  on(canvas, "pointerleave", () => {
    pointer = null;
    peekBox.hidden = true;
  });
  on(canvas, "dblclick", (event) => zoomBy(event.shiftKey ? 2.5 : 0.4, ...at(event)));

  function placePeek(event) {
    if (!picking) return;
    const box = stage.getBoundingClientRect();
    const right = event.clientX - box.left > box.width / 2;
    peekBox.classList.toggle("fk-explorer-peek-left", right);
  }

  const acts = {
    ArrowLeft: (large) => panBy(large ? -0.5 : -0.1, 0),
    ArrowRight: (large) => panBy(large ? 0.5 : 0.1, 0),
    ArrowUp: (large) => panBy(0, large ? -0.5 : -0.1),
    ArrowDown: (large) => panBy(0, large ? 0.5 : 0.1),
    "+": () => zoomBy(0.5),
    "=": () => zoomBy(0.5),
    "-": () => zoomBy(2),
    _: () => zoomBy(2),
    "[": () => travel(-1),
    "]": () => travel(1),
    Home: () => wish({ home: true }),
    j: () => (answer.about?.julia ? leaveJulia() : enterJulia(pointer ?? [0, 0])),
    p: (back) => nextPalette(back ? -1 : 1),
    f: () => fullScreen(),
    h: () => showControls(),
    "?": () => showHelp(),
    Escape: () => {
      if (!help.hidden) showHelp(false);
      else if (picking) pick(false);
    },
  };

  on(root, "keydown", (event) => {
    const typing = event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea");
    // What is typed here is not for the notebook around.
    event.stopPropagation();
    if (typing || event.altKey || event.metaKey || event.ctrlKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.target !== canvas && key.startsWith("Arrow")) return;
    const act = acts[key];
    if (!act) return;
    event.preventDefault();
    act(event.shiftKey);
  });
  on(root, "copy", (event) => {
    if (event.target.matches("input, textarea") || !getSelection().isCollapsed) return;
    event.preventDefault();
    event.stopPropagation();
    event.clipboardData.setData("text/plain", JSON.stringify(answer.scene));
    say("Copied the view");
  });
  on(root, "paste", (event) => {
    if (event.target.matches("input, textarea")) return;
    event.preventDefault();
    event.stopPropagation();
    paste(event.clipboardData.getData("text/plain"));
  });

  // --- begin ------------------------------------------------------------------------------------

  for (const { name, title } of catalog.scenes) {
    sceneList.append(h("button", {
      class: "fk-explorer-scene", type: "button", "data-name": name, onclick: () => wish({ scene: name }),
    }, h("img", { alt: "", width: 72, height: 48, src: NOTHING }), title));
  }
  for (const one of palettes) {
    const { name, title } = one;
    const strip = h("span", { class: "fk-explorer-strip" });
    strip.style.backgroundImage = gradient(colourWords(one));
    paletteList.append(h(
      "label", { class: "fk-explorer-palette" },
      h("input", { type: "radio", name: `palette-${me}`, value: name, onchange: () => choosePalette(name) }),
      strip, title,
    ));
  }
  usePalette(palettes[0].name);
  showControls(true);
  showTravel();

  let sizeTimer;
  function measure() {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return; // taken off the page for now
    const wanted = Math.min(devicePixelRatio || 1, 2);
    const ratio = Math.min(wanted, Math.sqrt(MAX_PIXELS / (width * height)));
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (size[0] === canvas.width && size[1] === canvas.height && seq) {
      picture.draw();
      return;
    }
    [canvas.width, canvas.height] = size;
    picture.draw();
    clearTimeout(sizeTimer);
    sizeTimer = setTimeout(ask, seq ? 150 : 0);
  }
  const resizes = new ResizeObserver(measure);

  const unfollow = follow(model, { answer: onAnswer, frame: onFrame, saved: onSaved, thumbnails: showThumbnails });
  // Jupyter's widget manager does not always notice a restart; the kernel's own signal does.
  const kernel = model.widget_manager?.kernel;
  const onKernel = (_, state) => {
    if (!["restarting", "autorestarting", "starting", "terminating", "dead"].includes(state)) return;
    live = false;
    connection();
  };
  kernel?.statusChanged?.connect(onKernel);

  showThumbnails();
  onAnswer();
  onFrame();
  resizes.observe(canvas);

  return () => {
    ends.abort();
    unfollow();
    kernel?.statusChanged?.disconnect(onKernel);
    resizes.disconnect();
    clearInterval(watch);
    for (const timer of [sizeTimer, messageTimer, restTimer]) clearTimeout(timer);
    picture.stop();
    root.remove();
  };
}

export default { render };
