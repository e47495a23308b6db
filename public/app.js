// What a page does beside swapping: it says whether it is live, and shows times in the viewer's zone.
(() => {
  const STALE_MS = 2500;
  // A connection that is cut may need a moment to come back before it is cut again.
  const CUT_EVERY_MS = 5000;
  const BEAT_MS = 500;
  const TIMES = "time[data-t], time.ago[data-since], text.t[data-t]";

  const root = document.documentElement;
  if (root.dataset.watched) return;
  root.dataset.watched = "yes";
  // Without this a server that accepts and never answers would hold the first connection for a minute.
  if (window.htmx) htmx.config.sse = { connectTimeout: "5s", ...htmx.config.sse };

  // Liveness: the server speaks every second, so silence means trouble.

  let heard = performance.now();
  let beaten = heard;
  let cut = -CUT_EVERY_MS;
  let state = "";
  let connection = null;
  let running = null;
  let clock = null;

  const on = (name, listener) => document.addEventListener(name, listener);
  const reloadIfRefused = (status) => {
    if (status === 401) location.reload();
  };

  on("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
  });
  on("htmx:sse:before:message", () => {
    heard = performance.now();
    show("live");
  });
  on("htmx:sse:error", (event) => reloadIfRefused(event.detail?.status));
  on("htmx:response:error", (event) => reloadIfRefused(event.detail?.ctx?.response?.status));
  on("visibilitychange", () => {
    // A hidden page is paused on purpose; it gets its time to connect again before it counts as stale.
    heard = performance.now();
  });
  on("tick", (event) => {
    let facts;
    try {
      facts = JSON.parse(event.detail.data);
    } catch {
      return;
    }
    clock = facts.at_ms - performance.now();
    countOn();
    const now_running = `${facts.version} ${facts.demo}`;
    running ??= now_running;
    // Not all viewers at once: after an update every page loads again.
    if (running !== now_running) setTimeout(() => location.reload(), Math.random() * 1000);
    running = now_running;
  });

  function beat() {
    const now = performance.now();
    // The machine slept or the page was held up: that is not the server's silence.
    if (now - beaten > 4 * BEAT_MS) heard = now;
    beaten = now;
    countOn();
    if (document.hidden || !document.getElementById("live")) return;
    if (now - heard > STALE_MS) {
      show("stale");
      if (now - cut > CUT_EVERY_MS) {
        cut = now;
        connection?.reader?.cancel().catch(() => {});
      }
    }
    showAge(now - heard);
  }

  const words = document.createElement("span");
  const age = document.createElement("span");
  const rest = document.createElement("span");
  const zone = document.createElement("span");
  age.setAttribute("aria-hidden", "true");
  zone.className = "zone";

  /** Only a change of state changes what a screen reader hears; the age ticks silently. */
  function show(next) {
    if (next === state) return;
    state = next;
    root.classList.toggle("stale", next === "stale");
    const banner = document.getElementById("stale");
    if (banner) banner.hidden = next !== "stale";
    const line = document.getElementById("live-state");
    if (!line) return;
    words.textContent = next === "live" ? "live" : "No update";
    rest.textContent = next === "live" ? "" : " — reconnecting";
    zone.textContent = ` ${zoneName()}`;
    line.dataset.state = next;
    if (words.parentNode !== line) line.replaceChildren(words, age, rest, zone);
    showAge(performance.now() - heard);
  }

  function showAge(age_ms) {
    if (state === "live") write(age, ` · ${(age_ms / 1000).toFixed(1)} s ago`);
    else if (state === "stale") write(age, ` for ${Math.round(age_ms / 1000)} s`);
  }

  // Times: the same markup for all, shown in each viewer's zone and by the server's clock.

  const format = formatter(new URLSearchParams(location.search).get("tz"));

  function formatter(timeZone) {
    const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
    // Swedish writes dates as ISO 8601 does.
    const make = (zone) => new Intl.DateTimeFormat("sv-SE", { ...options, second: "2-digit", ...zone });
    try {
      return make(timeZone ? { timeZone } : {});
    } catch {
      return make({});
    }
  }

  function zoneName() {
    const { timeZone } = format.resolvedOptions();
    const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "shortOffset" }).formatToParts();
    return parts.find(({ type }) => type === "timeZoneName").value.replace("GMT", "UTC");
  }

  function textOf(element) {
    const { t, since, full } = element.dataset;
    if (since !== undefined)
      return clock === null ? null : elapsed(clock + performance.now() - Number(since));
    const at = new Date(Number(t));
    if (Number.isNaN(at.getTime())) return null;
    const text = format.format(at);
    if (full !== undefined) return text;
    return element.localName === "text" ? text.slice(11, 16) : text.slice(11);
  }

  /** "44 s", "1 m 44 s", "2 h 5 m", "3 d 4 h". */
  function elapsed(age_ms) {
    const s = Math.max(0, Math.floor(age_ms / 1000));
    const pair = (large, small, size, of) =>
      `${Math.floor(s / size)} ${large} ${Math.floor((s % size) / of)} ${small}`;
    if (s < 60) return `${s} s`;
    if (s < 3600) return pair("m", "s", 60, 1);
    return s < 86400 ? pair("h", "m", 3600, 60) : pair("d", "h", 86400, 3600);
  }

  /** Changes a text in place and only if it differs, so that a selection in it stays. */
  function write(element, text) {
    if (text === null || element.textContent === text) return;
    const only = element.childNodes.length === 1 ? element.firstChild : null;
    if (only?.nodeType === Node.TEXT_NODE) only.nodeValue = text;
    else element.textContent = text;
  }

  function showTimes(within) {
    for (const element of within.querySelectorAll(TIMES)) write(element, textOf(element));
  }

  function countOn() {
    for (const element of document.querySelectorAll("time.ago[data-since]")) write(element, textOf(element));
  }

  // Mutations are told before the next paint, so nobody sees the server's text flash up.
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
      const time = element?.closest(TIMES);
      if (time) write(time, textOf(time));
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        if (node.matches(TIMES)) write(node, textOf(node));
        showTimes(node);
      }
    }
  }).observe(document.body ?? root, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
    attributeFilter: ["data-t", "data-since"],
  });

  // A slash goes to the search box, as everywhere.

  on("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  });

  showTimes(document);
  setInterval(beat, BEAT_MS);
})();
