// A picture to keep: in which size, and how it reaches the user.

const SIZES = [
  ["As shown", null],
  ["1920 × 1080", [1920, 1080]],
  ["2560 × 1440", [2560, 1440]],
  ["3840 × 2160", [3840, 2160]],
  ["Square 2048", [2048, 2048]],
  ["Poster 4961 × 7016", [4961, 7016]],
];

class Poster {
  /** @param say shows words for a moment */
  constructor(model, exchange, picture, say) {
    this.model = model;
    this.exchange = exchange;
    this.canvas = picture.canvas;
    this.say = say;
    this.sizes = h("select", { class: "fk-input", "aria-label": "Size of the saved picture" },
      SIZES.map(([label], index) => h("option", { value: index }, label)));
    this.last = model.get("saved")?.id;
  }

  save() {
    const { exchange, canvas } = this;
    const [width, height] = SIZES[this.sizes.value][1] ?? [canvas.width, canvas.height];
    exchange.task = { id: `${exchange.me}-${exchange.count}`, do: "save", width, height };
    this.say("Drawing the picture to save");
    exchange.send();
  }

  onSaved() {
    const { exchange } = this;
    const saved = this.model.get("saved");
    if (!saved?.id || saved.id === this.last) return;
    this.last = saved.id;
    if (saved.id !== exchange.task?.id) return;
    exchange.task = null;
    if (saved.error) {
      this.say(saved.error, "error");
      return;
    }
    const bytes = Uint8Array.from(atob(saved.png), (letter) => letter.charCodeAt(0));
    const address = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    h("a", { href: address, download: saved.name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    this.say(`Saved ${saved.name}`);
  }
}
