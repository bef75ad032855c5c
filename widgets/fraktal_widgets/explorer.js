// The explorer: its parts put together, and the canvas kept as large as its place on the page.
// With the files in front that explorer.py names, this is one module.

const MAX_PIXELS = 2.4e6; // finer screens get a picture that the browser enlarges a little

function render({ model, el }) {
  const ends = new AbortController();
  const canvas = h("canvas", {
    class: "fk-explorer-canvas", tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Fractal picture: plus and minus zoom, arrow keys move, question mark lists all keys",
  });
  const say = (...words) => desk.say(...words);
  const picture = new Picture(canvas);
  const exchange = new Exchange(model, picture, {
    answered(error, field, fresh) {
      if (fresh) formula.refuse(field ? error : "");
      if (error && !field) say(error, "error");
      showAnswer();
      views.remember();
    },
    state: () => desk.showState(exchange.sharp),
    link: (state, words) => desk.showLink(state, words),
    peek: (frame) => julia.showPeek(frame),
  });
  const views = new Views(exchange, picture, { say, travelled: () => desk.showTravel() });
  const julia = new Julia(exchange, picture, views, showAnswer);
  const choices = new Choices(model.get("catalog"), exchange, picture, say);
  const formula = new FormulaChoice(model.get("catalog"), exchange);
  const poster = new Poster(model, exchange, picture, say);
  const desk = new Desk({ exchange, picture, views, julia, choices, formula, poster });
  const { root } = desk;
  el.append(root);
  followPointers({ exchange, picture, julia, signal: ends.signal });
  followKeys({ root, exchange, picture, views, julia, desk, choices, signal: ends.signal });

  function showAnswer() {
    const { answer } = exchange;
    desk.show(answer);
    choices.show(answer.about);
    formula.show(answer.about);
    julia.show({ ...answer.about, title: formula.titleOf(answer.about?.formula) });
  }

  let sizeTimer;
  function measure() {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return; // taken off the page for now
    const wanted = Math.min(devicePixelRatio || 1, 2);
    const ratio = Math.min(wanted, Math.sqrt(MAX_PIXELS / (width * height)));
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (size[0] === canvas.width && size[1] === canvas.height && exchange.seq) {
      picture.draw();
      return;
    }
    [canvas.width, canvas.height] = size;
    picture.draw();
    clearTimeout(sizeTimer);
    sizeTimer = setTimeout(() => exchange.ask(), exchange.seq ? 150 : 0);
  }
  const resizes = new ResizeObserver(measure);

  function showWork() {
    const work = model.get("working");
    if (work?.serial && work.serial === exchange.answer.serial && !exchange.sharp) desk.showWork(work);
  }

  const showThumbnails = () => choices.showThumbnails(model.get("thumbnails") ?? {});
  const unfollow = follow(model, {
    answer: () => exchange.onAnswer(),
    frame: () => exchange.onFrame(),
    working: showWork,
    saved: () => poster.onSaved(),
    board: () => poster.show(),
    thumbnails: showThumbnails,
  });
  showThumbnails();
  poster.show();
  exchange.onAnswer();
  exchange.onFrame();
  resizes.observe(canvas);

  return () => {
    ends.abort();
    unfollow();
    resizes.disconnect();
    clearTimeout(sizeTimer);
    for (const part of [exchange, views, poster, desk, picture]) part.stop();
    root.remove();
  };
}

export default { render };
