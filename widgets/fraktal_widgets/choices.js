// What one chooses for a picture: a scene, its colours and look, how many iterations.

const NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

class Choices {
  /** @param say shows words for a moment */
  constructor(catalog, exchange, picture, say) {
    this.palettes = catalog.palettes;
    this.exchange = exchange;
    this.picture = picture;
    this.say = say;
    this.palette = null;
    this.scenes = h("div", { class: "fk-explorer-scenes" }, catalog.scenes.map(({ name, title }) => h("button", {
      class: "fk-explorer-scene", type: "button", "data-name": name, onclick: () => exchange.wish({ scene: name }),
    }, h("img", { alt: "", width: 72, height: 48, src: NO_PICTURE }), title)));
    this.colours = h(
      "div", { class: "fk-explorer-palettes", role: "radiogroup", "aria-label": "Palette" },
      this.palettes.map((one) => this.colour(one)),
    );
    this.looks = h(
      "div", { class: "fk-explorer-looks", role: "radiogroup", "aria-label": "Look" },
      [{ name: "", title: "Palette alone" }, ...catalog.looks].map((one) => this.look(one)),
    );
    this.density = h("input", {
      class: "fk-explorer-slider", type: "range", min: -3, max: 8, step: 0.25, "aria-label": "Density of the colours",
      onchange: () => exchange.change({ density: 2 ** Number(this.density.value) }),
    });
    const limited = () => this.setIterations();
    this.auto = h("input", { type: "checkbox", onchange: limited });
    this.iterations = h("input", {
      class: "fk-input", type: "number", min: 1, max: 1e9, step: 100, "aria-label": "Iteration limit", onchange: limited,
    });
    this.usePalette(this.palettes[0].name);
  }

  colour(palette) {
    const { name, title } = palette;
    const strip = h("span", { class: "fk-explorer-strip" });
    strip.style.backgroundImage = gradient(colourWords(palette));
    return h(
      "label", { class: "fk-explorer-palette" },
      h("input", {
        type: "radio", name: `palette-${this.exchange.me}`, value: name, onchange: () => this.choosePalette(name),
      }),
      strip, title,
    );
  }

  look({ name, title }) {
    return h(
      "label", { class: "fk-explorer-palette" },
      h("input", {
        type: "radio", name: `look-${this.exchange.me}`, value: name, onchange: () => this.exchange.change({ look: name }),
      }),
      title,
    );
  }

  show(about = {}) {
    for (const input of this.looks.querySelectorAll("input")) input.checked = input.value === (about.look ?? "");
    this.density.disabled = Boolean(about.look);
    if (document.activeElement !== this.density) this.density.value = Math.log2(about.density ?? 1);
    if (about.palette !== this.palette) this.usePalette(about.palette);
    // A look may have brought a palette of its own, and none of these is it.
    for (const input of this.colours.querySelectorAll("input")) input.checked = input.value === about.ring;
    this.auto.checked = about.automatic ?? true;
    this.iterations.disabled = this.auto.checked;
    if (document.activeElement !== this.iterations) this.iterations.value = about.iterations ?? "";
    for (const button of this.scenes.children) {
      setAttribute(button, "aria-pressed", String(button.dataset.name === about.scene));
    }
  }

  showThumbnails(thumbnails = {}) {
    for (const button of this.scenes.children) {
      const address = thumbnails[button.dataset.name];
      if (address) setAttribute(button.firstChild, "src", address);
    }
  }

  usePalette(name) {
    const found = this.palettes.find((one) => one.name === name) ?? this.palettes[0];
    this.palette = found.name;
    this.picture.recolour(colourWords(found), found.inside);
    for (const input of this.colours.querySelectorAll("input")) input.checked = input.value === this.palette;
  }

  choosePalette(name) {
    this.usePalette(name);
    this.exchange.change({ palette: name });
  }

  nextPalette(step) {
    const { palettes } = this;
    const at = palettes.findIndex((one) => one.name === this.palette);
    const next = palettes[(at + step + palettes.length) % palettes.length];
    this.choosePalette(next.name);
    this.say(`Palette ${next.title}`);
  }

  setIterations() {
    const byDepth = this.auto.checked;
    this.iterations.disabled = byDepth;
    const limit = Math.round(Number(this.iterations.value));
    if (byDepth || limit >= 1) this.exchange.change({ max_iter: byDepth ? null : limit });
  }
}
