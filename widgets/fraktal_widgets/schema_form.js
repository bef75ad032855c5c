// From a JSON schema to fields that a person can fill, and back to JSON. Knows nothing of capabilities,
// jobs or Python. Every field is {element, read(faults, path), write(value), fault(path, text), focus()}.
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
    h("label", { for: id }, labelOf(name, schema), required ? h("span", { class: "fk-needed" }, "needed") : ""),
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
    hint: [hint && `${hint}.`.replace(/^./, (letter) => letter.toUpperCase()), nullable && !/empty/i.test(schema.description ?? "") && "Empty for none."].filter(Boolean).join(" "),
  });
  const examples = examplesOf(schema, write);
  if (examples) made.element.append(examples);
  return {
    ...made, write,
    read(faults, path) {
      const text = control.value.trim().replace(/[\u2009\u00a0 ]/g, "");
      if (!text) {
        if (nullable) return schema.default === null || schema.default === undefined && !required ? undefined : null;
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
    hint: [isFile && "A file inside the workspace.", nullable && !/empty/i.test(schema.description ?? "") && "Empty for none."].filter(Boolean).join(" "),
  });
  const examples = examplesOf(schema, write);
  if (examples) made.element.append(examples);
  return {
    ...made, write,
    read(faults, path) {
      const text = control.value;
      if (!text) {
        if (nullable) return schema.default === null || (schema.default === undefined && !required) ? undefined : null;
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

/** A titled box around several fields. */
function group(name, schema, content, kind = "") {
  const legend = name ? labelOf(name, schema) : "";
  const faultElement = h("p", { class: "fk-fault", hidden: true });
  const element = h("fieldset", { class: `fk-group fk-wide ${kind}` },
    legend ? h("legend", {}, legend) : "",
    schema.description && name ? h("p", { class: "fk-help" }, schema.description) : "", ...content, faultElement);
  const ownFault = (text) => {
    faultElement.hidden = !text;
    faultElement.replaceChildren(...(text ? [shape("warning"), h("span", {}, text)] : []));
  };
  return { element, ownFault, focus: () => element.querySelector("input, select, textarea, button")?.focus() };
}

const under = (path, name) => (path ? `${path}.${name}` : String(name));

/** Hand a fault to the child that its path names; the box itself shows what no child takes. */
function routeFault(children, ownFault, path, text) {
  if (!path) {
    ownFault(text);
    return true;
  }
  const [first, ...rest] = path.split(".");
  const child = children(first);
  return child ? child.fault(rest.join("."), text) : (ownFault(text), true);
}

function objectField(name, schema, options) {
  const { root, nullable, required: needed } = options;
  const fields = new Map();
  const fresh = () => Object.entries(schema.properties ?? {}).map(([key, value]) => {
    const inner = resolve(value, root);
    const field = makeField(key, inner, { ...options, nullable: false, required: (schema.required ?? []).includes(key) });
    fields.set(key, { field, inner });
    return field.element;
  });
  if (!nullable) {
    const made = group(name, schema, [h("div", { class: "fk-fields" }, fresh())]);
    return {
      ...made,
      write(value) {
        for (const [key, { field, inner }] of fields) field.write(value && key in value ? value[key] : inner.default);
      },
      read(faults, path) {
        const own = new Map();
        const value = {};
        for (const [key, { field }] of fields) {
          const got = field.read(own, under(path, key));
          if (got !== undefined) value[key] = got;
        }
        // an optional box in which nothing was typed is not given at all
        if (!needed && Object.keys(value).length === 0) return undefined;
        own.forEach((text, place) => faults.set(place, text));
        return value;
      },
      fault: (path, text) => routeFault((key) => fields.get(key)?.field, made.ownFault, path, text),
      each: () => [...fields].map(([key, { field }]) => [key, field]),
    };
  }
  return optionalField(name, schema, options, (inner) => objectField("", inner, { ...options, nullable: false, required: true }));
}

/** Something that may be left out: a button adds it, another takes it away. */
function optionalField(name, schema, { required }, make) {
  let field = null;
  const body = h("div", {});
  const toggle = h("button", { type: "button", class: "fk-button fk-button-small" });
  const made = group(name, schema, [h("div", { class: "fk-row" }, toggle), body]);
  function set(on, value) {
    field = on ? make(schema) : null;
    if (on) field.write(value ?? schema.default ?? undefined);
    body.replaceChildren(...(on ? [field.element] : []));
    setText(toggle, on ? "Leave out" : "Add");
    toggle.setAttribute("aria-label", `${on ? "Leave out" : "Add"} ${labelOf(name || "value", schema)}`);
  }
  toggle.addEventListener("click", () => {
    set(!field);
    announceInput(toggle);
  });
  set(false);
  return {
    ...made,
    write: (value) => set(value !== null && value !== undefined, value),
    read: (faults, path) => (field ? field.read(faults, path) : required || (schema.default !== undefined && schema.default !== null) ? null : undefined),
    fault: (path, text) => (field ? field.fault(path, text) : (made.ownFault(text), true)),
  };
}

/** Several values of one kind; also names with values (`named`), as dictionaries are. */
function listField(name, schema, options, named = false) {
  const { root, required, nullable } = options;
  const inner = resolve(named ? schema.additionalProperties : schema.items, root);
  const rows = [];
  const body = h("div", { class: "fk-rows" });
  const add = h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => { addRow(undefined, "").field.focus(); changed(); } }, `Add ${inner.kindTitle && inner.properties ? inner.kindTitle.toLowerCase() : "one"}`);
  const made = group(name, schema, [body, h("div", { class: "fk-row" }, add)], "fk-list");
  function changed() {
    announceInput(add);
    add.hidden = schema.maxItems !== undefined && rows.length >= schema.maxItems;
  }
  function addRow(value, key) {
    const field = makeField(named ? "value" : "", inner, { ...options, nullable: false, required: true });
    const keyInput = named ? h("input", { class: "fk-input fk-key", value: key, placeholder: "name", "aria-label": "Name" }) : null;
    const row = { field, keyInput };
    row.element = h("div", { class: "fk-list-row" }, keyInput ?? "", field.element,
      h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", "aria-label": `Take out entry ${rows.length + 1} of ${labelOf(name || "list", schema)}`, onclick: () => {
        rows.splice(rows.indexOf(row), 1);
        row.element.remove();
        changed();
        add.focus();
      } }, shape("close")));
    field.write(value ?? inner.default);
    field.element.querySelector("input, select, textarea")?.setAttribute("aria-label", `${labelOf(name || "entry", schema)}, entry ${rows.length + 1}`);
    rows.push(row);
    body.append(row.element);
    return row;
  }
  return {
    ...made,
    write(value) {
      rows.splice(0);
      body.replaceChildren();
      const given = value ?? [];
      if (named) for (const [key, one] of Object.entries(given)) addRow(one, key);
      else if (Array.isArray(given)) for (const one of given) addRow(one);
      while (!named && required && rows.length < (schema.minItems ?? 0)) addRow(undefined);
      changed();
    },
    read(faults, path) {
      const all = rows.map(({ field, keyInput }, index) => [keyInput?.value, field.read(faults, under(path, named ? keyInput.value || index : index))]);
      if (!rows.length && !required && (schema.default === undefined || schema.default === null)) return undefined;
      if (!rows.length && nullable) return null;
      if (named) {
        for (const [key] of all) if (!key) faults.set(path, "every entry needs a name");
        return Object.fromEntries(all);
      }
      const values = all.map(([, value]) => value);
      if (values.length < (schema.minItems ?? 0)) faults.set(path, `given ${values.length} entries, expected at least ${schema.minItems}`);
      if (values.length > (schema.maxItems ?? Infinity)) faults.set(path, `given ${values.length} entries, expected at most ${schema.maxItems}`);
      if (schema.uniqueItems && new Set(values.map((value) => JSON.stringify(value))).size < values.length) faults.set(path, "an entry stands there twice");
      return values;
    },
    fault: (path, text) => routeFault((key) => (named ? rows.find((row) => row.keyInput.value === key) : rows[Number(key)])?.field, made.ownFault, path, text),
  };
}

