// What every screen of ours needs from the browser: elements, shapes, times and sizes in words.
// This file and the widget's own are joined into one module by assets.py; nothing is exported here.

/** Make an element: `h("button", {class: "fk-button", onclick}, "Run")`. Text is never parsed as HTML. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set text, but only when it differs, so that a selection or a screen reader is not disturbed. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute, but only when it differs. */
function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Shapes on a 16 x 16 grid, drawn with the colour of the text around them.
const SHAPES = {
  queued: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6V8l2.2 1.6",
  running: "M8 1.8a6.2 6.2 0 1 1-6.2 6.2",
  waiting: "M8 1.2 14.8 8 8 14.8 1.2 8zM6.4 6.5c.2-2 3.2-1.9 3.2 0C9.6 7.7 8 7.7 8 9M8 11.1v.1",
  succeeded: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M5.2 8.2l2 2 3.7-4.2",
  failed: "M5.5 1.8h5l3.7 3.7v5l-3.7 3.7h-5l-3.7-3.7v-5zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  cancelled: "M2.5 2.5h11v11h-11zM5 8h6",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  capability: "M8 1.5 13.8 4.8v6.4L8 14.5l-5.8-3.3V4.8zM2.2 4.8 8 8l5.8-3.2M8 8v6.5",
  page: "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3",
  scene: "M1.5 3h13v10h-13zM1.5 11l4-4 3 3 2-2 4 4M10.8 5.6v.1",
  job: "M1.5 8h3l2-5 3 10 2-5h3",
  chevron: "M6 3.5 10.5 8 6 12.5",
  close: "M4 4l8 8M12 4l-8 8",
  download: "M8 2v8M4.8 7.2 8 10.4l3.2-3.2M2.5 13.5h11",
  file: "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13",
  dark: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7",
  system: "M1.5 2.5h13v8.5h-13zM5.5 14h5M8 11v3",
  person: "M8 2a3 3 0 1 0 0 6 3 3 0 0 0 0-6M2.5 14.5a5.5 5.5 0 0 1 11 0",
  warning: "M8 1.8 14.8 13.8H1.2zM8 6v4M8 11.9v.1",
};

/** Draw one shape; it is decoration, the word stands beside it. */
function shape(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 16 16", class: `fk-shape fk-shape-${name}`, fill: "none", stroke: "currentColor",
    "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
  })) svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Say a length of time as a person would: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min, 4 days. */
function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 0.05) return "under 0.1 s";
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

/** Say when something was: just now, 40 s ago, 3 min ago, 2 h ago, yesterday, 12 March. */
function ago(then, now) {
  const s = (now - then) / 1000;
  if (s < 10) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 172800) return "yesterday";
  return new Date(then).toLocaleDateString(undefined, {
    day: "numeric", month: "long",
    year: new Date(then).getFullYear() === new Date(now).getFullYear() ? undefined : "numeric",
  });
}

/** The exact time, for the hover. */
function exactTime(then) {
  return new Date(then).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
}

/** Say a size: 812 B, 14.2 kB, 3.1 MB. */
function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Copy text; where the browser forbids it, say so by answering false. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Follow traits of the model until the widget goes; answers the function that stops it. */
function follow(model, handlers) {
  const entries = Object.entries(handlers).map(([name, handler]) => [`change:${name}`, handler]);
  for (const [event, handler] of entries) model.on(event, handler);
  return () => {
    for (const [event, handler] of entries) model.off(event, handler);
  };
}

/** Let Escape close what stands open, wherever inside an element the keyboard is. */
function closeOnEscape(element, isOpen, close) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOpen()) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });
}

/** Tell Python what the user did. The number makes two equal wishes two events. */
function sender(model, trait) {
  let count = 0;
  const visit = Math.random().toString(36).slice(2);
  return (wish) => {
    count += 1;
    model.set(trait, { ...wish, visit, seq: count });
    model.save_changes();
    return count;
  };
}

/** What this browser remembers; a browser that forbids it forgets, and nothing breaks. */
const memory = {
  get(key, store = "localStorage") {
    try {
      return globalThis[store].getItem(`fk-${key}`);
    } catch {
      return null;
    }
  },
  set(key, value, store = "localStorage") {
    try {
      globalThis[store].setItem(`fk-${key}`, value);
    } catch {
      // private windows may refuse
    }
  },
};
