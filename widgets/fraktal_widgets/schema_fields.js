// Fields for single values, made from a JSON schema: numbers, words, choices, ticks. Every field is {element, read(faults, path), write(value), fault(path, text), focus()}.
//
// `read` answers undefined where nothing was given and the default shall hold; what is wrong goes into
// `faults`, a Map from path ("view.width") to a sentence.

const UNITS = { s: "s", px: "px", bytes: "bytes", w: "W", wh: "Wh", hz: "Hz", m: "m", days: "days" };
let fieldNumber = 0;

/** Follow $ref and a lone allOf, keeping what stands beside them (a description, a default). */
function resolve(schema, root) {
  let found = schema === true || schema === undefined ? {} : schema;
  for (let depth = 0; depth < 20; depth += 1) {
    if (found.$ref) {
      const { $ref, ...beside } = found;
      let target = root;
      for (const part of $ref.replace(/^#\/?/, "").split("/").filter(Boolean)) {
        target = target?.[part.replace(/~1/g, "/").replace(/~0/g, "~")];
      }
      // the title of a model is the name of a kind, not of the property that is of that kind
      const { title, ...rest } = target ?? {};
      found = { ...rest, kindTitle: title, ...beside };
    } else if (found.allOf?.length) {
      const { allOf, ...beside } = found;
      found = Object.assign({}, ...allOf.map((one) => resolve(one, root)), beside);
    } else break;
  }
  return found;
}

/** Take the null out of a union: `[schema without null, whether null is allowed]`. */
function withoutNull(schema, root) {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) {
    const kept = options.map((one) => ({ ...resolve(one, root) })).filter((one) => one.type !== "null");
    const { anyOf, oneOf, ...beside } = schema;
    const nullable = kept.length < options.length;
    if (kept.length === 1) return [{ ...resolve(kept[0], root), ...beside }, nullable];
    return [{ ...beside, anyOf: kept }, nullable];
  }
  if (Array.isArray(schema.type)) {
    const kept = schema.type.filter((type) => type !== "null");
    const nullable = kept.length < schema.type.length;
    if (kept.length === 1) return [{ ...schema, type: kept[0] }, nullable];
    return [{ ...schema, type: undefined, anyOf: kept.map((type) => ({ type })) }, nullable];
  }
  return [schema, schema.type === "null"];
}

/** The words for a property: its own title, or its name in sentence case without the unit. */
function labelOf(name, schema) {
  const made = name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
  if (schema.title && schema.title !== made && schema.title.toLowerCase() !== made.toLowerCase()) return schema.title;
  const parts = name.split("_");
  if (parts.length > 1 && unitOf(name, schema) && UNITS[parts.at(-1)]) parts.pop();
  const words = parts.join(" ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function unitOf(name, schema) {
  if (schema.unit) return schema.unit;
  const numeric = schema.type === "integer" || schema.type === "number";
  const last = name.split("_").at(-1);
  return numeric && name.includes("_") ? UNITS[last] ?? "" : "";
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const count = (value) => value.toLocaleString("en");

/** Say which numbers are allowed: "1 to 65,536", "more than 0". */
function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  if (minimum !== undefined && maximum !== undefined) return `${count(minimum)} to ${count(maximum)}`;
  const low = minimum !== undefined ? `at least ${count(minimum)}` : exclusiveMinimum !== undefined ? `more than ${count(exclusiveMinimum)}` : "";
  const high = maximum !== undefined ? `at most ${count(maximum)}` : exclusiveMaximum !== undefined ? `less than ${count(exclusiveMaximum)}` : "";
  return [low, high].filter(Boolean).join(", ");
}

/** What is wrong with a number, as the library would say it; empty where nothing is. */
function numberFault(value, text, schema, isInteger) {
  if (!Number.isFinite(value)) return `given ${JSON.stringify(text)}, expected a number`;
  if (isInteger && !Number.isInteger(value)) return `given ${text}, expected a whole number`;
  if (schema.minimum !== undefined && value < schema.minimum) return `given ${text}, expected at least ${count(schema.minimum)}`;
  if (schema.maximum !== undefined && value > schema.maximum) return `given ${text}, expected at most ${count(schema.maximum)}`;
  if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum) return `given ${text}, expected more than ${count(schema.exclusiveMinimum)}`;
  if (schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum) return `given ${text}, expected less than ${count(schema.exclusiveMaximum)}`;
  if (schema.multipleOf) {
    const times = value / schema.multipleOf;
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) return `given ${text}, expected a multiple of ${schema.multipleOf}`;
  }
  return "";
}

function textFault(text, schema) {
  const length = [...text].length;
  if (schema.minLength && length < schema.minLength) {
    return text ? `given ${length} characters, expected at least ${schema.minLength}` : "needed";
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) return `given ${length} characters, expected at most ${schema.maxLength}`;
  if (schema.pattern) {
    try {
      if (!new RegExp(schema.pattern, "u").test(text)) return `given ${JSON.stringify(text)}, expected the pattern ${schema.pattern}`;
    } catch {
      // a pattern in Python's dialect: the library checks it
    }
  }
  return "";
}

