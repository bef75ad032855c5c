// Files that come through the widget's own connection, for hosts without our server's addresses.
// Python reads them piece by piece (pieces.py): each is asked for when the one before is here.

const LATE_MS = 5000; // a piece that takes longer may have been dropped by the host: ask again
const PATIENCE = 24; // so often in a row

class Downloads {
  constructor(model, send) {
    this.model = model;
    this.send = send;
    this.queue = []; // the first is under way
  }

  /** Fetch a file of a job and save it; `progress` is told the share that is here. */
  fetch(job, name, progress = () => {}) {
    if (this.queue.some((one) => one.job === job && one.name === name)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.queue.push({ job, name, progress, resolve, reject, parts: [], got: 0, tries: 0 });
      if (this.queue.length === 1) this.ask();
    });
  }

  ask() {
    clearTimeout(this.timer);
    const [first] = this.queue;
    if (!first) return;
    first.tries += 1;
    if (first.tries > PATIENCE) {
      this.end().reject(new Error("The file stopped coming; try again."));
      return;
    }
    this.send({ do: "download", job: first.job, name: first.name, start: first.got });
    this.timer = setTimeout(() => this.ask(), LATE_MS);
  }

  /** Take the piece that has come. */
  take() {
    const piece = this.model.get("download");
    const [first] = this.queue;
    if (!first || piece.job !== first.job || piece.name !== first.name) return;
    if (piece.error) {
      this.end().reject(new Error(piece.error));
      return;
    }
    if (piece.start !== first.got) return; // an answer that came after it was asked for again
    const bytes = Uint8Array.from(atob(piece.data), (letter) => letter.charCodeAt(0));
    first.parts.push(bytes);
    first.got += bytes.length;
    first.tries = 0;
    if (bytes.length && first.got < piece.size_bytes) {
      first.progress(first.got / piece.size_bytes);
      this.ask();
      return;
    }
    first.progress(1);
    saveFile(new Blob(first.parts, { type: piece.media_type }), first.name.split("/").pop());
    this.end().resolve();
  }

  /** Go on with the next file; answers the one that has ended. */
  end() {
    const ended = this.queue.shift();
    this.ask();
    return ended;
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/** Let the browser save bytes as a file. */
function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
