// One agent on the screen: how it is, what it does now, how it fares.

Object.assign(SHAPES, {
  online: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 6.4v3.2M6.4 8h3.2",
  draining: "M8 1.8v8M4.8 6.6 8 9.8l3.2-3.2M2.5 10.5v3.2h11v-3.2",
  offline: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M3.7 12.3l8.6-8.6",
});
// what Python writes levels with: a gap is "-"
const LEVELS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SPARK_WIDTH = 72;
const SPARK_HEIGHT = 20;

/** A little line without axes; the number beside it is what counts. */
function sparkline() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({
    viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, width: SPARK_WIDTH, height: SPARK_HEIGHT, class: "fk-spark", "aria-hidden": "true", preserveAspectRatio: "none",
  })) svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.append(path);
  return {
    element: svg,
    update(text) {
      let drawn = "";
      let pen = "M";
      [...text].forEach((letter, index) => {
        const level = LEVELS.indexOf(letter);
        if (level < 0) {
          pen = "M";
          return;
        }
        const x = (index / Math.max(1, text.length - 1)) * SPARK_WIDTH;
        const y = SPARK_HEIGHT - 1.5 - (level / (LEVELS.length - 1)) * (SPARK_HEIGHT - 3);
        drawn += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
        pen = "L";
      });
      setAttribute(path, "d", drawn || "M0 0");
    },
  };
}

/** Say how long ago a beat was, to the second. */
function beatAgo(then, now) {
  const s = Math.max(0, Math.round((now - then) / 1000));
  return s < 60 ? `${s} s ago` : ago(then, now);
}

const percent = (share) => (share === null || share === undefined ? "" : `${Math.round(share * 100)} %`);
const inSeconds = (s) => (s < 0.095 ? `${Math.round(s * 1000)} ms` : duration(s * 1000));

/**
 * Build the row of one agent once and patch it from then on.
 * @param context {send, now: () => ms, job: (id) => address of a job or "", chosen: () => whether the user
 *   picked the agents of the charts}
 */
