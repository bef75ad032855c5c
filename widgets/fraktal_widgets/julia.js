// The Julia set of a point: pick it with a small preview under the hand, look, go back.

const PEEK_EVERY_MS = 400; // without an answer, the next preview may be asked for after so long

class Julia {
  /** @param changed called when picking begins or ends */
  constructor(exchange, picture, views, changed) {
    this.exchange = exchange;
    this.picture = picture;
    this.views = views;
    this.changed = changed;
    this.picking = false;
    this.pointer = null; // where it hovers, in widths from the centre
    this.peeking = false;
    this.before = null; // where the user came from
    this.preview = h("canvas", { width: 192, height: 144 });
    this.peekBox = h("div", { class: "fk-explorer-peek", hidden: true, "aria-hidden": "true" }, this.preview);
    this.words = h("p", { class: "fk-explorer-hint" });
    this.button = h("button", {
      class: "fk-button fk-button-small", type: "button", "aria-pressed": "false", onclick: () => this.clicked(),
    }, "Pick a point");
  }

  show({ julia, title } = {}) {
    setText(this.button, julia ? `Back to the ${title}` : this.picking ? "Cancel" : "Pick a point");
    setText(this.words, julia
      ? `Seed ${julia}`
      : "Every point of the picture has its own Julia set. Point, look, click.");
  }

  pick(on) {
    const { canvas } = this.picture;
    this.picking = on;
    canvas.classList.toggle("fk-explorer-picking", on);
    setAttribute(this.button, "aria-pressed", String(on));
    this.peekBox.hidden = !on || !this.pointer;
    if (on) canvas.focus({ preventScroll: true });
    this.changed();
  }

  clicked() {
    if (this.exchange.answer.about?.julia) this.leave();
    else this.pick(!this.picking);
  }

  /** Go to the Julia set of the point under the pointer, or back to where the user came from. */
  toggle() {
    if (this.exchange.answer.about?.julia) this.leave();
    else this.enter(this.pointer ?? [0, 0]);
  }

  enter(point) {
    this.pick(false);
    this.views.keep();
    this.before = { scene: this.exchange.base };
    const at = this.seenFromBase(point);
    this.exchange.wish({ julia: [at.x, at.y] });
  }

  leave() {
    this.views.keep();
    if (this.before) this.exchange.goTo(this.before.scene, null);
    else this.exchange.wish({ home: true, plane: true });
    this.before = null;
  }

  seenFromBase([x, y]) {
    const { target, places } = this.picture;
    const [dx, dy] = turned(target.r, x * target.s, y * target.s);
    return seenFrom({ x: target.x + dx, y: target.y + dy, s: 1, r: 0 }, places.get("base"));
  }

  askPeek() {
    const { exchange, pointer } = this;
    if (!this.picking || !pointer || this.peeking || exchange.jumping) return;
    this.peeking = true;
    const at = this.seenFromBase(pointer);
    exchange.peek = { id: (exchange.peek?.id ?? 0) + 1, base: exchange.base, x: at.x, y: at.y, for: pointer };
    exchange.send();
    setTimeout(() => { this.peeking = false; }, PEEK_EVERY_MS);
  }

  showPeek(frame) {
    this.peeking = false;
    if (!this.picking) return;
    paint(this.preview, frame, this.picture.colours);
    this.peekBox.hidden = !this.pointer;
    if (this.pointer && this.exchange.peek.for !== this.pointer) this.askPeek();
  }

  /** Keep the preview out of the way of the hand. */
  place(event) {
    if (!this.picking) return;
    const box = this.picture.canvas.getBoundingClientRect();
    const right = event.clientX - box.left > box.width / 2;
    this.peekBox.classList.toggle("fk-explorer-peek-left", right);
  }

  /** The pointer has left the picture. */
  rest() {
    this.pointer = null;
    this.peekBox.hidden = true;
  }
}
