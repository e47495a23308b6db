// Runs in the measured page before its own scripts: says when a marked value is in the document, and sums up
// what moved and what was painted.
(() => {
  const probe = { shifts: [], long_tasks: 0, largest_paint_ms: 0, ticks: 0 };
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
    probe.largest_paint_ms = entry.startTime;
    probe.largest_paint_of = nameOf(entry.element);
  });
  document.addEventListener("tick", () => {
    probe.ticks++;
  });

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
