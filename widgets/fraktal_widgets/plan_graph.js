// The graph of a plan: dagre lays it out, the drawing is ours. One node a step, a fan-out of many is one
// node with counts. Arrow keys go from node to node, Enter opens one; + - 0 and dragging move the picture.

Object.assign(SHAPES, {
  planned: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8",
  skipped: "M2.5 4 7 8l-4.5 4zM8.5 4 13 8l-4.5 4z",
});
const STEP_STATES = { ...STATES, waiting: "waiting", planned: "not yet", skipped: "skipped" };
const NODE = { width: 196, height: 58 };
const NARROW_PX = 620;
const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const WAITS = { approval: "waits for your yes", question: "asks you", jobs: "waits for others" };

/** Say how a step stands, in words: its state, and of a fan-out how many of its parts. */
function stepWords(node) {
  if (node.waits) return node.total ? `${node.counts.succeeded ?? 0} of ${node.total}, ${WAITS[node.waits]}` : WAITS[node.waits];
  if (!node.total) return node.progress > 0 && node.state === "running" ? `${STEP_STATES.running}, ${Math.round(node.progress * 100)} %` : STEP_STATES[node.state] ?? node.state;
  const { succeeded = 0, failed = 0, running = 0, waiting = 0 } = node.counts;
  const parts = [`${succeeded} of ${node.total}`];
  if (failed) parts.push(`${failed} failed`);
  if (running) parts.push(`${running} running`);
  if (waiting) parts.push(`${waiting} waiting`);
  return parts.join(", ");
}

