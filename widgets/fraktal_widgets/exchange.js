// The talk of an explorer with Python: what is asked, what was answered, which frames are drawn.
//
// Up goes one Dict, `asked`: the scene that Python last answered, how the view moved since then, and
// what else changed. It is a state, not a message: hosts drop states that a newer one replaces, so
// each says all that is unanswered. Down come `answer` (the scene in exact decimals, words for the
// status line) and `frame` (pixels); they meet by the serial number that stands in both.

const FINEST = 1; // the level of a frame: how many pixels of the picture one of its samples stands for
const PEEK = 0xffff; // the level of a frame that is a small preview of a Julia set
const SLOW_MS = 2500;
const LOST_MS = 9000;

class Exchange {
  /** @param tell {answered(error, field), state, link(state, words), peek(frame)}: called with news */
  constructor(model, picture, tell) {
    this.model = model;
    this.picture = picture;
    this.tell = tell;
    this.me = Math.random().toString(36).slice(2, 10);
    this.answer = {}; // what Python said last
    this.base = null; // the scene that `places.get("base")` stands for
    this.asked = null; // {at, seq, changes, jump, move}: what is on its way
    this.again = false; // something changed while an ask was on its way
    this.changes = {}; // what no answer has confirmed yet
    this.jumping = false; // the next answer's view is not where the target is
    this.drawn = null;
    this.task = null;
    this.peek = null;
    this.sizes = new Map(); // of the pictures, by their serial numbers
    this.held = null; // a frame that came before its answer
    this.seq = 0;
    this.count = 0;
    this.live = true;
    this.heard = performance.now(); // when there was news, or a word of ours, while a picture is drawn
    picture.places.set("base", HERE);
    this.watch = setInterval(() => this.lookAtLink(), 500);
    // Jupyter's widget manager does not always notice a restart; the kernel's own signal does.
    this.kernel = model.widget_manager?.kernel;
    this.onKernel = (_, state) => {
      if (!["restarting", "autorestarting", "starting", "terminating", "dead"].includes(state)) return;
      this.live = false;
      this.showLink();
    };
    this.kernel?.statusChanged?.connect(this.onKernel);
  }

  /** Whether nothing more is to come: the finest level of the newest view is drawn, or it was stopped. */
  get sharp() {
    return !this.asked && (this.answer.stopped || (this.drawn?.[0] === this.answer.serial && this.drawn[1] === FINEST));
  }

  send() {
    const { model, picture, asked } = this;
    this.count += 1;
    this.heard = performance.now();
    model.set("asked", {
      client: this.me, n: this.count, seq: this.seq,
      drawn: this.drawn, task: this.task, peek: this.peek,
      size: [picture.canvas.width, picture.canvas.height],
      base: asked?.base ?? this.base,
      move: asked?.move ?? [1, 0, 0, 0],
      change: asked?.changes ?? {},
    });
    model.save_changes();
  }

  /** Ask for the view of now; while an ask is on its way, only note that there is more. */
  ask() {
    const { picture } = this;
    if (!picture.canvas.width || !picture.canvas.height) return;
    if (this.asked) {
      this.again = true;
      return;
    }
    this.again = false;
    this.seq += 1;
    const move = this.jumping ? HERE : seenFrom(picture.target, picture.places.get("base"));
    picture.places.set("sent", { ...picture.target });
    this.asked = {
      at: performance.now(), seq: this.seq, jump: this.jumping, base: this.base, changes: this.changes,
      move: [move.s, move.x, move.y, (move.r * 180) / Math.PI],
    };
    this.changes = {};
    this.tell.state();
    this.send();
  }

  /** Ask for the same view, otherwise made. */
  change(change) {
    this.changes = { ...this.changes, ...change };
    this.ask();
  }

  /** Leave the picture as far as it is. */
  stopDrawing() {
    if (!this.sharp) this.change({ stop: true });
  }

  /** Ask for something whose view only Python knows. */
  wish(change) {
    if (this.jumping) return;
    this.jumping = true;
    this.change(change);
  }

  zoom(factor, px = 0, py = 0, turn = 0) {
    if (this.jumping) return;
    this.picture.zoom(factor, px, py, turn);
    this.ask();
  }

  turn(degrees) {
    this.zoom(1, 0, 0, (degrees * Math.PI) / 180);
  }

  /** Turn the window back, as the picture was before; what is stretched is drawn straight, too. */
  upright() {
    const { rotation_deg: degrees = 0, skew } = this.base?.view ?? {};
    const { target, places } = this.picture;
    if (skew) this.wish({ upright: true });
    else this.turn(((places.get("base").r - target.r) * 180) / Math.PI - degrees);
  }

