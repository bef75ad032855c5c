// The window of time that a timeline shows: zoomed, moved, and its round marks.

/** Say how long something took, down to a tenth of a millisecond. */
function took(ms) {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return duration(ms);
}

class TimeScale {
  constructor() {
    this.whole = [0, 1]; // milliseconds since 1970
    this.window = null; // null for the whole
  }

  get from() { return (this.window ?? this.whole)[0]; }
  get to() { return (this.window ?? this.whole)[1]; }

  /** Where a time is, as a share of the width. */
  at(time) { return (time - this.from) / (this.to - this.from); }

  /** Show a part: `factor` below 1 comes nearer, around a share of the width. */
  zoom(factor, share = 0.5) {
    const width = this.to - this.from;
    const least = Math.max(0.1, (this.whole[1] - this.whole[0]) / 1e6);
    const wanted = Math.max(least, width * factor);
    if (wanted >= this.whole[1] - this.whole[0]) return this.fit();
    const middle = this.from + share * width;
    this.window = [middle - share * wanted, middle + (1 - share) * wanted];
    this.move(0);
  }

  /** Move by a share of the width; never beyond what there is. */
  move(share) {
    if (!this.window) return;
    const width = this.to - this.from;
    const from = Math.min(Math.max(this.from + share * width, this.whole[0]), this.whole[1] - width);
    this.window = [from, from + width];
  }

  fit() { this.window = null; }

  /** Round times since the beginning, so many that their words have room: [share, words]. */
  marks(width) {
    const span = this.to - this.from;
    const rough = span / Math.max(2, Math.floor(width / 110));
    const steps = [1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 900000, 1800000, 3600000, 7200000, 21600000, 43200000, 86400000];
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = steps.find((each) => each >= rough) ?? Math.ceil(rough / 86400000) * 86400000;
    if (rough < 1000) step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const first = Math.ceil((this.from - this.whole[0]) / step - 1e-9);
    const found = [];
    for (let number = first; number * step <= this.to - this.whole[0] + step * 1e-9; number += 1) {
      const ms = number * step;
      const words = ms === 0 ? "0" : step < 1000 ? `${+(ms / (span < 2000 ? 1 : 1000)).toFixed(4)} ${span < 2000 ? "ms" : "s"}` : duration(ms).replace(".0 s", " s");
      found.push([this.at(this.whole[0] + ms), words]);
    }
    return found;
  }
}