/** Several of few choices: one box to tick for each. */
function setField(name, schema, { root, required }) {
  const choices = resolve(schema.items, root).enum;
  const boxes = choices.map((value) => [value, h("input", { type: "checkbox", class: "fk-check" })]);
  const made = group(name, schema, [h("div", { class: "fk-row" }, boxes.map(([value, box]) => h("label", { class: "fk-tick" }, box, plain(value))))]);
  return {
    ...made,
    write(value) {
      for (const [choice, box] of boxes) box.checked = Array.isArray(value) && value.includes(choice);
      announceInput(boxes[0][1]);
    },
    read(faults, path) {
      const values = boxes.filter(([, box]) => box.checked).map(([value]) => value);
      if (!values.length && !required && schema.default === undefined) return undefined;
      if (values.length < (schema.minItems ?? 0)) faults.set(path, `chosen ${values.length}, expected at least ${schema.minItems}`);
      return values;
    },
    fault(path, text) {
      made.ownFault(text);
      return true;
    },
  };
}

/** A fixed row of values, as tuples are. */
function tupleField(name, schema, options) {
  const labels = (one, index) => (one.title && one.title.length < 20 ? one.title : `${index + 1}`);
  const fields = schema.prefixItems.map((one, index) => {
    const inner = resolve(one, options.root);
    return [makeField(labels(inner, index), { ...inner, title: undefined }, { ...options, nullable: false, required: options.required }), inner];
  });
  const made = group(name, schema, [h("div", { class: "fk-fields fk-tuple" }, fields.map(([field]) => field.element))]);
  return {
    ...made,
    write(value) {
      fields.forEach(([field, inner], index) => field.write(value?.[index] ?? inner.default));
    },
    read(faults, path) {
      const own = new Map();
      const values = fields.map(([field], index) => field.read(own, under(path, index)));
      if (values.every((value) => value === undefined) && !options.required) return undefined;
      values.forEach((value, index) => value === undefined && !own.has(under(path, index)) && own.set(under(path, index), "needed"));
      own.forEach((text, place) => faults.set(place, text));
      return values;
    },
    fault: (path, text) => routeFault((key) => fields[Number(key)]?.[0], made.ownFault, path, text),
  };
}

