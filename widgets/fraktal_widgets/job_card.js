// One job on the screen: state, progress, what one can do about it, what it made.
// Cards stand in the list that job_list.js makes.

const STATES = {
  queued: "queued", running: "running", waiting: "waiting",
  succeeded: "succeeded", failed: "failed", cancelled: "cancelled",
};
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

/** About how long a running job still needs, from its share so far; null while that says nothing. */
function remaining(job, now) {
  const elapsed = now - job.started;
  if (job.state !== "running" || !job.started || job.progress < 0.02 || elapsed < 2000) return null;
  return (elapsed * (1 - job.progress)) / job.progress;
}

/**
 * Build the card of one job once and patch it from then on, so that the keyboard's focus, an open
 * log and a selection survive every update.
 *
 * @param send tells Python a wish such as {do: "cancel", job: 3}
 * @param context {pictures: () => ({sha256: data URL}), api: () => "/api" or "", now: () => ms,
 *   fetch(job, name) where there is no api, files: whether a closed card shows what its job made}
 */
function jobCard(send, context) {
  let job = null;
  let open = false;
  let sent = null; // the wish that is under way: its button rests until the job changes
  let drawn = {}; // what each part was last drawn from

  const mark = h("span", { class: "fk-job-mark" });
  const title = h("span", { class: "fk-job-title" });
  const number = h("span", { class: "fk-job-number" });
  const word = h("span", { class: "fk-job-word" });
  const times = h("span", { class: "fk-job-times" });
  const summary = h("div", { class: "fk-job-summary" });
  const bar = h("div", { class: "fk-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    h("div", { class: "fk-bar-fill" }));
  const share = h("span", { class: "fk-job-share" });
  const message = h("span", { class: "fk-job-message" });
  const progress = h("div", { class: "fk-job-progress" }, bar, h("div", { class: "fk-job-line" }, share, message));
  const fault = h("p", { class: "fk-job-fault" });
  const question = h("div", { class: "fk-job-question", role: "group" });
  const pictures = h("div", { class: "fk-job-pictures" });
  const actions = h("div", { class: "fk-job-actions" });
  const files = h("ul", { class: "fk-files", hidden: true });
  const more = h("div", { class: "fk-job-more" });
  const element = h("article", { class: "fk-job" },
    h("div", { class: "fk-job-head" }, mark,
      h("div", { class: "fk-job-what" },
        h("div", { class: "fk-job-name" }, title, number),
        h("div", { class: "fk-job-status" }, word, times)),
      actions),
    summary, progress, fault, question, pictures, files, more);

  closeOnEscape(element, () => open, () => {
    const details = actions.querySelector('[data-act="details"]');
    details.click();
    actions.querySelector('[data-act="details"]').focus();
  });

  const wish = (what, rest = {}) => () => {
    sent = what;
    send({ do: what, job: job.id, ...rest });
    drawActions();
    drawQuestion();
  };

  /** Draw a part anew only when what it shows has changed. */
  function part(name, facts, draw) {
    const key = JSON.stringify(facts);
    if (drawn[name] === key) return;
    drawn[name] = key;
    draw();
  }

  function button(what, label, extra = {}) {
    return h("button", {
      type: "button", class: "fk-button fk-button-small", disabled: sent === what,
      "aria-label": `${label} job ${job.id}`, onclick: wish(what), ...extra,
    }, label);
  }

  function drawActions() {
    part("actions", [job.state, open, sent, Boolean(job.started)], () => {
      const active = element.getRootNode().activeElement;
      const focused = actions.contains(active) ? active.dataset.act : null; // never another card's
      const made = [];
      if (!ENDED.has(job.state)) made.push(button("cancel", sent === "cancel" ? "Cancelling" : "Cancel", { "data-act": "cancel" }));
      if (job.capability === "plan.run" && context.api()) made.push(h("a", { class: "fk-button fk-button-small", href: `/plan?job=${job.id}`, "data-act": "plan" }, "Graph"));
      if (job.started && context.api()) made.push(h("a", { class: "fk-button fk-button-small fk-button-quiet", href: `/timeline?job=${job.id}`, "aria-label": `Timeline of job ${job.id}`, "data-act": "timeline" }, "Timeline"));
      if (job.state === "failed" || job.state === "cancelled") made.push(button("retry", "Retry", { "data-act": "retry" }));
      made.push(h("button", {
        type: "button", class: "fk-button fk-button-small fk-button-quiet", "data-act": "details",
        "aria-expanded": String(open), "aria-label": `Details of job ${job.id}`,
        onclick: () => {
          open = !open;
          send({ do: open ? "open" : "close", job: job.id });
          update(job);
        },
      }, h("span", { class: "fk-turn" }, shape("chevron")), "Details"));
      actions.replaceChildren(...made);
      const again = focused && actions.querySelector(`[data-act="${focused}"]:not(:disabled)`);
      if (again) again.focus();
    });
  }

  function drawQuestion() {
    const approval = job.waits_for === "approval";
    question.hidden = !job.question && !approval;
    part("question", [job.question, sent, approval], () => {
      if (approval) {
        question.replaceChildren(h("p", {}, "It waits for your yes. ", context.api()
          ? h("a", { class: "fk-link", href: `/approvals#job-${job.id}` }, "Look at it")
          : "Show ApprovalsPanel() to answer."));
        return;
      }
      if (!job.question) return question.replaceChildren();
      question.setAttribute("aria-label", `Question of job ${job.id}`);
      question.replaceChildren(
        h("p", {}, job.question.text),
        h("div", { class: "fk-row" }, job.question.choices.map((choice) => h("button", {
          type: "button", class: "fk-button fk-button-small", disabled: sent === "answer",
          onclick: wish("answer", { choice }),
        }, choice))));
    });
  }

  const address = (artifact) =>
    `${context.api()}/jobs/${job.id}/artifacts/${artifact.name.split("/").map(encodeURIComponent).join("/")}`;

  function artifactLink(artifact, ...content) {
    const label = `Open ${artifact.name} of job ${job.id}`;
    if (context.api()) {
      return h("a", { href: address(artifact), target: "_blank", rel: "noopener", "aria-label": label }, ...content);
    }
    return h("button", {
      type: "button", class: "fk-plain", "aria-label": `Download ${artifact.name} of job ${job.id}`,
      onclick: () => context.fetch(job.id, artifact.name),
    }, ...content);
  }

  function drawPictures() {
    const shown = (job.artifacts || []).filter((artifact) => context.pictures()[artifact.sha256]);
    pictures.hidden = shown.length === 0;
    part("pictures", [shown.map((artifact) => artifact.sha256), open], () => {
      pictures.replaceChildren(...shown.slice(0, open ? 12 : 4).map((artifact) => artifactLink(artifact,
        h("img", { src: context.pictures()[artifact.sha256], alt: artifact.name, class: "fk-picture" }))));
    });
  }

  const factsOf = (artifact) => `${size(artifact.size_bytes)}, ${artifact.media_type}`;

  function drawFiles() {
    const made = job.artifacts || [];
    files.hidden = made.length === 0 || !(open || (context.files && ENDED.has(job.state)));
    part("files", [made, job.id], () => {
      setAttribute(files, "aria-label", `Files of job ${job.id}`);
      files.replaceChildren(...made.map((artifact) => h("li", {},
        artifactLink(artifact, shape("download"), h("span", { class: "fk-file-name" }, artifact.name)),
        h("span", { class: "fk-muted" }, factsOf(artifact)))));
    });
  }

  function drawMore() {
    more.hidden = !open;
    element.classList.toggle("fk-open", open);
    if (!open) return;
    part("more", [job.params, job.log, job.result, job.attempt, job.created, job.key], () => {
      const logBox = more.querySelector(".fk-log");
      const atEnd = !logBox || logBox.scrollTop + logBox.clientHeight >= logBox.scrollHeight - 8;
      const from = logBox ? logBox.scrollTop : 0;
      const facts = (title, lines) => (lines.length ? h("dl", { class: "fk-facts", "aria-label": title },
        lines.map(([name, value]) => [h("dt", {}, name || title), h("dd", {}, value)]).flat()) : "");
      more.replaceChildren(
        facts("Parameters", job.params), facts("Result", job.result),
        h("div", { class: "fk-log", role: "log", tabindex: "0", "aria-label": `Log of job ${job.id}` },
          job.log === undefined ? h("p", { class: "fk-muted" }, "Reading the log.")
            : job.log.length === 0 ? h("p", { class: "fk-muted" }, "This job wrote nothing into its log.")
            : job.log.map((line) => h("div", { class: `fk-log-line fk-level-${line.level}` },
              h("time", { title: exactTime(line.time) }, new Date(line.time).toLocaleTimeString()),
              line.level === "info" ? "" : h("b", {}, line.level), h("span", {}, line.text)))));
      const box = more.querySelector(".fk-log");
      box.scrollTop = atEnd ? box.scrollHeight : from;
    });
  }

  /** Only what moves with the clock; called once a second. */
  function tick() {
    if (!job) return;
    const now = context.now();
    const left = remaining(job, now);
    const tried = job.attempt > 1 ? `, try ${job.attempt} of ${job.max_attempts}` : "";
    let text;
    let exact = job.created;
    if (job.state === "queued") text = `for ${duration(now - job.created)}${tried}`;
    else if (job.state === "running") text = `${duration(now - job.started)}${left === null ? "" : `, about ${duration(left)} left`}${tried}`;
    else if (job.state === "waiting") text = job.waits_for ? `asked ${ago(job.started ?? job.created, now)}` : "for others, or for a time";
    else {
      exact = job.ended;
      text = `${ago(job.ended, now)}${job.started ? `, took ${duration(job.ended - job.started)}` : ""}${tried}`;
    }
    setText(times, text);
    setAttribute(times, "title", exactTime(exact));
  }

  function update(next) {
    // Updates are gathered, so a job may ask its next question without having been seen running.
    const moved = job && (job.state !== next.state || job.attempt !== next.attempt || job.asked !== next.asked);
    if (moved || next.problem) sent = null;
    job = next;
    element.dataset.state = job.state;
    element.dataset.job = job.id;
    setAttribute(element, "aria-label", `Job ${job.id}, ${job.title}, ${STATES[job.state]}`);
    part("mark", job.state, () => mark.replaceChildren(shape(job.state)));
    setText(title, job.title);
    setText(number, `#${job.id}`);
    setAttribute(title, "title", job.capability);
    setText(word, job.waits_for ? "waiting for you" : STATES[job.state]);
    element.classList.toggle("fk-job-asks", Boolean(job.waits_for));
    setText(summary, job.summary);
    summary.hidden = !job.summary;

    const percent = Math.round(job.progress * 100);
    progress.hidden = job.state !== "running" && !(job.state === "waiting" && job.progress > 0);
    setAttribute(bar, "aria-valuenow", percent);
    setAttribute(bar, "aria-label", `Progress of job ${job.id}`);
    bar.firstChild.style.transform = `scaleX(${job.progress})`;
    bar.classList.toggle("fk-bar-unknown", job.progress === 0);
    setText(share, job.progress > 0 ? `${percent} %` : "started");
    setText(message, job.message);

    const trouble = job.problem || (job.state === "failed" ? job.error : "");
    setText(fault, trouble || "");
    fault.hidden = !trouble;
    drawQuestion();
    drawActions();
    drawPictures();
    drawFiles();
    drawMore();
    tick();
  }

  return {
    element, update, tick,
    redraw: () => job && update(job),
    /** Say how much of a file has come through the widget, or why no more comes. */
    coming(name, share, trouble = "") {
      const index = (job.artifacts || []).findIndex((artifact) => artifact.name === name);
      if (index < 0) return;
      const words = share < 1 ? `${Math.round(share * 100)} % of ${size(job.artifacts[index].size_bytes)}` : factsOf(job.artifacts[index]);
      setText(files.children[index].lastChild, trouble || words);
    },
    /** Open the details from outside, as a link to this job does. */
    show() {
      if (!open) {
        open = true;
        send({ do: "open", job: job.id });
        update(job);
      }
      element.scrollIntoView({ block: "nearest" });
    },
  };
}