class PlanGraph {
  /** @param onChoose is told the name of the step that the user opens */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.nodes = new Map(); // name -> {element, update}
    this.chosen = "";
    this.key = "";
    this.world = s("g", { class: "fk-graph-world" });
    this.svg = s("svg", { class: "fk-graph-svg", role: "group", "aria-label": "Steps of the plan; arrow keys go from one to the next" }, this.world);
    const act = (label, words, what) => h("button", { type: "button", class: "fk-button fk-button-small", title: words, "aria-label": words, onclick: what }, label);
    this.buttons = h("div", { class: "fk-row", role: "group", "aria-label": "Zoom of the graph" },
      act("−", "Zoom out (−)", () => this.zoom(1 / 1.3)), act("+", "Zoom in (+)", () => this.zoom(1.3)), act("Fit", "The whole plan (0)", () => this.fit()));
    this.element = h("div", { class: "fk-graph" }, this.svg, this.buttons);
    this.at = { x: 0, y: 0, scale: 1 };
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    this.svg.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.onDown(event));
    this.svg.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, () => { this.drag = null; });
    this.resize = new ResizeObserver(() => this.layOut());
    this.resize.observe(this.element);
  }

  /** Show these steps: {id, title, state, progress, after, total, counts}. */
  update(nodes) {
    this.given = nodes;
    this.layOut();
    for (const node of nodes) this.nodes.get(node.id)?.update(node);
  }

  /** Lay the graph out where its form has changed, or the page's; states alone move nothing. */
  layOut() {
    const width = this.element.clientWidth;
    if (!this.given?.length || !width) return;
    const narrow = width < NARROW_PX;
    const key = JSON.stringify([narrow, this.given.map(({ id, after }) => [id, after])]);
    if (key === this.key) {
      if (width !== this.width && !this.moved) this.fit();
      return;
    }
    this.key = key;
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: narrow ? "TB" : "LR", nodesep: 18, ranksep: narrow ? 34 : 52, marginx: 12, marginy: 12 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const { id } of this.given) graph.setNode(id, { ...NODE });
    for (const { id, after } of this.given) for (const before of after) if (graph.hasNode(before)) graph.setEdge(before, id);
    dagre.layout(graph);
    this.layout = graph;
    this.size = graph.graph();
    const edges = graph.edges().map((edge) => {
      const { points } = graph.edge(edge);
      const [first, ...rest] = points;
      let path = `M${first.x} ${first.y}`;
      for (let index = 0; index < rest.length - 1; index += 1) {
        const end = index === rest.length - 2 ? rest[index + 1] : { x: (rest[index].x + rest[index + 1].x) / 2, y: (rest[index].y + rest[index + 1].y) / 2 };
        path += `Q${rest[index].x} ${rest[index].y} ${end.x} ${end.y}`;
      }
      if (rest.length === 1) path += `L${rest[0].x} ${rest[0].y}`;
      const [last, before] = [points.at(-1), points.at(-2)];
      const turn = (Math.atan2(last.y - before.y, last.x - before.x) * 180) / Math.PI;
      return s("g", { class: "fk-edge" }, s("path", { d: path }), s("path", { d: "M-7 -4 0 0 -7 4", transform: `translate(${last.x} ${last.y}) rotate(${turn})` }));
    });
    this.nodes.clear();
    const focused = this.svg.getRootNode().activeElement?.dataset?.step;
    this.world.replaceChildren(...edges, ...this.given.map((node) => this.makeNode(node)));
    for (const node of this.given) this.nodes.get(node.id).update(node);
    this.rove(this.nodes.has(this.current) ? this.current : this.given[0].id);
    if (focused) this.nodes.get(focused)?.element.focus();
    this.moved = false;
    this.fit();
  }

  makeNode({ id }) {
    const { x, y } = this.layout.node(id);
    const box = s("rect", { width: NODE.width, height: NODE.height, rx: 6 });
    const mark = s("svg", { x: 12, y: 12, width: 16, height: 16, viewBox: "0 0 16 16", class: "fk-node-mark", fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" }, s("path"));
    const title = s("text", { x: 36, y: 25, class: "fk-node-title" });
    const word = s("text", { x: 36, y: 43, class: "fk-node-word" });
    const parts = s("g", { class: "fk-node-parts", transform: `translate(36 ${NODE.height - 12})` });
    const bar = s("rect", { x: 0, y: NODE.height - 4, height: 4, width: 0, class: "fk-node-bar" });
    const hint = s("title");
    const stack = s("rect", { x: 5, y: 5, width: NODE.width, height: NODE.height, rx: 6, class: "fk-node-stack" });
    const element = s("g", { class: "fk-node", tabindex: -1, role: "button", "data-step": id, transform: `translate(${x - NODE.width / 2} ${y - NODE.height / 2})` }, hint, stack, box, bar, mark, title, word, parts);
    element.addEventListener("click", () => { if (!this.dragged) this.choose(id); });
    const fit = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
    this.nodes.set(id, {
      element,
      update: (node) => {
        element.dataset.state = node.state;
        setAttribute(mark.firstChild, "d", SHAPES[node.state] ?? SHAPES.planned);
        stack.style.display = node.total ? "" : "none";
        setText(title, fit(node.title, 22));
        setText(word, fit(stepWords(node), 25));
        // a fan-out of few shows each of its parts as a small square
        while (parts.childElementCount > node.parts.length) parts.lastChild.remove();
        node.parts.forEach((state, index) => {
          if (!parts.children[index]) parts.append(s("rect", { x: index * 12, width: 9, height: 6, rx: 1 }));
          parts.children[index].dataset.state = state;
        });
        bar.style.display = node.parts.length ? "none" : "";
        const share = node.total ? (node.counts.succeeded ?? 0) / node.total : node.state === "running" ? node.progress : 0;
        setAttribute(bar, "width", Math.round(share * NODE.width));
        setText(hint, `${node.title}: ${stepWords(node)}`);
        setAttribute(element, "aria-label", `${node.title}, ${stepWords(node)}${node.after.length ? `, after ${node.after.join(", ")}` : ""}`);
        setAttribute(element, "aria-pressed", String(node.id === this.chosen));
      },
    });
    return element;
  }

  choose(id) {
    this.chosen = id;
    this.rove(id);
    for (const node of this.given ?? []) this.nodes.get(node.id)?.update(node);
    this.onChoose(id);
  }

  /** Only one node is a stop of the Tab key. */
  rove(id) {
    this.nodes.get(this.current)?.element.setAttribute("tabindex", -1);
    this.current = id;
    this.nodes.get(id)?.element.setAttribute("tabindex", 0);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1],
    };
    if (keys[event.key]) this.step(...keys[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.choose(this.current);
    else if (event.key === "Home") this.go(this.given[0].id);
    else if (event.key === "End") this.go(this.given.at(-1).id);
    else if (event.key === "+") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Go to the nearest node in a direction, along edges first. */
  step(dx, dy) {
    const here = this.layout.node(this.current);
    const linked = new Set([...(this.layout.successors(this.current) ?? []), ...(this.layout.predecessors(this.current) ?? [])]);
    let best = null;
    for (const { id } of this.given) {
      if (id === this.current) continue;
      const { x, y } = this.layout.node(id);
      const along = (x - here.x) * dx + (y - here.y) * dy;
      const aside = Math.abs((x - here.x) * dy) + Math.abs((y - here.y) * dx);
      if (along <= 1 || (aside > along && !linked.has(id))) continue;
      const cost = along + 2 * aside - (linked.has(id) ? 300 : 0);
      if (!best || cost < best.cost) best = { id, cost };
    }
    if (best) this.go(best.id);
  }

  go(id) {
    this.rove(id);
    this.show(id);
    this.nodes.get(id).element.focus({ preventScroll: true });
  }

  /** Bring a node into the picture. */
  show(id) {
    const { x, y } = this.layout.node(id);
    const { scale } = this.at;
    const width = this.svg.clientWidth;
    const height = this.svg.clientHeight;
    const inside = (value, room, half) => Math.min(room - half - 8, Math.max(half + 8, value));
    const seen = { x: x * scale + this.at.x, y: y * scale + this.at.y };
    this.at.x += inside(seen.x, width, (NODE.width / 2) * scale) - seen.x;
    this.at.y += inside(seen.y, height, (NODE.height / 2) * scale) - seen.y;
    this.place();
  }

  place() {
    this.world.setAttribute("transform", `translate(${this.at.x} ${this.at.y}) scale(${this.at.scale})`);
  }

  /** Show all of it, but never larger than life; a plan too long to read begins at its start. */
  fit() {
    this.width = this.element.clientWidth;
    this.moved = false;
    const { width, height } = this.size ?? {};
    if (!width || !this.width) return;
    const scale = Math.max(0.62, Math.min(1, this.width / width));
    const room = Math.min(Math.max(height * scale, 120), Math.max(320, globalThis.innerHeight * 0.6));
    this.svg.style.height = `${room}px`;
    const over = this.width - width * scale; // below 0 where it is too wide
    const x = over > 0 ? over / 2 : Math.max(over, Math.min(0, this.width / 2 - this.start().x * scale));
    this.at = { scale, x, y: Math.max(0, (room - height * scale) / 2) };
    this.place();
  }

  /** Where the plan begins: its top node where it runs down, else the one at the left. */
  start() {
    const nodes = this.layout.nodes().map((id) => this.layout.node(id));
    const along = this.layout.graph().rankdir === "TB" ? "y" : "x";
    return nodes.reduce((first, node) => (node[along] < first[along] ? node : first));
  }

  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const scale = Math.min(2.5, Math.max(0.1, this.at.scale * factor));
    const by = scale / this.at.scale;
    this.at = { scale, x: x - (x - this.at.x) * by, y: y - (y - this.at.y) * by };
    this.moved = true;
    this.place();
  }

  onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const box = this.svg.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }

  onDown(event) {
    this.dragged = false;
    if (event.button === 0) this.drag = { x: event.clientX, y: event.clientY, at: { ...this.at } };
  }

  onMove(event) {
    if (!this.drag) return;
    const [dx, dy] = [event.clientX - this.drag.x, event.clientY - this.drag.y];
    if (!this.dragged && Math.hypot(dx, dy) < 5) return;
    if (!this.dragged) this.svg.setPointerCapture(event.pointerId);
    this.dragged = true;
    this.moved = true;
    this.at = { ...this.drag.at, x: this.drag.at.x + dx, y: this.drag.at.y + dy };
    this.place();
  }

  stop() {
    this.resize.disconnect();
  }
}
