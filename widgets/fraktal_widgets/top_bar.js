// The slim bar of a page: where am I, the palette, what runs, what waits, who am I, light or dark.

const THEMES = [["system", "System"], ["light", "Light"], ["dark", "Dark"]];

function render({ model, el }) {
  const running = h("a", { class: "fk-bar-count", href: "/#jobs" });
  const waiting = h("a", { class: "fk-bar-count fk-bar-waiting", href: "/approvals" });
  const user = h("span", { class: "fk-bar-user" });
  const theme = h("button", { type: "button", class: "fk-button fk-button-quiet fk-bar-theme", onclick: () => nextTheme() });
  const root = h("div", { class: "fk fk-top-bar" }, running, waiting, user, theme);
  el.replaceChildren(root);

  function drawTheme() {
    const at = Math.max(0, THEMES.findIndex(([name]) => name === (memory.get("theme") ?? "system")));
    const [name, words] = THEMES[at];
    theme.replaceChildren(shape(name));
    setAttribute(theme, "aria-label", `Colours: ${words.toLowerCase()}. Press for ${THEMES[(at + 1) % 3][1].toLowerCase()}.`);
    setAttribute(theme, "title", `Colours: ${words.toLowerCase()}`);
    if (name === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = name;
    return at;
  }

  function nextTheme() {
    memory.set("theme", THEMES[(drawTheme() + 1) % 3][0]);
    drawTheme();
  }

  function draw() {
    const counts = model.get("counts");
    const runs = counts.running ?? 0;
    const waits = counts.waiting ?? 0;
    running.replaceChildren(shape(runs ? "running" : "job"), h("b", {}, String(runs)), h("span", { class: "fk-bar-word" }, "running"));
    setAttribute(running, "aria-label", `${runs} ${runs === 1 ? "job" : "jobs"} running`);
    waiting.replaceChildren(shape("waiting"), h("b", {}, String(waits)), h("span", { class: "fk-bar-word" }, "waiting for you"));
    setAttribute(waiting, "aria-label", `${waits} ${waits === 1 ? "job waits" : "jobs wait"} for your answer`);
    waiting.classList.toggle("fk-bar-none", waits === 0);
    user.replaceChildren(shape("person"), h("span", { class: "fk-bar-word" }, model.get("user")));
    setAttribute(user, "title", `Signed in as ${model.get("user")}`);
  }

  const onStorage = (event) => { if (event.key === "fk-theme") drawTheme(); };
  window.addEventListener("storage", onStorage);
  const unfollow = follow(model, { counts: draw, user: draw });
  drawTheme();
  draw();
  return () => {
    window.removeEventListener("storage", onStorage);
    unfollow();
  };
}

export default { render };
