// Everything that can be done, as a list; one of it as a form made from its schema; its jobs below.

const NEWEST_JOBS = 3;
const ASK_AGAIN_MS = 3000; // a form that has not come by then is asked for once more

function render({ model, el }) {
  const send = sender(model, "wish");
  const jobs = new JobList(model, send);
  let form = null; // of the capability that stands open
  let checked = false; // faults are shown once somebody tried to run, before that per field
  let pressing = false; // a button of the form is being pressed
  let pending = 0; // number of the wish whose answer we wait for
  const touched = new Set();

  const root = h("section", { class: "fk fk-capability", "aria-label": "Capabilities" });
  const list = h("div", { class: "fk-catalog" });
  const sheet = h("div", { class: "fk-sheet", hidden: true });
  root.append(list, sheet, jobs.element);
  el.replaceChildren(root);

  // ---- the list of everything --------------------------------------------------------------

  const search = h("input", { class: "fk-input", type: "search", placeholder: "Filter", "aria-label": "Filter capabilities", autocomplete: "off", oninput: () => drawList() });
  const rows = h("div", { class: "fk-catalog-rows" });
  list.append(search, rows);

  function drawList() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const domain = /^#domain-(\w+)$/.exec(location.hash)?.[1];
    const shown = model.get("catalog").filter((one) => {
      const text = `${one.name} ${one.title} ${one.description}`.toLowerCase();
      return words.every((word) => text.includes(word)) && (!domain || one.domain === domain || words.length);
    });
    search.hidden = model.get("catalog").length < 6;
    const groups = new Map();
    for (const one of shown) groups.set(one.domain, [...(groups.get(one.domain) ?? []), one]);
    rows.replaceChildren(...[...groups].map(([name, ones]) => h("div", { class: "fk-catalog-group" },
      h("h3", { class: "fk-caption" }, name),
      ones.map((one) => h("button", {
        type: "button", class: "fk-catalog-row", "data-name": one.name, onclick: () => choose(one.name),
      }, shape("capability"), h("span", { class: "fk-catalog-text" }, h("span", { class: "fk-catalog-title" }, one.title),
        h("span", { class: "fk-muted" }, one.description)), h("span", { class: "fk-turned" }, shape("chevron")))))));
    if (!shown.length) {
      rows.append(h("p", { class: "fk-muted" }, model.get("catalog").length
        ? "Nothing matches; every word must occur in the name, the title or the description."
        : "No capability is installed. A module named in the setting capability_modules adds its own."));
    }
  }

  function choose(name) {
    model.set("capability", name);
    model.save_changes();
    draw();
    (name ? form : { focus: () => search.focus() })?.focus();
  }

  // ---- one form ------------------------------------------------------------------------------

  const draftKey = () => `draft-${model.get("capability")}`;
  const saveDraft = () => {
    if (form) memory.set(draftKey(), JSON.stringify(form.read().values), "sessionStorage");
  };

  let drawnSpec = null;
  let waiting = 0; // timer while a form is on its way
  function draw() {
    const name = model.get("capability");
    const spec = model.get("spec");
    clearTimeout(waiting);
    const open = Boolean(name);
    list.hidden = open;
    sheet.hidden = !open;
    if (!open) {
      drawnSpec = null;
      form = null;
      drawList();
      return;
    }
    if (spec.name !== name) { // on its way, unless a busy host has lost it
      waiting = setTimeout(() => { send({ do: "open", name }); draw(); }, ASK_AGAIN_MS);
      return;
    }
    const key = JSON.stringify([spec.name, spec.schema, spec.fill]);
    if (key === drawnSpec) return;
    drawnSpec = key;
    drawSheet(spec);
  }

  const alert = h("p", { class: "fk-fault fk-form-fault", role: "alert", hidden: true });
  const snippet = h("div", { class: "fk-snippet", hidden: true });
  const spoken = h("span", { class: "fk-muted", role: "status", "aria-live": "polite" });
  const run = h("button", { type: "submit", class: "fk-button fk-primary" }, "Run as job");

  function drawSheet(spec) {
    checked = false;
    pending = 0;
    touched.clear();
    form = schemaForm(spec.schema, spec.files);
    alert.hidden = true;
    snippet.hidden = true;
    setText(spoken, "");
    const examples = spec.examples.length ? h("div", { class: "fk-examples" }, h("span", { class: "fk-muted" }, "Fill in an example"),
      spec.examples.map((example) => h("button", { type: "button", class: "fk-chip", onclick: () => fill(example) }, exampleName(example)))) : "";
    const element = h("form", { class: "fk-form", novalidate: true, "aria-label": spec.title,
      onsubmit: (event) => { event.preventDefault(); submit(); },
      onkeydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); submit(); } },
      oninput: (event) => { noteInput(event); },
      // words that appear while a button is being pressed would move it from under the finger
      onpointerdown: (event) => { pressing = Boolean(event.target.closest("button")); },
      onfocusout: (event) => { if (!pressing && touched.has(event.target)) showFaults(); pressing = false; },
    },
    examples, form.element, alert,
    h("div", { class: "fk-form-actions" }, run,
      h("span", { class: "fk-copy-group" }, h("span", { class: "fk-muted" }, "Copy as"),
        [["command", "Command"], ["python", "Python"], ["rest", "REST"]].map(([kind, label]) =>
          h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", "aria-label": `Copy as ${label}`, onclick: () => copy(kind) }, label))),
      spoken), snippet);
    const back = model.get("catalog").length > 1 && !model.get("single");
    sheet.replaceChildren(
      h("div", { class: "fk-sheet-head" },
        back ? h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", onclick: () => { choose(""); } }, h("span", { class: "fk-turned-back" }, shape("chevron")), "All capabilities") : "",
        h("h3", { class: "fk-sheet-title" }, spec.title),
        h("p", { class: "fk-muted" }, spec.description, " ", h("code", {}, spec.name))),
      element);
    let values = spec.fill && Object.keys(spec.fill).length ? spec.fill : null;
    if (!values) {
      try {
        values = JSON.parse(memory.get(draftKey(), "sessionStorage") ?? "null");
      } catch {
        values = null;
      }
    }
    form.write(values ?? {});
    form.clear();
    touched.clear();
  }

  function exampleName(example) {
    const words = Object.entries(example).map(([name, value]) => (typeof value === "object" ? name : typeof value === "string" ? value : `${name.replace(/_/g, " ")} ${value}`));
    const text = words.slice(0, 3).join(", ");
    return text.length > 48 ? `${text.slice(0, 47)}…` : text || "As it stands";
  }

  function fill(values) {
    form.write(values);
    form.clear();
    checked = false;
    alert.hidden = true;
    saveDraft();
  }

  function noteInput(event) {
    const path = event.composedPath?.()[0] ?? event.target;
    touched.add(path);
    snippet.hidden = true;
    setText(spoken, "");
    saveDraft();
    if (checked) showFaults();
  }

  /** Show what is wrong: of touched fields only, or of all once somebody tried to run. */
  function showFaults() {
    const { faults } = form.read();
    const before = new Set([...sheet.querySelectorAll('[aria-invalid="true"]')]);
    form.clear();
    for (const [path, text] of faults) {
      form.fault(path, text);
      if (checked) continue;
      // a field that nobody touched keeps quiet
      for (const control of sheet.querySelectorAll('[aria-invalid="true"]')) {
        if (!touched.has(control) && !before.has(control)) {
          control.removeAttribute("aria-invalid");
          const fault = sheet.querySelector(`[id="${control.id}-fault"]`);
          if (fault) fault.hidden = true;
        }
      }
    }
    if (!faults.size) alert.hidden = true;
    return faults;
  }

  function submit() {
    checked = true;
    alert.hidden = true;
    const { values } = form.read();
    const faults = showFaults();
    if (faults.size) {
      setText(alert, faults.size === 1 ? "One field needs a look." : `${faults.size} fields need a look.`);
      alert.hidden = false;
      (sheet.querySelector('[aria-invalid="true"]') ?? sheet.querySelector(".fk-fault:not([hidden])"))?.focus?.();
      return;
    }
    run.disabled = true;
    setText(spoken, "Submitting");
    pending = send({ do: "run", params: values });
  }

  function copy(kind) {
    pending = send({ do: "copy", kind, params: form.read().values, origin: model.get("api") ? location.origin : "" });
  }

  async function onReply() {
    const reply = model.get("reply");
    if (!form || reply.seq !== pending) return;
    run.disabled = false;
    setText(spoken, "");
    if (reply.error) {
      checked = true;
      form.clear();
      const rest = [];
      for (const [path, text] of Object.entries(reply.faults)) if (!form.fault(path, text)) rest.push(text);
      const beside = Object.keys(reply.faults).length - rest.length;
      setText(alert, beside ? "The workbench refused; see beside the fields." : reply.error);
      alert.hidden = false;
    } else if (reply.text) {
      const copied = await copyText(reply.text);
      setText(spoken, copied ? "Copied" : "Copy it from here:");
      snippet.hidden = false;
      snippet.replaceChildren(h("pre", { tabindex: "0", "aria-label": "What was copied" }, reply.text));
    } else if (reply.job) {
      setText(spoken, `Job ${reply.job} is on its way.`);
    }
  }

  // ---- the jobs that this form started ---------------------------------------------------------

  function drawJobs() {
    const board = model.get("board");
    const name = model.get("capability");
    const ours = (board.jobs ?? []).filter((job) => !name || job.capability === name);
    jobs.update(ours.slice(0, NEWEST_JOBS), board.now);
  }

  function onHash() {
    const wanted = /^#run-([\w.]+)$/.exec(location.hash)?.[1];
    if (wanted && wanted !== model.get("capability") && !model.get("single")) choose(wanted);
    else if (/^#domain-/.test(location.hash) && !model.get("single")) choose("");
  }

  window.addEventListener("hashchange", onHash);
  const unfollow = follow(model, {
    capability: () => { draw(); drawJobs(); },
    catalog: () => { if (!list.hidden) drawList(); },
    spec: () => { draw(); if (form && root.contains(root.getRootNode().activeElement ?? null)) form.focus(); },
    reply: onReply,
    board: drawJobs,
  });
  draw();
  drawJobs();
  if (location.hash) onHash();
  return () => {
    saveDraft();
    clearTimeout(waiting);
    jobs.stop();
    unfollow();
    window.removeEventListener("hashchange", onHash);
  };
}

export default { render };
