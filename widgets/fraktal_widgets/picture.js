// The picture of an explorer: a camera over layers of frames, coloured here from the palette's table.
//
// Nothing here knows where in the plane it is. All places are relative to one reference view,
// {x, y, s, r}: centre and width in widths of the reference, y downwards, and by how much the window
// is turned counter-clockwise, in radians; the reference moves along, so the numbers stay near one at
// any depth. Python alone makes coordinates, as decimal strings.

const HERE = { x: 0, y: 0, s: 1, r: 0 };

/** Give a vector of a window that is turned by `r` as one of the window that is not. */
function turned(r, x, y) {
  if (!r) return [x, y];
  const [cos, sin] = [Math.cos(r), Math.sin(r)];
  return [cos * x + sin * y, cos * y - sin * x];
}

/** Say where `place` is as seen from `origin`. */
function seenFrom(place, origin) {
  const [x, y] = turned(-origin.r, place.x - origin.x, place.y - origin.y);
  return { x: x / origin.s, y: y / origin.s, s: place.s / origin.s, r: place.r - origin.r };
}

/** Zoom and turn a place so that the point (px, py), in widths from its centre, stays where it is. */
function zoomedAt(place, factor, px, py, turn = 0) {
  const [fromX, fromY] = turned(place.r, px * place.s, py * place.s);
  const [toX, toY] = turned(place.r + turn, px * place.s * factor, py * place.s * factor);
  return { x: place.x + fromX - toX, y: place.y + fromY - toY, s: place.s * factor, r: place.r + turn };
}

/** Go part of the way: width geometrically, and the centre so that fixed points stay fixed. */
function between(from, to, part) {
  const s = from.s * (to.s / from.s) ** part;
  const along = Math.abs(to.s - from.s) > 1e-9 * to.s ? (s - from.s) / (to.s - from.s) : part;
  return {
    x: from.x + (to.x - from.x) * along, y: from.y + (to.y - from.y) * along, s, r: from.r + (to.r - from.r) * part,
  };
}

/** Make the 65,536 colours of a palette as 32-bit words for ImageData: 0 is the inside, then the ring. */
function colourWords({ table, inside }) {
  const rgb = Uint8Array.from(atob(table), (letter) => letter.charCodeAt(0));
  const count = rgb.length / 3;
  const words = new Uint32Array(65536);
  for (let i = 1; i < 65536; i += 1) {
    const k = 3 * Math.floor(((i - 1) * count) / 65535);
    words[i] = 0xff000000 | (rgb[k + 2] << 16) | (rgb[k + 1] << 8) | rgb[k];
  }
  const hex = parseInt(inside.slice(1), 16);
  words[0] = 0xff000000 | ((hex & 255) << 16) | (hex & 0xff00) | (hex >> 16);
  return words;
}

/** Show a palette's ring as a strip. */
function gradient(words, stops = 24) {
  const colour = (word) => `rgb(${word & 255} ${(word >> 8) & 255} ${(word >> 16) & 255})`;
  const at = Array.from({ length: stops + 1 }, (_, i) => colour(words[1 + Math.floor((i * 65534) / stops)]));
  return `linear-gradient(90deg, ${at.join(", ")})`;
}

/** Put a frame on a canvas of its size: palette positions by their colours, others as they are. */
function paint(canvas, { width, height, pixels, painted }, words) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  if (painted) {
    for (let i = 0, k = 0; i < out.length; i += 1, k += 3) {
      out[i] = 0xff000000 | (pixels[k + 2] << 16) | (pixels[k + 1] << 8) | pixels[k];
    }
  } else {
    for (let i = 0; i < out.length; i += 1) out[i] = words[pixels[i]];
  }
  context.putImageData(image, 0, 0);
}

