// What a page lacks for those who do not see it well or use no mouse: read by test_accessible.py.
() => {
  const found = [];
  const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const bytes = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const above = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  function ground(element) {
    const layers = [];
    for (let at = element; at; at = above(at)) layers.push(bytes(getComputedStyle(at).backgroundColor));
    const base = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
    return layers.reverse().reduce((under, layer) => over(layer, under), base);
  }
  const chain = (element, test) => {
    for (let at = element; at; at = above(at)) if (test(at)) return true;
    return false;
  };
  const seen = (element) => element.getClientRects().length > 0 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !chain(element, (at) => at.classList?.contains("fk-spoken") || at.classList?.contains("page-skip"));
  const idle = (element) => chain(element, (at) => at.disabled || at.getAttribute?.("aria-disabled") === "true" || at.hasAttribute?.("aria-disabled"));
  const words = (element) => `${element.tagName.toLowerCase()}.${String(element.getAttribute("class") ?? "").replaceAll(" ", ".")} "${element.textContent.trim().slice(0, 40)}"`;

  function name(element) {
    const root = element.getRootNode();
    const by = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => root.getElementById?.(id)?.textContent ?? "").join(" ");
    return (element.getAttribute("aria-label") || by.trim() || [...(element.labels ?? [])].map((label) => label.textContent).join(" ")
      || (["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName) ? "" : element.textContent) || element.getAttribute("title") || element.querySelector("img[alt]")?.alt || "").trim();
  }

  function look(element) {
    if (!seen(element)) return;
    if (element.tabIndex > 0) found.push(`takes the keyboard out of its order: ${words(element)}`);
    const acts = element.matches("button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=treeitem], [role=option], [role=tab]");
    const hidden = chain(element, (at) => at.getAttribute?.("aria-hidden") === "true");
    if (hidden && element.tabIndex >= 0) found.push(`the keyboard comes to what is hidden from others: ${words(element)}`);
    if (acts && !hidden && !name(element)) found.push(`has no name: ${words(element)}`);
    for (const attribute of ["aria-controls", "aria-labelledby", "aria-describedby"]) {
      for (const id of (element.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
        if (!element.getRootNode().getElementById?.(id)) found.push(`${attribute} leads nowhere: ${words(element)}`);
      }
    }
    if (element.matches("img:not([alt])")) found.push(`has no words instead of a picture: ${words(element)}`);
    const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!text || idle(element) || element.closest("canvas, option, script, style, noscript")) return;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    let under = ground(element);
    let ink = bytes(style.color);
    if (element instanceof SVGElement) {
      ink = bytes(style.fill);
      const box = element.parentElement?.querySelector("rect.fk-node-box, rect:not([class])");
      if (box) under = over(bytes(getComputedStyle(box).fill), under);
    }
    const shown = contrast(over(ink, under), under);
    if (shown < least) found.push(`contrast ${shown.toFixed(2)} of ${least}: ${words(element)}`);
  }

  (function walk(root) {
    for (const element of root.querySelectorAll("*")) {
      look(element);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  })(document.body);
  return [...new Set(found)];
}
