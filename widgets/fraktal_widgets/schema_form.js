// From a JSON schema to a form that a person can fill, and back to JSON: what holds other fields, and the
// whole. Knows nothing of capabilities, jobs or Python. Single values are in schema_fields.js.

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
    if (field.element.matches(".fk-field")) field.element.querySelector("input, select, textarea").setAttribute("aria-label", `${labelOf(name || "entry", schema)}, entry ${rows.length + 1}`);
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
    if (field.element.matches(".fk-field")) field.element.querySelector("input, select, textarea").setAttribute("aria-label", `${labelOf(name || "value", schema)}, ${nameOf(kinds[index], index)}`);
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
    const field = makeField(name, inner, { root, files, required: needed.has(name), nullable: false });
    field.element.dataset.name = name;
    return [name, { inner, field }];
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
