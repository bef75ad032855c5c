// Charts over time, all with one time axis: lines of a few agents, which keep their colours everywhere.
// Drag to zoom, or use the buttons; the numbers at the pointer stand above each chart.

const SERIES_COLOURS = 8;
const DASHES = [[], [6, 3], [2, 3]];
const CHART_HEIGHT = 190;
const LABEL_PX = 104;
/** How much room the names at the ends of the lines get; on a narrow chart less. */
const labelRoom = (width) => Math.round(Math.min(LABEL_PX, Math.max(44, width * 0.25)));

/** The place of an agent's colour among the tokens, and its dash where colours come again. */
const colourOf = (id) => (id - 1) % SERIES_COLOURS + 1;
const dashOf = (id) => DASHES[Math.floor((id - 1) / SERIES_COLOURS) % DASHES.length];

/** Read little-endian float32 numbers out of base64; what is no number is a gap. */
function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Array.from(new Float32Array(bytes.buffer), (value) => (Number.isNaN(value) ? null : value));
}

/** Write a number with a sensible count of digits. */
function digits(value) {
  if (value === 0) return "0";
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(2);
}

/** A canvas knows no tokens: this asks the page for their colours as they are now. */
class Paint {
  constructor(root) {
    this.probe = h("span", { hidden: true });
    this.known = new Map();
    root.append(this.probe);
  }

  colour(token) {
    if (!this.known.has(token)) {
      this.probe.style.color = `var(--fk-${token})`;
      this.known.set(token, getComputedStyle(this.probe).color);
    }
    return this.known.get(token);
  }

  forget() {
    this.known.clear();
  }
}

class TimeCharts {
  /**
   * @param kinds [name, title, unit, largest value or null] of each chart
   * @param onZoom (from, to) in seconds since 1970, or nothing for all of it again
   */
  constructor(kinds, onZoom) {
    this.kinds = kinds;
    this.onZoom = onZoom;
    this.zoomed = false;
    this.plots = new Map();
    this.key = "";
    this.grid = h("div", { class: "fk-charts" });
    const act = (label, words, what) => h("button", {
      type: "button", class: "fk-button fk-button-small", title: words, "aria-label": words, onclick: what,
    }, label);
    this.resetButton = act("Reset", "Show the whole time again", () => this.zoom());
    this.buttons = h("div", { class: "fk-row", role: "group", "aria-label": "Zoom of the charts" },
      act("Earlier", "Move to an earlier time", () => this.move(-0.5)),
      act("Later", "Move to a later time", () => this.move(0.5)),
      act("−", "Zoom out", () => this.scale(2)), act("+", "Zoom in", () => this.scale(0.5)), this.resetButton);
    this.element = h("div", {}, this.grid);
    this.paint = new Paint(this.element);
    this.resize = new ResizeObserver(() => this.plots.forEach((plot) => plot.fit()));
    this.onTheme = () => {
      this.paint.forget();
      this.plots.forEach((plot) => plot.chart.redraw(false, true));
    };
    this.theme = new MutationObserver(this.onTheme);
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.onTheme);
  }

  zoom(from, to) {
    if (from !== undefined && this.data && to - from < 10) return;
    this.zoomed = from !== undefined;
    this.resetButton.disabled = !this.zoomed;
    this.onZoom(from, to);
  }

  scale(factor) {
    const { from, to } = this.data ?? {};
    if (from === undefined) return;
    const end = this.zoomed ? (from + to) / 2 + ((to - from) * factor) / 2 : to; // at first the newest stays in sight
    this.zoom(end - (to - from) * factor, end);
  }

  move(share) {
    const { from, to } = this.data ?? {};
    if (from !== undefined) this.zoom(from + share * (to - from), to + share * (to - from));
  }

  /** Show other numbers: {from, to, zoomed, agents: [{id, name}], series: {name: [base64, one an agent]}}. */
  update(data) {
    if (!data.series) return;
    this.data = data;
    this.zoomed = Boolean(data.zoomed);
    this.resetButton.disabled = !this.zoomed;
    const key = JSON.stringify(data.agents);
    if (key !== this.key) {
      this.key = key;
      this.plots.forEach((plot) => plot.stop());
      this.plots.clear();
      this.grid.replaceChildren();
    }
    for (const [name, title, unit, top] of this.kinds) {
      const lines = (data.series[name] ?? []).map(numbers);
      const empty = !lines.some((line) => line.some((value) => value !== null));
      if (!this.plots.has(name)) {
        if (empty && name === "gpu") continue; // most machines have none
        const plot = new TimeChart(title, unit, top, data.agents, this);
        this.plots.set(name, plot);
        this.grid.append(plot.element);
        this.resize.observe(plot.element);
      }
      this.plots.get(name).update(lines, data.from, data.to, empty);
    }
  }

  stop() {
    this.resize.disconnect();
    this.theme.disconnect();
    this.scheme.removeEventListener("change", this.onTheme);
    this.plots.forEach((plot) => plot.stop());
  }
}