/** One of several kinds: a list chooses the kind, its fields stand below. */
function unionField(name, schema, options) {
  const { root, required } = options;
  const kinds = schema.anyOf.map((one) => resolve(one, root)).map((kind) => (kind.type === "string" && schema.examples ? { examples: schema.examples, ...kind } : kind));
  const words = { string: "text", integer: "whole number", number: "number", boolean: "yes or no", array: "list", object: "fields" };
  const marker = schema.discriminator?.propertyName;
  const nameOf = (kind, index) => (marker && kind.properties?.[marker]?.const) || (kind.kindTitle ?? (kind.title && kind.title !== schema.title ? kind.title : null) ?? kind.format ?? words[kind.type] ?? `kind ${index + 1}`);
  const select = h("select", { class: "fk-input", "aria-label": `Kind of ${labelOf(name || "value", schema)}` }, kinds.map((kind, index) => h("option", { value: String(index) }, String(nameOf(kind, index)))));
  const body = h("div", {});
  const made = group(name, schema, [h("div", { class: "fk-kind" }, select), body]);
  let field = null;
  function choose(index, value) {
    select.value = String(index);
    field = makeField("", { ...kinds[index], title: undefined }, { ...options, nullable: false, required });
    field.write(value ?? kinds[index].default);
    field.element.querySelector("input, select, textarea")?.setAttribute("aria-label", `${labelOf(name || "value", schema)}, ${nameOf(kinds[index], index)}`);
    body.replaceChildren(field.element);
  }
  select.addEventListener("change", () => {
    choose(Number(select.value));
    announceInput(select);
  });
  const fits = (kind, value) => {
    if (kind.const !== undefined || kind.enum) return (kind.enum ?? [kind.const]).includes(value);
    if (Array.isArray(value)) return kind.type === "array";
    if (value !== null && typeof value === "object") {
      if (marker) return kind.properties?.[marker]?.const === value[marker];
      return kind.type === "object" && Object.keys(value).every((key) => !kind.properties || key in kind.properties);
    }
    if (typeof value === "number") return kind.type === "number" || (kind.type === "integer" && Number.isInteger(value));
    return typeof value === kind.type;
  };
  choose(0);
  return {
    ...made,
    write(value) {
      const found = value === undefined || value === null ? 0 : kinds.findIndex((kind) => fits(kind, value));
      choose(Math.max(found, 0), value ?? undefined);
    },
    read: (faults, path) => field.read(faults, path),
    fault(path, text) {
      // the library names the kind in its path ("scene.View.width"); our fields do not
      const parts = path.split(".");
      const inner = parts.length && !kinds.some((kind) => kind.properties && parts[0] in kind.properties) ? parts.slice(1) : parts;
      return field.fault(inner.join("."), text);
    },
  };
}

