// Hands on the picture of an explorer: wheel, mouse, fingers, keys, copy and paste.

const KEYS = [
  ["Wheel, pinch, + −", "zoom at the pointer; keys at the centre"],
  ["Drag, arrow keys", "move; with Shift in large steps"],
  ["Double click", "zoom in; with Shift out"],
  ["Shift drag, two fingers", "turn"],
  ["R, U", "turn by 15°, with Shift back; upright again"],
  ["[ ]", "back and forward through the views"],
  ["Home", "the formula as a whole"],
  ["J", "Julia set of the point under the pointer, and back"],
  ["P", "next palette; with Shift the one before"],
  ["F", "full screen"],
  ["H", "hide and show the controls"],
  ["Ctrl C, Ctrl V", "copy and paste the view"],
  ["Escape", "stop drawing"],
  ["?", "these keys"],
];

const TWIST = 0.14; // radians

/** Let pointers zoom, move and pick; until the signal. */
function followPointers({ exchange, picture, julia, signal }) {
  const { canvas } = picture;
  const on = (type, act, options = {}) => canvas.addEventListener(type, act, { signal, ...options });
  const hands = new Map(); // pointers that touch the picture
  let travelled = 0;
  let twisted = 0; // by how much two fingers have turned; a little is no wish

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [
      (event.clientX - box.left) / box.width - 0.5,
      (event.clientY - box.top - box.height / 2) / box.width,
    ];
  }

  /** By how much a hand goes round a point, clockwise on the screen, which turns the window the other way. */
  function angleBetween(before, now, [x, y]) {
    const angle = Math.atan2(now[1] - y, now[0] - x) - Math.atan2(before[1] - y, before[0] - x);
    return Math.atan2(Math.sin(angle), Math.cos(angle));
  }

  on("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    // A pinch on a touch pad comes as a wheel with Ctrl, in much smaller steps.
    const speed = event.ctrlKey ? 0.012 : 0.0022;
    exchange.zoom(Math.exp(Math.max(-0.7, Math.min(0.7, pixels * speed))), ...at(event));
  }, { passive: false });

  on("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    if (!hands.size) travelled = 0;
    twisted = 0;
    hands.set(event.pointerId, at(event));
  });

  on("pointermove", (event) => {
    const now = at(event);
    if (event.pointerType !== "touch" || hands.size) julia.pointer = now;
    julia.place(event);
    const before = hands.get(event.pointerId);
    if (!before) {
      julia.askPeek();
      return;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]) * canvas.clientWidth;
    if (hands.size === 1 && event.shiftKey && travelled > 3) {
      exchange.zoom(1, 0, 0, angleBetween(before, now, [0, 0]));
    } else if (hands.size === 1) {
      if (travelled > 3) {
        canvas.classList.add("fk-explorer-dragging");
        exchange.pan(before[0] - now[0], before[1] - now[1], true);
      }
    } else if (hands.size === 2) {
      const other = [...hands].find(([id]) => id !== event.pointerId)[1];
      const apart = (a) => Math.max(0.01, Math.hypot(a[0] - other[0], a[1] - other[1]));
      const middle = (a) => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
      const [from, to] = [middle(before), middle(now)];
      const angle = angleBetween(before, now, other);
      twisted += angle;
      picture.slide(from[0] - to[0], from[1] - to[1]);
      exchange.zoom(apart(before) / apart(now), ...to, Math.abs(twisted) > TWIST ? angle : 0);
    }
    hands.set(event.pointerId, now);
  });

  function lift(event) {
    const click = hands.delete(event.pointerId) && travelled <= 3 && event.type === "pointerup";
    if (!hands.size) canvas.classList.remove("fk-explorer-dragging");
    if (click && julia.picking) julia.enter(at(event));
  }
  on("pointerup", lift);
  on("pointercancel", lift);
  on("pointerleave", () => julia.rest());
  on("dblclick", (event) => exchange.zoom(event.shiftKey ? 2.5 : 0.4, ...at(event)));
}

/** Let the keys of `KEYS` act, and the view be copied and pasted; until the signal. */
function followKeys({ root, exchange, picture, views, julia, desk, choices, signal }) {
  const on = (type, act) => root.addEventListener(type, act, { signal });
  const acts = {
    ArrowLeft: (large) => exchange.pan(large ? -0.5 : -0.1, 0),
    ArrowRight: (large) => exchange.pan(large ? 0.5 : 0.1, 0),
    ArrowUp: (large) => exchange.pan(0, large ? -0.5 : -0.1),
    ArrowDown: (large) => exchange.pan(0, large ? 0.5 : 0.1),
    "+": () => exchange.zoom(0.5),
    "=": () => exchange.zoom(0.5),
    "-": () => exchange.zoom(2),
    _: () => exchange.zoom(2),
    "[": () => views.travel(-1),
    "]": () => views.travel(1),
    Home: () => exchange.wish({ home: true }),
    j: () => julia.toggle(),
    r: (back) => exchange.turn(back ? -15 : 15),
    u: () => exchange.upright(),
    p: (back) => choices.nextPalette(back ? -1 : 1),
    f: () => desk.fullScreen(),
    h: () => desk.showControls(),
    "?": () => desk.showHelp(),
    Escape: () => {
      if (!desk.help.hidden) desk.showHelp(false);
      else if (julia.picking) julia.pick(false);
      else exchange.stopDrawing();
    },
  };

  on("keydown", (event) => {
    const typing = event.target.matches("input:not([type=radio], [type=checkbox], [type=range]), select, textarea");
    // What is typed here is not for the notebook around.
    event.stopPropagation();
    if (typing || event.altKey || event.metaKey || event.ctrlKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.target !== picture.canvas && key.startsWith("Arrow")) return;
    const act = acts[key];
    if (!act) return;
    event.preventDefault();
    act(event.shiftKey);
  });
  on("copy", (event) => {
    if (event.target.matches("input, textarea") || !getSelection().isCollapsed) return;
    event.preventDefault();
    event.stopPropagation();
    event.clipboardData.setData("text/plain", views.text);
    desk.say("Copied the view");
  });
  on("paste", (event) => {
    if (event.target.matches("input, textarea")) return;
    event.preventDefault();
    event.stopPropagation();
    views.paste(event.clipboardData.getData("text/plain"));
  });
}