function agentCard(context) {
  let agent = null;
  let sent = "";
  let drawnNow = "";

  const mark = h("span", { class: "fk-agent-mark" });
  const swatch = h("button", { type: "button", class: "fk-agent-pick", onclick: () => context.send({ do: "pick", agent: agent.name }) });
  const name = h("span", { class: "fk-agent-name" });
  const word = h("span", { class: "fk-agent-word" });
  const beat = h("span", { class: "fk-muted" });
  const machine = h("div", { class: "fk-agent-machine fk-muted" });
  const now = h("div", { class: "fk-agent-now" });
  const fact = (label) => {
    const value = h("dd", {});
    return { value, element: h("div", { class: "fk-agent-fact" }, h("dt", {}, label), value) };
  };
  const done = fact("Done");
  const failed = fact("Failed");
  const response = fact("Response p50, p95");
  const lines = fact("Connections");
  const gauge = (label) => {
    const spark = sparkline();
    const text = h("span", {});
    return { spark, text, element: h("div", { class: "fk-agent-fact" }, h("dt", {}, label), h("dd", { class: "fk-agent-gauge" }, spark.element, text)) };
  };
  const cpu = gauge("CPU");
  const memory_ = gauge("Memory");
  const gpu = gauge("GPU");
  const act = h("button", { type: "button", class: "fk-button fk-button-small", onclick: () => {
    sent = agent.state === "draining" ? "resume" : agent.leaves ? "keep" : "drain";
    context.send({ do: sent, agent: agent.name });
    draw();
  } });
  const tasks = h("button", { type: "button", class: "fk-button fk-button-small fk-button-quiet", onclick: () => context.send({ do: "history", agent: agent.name }) }, "History");
  const fault = h("p", { class: "fk-job-fault", hidden: true });
  const element = h("article", { class: "fk-agent", tabindex: "-1" },
    h("div", { class: "fk-agent-head" }, swatch, mark,
      h("div", { class: "fk-agent-who" }, name, h("div", { class: "fk-agent-state" }, word, beat)), machine),
    now,
    h("dl", { class: "fk-agent-facts" }, done.element, failed.element, response.element, lines.element, cpu.element, memory_.element, gpu.element),
    h("div", { class: "fk-agent-actions" }, act, tasks), fault);

  function drawNow() {
    const key = JSON.stringify([agent.now, agent.more, agent.state]);
    if (key === drawnNow) return;
    drawnNow = key;
    if (!agent.now.length) {
      now.replaceChildren(h("span", { class: "fk-muted" }, agent.state === "offline" ? "Not there." : "Idle."));
      return;
    }
    now.replaceChildren(...agent.now.map((job) => h("div", { class: "fk-agent-task" },
      context.job(job.job) ? h("a", { href: context.job(job.job), class: "fk-link" }, `${job.title} #${job.job}`) : h("span", {}, `${job.title} #${job.job}`),
      h("div", { class: `fk-bar${job.progress ? "" : " fk-bar-unknown"}`, role: "progressbar", "aria-label": `Progress of job ${job.job}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(job.progress * 100) },
        h("div", { class: "fk-bar-fill", style: `transform: scaleX(${job.progress})` })),
      h("span", { class: "fk-agent-share" }, job.progress ? `${Math.round(job.progress * 100)} %` : ""))),
    agent.more ? h("span", { class: "fk-muted" }, `and ${agent.more} more`) : "");
  }

  function draw() {
    element.dataset.state = agent.state;
    element.dataset.agent = agent.name;
    setAttribute(element, "aria-label", `Agent ${agent.name}, ${agent.state}`);
    if (mark.dataset.state !== agent.state) {
      mark.dataset.state = agent.state;
      mark.replaceChildren(shape(agent.state));
    }
    swatch.style.setProperty("--agent", `var(--fk-series-${colourOf(agent.id)})`);
    setAttribute(swatch, "aria-pressed", String(agent.picked));
    const pick = !context.chosen() ? `Show only ${agent.name} in the charts`
      : agent.picked ? `Take ${agent.name} out of the charts` : `Add ${agent.name} to the charts`;
    setAttribute(swatch, "aria-label", pick);
    setAttribute(swatch, "title", pick);
    setText(name, agent.name);
    setAttribute(name, "title", agent.offers);
    setText(machine, agent.machine);
    setAttribute(machine, "title", agent.machine);
    drawNow();
    setText(done.value, agent.done.toLocaleString("en"));
    setText(failed.value, agent.failed ? `${agent.failed.toLocaleString("en")} (${percent(agent.error_rate)})` : "0");
    failed.element.classList.toggle("fk-agent-bad", agent.failed > 0);
    setText(response.value, agent.p50_s === null ? "no task yet" : `${inSeconds(agent.p50_s)}, ${inSeconds(agent.p95_s)}`);
    setText(lines.value, `${agent.connections}${agent.refusals ? `, ${agent.refusals} refused` : ""}`);
    for (const [part, share, spark, words] of [[cpu, agent.cpu, agent.cpu_line], [memory_, agent.memory_share, agent.memory_line, agent.memory], [gpu, agent.gpu, agent.gpu_line]]) {
      part.spark.update(spark);
      setText(part.text, words || percent(share));
    }
    gpu.element.hidden = agent.gpu === null;
    const drained = agent.state === "draining";
    setText(act, drained ? "Resume" : agent.leaves ? "Undo" : "Drain");
    act.hidden = agent.state === "offline";
    act.disabled = Boolean(sent);
    setAttribute(act, "aria-label", `${act.textContent} ${agent.name}`);
    setAttribute(act, "title", drained ? "Let it take jobs again" : agent.leaves ? "Let it go on working" : "Finish what runs, take no new work, then end");
    setAttribute(tasks, "aria-label", `History of ${agent.name}`);
    setText(fault, agent.problem);
    fault.hidden = !agent.problem;
    tick();
  }

  function tick() {
    if (!agent) return;
    const busy = agent.state === "offline" ? "" : `, ${agent.busy} of ${agent.slots} busy`;
    const leaving = agent.leaves ? `, drains in ${Math.max(0, Math.ceil((agent.leaves - context.now()) / 1000))} s` : "";
    setText(word, `${agent.state}${leaving || busy}`);
    setText(beat, `beat ${beatAgo(agent.beat, context.now())}`);
    setAttribute(beat, "title", exactTime(agent.beat));
  }

  return {
    element, tick,
    update(next) {
      if (!agent || agent.state !== next.state || agent.leaves !== next.leaves || next.problem) sent = "";
      agent = next;
      draw();
    },
  };
}
