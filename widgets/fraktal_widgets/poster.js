// A picture to keep: in which size, and how it reaches the user. Where there is a workbench it is a
// job, whose card shows its progress and then its file; else Python draws it and sends it in pieces.

const SIZES = [
  ["As shown", null],
  ["1920 × 1080", [1920, 1080]],
  ["2560 × 1440", [2560, 1440]],
  ["3840 × 2160", [3840, 2160]],
  ["4096 × 3072", [4096, 3072]],
  ["Square 2048", [2048, 2048]],
  ["Poster 4961 × 7016", [4961, 7016]],
];
const FILES = [["TIFF", "tiff"], ["PNG", "png"]];
const POSTER_WIDTH = 12000; // at 300 dots an inch a metre

class Poster {
  /** @param say shows words for a moment */
  constructor(model, exchange, picture, say) {
    this.model = model;
    this.exchange = exchange;
    this.canvas = picture.canvas;
    this.say = say;
    this.sizes = h("select", { class: "fk-input", "aria-label": "Size of the saved picture" },
      SIZES.map(([label], index) => h("option", { value: index }, label)));
    this.large = model.get("catalog").posters; // made tile by tile, where there is a workbench
    this.width = h("input", {
      class: "fk-input", type: "number", min: 1, max: 100000, step: 1, value: POSTER_WIDTH, required: true,
      "aria-label": "Width of the poster in pixels",
    });
    this.file = h("select", { class: "fk-input", "aria-label": "File of the poster" },
      FILES.map(([label, format]) => h("option", { value: format }, label)));
    this.jobs = new JobList(model, sender(model, "wish"), { files: true });
    this.last = model.get("saved")?.id;
  }

  save() {
    const { canvas } = this;
    const [width, height] = SIZES[this.sizes.value][1] ?? [canvas.width, canvas.height];
    this.ask({ do: "save", width, height }, "Drawing the picture to save");
  }

  /** Make a poster of what is shown, as wide as asked for. */
  make() {
    if (!this.width.reportValidity()) return;
    const { canvas } = this;
    const width = Number(this.width.value);
    const height = Math.max(1, Math.round((width * canvas.height) / canvas.width));
    this.ask({ do: "poster", width, height, format: this.file.value }, `Making a poster of ${width} × ${height}`);
  }

  ask(task, words) {
    const { exchange } = this;
    exchange.task = { id: `${exchange.me}-${exchange.count}`, ...task };
    this.say(words);
    exchange.send();
  }

  onSaved() {
    const { exchange } = this;
    const saved = this.model.get("saved");
    if (!saved?.id || saved.id === this.last) return;
    this.last = saved.id;
    if (saved.id !== exchange.task?.id) return;
    exchange.task = null;
    if (saved.error) this.say(saved.error, "error");
    else if (saved.name) this.fetch(saved.name);
  }

  async fetch(name) {
    try {
      await this.jobs.downloads.fetch(0, name);
      this.say(`Saved ${name}`);
    } catch (error) {
      this.say(error.message, "error");
    }
  }

  /** Show the jobs that draw pictures, and tell when one has ended. */
  show() {
    const { jobs = [], now } = this.model.get("board") ?? {};
    const running = new Set(jobs.filter((job) => !ENDED.has(job.state)).map((job) => job.id));
    for (const { id, state } of jobs) {
      if (!this.running?.has(id) || running.has(id)) continue;
      if (state === "succeeded") this.say(`The picture of job ${id} is ready`);
      else this.say(`Job ${id} ${state === "failed" ? "failed" : "was cancelled"}`, "error");
    }
    this.running = running;
    this.jobs.update(jobs, now);
    const newest = jobs[0];
    const seen = newest && `${newest.id} ${ENDED.has(newest.state)} ${newest.artifacts.length}`;
    if (this.seen !== undefined && newest && seen !== this.seen) this.bringIntoSight(newest.id);
    this.seen = seen ?? "";
  }

  /** Scroll the column to a job that has appeared or ended; not the page around it. */
  bringIntoSight(id) {
    const { element } = this.jobs.cards.get(id);
    const column = element.closest(".fk-explorer-side");
    requestAnimationFrame(() => {
      const below = element.getBoundingClientRect().bottom - column.getBoundingClientRect().bottom;
      if (below > 0) column.scrollTop += below;
    });
  }

  stop() {
    this.jobs.stop();
  }
}
