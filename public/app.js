// What a page does beside swapping: it says whether it is live, and shows times in the viewer's zone.
(() => {
  /** Ticks that may fail to come before the page says so. */
  const STALE_TICKS = 2.5;
  // A connection that is cut may need a moment to come back before it is cut again.
  const CUT_EVERY_MS = 5000;
  const BEAT_MS = 250;
  /** A stream's first event comes within this, or the page asks again and again instead. */
  const FIRST_MS = 2000;
  const STREAM_AGAIN_MS = 300_000;
  // The longest that htmx waits before it connects again.
  const DELAY_MS = 1300;
  const TIMES = "time[data-t], time.ago[data-since], text.t[data-t]";

  const root = document.documentElement;
  if (root.dataset.watched) return;
  root.dataset.watched = "yes";
  const htmx = /** @type {any} */ (window).htmx;
  // A server that accepts and never answers holds a connection for no longer than this, and one that was
  // restarted is seen within about a second: asking so often costs little, since one that is down refuses at once.
  if (htmx) htmx.config.sse = { ...htmx.config.sse, connectTimeout: "5s", reconnectMaxDelay: "1s" };

  // Liveness: the server speaks every second, so silence means trouble.

  let tick_ms = 1000;
  let heard = performance.now();
  let beaten = heard;
  let cut = -CUT_EVERY_MS;
  let state = "";
  /** @type {{ reader: ReadableStreamDefaultReader | null } | null} */
  let connection = null;
  /** @type {string | null} What the server is: another one's page may differ. */
  let running = null;
  /** @type {number | null} Add the page's own time to get the server's, Unix milliseconds. */
  let clock = null;
  // A page of the past stands still: ages are those of the moment that it shows.
  const past = root.dataset.at;
  const serverTime = () => (past ? Number(past) : clock === null ? null : clock + performance.now());

  /** @param {string} name @param {(event: any) => void} listener */
  const on = (name, listener) => document.addEventListener(name, listener);
  /** @param {number | undefined} status */
  const reloadIfRefused = (status) => {
    if (status === 401) location.reload();
  };

  on("htmx:config:request", (event) => {
    if (event.target.id === "live") asked = performance.now();
  });
  on("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt) asked = performance.now() + DELAY_MS;
  });
  on("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
  });
  on("htmx:sse:before:message", () => {
    heard = performance.now();
    asked = NEVER;
    tell(!polls());
    show(polls() ? "polling" : "live");
  });
  on("htmx:error", () => {
    asked = NEVER;
  });
  on("htmx:sse:error", (event) => {
    asked = NEVER;
    reloadIfRefused(event.detail?.status);
  });
  on("htmx:response:error", (event) => reloadIfRefused(event.detail?.ctx?.response?.status));
  on("visibilitychange", () => {
    // A hidden page is paused on purpose; it gets its time to connect again before it counts as stale.
    heard = performance.now();
    if (document.hidden) tell(false);
  });
  on("tick", (event) => {
    let facts;
    try {
      facts = JSON.parse(event.detail.data);
    } catch {
      return;
    }
    clock = facts.at_ms - performance.now();
    tick_ms = facts.tick_ms;
    countOn();
    showTrouble(facts.trouble ?? "");
    const now_running = `${facts.version} ${facts.demo}`;
    running ??= now_running;
    // Not all viewers at once: after an update every page loads again.
    if (running !== now_running) setTimeout(() => location.reload(), Math.random() * 1000);
    running = now_running;
  });

  // Where a proxy holds the stream back, or no connection is left, the page asks again and again instead.
  const NEVER = Number.POSITIVE_INFINITY;
  let asked = heard;
  let changed = heard;
  const source = () => document.getElementById("live");
  const polls = () => !!source()?.getAttribute("hx-sse:connect")?.includes("?poll");
  const always = polls();

  /** @param {boolean} poll */
  function ask(poll) {
    const old = source();
    if (!old || poll === polls()) return;
    changed = performance.now();
    newer = 0;
    tell(false);
    const [from, to] = poll ? ["?", "?poll=1&amp;"] : ["?poll=1&amp;", "?"];
    htmx.trigger(old, "htmx:abort");
    htmx.swap({ sourceElement: old, target: old, text: old.outerHTML.replace(from, to), swap: "outerHTML" });
  }

  /** @param {number} now */
  function chooseWay(now) {
    if (!polls() && now - asked > FIRST_MS) {
      ask(true);
      others.postMessage([MOST_STREAMS, NEVER]);
    } else if (!always && polls() && now - changed > STREAM_AGAIN_MS) ask(false);
  }

  // Over HTTP/1.1 a browser opens six connections to a host. Its pages tell each other of their streams, so that
  // the older ones give theirs back and some are left for all else.
  const MOST_STREAMS = 4;
  const BORN = Date.now();
  const [load] = performance.getEntriesByType("navigation");
  const few = load instanceof PerformanceNavigationTiming && load.nextHopProtocol === "http/1.1";
  const others = new BroadcastChannel("evenkeel");
  let newer = 0;
  let told_streams = false;
  others.onmessage = ({ data: [more, since] }) => {
    if (few && since > BORN) newer += more;
    if (newer >= MOST_STREAMS) ask(true);
  };
  addEventListener("pagehide", () => tell(false));

  /** @param {boolean} streams */
  function tell(streams) {
    if (streams !== told_streams) others.postMessage([streams ? 1 : -1, BORN]);
    told_streams = streams;
  }

  /** @param {string} why */
  function showTrouble(why) {
    const banner = document.getElementById("trouble");
    if (!banner) return;
    banner.hidden = why === "";
    const place = banner.querySelector("span");
    if (place) write(place, why);
  }

  function beat() {
    const now = performance.now();
    // The machine slept or the page was held up: that is not the server's silence.
    if (now - beaten > 8 * BEAT_MS) {
      heard = now;
      asked = Math.max(asked, now);
    }
    beaten = now;
    countOn();
    if (document.hidden && header && !past && !notifies() && now - counted > COUNT_EVERY_MS)
      recount().catch(() => {});
    if (document.hidden || !source()) return;
    chooseWay(now);
    if (now - heard > STALE_TICKS * Math.max(tick_ms, 1000)) {
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

  /**
   * Only a change of state changes what a screen reader hears; the age ticks silently.
   * @param {"live" | "polling" | "stale"} next
   */
  function show(next) {
    if (next === state) return;
    state = next;
    root.classList.toggle("stale", next === "stale");
    const banner = document.getElementById("stale");
    if (banner) banner.hidden = next !== "stale";
    const last = banner?.querySelector("time");
    if (last && clock !== null) last.dataset.t = String(Math.round(clock + heard));
    const line = document.getElementById("live-state");
    if (!line) return;
    words.textContent = next === "stale" ? "No update" : next;
    rest.textContent = { live: "", polling: ": each second", stale: " — reconnecting" }[next];
    zone.textContent = ` · ${zoneName()}`;
    line.dataset.state = next;
    if (words.parentNode !== line) line.replaceChildren(words, age, rest, zone);
    showAge(performance.now() - heard);
  }

  /** @param {number} age_ms */
  function showAge(age_ms) {
    // While ticks come as they should their age is no news, and each change of it would be painted.
    const late = age_ms > 1.5 * Math.max(tick_ms, 1000);
    const s = Math.round(age_ms / 1000);
    write(age, state === "stale" ? ` for ${s} s` : late && state === "live" ? ` · ${s} s ago` : "");
  }

  // Times: the same markup for all, shown in each viewer's zone and by the server's clock.

  const format = formatter(root.dataset.tz);

  /** @param {string | undefined} timeZone */
  function formatter(timeZone) {
    // Swedish writes dates as ISO 8601 does.
    /** @param {Intl.DateTimeFormatOptions} zone */
    const make = (zone) =>
      new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", ...zone });
    try {
      return make(timeZone ? { timeZone } : {});
    } catch {
      return make({});
    }
  }

  function zoneName() {
    const { timeZone } = format.resolvedOptions();
    const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "shortOffset" }).formatToParts();
    const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? timeZone;
    return name === "GMT" ? "UTC" : name.replace("GMT", "UTC");
  }

  /** @param {HTMLElement | SVGElement} element */
  function textOf(element) {
    const { t, since, full, lasting, days } = element.dataset;
    if (since !== undefined) {
      const now = serverTime();
      if (now === null) return null;
      const text = elapsed(now - +since);
      if (element.classList.contains("short")) return text.split(" ", 2).join(" ");
      return lasting === undefined ? text : `for ${text}`;
    }
    const at = new Date(Number(t));
    if (Number.isNaN(at.getTime())) return null;
    const text = format.format(at);
    if (full !== undefined) return text;
    if (element.localName !== "text") return text.slice(11);
    return days === undefined ? text.slice(11, 16) : text.slice(5, 16);
  }

  /**
   * "44 s", "1 m 44 s", "2 h 5 m", "3 d 4 h".
   * @param {number} age_ms
   */
  function elapsed(age_ms) {
    const s = Math.max(0, Math.floor(age_ms / 1000));
    /** @param {string} large @param {string} small @param {number} size @param {number} of */
    const pair = (large, small, size, of) =>
      `${Math.floor(s / size)} ${large} ${Math.floor((s % size) / of)} ${small}`;
    if (s < 60) return `${s} s`;
    if (s < 3600) return pair("m", "s", 60, 1);
    return s < 86400 ? pair("h", "m", 3600, 60) : pair("d", "h", 86400, 3600);
  }

  /**
   * Changes a text in place and only if it differs, so that a selection in it stays.
   * @param {Element} element
   * @param {string | null} text
   */
  function write(element, text) {
    if (text === null || element.textContent === text) return;
    const only = element.childNodes.length === 1 ? element.firstChild : null;
    if (only instanceof Text) only.nodeValue = text;
    else element.textContent = text;
  }

  /** @param {HTMLElement | SVGElement} element */
  function showTime(element) {
    write(element, textOf(element));
  }

  /** @param {ParentNode} within */
  function showTimes(within, selector = TIMES) {
    for (const element of within.querySelectorAll(selector)) showTime(/** @type {HTMLElement} */ (element));
  }

  function countOn() {
    showTimes(document, "time.ago[data-since]");
  }

  // Mutations are told before the next paint, so nobody sees the server's text flash up.
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      const time = element?.closest(TIMES);
      if (time) showTime(/** @type {HTMLElement} */ (time));
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        if (node.matches(TIMES)) showTime(/** @type {HTMLElement} */ (node));
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

  // Alerts: what the header's panel counts shows in the title and the icon, also of a page in the background.

  const NOTIFY = "evenkeel-notify";
  const stored = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(name) !== null;
    } catch {
      return false;
    }
  };
  const notifies = () => window.Notification?.permission === "granted" && stored(NOTIFY);
  // Whoever wants to be told is told of a page that they do not look at.
  if (htmx && notifies()) htmx.config.sse.pauseOnBackground = false;
  const header = document.getElementById("p-alert-counts");
  /** @type {string | null} */
  let told = "";

  function showAlerts() {
    const { count = "0", critical = "0" } = document.getElementById("alert-count")?.dataset ?? {};
    document.title = (count === "0" ? "" : `(${count}) `) + document.title.replace(/^\(\d+\) /, "");
    const icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
    icon.setAttribute("href", (critical === "0" ? icon.dataset.icon : icon.dataset.alarm) ?? icon.href);
    const list = document.getElementById("alert-told");
    const before = told;
    told = list?.textContent ?? "";
    if (!list || told === before || !notifies()) return;
    for (const link of list.querySelectorAll("a")) {
      const note = new Notification(link.text, {
        body: link.dataset.detail ?? "",
        tag: link.href,
        icon: icon.href,
      });
      note.onclick = () => {
        window.focus();
        location.href = link.href;
      };
    }
  }
  if (header && !past) {
    told = document.getElementById("alert-told")?.textContent ?? "";
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(showAlerts).observe(header, all);
  }

  // A page in the background is paused: now and then it asks for its counts alone.
  const COUNT_EVERY_MS = 15_000;
  let counted = 0;
  async function recount() {
    counted = performance.now();
    const answer = await fetch("panels/alert-counts");
    const page = new DOMParser().parseFromString(answer.ok ? await answer.text() : "", "text/html");
    if (header && page.body.firstElementChild && document.hidden)
      header.innerHTML = page.body.firstElementChild.innerHTML;
  }

  const asks = document.getElementById("notify");
  const showNotify = () => {
    const button = asks?.querySelector("button");
    if (button) button.textContent = notifies() ? "Notify me no more" : "Notify me";
  };
  if (asks && window.Notification) {
    asks.hidden = false;
    showNotify();
    asks.addEventListener("click", async (event) => {
      if (!(event.target instanceof HTMLButtonElement)) return;
      if (notifies()) localStorage.removeItem(NOTIFY);
      else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(NOTIFY, "");
      showNotify();
    });
  }

  // Keys: a slash goes to the search box, a question mark shows them all, g and a letter go to a page.

  const SECOND_KEY_MS = 1500;
  const KEYS_OFF = "evenkeel-keys-off";
  let led = -SECOND_KEY_MS;
  const keysOff = () => stored(KEYS_OFF);

  on("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing || keysOff())
      return;
    if (target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    const second = performance.now() - led < SECOND_KEY_MS;
    led = !second && key === "g" ? performance.now() : -SECOND_KEY_MS;
    const selector =
      key === "/"
        ? "input[type=search]"
        : key === "?" || second
          ? `header [data-key="${CSS.escape(key)}"]`
          : "";
    const found = selector && document.querySelector(selector);
    if (!(found instanceof HTMLElement)) return;
    event.preventDefault();
    if (key === "/") found.focus();
    else if (key === "?") showKeys(found);
    else found.click();
  });

  /** The page of the keys in a dialog. @param {HTMLElement} link */
  async function showKeys(link) {
    const answer = await fetch("panels/keys");
    if (!answer.ok) return link.click();
    const dialog = document.createElement("dialog");
    dialog.innerHTML = `<form method="dialog"><button>Close</button></form>${await answer.text()}`;
    dialog.setAttribute("aria-label", "Keys");
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    showSwitch();
  }

  // Who speaks to the machine, or whose hand shakes, does without them: WCAG 2.1.4.
  function showSwitch() {
    for (const button of document.querySelectorAll("button.switch-keys")) {
      button.textContent = keysOff() ? "Switch keys on" : "Switch keys off";
      button.removeAttribute("hidden");
    }
  }
  on("click", (event) => {
    if (!event.target.closest?.("button.switch-keys")) return;
    if (keysOff()) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "");
    showSwitch();
  });
  showSwitch();

  // Panels are sent to all alike: in a frame that is seen by a link their data is had by it too.
  const frame_link = new URLSearchParams(location.search).get("link");
  on("click", (event) => {
    const link = frame_link && event.target.closest?.('a[href^="api/"]');
    if (!link) return;
    const address = new URL(link.href);
    address.searchParams.set("link", frame_link);
    link.href = address.href;
  });

  const shown = document.querySelector("#past .zone");
  if (shown) write(shown, zoneName());
  showTimes(document);
  setInterval(beat, BEAT_MS);
})();