class TimeChart {
  constructor(title, unit, top, agents, owner) {
    this.agents = agents;
    this.title = title;
    this.unit = unit;
    this.owner = owner;
    this.readout = h("span", { class: "fk-chart-readout" });
    this.nothing = h("p", { class: "fk-chart-nothing fk-muted", hidden: true }, "Nothing was measured in this time.");
    this.box = h("div", { class: "fk-chart-box" });
    this.element = h("figure", { class: "fk-chart", role: "group" },
      h("figcaption", {}, h("b", {}, unit ? `${title}, ${unit}` : title), this.readout), this.box, this.nothing);
    const { paint } = owner;
    const axis = { stroke: () => paint.colour("text-muted"), grid: { stroke: () => paint.colour("border"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const clock = (at, options) => new Date(at * 1000).toLocaleString(undefined, { hourCycle: "h23", ...options });
    this.chart = new uPlot({
      width: 300, height: CHART_HEIGHT, legend: { show: false },
      padding: [10, (u) => labelRoom(u.width), 0, 0],
      cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "fraktal-agents", setSeries: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, top ?? (Math.max(high ?? 0, unit === "s" ? 0.1 : 1) * 1.1)] } },
      axes: [
        { ...axis, space: 70, size: 32, values: (u, splits) => splits.map((at) => {
          const width = u.scales.x.max - u.scales.x.min;
          if (width > 2 * 86400) return new Date(at * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short" });
          return clock(at, width < 600 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : { hour: "2-digit", minute: "2-digit" });
        }) },
        { ...axis, size: 44, incrs: unit ? undefined : [1, 2, 5, 10, 20, 50, 100], values: (u, splits) => splits.map((value) => String(Number(value.toPrecision(3)))) },
      ],
      series: [{}, ...agents.map(({ id, name }) => ({
        label: name, stroke: () => paint.colour(`series-${colourOf(id)}`), width: 1.75, dash: dashOf(id), spanGaps: title.startsWith("Response"),
        points: { show: title.startsWith("Response"), size: 4 },
      }))],
      hooks: {
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          owner.zoom(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
        setCursor: [() => this.showReadout()],
        draw: [(u) => this.drawLabels(u)],
      },
    }, [[], ...agents.map(() => [])], this.box);
    this.box.addEventListener("dblclick", () => owner.zoom());
  }

  update(lines, from, to, empty) {
    const count = lines[0]?.length ?? 0;
    const step = (to - from) / Math.max(1, count);
    const times = Array.from({ length: count }, (_, index) => from + (index + 0.5) * step);
    this.lines = lines;
    this.nothing.hidden = !empty;
    this.chart.batch(() => {
      this.chart.setData([times, ...lines], false);
      this.chart.setScale("x", { min: from, max: to });
    });
    const said = this.agents.map(({ name }, index) => {
      const value = lines[index]?.findLast((one) => one !== null);
      return value === undefined ? null : `${name} ${digits(value)} ${this.unit}`.trim();
    }).filter(Boolean);
    setAttribute(this.element, "aria-label", `${this.title} over time. ${said.length ? `Last: ${said.join(", ")}.` : "Nothing was measured."}`);
    this.showReadout();
  }

  showReadout() {
    const { idx } = this.chart.cursor;
    if (idx === null || idx === undefined || !this.lines) return setText(this.readout, "");
    const at = this.chart.data[0][idx];
    if (at === undefined) return setText(this.readout, "");
    const parts = this.agents.map(({ name }, index) => {
      const value = this.lines[index]?.[idx];
      return value === null || value === undefined ? null : `${name} ${digits(value)}`;
    }).filter(Boolean);
    setText(this.readout, parts.length ? `${new Date(at * 1000).toLocaleTimeString()}: ${parts.join(", ")}` : "");
  }

  /** Write each name at the end of its line, moved apart where lines end close together. */
  drawLabels(u) {
    const ratio = devicePixelRatio;
    const { left, top, width, height } = u.bbox;
    const ends = this.agents.map(({ id, name }, index) => {
      const line = u.data[index + 1];
      const last = line.findLastIndex((value) => value !== null);
      return last < 0 ? null : { id, name, y: u.valToPos(line[last], "y", true) };
    }).filter(Boolean).sort((one, other) => one.y - other.y);
    const gap = 14 * ratio;
    for (let index = 1; index < ends.length; index += 1) ends[index].y = Math.max(ends[index].y, ends[index - 1].y + gap);
    const over = ends.length ? ends.at(-1).y - (top + height) : 0;
    if (over > 0) {
      ends.at(-1).y -= over;
      for (let index = ends.length - 2; index >= 0; index -= 1) ends[index].y = Math.min(ends[index].y, ends[index + 1].y - gap);
    }
    const { ctx } = u;
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const { id, name, y } of ends) {
      ctx.fillStyle = this.owner.paint.colour(`series-${colourOf(id)}`);
      let shown = name;
      while (shown.length > 2 && ctx.measureText(shown).width > (labelRoom(u.width) - 10) * ratio) shown = `${shown.slice(0, -2)}…`;
      ctx.fillText(shown, left + width + 6 * ratio, y);
    }
    ctx.restore();
  }

  fit() {
    const width = this.box.clientWidth;
    if (width > 0 && width !== this.chart.width) this.chart.setSize({ width, height: CHART_HEIGHT });
  }

  stop() {
    this.chart.destroy();
  }
}
