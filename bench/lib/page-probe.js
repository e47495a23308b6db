// Runs in the measured page before its own scripts: says when something was painted and when a marked value is in
// the document, and sums up what moved.
(() => {
  const probe = { shifts: [], long_tasks: 0, ticks: 0 };
  window.evenkeelProbe = probe;
  const watch = (type, listener) =>
    new PerformanceObserver((list) => list.getEntries().forEach(listener)).observe({ type, buffered: true });

  watch("layout-shift", ({ value, sources }) => {
    // A page that moves all the time shows it in the first thousand.
    if (probe.shifts.length < 1000) probe.shifts.push({ value, of: sources.map(({ node }) => nameOf(node)) });
  });
  watch("longtask", () => {
    probe.long_tasks++;
  });
  watch("largest-contentful-paint", (entry) => {
    tell({ largest_paint_ms: entry.startTime, largest_paint_of: nameOf(entry.element) });
  });
  watch("paint", ({ name, startTime }) => {
    if (name === "first-contentful-paint") tell({ first_paint_ms: startTime });
  });
  window.addEventListener("load", () => {
    tell({ response_ms: performance.getEntriesByType("navigation")[0].responseEnd });
  });
  document.addEventListener("tick", () => {
    probe.ticks++;
  });

  // From the first frame on in which there is what the bench waits for, whatever it is painted with.
  function awaitData() {
    if (document.querySelector(window.evenkeelAwaited)) tell({ data_ms: performance.now() });
    else requestAnimationFrame(awaitData);
  }
  if (window.evenkeelAwaited) requestAnimationFrame(awaitData);

  // Told at once: a page that loads itself again takes its probe with it.
  function tell(paints) {
    window.evenkeelPainted?.({ document_ms: performance.timeOrigin, ...paints });
  }

  function nameOf(node) {
    const element = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    if (!element) return "(gone)";
    return `${element.localName}${element.id ? `#${element.id}` : ""}.${element.className}`;
  }

  // A marked worker's CPU is told to Node as soon as it differs from what was told before.
  const told = new Map();
  const CPU = /CPU\s(\d+)\s%/;

  function look() {
    const at_ms = performance.timeOrigin + performance.now();
    for (const name of window.evenkeelMarked ?? []) {
      const element = document.querySelector(`#p-worker-grid [title^="${name}:"]`);
      const [, value] = CPU.exec(element?.title ?? "") ?? [];
      if (value === undefined || told.get(name) === value) continue;
      told.set(name, value);
      window.evenkeelSeen({ name, value: Number(value), at_ms });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    look();
    const changes = { subtree: true, childList: true, characterData: true, attributeFilter: ["title"] };
    new MutationObserver(look).observe(document.body, changes);
  });
})();