/** Say what an empty field means, where its description does not. */
const emptyHint = (schema) => !/empty/i.test(schema.description ?? "") && "Empty for none.";

/** What is sent for an empty field that may be null: nothing, where the default says the same. */
function emptyValue(schema, required) {
  return schema.default === null || (schema.default === undefined && !required) ? undefined : null;
}

/**
 * A label, the control, its help and its fault, tied together for screen readers.
 * @param kind "short" controls may stand side by side, "wide" ones take the row
 */
function frame(name, schema, control, { required, kind = "short", unit = "", extra = null, hint = "" }) {
  fieldNumber += 1;
  const id = `fk-field-${fieldNumber}`;
  control.id = id;
  const help = [schema.description, hint].filter(Boolean).join(" ");
  const helpElement = h("p", { class: "fk-help", id: `${id}-help` }, help);
  helpElement.hidden = !help;
  const faultElement = h("p", { class: "fk-fault", id: `${id}-fault`, hidden: true });
  control.setAttribute("aria-describedby", `${id}-help ${id}-fault`);
  if (required) control.setAttribute("aria-required", "true");
  const element = h("div", { class: `fk-field fk-${kind}` },
    h("label", { for: id }, labelOf(name, schema), required ? h("span", { class: "fk-needed" }, " needed") : ""),
    h("div", { class: "fk-control" }, control, unit ? h("span", { class: "fk-unit" }, unit) : "", extra ?? ""),
    faultElement, helpElement);
  return {
    element,
    focus: () => control.focus(),
    fault(path, text) {
      faultElement.hidden = !text;
      faultElement.replaceChildren(...(text ? [shape("warning"), h("span", {}, text)] : []));
      setAttribute(control, "aria-invalid", text ? "true" : null);
      return true;
    },
  };
}

/** One-click values below a field. */
function examplesOf(schema, write) {
  const examples = (schema.examples ?? []).filter((value) => plain(value).length <= 40).slice(0, 4);
  if (!examples.length) return null;
  return h("div", { class: "fk-examples" }, h("span", { class: "fk-muted" }, "For example"), examples.map((value) =>
    h("button", { type: "button", class: "fk-chip", onclick: () => write(value) }, plain(value))));
}

/** Put a control's value in from outside and let the form notice. */
function announceInput(control) {
  control.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
}

function numberField(name, schema, { required, nullable }) {
  const isInteger = schema.type === "integer";
  const control = h("input", { class: "fk-input", type: "text", inputmode: isInteger && !(schema.minimum < 0) ? "numeric" : "decimal", autocomplete: "off", spellcheck: "false" });
  const write = (value) => {
    control.value = value === null || value === undefined ? "" : String(value);
    announceInput(control);
  };
  control.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const value = Number(control.value);
    if (control.value.trim() === "" || !Number.isFinite(value)) return;
    event.preventDefault();
    const step = (schema.multipleOf ?? (isInteger ? 1 : 10 ** Math.floor(Math.log10(Math.abs(value) || 1) - 1))) * (event.shiftKey ? 10 : 1);
    const next = event.key === "ArrowUp" ? value + step : value - step;
    write(Math.min(schema.maximum ?? Infinity, Math.max(schema.minimum ?? -Infinity, isInteger ? next : Number(next.toPrecision(12)))));
  });
  const hint = rangeOf(schema);
  const made = frame(name, schema, control, {
    required: required && !nullable, unit: unitOf(name, schema),
    hint: [hint && `${hint}.`.replace(/^./, (letter) => letter.toUpperCase()), nullable && emptyHint(schema)].filter(Boolean).join(" "),
  });
  const examples = examplesOf(schema, write);
  if (examples) made.element.append(examples);
  return {
    ...made, write,
    read(faults, path) {
      const text = control.value.trim().replace(/[\u2009\u00a0 ]/g, "");
      if (!text) {
        if (nullable) return emptyValue(schema, required);
        if (required) faults.set(path, "needed");
        return undefined;
      }
      const value = Number(text);
      const wrong = numberFault(value, text, schema, isInteger);
      if (wrong) faults.set(path, wrong);
      // whole numbers beyond 2**53 travel as text; JavaScript would round them
      return wrong || (isInteger && !Number.isSafeInteger(value)) ? text : value;
    },
  };
}