/** Read header and pixels of a frame; null when there is none. */
function unpackFrame(bytes) {
  if (!bytes || bytes.byteLength <= 16) return null;
  const start = bytes.byteOffset ?? 0;
  const buffer = (bytes.buffer ?? bytes).slice(start, start + bytes.byteLength);
  const [sequence, level, width, height] = new Uint32Array(buffer, 0, 4);
  const painted = buffer.byteLength - 16 === 3 * width * height;
  const pixels = painted ? new Uint8Array(buffer, 16) : new Uint16Array(buffer, 16);
  if (!painted && pixels.length !== width * height) return null;
  return { sequence, level, width, height, pixels, painted };
}

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.layers = []; // coarse first: what is drawn later lies above
    this.places = new Map(); // of the views that were sent or answered, by any key
    this.target = { ...HERE }; // where the user wants to be
    this.shown = { ...HERE }; // where the animation is
    this.rest = [0, 0]; // parts of a pixel that the hand has moved and the picture has not
    this.colours = null;
    this.frameRequest = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Move the reference to the target when the numbers wander off. */
  rebase() {
    const { x, y, s } = this.target;
    if (s > 1e-3 && s < 1e3 && Math.hypot(x, y) < 1e3) return;
    const origin = this.target;
    for (const [key, place] of this.places) this.places.set(key, seenFrom(place, origin));
    for (const layer of this.layers) layer.place = seenFrom(layer.place, origin);
    this.shown = seenFrom(this.shown, origin);
    this.target = { ...HERE };
  }

  /** Start over: from now on nothing is known about how views lie to one another. */
  jump() {
    this.places.clear();
    for (const layer of this.layers) {
      layer.place = seenFrom(layer.place, this.target);
      layer.stale = true;
    }
    this.target = { ...HERE };
    this.shown = { ...HERE };
  }

  moveTo(place) {
    this.target = place;
    this.rebase();
    if (this.still.matches) this.shown = { ...this.target };
    this.redraw();
  }

  zoom(factor, px, py, turn = 0) {
    this.rest = [0, 0];
    this.moveTo(zoomedAt(this.target, factor, px, py, turn));
  }

  /** Move by fractions of the width, in whole pixels, which the next picture uses again. A hand that
      drags is followed at once. Answers whether it moved. */
  pan(dx, dy, atOnce = false) {
    const { canvas, rest } = this;
    const wanted = [dx * canvas.width + rest[0], dy * canvas.width + rest[1]];
    const whole = wanted.map(Math.round);
    this.rest = atOnce ? [wanted[0] - whole[0], wanted[1] - whole[1]] : [0, 0];
    if (!whole[0] && !whole[1]) return false;
    this.slide(whole[0] / canvas.width, whole[1] / canvas.width, atOnce);
    return true;
  }

  /** Move by fractions of the width. */
  slide(dx, dy, atOnce = true) {
    const { target, shown } = this;
    const [x, y] = turned(target.r, dx * target.s, dy * target.s);
    this.target = { ...target, x: target.x + x, y: target.y + y };
    if (atOnce) this.shown = { ...shown, x: shown.x + x, y: shown.y + y };
    this.moveTo(this.target);
  }

  /** Show a frame of the view at `place`; draw it before this function returns. */
  show(frame, place, finest) {
    const layer = { ...frame, place, canvas: document.createElement("canvas") };
    paint(layer.canvas, layer, this.colours);
    const density = (one) => one.width / one.place.s;
    const older = this.layers.filter(
      (one) => !finest && !one.stale && one.sequence !== frame.sequence && density(one) > density(layer),
    );
    older.sort((a, b) => density(a) - density(b));
    this.layers = [layer, ...older.slice(-2)];
    this.draw();
  }

  recolour(colours, inside) {
    this.colours = colours;
    this.inside = inside;
    for (const layer of this.layers) if (!layer.painted) paint(layer.canvas, layer, colours);
    this.redraw();
  }

  redraw() {
    this.frameRequest ||= requestAnimationFrame((now) => {
      this.frameRequest = 0;
      this.animate(now);
    });
  }

  animate(now) {
    const passed = Math.min(50, now - (this.last ?? now - 16));
    const gap = Math.abs(Math.log(this.target.s / this.shown.s))
      + Math.hypot(this.target.x - this.shown.x, this.target.y - this.shown.y) / this.target.s
      + Math.abs(this.target.r - this.shown.r);
    if (gap < 5e-4) {
      this.shown = { ...this.target };
      this.last = undefined;
    } else {
      this.shown = between(this.shown, this.target, 1 - Math.exp(-passed / 50));
      this.last = now;
      this.redraw();
    }
    this.draw();
  }

  draw() {
    const { canvas, context, shown } = this;
    if (!this.layers.length || !this.covers(this.layers[0])) {
      context.fillStyle = this.inside;
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    for (const { place, width, height, canvas: source } of this.layers) {
      const at = seenFrom(place, shown);
      const w = at.s * canvas.width;
      const h = (w * height) / width;
      const [x, y] = [at.x * canvas.width + canvas.width / 2, at.y * canvas.width + canvas.height / 2];
      const [left, top] = [x - w / 2, y - h / 2];
      // A pixel for a pixel: no smoothing, and no half pixels either.
      const exact = !at.r && Math.abs(w - width) < 0.01 && Math.abs(left - Math.round(left)) < 0.01;
      context.imageSmoothingEnabled = !exact;
      if (exact) {
        context.drawImage(source, Math.round(left), Math.round(top));
        continue;
      }
      const [cos, sin] = [Math.cos(at.r), Math.sin(at.r)];
      context.setTransform(cos, -sin, sin, cos, x, y);
      context.drawImage(source, -w / 2, -h / 2, w, h);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
  }

  covers({ place, width, height }) {
    const half = this.canvas.height / this.canvas.width / 2;
    const at = seenFrom(this.shown, place);
    return [[-0.5, -half], [0.5, -half], [-0.5, half], [0.5, half]].every((corner) => {
      const [x, y] = turned(at.r, corner[0] * at.s, corner[1] * at.s);
      return Math.abs(at.x + x) <= 0.5 && Math.abs(at.y + y) <= height / width / 2;
    });
  }

  /** Stop what would go on by itself. */
  stop() {
    cancelAnimationFrame(this.frameRequest);
  }
}
