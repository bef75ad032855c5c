// What somebody should look at now, above the page: asked of the server now and then.

(() => {
  const EVERY_MS = 10_000;
  const list = document.getElementById("alerts");
  const put = new Map(); // what stands there, by its words
  const away = new Set(); // names of what was hidden, until it is over
  let last = [];

  function item(alert) {
    const close = document.createElement("button");
    close.type = "button";
    close.className = "fk-button fk-button-quiet fk-button-small";
    close.textContent = "Hide";
    close.setAttribute("aria-label", `Hide: ${alert.text}`);
    const words = document.createElement("span");
    const kind = document.createElement("b");
    kind.textContent = alert.severity === "critical" ? "Urgent" : "Attention";
    words.append(kind, ` ${alert.text}`);
    const made = document.createElement("li");
    made.dataset.severity = alert.severity;
    made.dataset.alert = alert.name;
    made.append(words, close);
    close.addEventListener("click", () => {
      away.add(alert.name);
      show(last);
    });
    return made;
  }

  function show(alerts) {
    last = alerts;
    for (const name of away) if (!alerts.some((alert) => alert.name === name)) away.delete(name);
    const wanted = alerts.filter((alert) => !away.has(alert.name));
    for (const [key, element] of put) {
      if (wanted.some((alert) => alert.name + alert.text === key)) continue;
      element.remove();
      put.delete(key);
    }
    for (const alert of wanted) {
      const key = alert.name + alert.text;
      if (put.has(key)) continue;
      put.set(key, item(alert));
      list.append(put.get(key));
    }
    list.hidden = put.size === 0;
  }

  async function look() {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/alerts");
      if (answer.ok) show((await answer.json()).alerts);
    } catch {
      // that the server does not answer is told elsewhere on the page
    }
  }

  look();
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
})();