function textField(name, schema, { required, nullable, files }) {
  const format = schema.format ?? "";
  const isFile = /path$/.test(format);
  const long = schema.multiline || schema.maxLength > 300 || schema.contentMediaType;
  const type = { date: "date", time: "time", "date-time": "datetime-local", email: "email", uri: "url", password: "password" }[format] ?? (schema.writeOnly ? "password" : "text");
  const control = long
    ? h("textarea", { class: "fk-input", rows: 4 })
    : h("input", { class: "fk-input", type, autocomplete: "off", spellcheck: "false", step: type === "datetime-local" || type === "time" ? "1" : null });
  const write = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (type === "datetime-local" && text) {
      const then = new Date(text);
      text = new Date(then - then.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
    }
    control.value = text;
    announceInput(control);
  };
  const suggestions = [...new Set([...(schema.examples ?? []), ...(isFile || schema.suggestFiles ? files : [])])].filter((one) => typeof one === "string");
  let extra = null;
  if (suggestions.length) {
    fieldNumber += 1;
    control.setAttribute("list", `fk-list-${fieldNumber}`);
    extra = h("datalist", { id: `fk-list-${fieldNumber}` }, suggestions.map((one) => h("option", { value: one })));
  }
  const made = frame(name, schema, control, {
    required: required && !nullable, kind: long || isFile ? "wide" : "short", extra, unit: schema.unit ?? "",
    hint: [isFile && "A file inside the workspace.", nullable && emptyHint(schema)].filter(Boolean).join(" "),
  });
  const examples = examplesOf(schema, write);
  if (examples) made.element.append(examples);
  return {
    ...made, write,
    read(faults, path) {
      const text = control.value;
      if (!text) {
        if (nullable) return emptyValue(schema, required);
        if (!required && (schema.default === undefined || schema.default === "" || format)) return undefined;
        const wrong = format ? "needed" : textFault(text, schema);
        if (wrong) faults.set(path, wrong);
        return wrong ? undefined : "";
      }
      if (type === "datetime-local") {
        const then = new Date(text);
        if (Number.isNaN(then.getTime())) faults.set(path, `given ${JSON.stringify(text)}, expected a date and a time`);
        return Number.isNaN(then.getTime()) ? text : then.toISOString();
      }
      const wrong = textFault(text, schema);
      if (wrong) faults.set(path, wrong);
      return text;
    },
  };
}

/** A number or a text, as `Decimal` and `int | str` are: one input, the shape of the words decides. */
function numberOrTextField(name, schema, options) {
  const words = schema.anyOf.find((one) => one.type === "string");
  const numbers = schema.anyOf.find((one) => one.type === "number" || one.type === "integer");
  const { anyOf, ...beside } = schema;
  const field = textField(name, { ...words, ...beside, type: "string" }, options);
  return {
    ...field,
    read(faults, path) {
      const value = field.read(faults, path);
      if (typeof value !== "string" || words.pattern || !numbers || value.trim() === "") return value;
      return Number.isFinite(Number(value)) && Number.isSafeInteger(Math.trunc(Number(value))) ? Number(value) : value;
    },
  };
}

function choiceField(name, schema, { required, nullable }) {
  const choices = schema.enum.filter((value) => value !== null);
  const mayBeEmpty = nullable || schema.enum?.includes(null) || (schema.default === undefined && choices.length > 1);
  const control = h("select", { class: "fk-input" },
    mayBeEmpty ? h("option", { value: "" }, nullable || !required ? "(none)" : "Choose") : "",
    choices.map((value, index) => h("option", { value: String(index) }, plain(value))));
  const made = frame(name, schema, control, { required: required && !nullable, unit: schema.unit ?? "" });
  return {
    ...made,
    write(value) {
      const index = choices.findIndex((choice) => choice === value);
      control.value = index >= 0 ? String(index) : mayBeEmpty ? "" : "0";
      announceInput(control);
    },
    read(faults, path) {
      if (control.value !== "") return choices[Number(control.value)];
      if (nullable) return schema.default === null || !required ? undefined : null;
      if (required) faults.set(path, "needed: choose one");
      return undefined;
    },
  };
}

/** The one value that is possible: nothing to fill in. */
function constField(schema) {
  return { element: h("span", { hidden: true }), write() {}, read: () => schema.const, fault: () => false, focus() {} };
}

function booleanField(name, schema, { required, nullable }) {
  if (nullable) return choiceField(name, { ...schema, enum: [true, false] }, { required, nullable });
  const control = h("input", { type: "checkbox", class: "fk-check" });
  const made = frame(name, schema, control, { required: false });
  made.element.classList.add("fk-switch");
  return {
    ...made,
    write(value) {
      control.checked = Boolean(value);
      announceInput(control);
    },
    read: () => control.checked,
  };
}

/** Anything at all, written as JSON. */
function jsonField(name, schema, { required, nullable }) {
  const control = h("textarea", { class: "fk-input fk-mono", rows: 3, spellcheck: "false" });
  const made = frame(name, schema, control, { required: required && !nullable, kind: "wide", hint: 'Written as JSON: 3, "words", [1, 2], {"a": 1}.' });
  return {
    ...made,
    write(value) {
      control.value = value === undefined ? "" : JSON.stringify(value, null, 2);
      announceInput(control);
    },
    read(faults, path) {
      if (!control.value.trim()) {
        if (required && !nullable) faults.set(path, "needed");
        return undefined;
      }
      try {
        return JSON.parse(control.value);
      } catch (error) {
        faults.set(path, `not valid JSON: ${error.message}`);
        return control.value;
      }
    },
  };
}
