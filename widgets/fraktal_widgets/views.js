// The views of an explorer: where the user rested, to go back and forward, and views as text.

const VIEWS_KEPT = 200;

class Views {
  /** @param tell {travelled, say(words, kind)} */
  constructor(exchange, picture, tell) {
    this.exchange = exchange;
    this.picture = picture;
    this.tell = tell;
    this.list = []; // {scene, key}: where the user rested
    this.at = -1;
  }

  get first() {
    return this.at <= 0;
  }

  get last() {
    return this.at >= this.list.length - 1;
  }

  /** Keep the view of now, once it has rested for a moment. */
  remember() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), 400);
  }

  keep() {
    clearTimeout(this.timer);
    const { answer, asked, seq } = this.exchange;
    const same = (scene) => JSON.stringify(scene) === JSON.stringify(answer.scene);
    if (!answer.scene || asked || same(this.list[this.at]?.scene)) return;
    this.list.splice(this.at + 1);
    const key = `view ${seq} ${answer.serial}`;
    this.list.push({ scene: answer.scene, key });
    if (this.list.length > VIEWS_KEPT) this.list.splice(0, 1);
    this.at = this.list.length - 1;
    this.picture.places.set(key, { ...this.picture.places.get("base") });
    this.tell.travelled();
  }

  travel(step) {
    this.keep();
    const view = this.list[this.at + step];
    if (!view || this.exchange.jumping) return;
    this.at += step;
    this.exchange.goTo(view.scene, this.picture.places.get(view.key));
    this.tell.travelled();
  }

  /** The view of now as text that `paste` takes. */
  get text() {
    return JSON.stringify(this.exchange.answer.scene);
  }

  async copy(what) {
    const text = what === "command" ? this.exchange.answer.command : this.text;
    if (!text) return;
    if (await copyText(text)) this.tell.say(`Copied the ${what}`);
    else this.tell.say("This browser does not allow copying here.", "error");
  }

  paste(text) {
    if (text.trim()) this.exchange.wish({ paste: text.slice(0, 20000) });
  }

  async pasteFromClipboard() {
    try {
      this.paste(await navigator.clipboard.readText());
    } catch {
      this.tell.say("This browser does not show the clipboard to a button: press Ctrl V on the picture.", "error");
    }
  }

  stop() {
    clearTimeout(this.timer);
  }
}
