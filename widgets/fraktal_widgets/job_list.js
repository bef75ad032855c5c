// Some jobs as cards in a list, with all that cards need: clock, pictures, files.

class JobList {
  /**
   * @param send tells Python a wish
   * @param files whether a finished job's files stand on its card without opening it
   */
  constructor(model, send, { files = false } = {}) {
    this.send = send;
    this.cards = new Map();
    this.skew = 0; // how far this browser's clock is from Python's
    this.element = h("div", { class: "fk-job-list" });
    this.downloads = new Downloads(model, send);
    this.context = {
      files,
      pictures: () => model.get("pictures"),
      api: () => model.get("api"),
      now: () => Date.now() + this.skew,
      fetch: (job, file) => {
        const coming = (share, trouble) => this.cards.get(job)?.coming(file, share, trouble);
        this.downloads.fetch(job, file, coming).catch((error) => coming(1, error.message));
      },
    };
    this.clock = setInterval(() => this.cards.forEach((card) => card.tick()), 1000);
    this.unfollow = follow(model, {
      pictures: () => this.cards.forEach((card) => card.redraw()),
      download: () => this.downloads.take(),
    });
  }

  /** Show these jobs in this order; `now` is Python's clock. */
  update(jobs, now) {
    if (now) this.skew = now - Date.now();
    const wanted = new Set(jobs.map((job) => job.id));
    for (const [id, card] of this.cards) {
      if (wanted.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    jobs.forEach((job, index) => {
      if (!this.cards.has(job.id)) this.cards.set(job.id, jobCard(this.send, this.context));
      const card = this.cards.get(job.id);
      card.update(job);
      const there = this.element.children[index] ?? null;
      if (there !== card.element) this.element.insertBefore(card.element, there);
    });
  }

  stop() {
    clearInterval(this.clock);
    this.unfollow();
    this.downloads.stop();
  }
}
