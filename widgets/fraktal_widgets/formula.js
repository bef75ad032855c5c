// What is drawn: a formula from the list or one that is typed, and the values of its parameters.
// What Python refuses is said beside the field, which keeps what was typed.

const TYPED = "typed";

class FormulaChoice {
  constructor(catalog, exchange) {
    this.formulas = catalog.formulas;
    this.exchange = exchange;
    this.shown = null; // which formula the fields are for
    const id = `fk-formula-${exchange.me}`;
    this.list = h(
      "select", { class: "fk-input", "aria-label": "Formula", onchange: () => this.choose() },
      this.formulas.map(({ name, title }) => h("option", { value: name }, title)),
      h("option", { value: TYPED }, "A formula of your own"),
    );
    this.text = h("input", {
      class: "fk-input fk-explorer-formula", type: "text", spellcheck: "false", autocapitalize: "off",
      autocomplete: "off", "aria-label": "Formula as text", "aria-describedby": id, oninput: () => this.settle(this.text),
      onkeydown: (event) => { if (event.key === "Enter") this.draw(); },
    });
    this.error = h("p", { class: "fk-explorer-refusal", id, role: "alert", hidden: true });
    this.parameters = h("div", { class: "fk-explorer-parameters" });
    this.element = h(
      "div", { class: "fk-explorer-formulas" },
      this.list,
      h("div", { class: "fk-explorer-row" }, this.text, h(
        "button", { class: "fk-button fk-button-small", type: "button", onclick: () => this.draw() }, "Draw",
      )),
      this.error,
      this.parameters,
      h("p", { class: "fk-explorer-hint" }, "z and c, + − * / **, re im abs conj, sin exp log … such as z**3 + c*z"),
    );
  }

  titleOf(name) {
    const found = this.formulas.find((one) => one.name === name);
    if (!found) return "plane of c";
    return name === "mandelbrot" ? "Mandelbrot set" : `plane of ${found.title}`;
  }

  choose() {
    if (this.list.value === TYPED) {
      this.text.focus();
      this.text.select();
    } else {
      this.exchange.wish({ formula: this.list.value });
    }
  }

  /** Draw what is typed. */
  draw() {
    this.asked = this.text;
    this.exchange.wish({ formula: this.text.value });
  }

  setParameter(name, input) {
    this.asked = input;
    const text = input.value.trim();
    const number = Number(text);
    this.exchange.wish({ parameters: { [name]: text !== "" && Number.isFinite(number) ? number : text } });
  }

  show({ formula, named, parameters } = {}) {
    const found = this.formulas.find((one) => one.name === formula);
    if (formula !== this.shown) {
      this.shown = formula;
      this.list.value = named ? formula : TYPED;
      this.text.value = found ? found.text : formula ?? "";
      this.parameters.replaceChildren(...Object.entries(found?.parameters ?? {}).map(([name, usual]) => this.field(name, usual)));
    }
    for (const input of this.parameters.querySelectorAll("input")) {
      const value = parameters?.[input.name] ?? found?.parameters[input.name];
      if (input !== document.activeElement && input.getAttribute("aria-invalid") !== "true") input.value = value ?? "";
    }
  }

  field(name, usual) {
    const input = h("input", {
      class: "fk-input", name, type: "text", inputmode: typeof usual === "number" ? "decimal" : "text", spellcheck: "false",
      autocomplete: "off", "aria-describedby": this.error.id, oninput: () => this.settle(input),
      onchange: () => this.setParameter(name, input),
    });
    return h("label", { class: "fk-explorer-parameter" }, h("span", {}, name), input);
  }

  /** Say beside the field why it was refused, or that all is well. */
  refuse(words) {
    this.settle(this.text);
    this.parameters.querySelectorAll("input").forEach((input) => this.settle(input));
    if (!words) return;
    setText(this.error, words);
    this.error.hidden = false;
    setAttribute(this.asked ?? this.text, "aria-invalid", "true");
  }

  settle(input) {
    setAttribute(input, "aria-invalid", null);
    this.error.hidden = true;
  }
}