/** Make the field for one property, whatever pydantic wrote about it. */
function makeField(name, given, options) {
  const [schema, nullable] = withoutNull(resolve(given, options.root), options.root);
  const all = { ...options, nullable: nullable || options.nullable };
  if (schema.const !== undefined) return constField(schema);
  if (schema.enum) return choiceField(name, schema, all);
  if (schema.anyOf) {
    const kinds = schema.anyOf.map((one) => resolve(one, options.root));
    const simple = kinds.every((kind) => ["string", "number", "integer"].includes(kind.type) && !kind.enum && kind.const === undefined && !kind.format);
    if (simple && kinds.some((kind) => kind.type === "string")) return numberOrTextField(name, { ...schema, anyOf: kinds }, all);
    if (simple) return numberField(name, { ...schema, type: "number" }, all);
    if (kinds.every((kind) => kind.enum || kind.const !== undefined)) {
      return choiceField(name, { ...schema, anyOf: undefined, enum: kinds.flatMap((kind) => kind.enum ?? [kind.const]) }, all);
    }
    if (all.nullable) return optionalField(name, schema, all, (inner) => unionField("", { ...inner, title: undefined, description: undefined }, { ...all, nullable: false, required: true }));
    return unionField(name, schema, all);
  }
  switch (schema.type) {
    case "integer":
    case "number": return numberField(name, schema, all);
    case "string": return textField(name, schema, all);
    case "boolean": return booleanField(name, schema, all);
    case "array":
      if (schema.prefixItems) {
        if (all.nullable) return optionalField(name, schema, all, (inner) => tupleField("", inner, { ...all, nullable: false, required: true }));
        return tupleField(name, schema, all);
      }
      if (schema.uniqueItems && resolve(schema.items, options.root).enum) return setField(name, schema, all);
      return listField(name, schema, all);
    case "object":
      if (schema.properties) return objectField(name, schema, all);
      if (schema.additionalProperties) return listField(name, schema, all, true);
      return jsonField(name, schema, all);
    default: return jsonField(name, schema, all);
  }
}

/** How many optional fields stand open before the rest is folded away. */
const OPEN_FIELDS = 8;

/**
 * Make the whole form of a schema.
 * @returns {element, read() -> {values, faults}, write(values), fault(path, text) -> whether a field took it, focus()}
 */
function schemaForm(root, files = []) {
  const properties = Object.entries(root.properties ?? {});
  const needed = new Set(root.required ?? []);
  const fields = new Map(properties.map(([name, schema]) => {
    const inner = resolve(schema, root);
    return [name, { inner, field: makeField(name, inner, { root, files, required: needed.has(name), nullable: false }) }];
  }));
  const ordered = [...fields].filter(([, { inner }]) => !inner.advanced);
  const folded = [...fields].filter(([, { inner }]) => inner.advanced);
  const optional = ordered.filter(([name]) => !needed.has(name));
  if (optional.length > OPEN_FIELDS + 2) folded.unshift(...optional.slice(OPEN_FIELDS));
  const hidden = new Set(folded.map(([name]) => name));
  const elements = (entries) => entries.map(([, { field }]) => field.element);
  const more = h("details", { class: "fk-more fk-wide" }, h("summary", {}, h("span", { class: "fk-turn" }, shape("chevron")), `${folded.length} more ${folded.length === 1 ? "option" : "options"}`), h("div", { class: "fk-fields" }, elements(folded)));
  const element = h("div", { class: "fk-fields" }, elements(ordered.filter(([name]) => !hidden.has(name))), folded.length ? more : "");
  return {
    element,
    names: [...fields.keys()],
    write(values) {
      for (const [name, { field, inner }] of fields) field.write(values && name in values ? values[name] : inner.default);
    },
    read() {
      const faults = new Map();
      const values = {};
      for (const [name, { field }] of fields) {
        const value = field.read(faults, name);
        if (value !== undefined) values[name] = value;
      }
      return { values, faults };
    },
    fault(path, text) {
      const [first, ...rest] = path.split(".");
      const found = fields.get(first);
      if (!found) return false;
      found.field.fault(rest.join("."), text);
      if (text && hidden.has(first)) more.open = true;
      return true;
    },
    clear() {
      for (const fault of element.querySelectorAll(".fk-fault")) fault.hidden = true;
      for (const control of element.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
    },
    focus: () => element.querySelector("input, select, textarea, button")?.focus(),
  };
}