  pan(dx, dy, atOnce) {
    if (this.jumping) return;
    if (this.picture.pan(dx, dy, atOnce)) this.ask();
  }

  /** Go to a scene known in full; glide there if it lies near, else begin anew. */
  goTo(scene, place) {
    const { picture } = this;
    const near = place && Math.abs(Math.log10(place.s / picture.target.s)) < 8;
    if (!near) picture.jump();
    this.base = scene;
    if (this.asked) this.asked.replaced = true;
    picture.places.set("base", near ? { ...place } : { ...HERE });
    picture.moveTo({ ...picture.places.get("base") });
    this.ask();
  }

  onAnswer() {
    const { picture, asked } = this;
    const news = this.model.get("answer");
    if (!news?.serial) return;
    const before = this.answer;
    this.answer = news;
    this.sizes.set(news.serial, news.size);
    if (news.client === this.me && asked && news.seq === asked.seq) {
      this.asked = null;
      this.live = true;
      if (asked.jump) this.jumping = false;
      if (news.refused) {
        if (!asked.jump) picture.moveTo({ ...picture.places.get("base") });
      } else if (asked.jump || !picture.places.has("sent")) {
        this.land();
      } else {
        const place = picture.places.get("sent");
        picture.places.set(news.serial, place);
        if (!asked.replaced) {
          this.base = news.scene;
          picture.places.set("base", place);
        }
      }
      if (this.again || Object.keys(this.changes).length) this.ask();
    } else if (news.serial !== before.serial && news.client !== this.me) {
      this.jumping = false;
      this.land();
    }
    for (const serial of this.sizes.keys()) {
      if (serial < news.serial - 24) [this.sizes, picture.places].forEach((map) => map.delete(serial));
    }
    const fresh = news.seq !== before.seq || news.client !== before.client;
    this.tell.answered(fresh ? news.error : "", news.field, fresh);
    this.tell.state();
    if (this.held && this.held.sequence <= news.serial) this.showFrame(this.held);
  }

  /** Begin at a view that has no known place among the others. */
  land() {
    const { picture, answer } = this;
    this.base = answer.scene;
    const known = picture.places.get(answer.serial);
    if (known) picture.moveTo({ ...known });
    else picture.jump();
    picture.places.set(answer.serial, { ...picture.target });
    picture.places.set("base", { ...picture.target });
  }

  onFrame() {
    const frame = unpackFrame(this.model.get("frame"));
    if (!frame) return;
    this.heard = performance.now();
    if (frame.level === PEEK) this.tell.peek(frame);
    else if (frame.sequence > (this.answer.serial ?? 0)) this.held = frame;
    else this.showFrame(frame);
  }

  showFrame(frame) {
    this.held = null;
    const place = this.picture.places.get(frame.sequence);
    if (place) this.picture.show(frame, this.extentOf(frame, place), frame.level === FINEST);
    // Only who asked says that it was drawn, so that several views do not talk at once.
    this.drawn = [frame.sequence, frame.level];
    this.tell.state();
    if (this.answer.client === this.me || !this.answer.client) this.send();
  }

  /** Say which place a frame covers: coarse samples stick out to the right and below. */
  extentOf({ sequence, level, width, height }, place) {
    const [w, h] = this.sizes.get(sequence);
    const pixel = place.s / w;
    const [x, y] = turned(place.r, ((width * level - w) / 2) * pixel, ((height * level - h) / 2) * pixel);
    return { x: place.x + x, y: place.y + y, s: width * level * pixel, r: place.r };
  }

  /** Say everything again now and then while no answer comes. */
  lookAtLink() {
    const { asked } = this;
    const waited = asked ? performance.now() - asked.at : 0;
    if (waited > SLOW_MS && Math.floor(waited / SLOW_MS) !== asked.tries) {
      asked.tries = Math.floor(waited / SLOW_MS);
      this.send();
    }
    // A word or a frame that was lost on the way must not keep a picture from its end.
    const mine = this.answer.client === this.me || !this.answer.client;
    if (!asked && mine && this.answer.serial && !this.sharp && performance.now() - this.heard > SLOW_MS) this.send();
    this.showLink(waited);
  }

  showLink(waited = 0) {
    if (!this.live || waited > LOST_MS) this.tell.link("lost", "Not connected: run the cell again, or reload the page");
    else if (waited > SLOW_MS) this.tell.link("slow", "Waiting for Python");
    else this.tell.link("ok", "");
  }

  stop() {
    clearInterval(this.watch);
    this.kernel?.statusChanged?.disconnect(this.onKernel);
  }
}
