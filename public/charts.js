// Charts of history that a pointer can enter: drawn by uPlot from the same data that the server drew.
(() => {
  const uPlot = /** @type {any} */ (window).uPlot;
  const MIN_ZOOM_MS = 10_000;
  const COLOURS = 5;

  /**
   * @typedef {{ label: string, unit: string | null, mean: (number | null)[], min?: (number | null)[], max?: (number | null)[], before?: (number | null)[] }} Series
   * @typedef {{ from_ms: number, to_ms: number, step_s: number, times_ms: number[], series: Series[], marks: { at_ms: number, kind: string, text: string }[] }} History
   */

  const tz = document.documentElement.dataset.tz;
  const format = formatter(tz) ?? formatter(undefined);

  /** @param {string | undefined} timeZone */
  function formatter(timeZone) {
    try {
      // Swedish writes dates as ISO 8601 does.
      return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone });
    } catch {
      return null;
    }
  }

  /** @param {Element} root */
  function start(root) {
    const source = new URL(/** @type {HTMLElement} */ (root).dataset.history ?? "", document.baseURI);
    // What is seen by a link is fetched by it.
    const link = new URLSearchParams(location.search).get("link");
    if (link) source.searchParams.set("link", link);
    const places = [...root.querySelectorAll(".chart-place")].map((element) => makePlace(element, zoom));
    /** @type {History | null} */
    let data = null;
    let loading = false;
    // A window with an end of its own does not move.
    const fixed = source.searchParams.has("to");
    const length_ms = () => (data ? data.to_ms - data.from_ms : 0);

    /** @param {Record<string, string>} changes @returns {Promise<History | null>} */
    async function load(changes) {
      const url = new URL(source);
      for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
      if ("from" in changes) url.searchParams.delete("duration");
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      return answer.ok ? answer.json() : null;
    }

    /** @param {() => Promise<void>} work */
    async function alone(work) {
      if (loading) return;
      loading = true;
      try {
        await work();
      } catch {
        // The page says by itself that the server is gone; the next tick tries again.
      } finally {
        loading = false;
      }
    }

    const draw = () => {
      for (const place of places) if (data) place.draw(data);
    };

    /** @param {number} from_ms @param {number} to_ms */
    function zoom(from_ms, to_ms) {
      if (to_ms - from_ms < MIN_ZOOM_MS) return;
      // All that is on the page is to be of that window, so the page is asked for it.
      const here = new URL(location.href);
      here.searchParams.delete("duration");
      here.searchParams.set("from", String(Math.floor(from_ms)));
      here.searchParams.set("to", String(Math.ceil(to_ms)));
      location.assign(here);
    }

    /** @param {number} now_ms */
    function append(now_ms) {
      if (!data || fixed || now_ms < data.to_ms) return;
      const last_ms = data.times_ms.at(-1) ?? data.from_ms;
      const step_ms = data.step_s * 1000;
      // Not to lose a step that was still filling, the last ones are asked for again.
      const from = String(Math.max(data.from_ms, last_ms - 2 * step_ms));
      void alone(async () => {
        const newer = await load({ from, step: `${data?.step_s}s` });
        if (!data || !newer || newer.step_s !== data.step_s) return;
        data = joined(data, newer, newer.to_ms - length_ms());
        draw();
      });
    }

    document.addEventListener("tick", (event) => {
      if (document.hidden) return;
      try {
        append(JSON.parse(/** @type {any} */ (event).detail.data).at_ms);
      } catch {
        // Not ours to read.
      }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const place of places) place.forget();
      draw();
    });
    void alone(async () => {
      data = await load({});
      draw();
    });
  }

  /** @param {History} older @param {History} newer @param {number} from_ms @returns {History} */
  function joined(older, newer, from_ms) {
    const [first = Infinity] = newer.times_ms;
    const begin = older.times_ms.findIndex((time_ms) => time_ms >= from_ms);
    const end = older.times_ms.findIndex((time_ms) => time_ms >= first);
    /** @template T @param {T[]} a @param {T[]} b */
    const join = (a, b) => [...a.slice(begin === -1 ? a.length : begin, end === -1 ? a.length : end), ...b];
    return {
      ...newer,
      from_ms,
      marks: [
        ...older.marks.filter(({ at_ms }) => at_ms >= from_ms && at_ms < newer.from_ms),
        ...newer.marks,
      ],
      times_ms: join(older.times_ms, newer.times_ms),
      series: newer.series.map((series, index) => {
        const before = older.series[index] ?? series;
        return {
          ...series,
          mean: join(before.mean, series.mean),
          ...(before.min && series.min && { min: join(before.min, series.min) }),
          ...(before.max && series.max && { max: join(before.max, series.max) }),
          ...(before.before && series.before && { before: join(before.before, series.before) }),
        };
      }),
    };
  }

  /**
   * Where one chart stands, with those of the data's series that it shows.
   * @param {Element} element
   * @param {(from_ms: number, to_ms: number) => void} zoom
   */
  function makePlace(element, zoom) {
    const list = /** @type {HTMLElement} */ (element).dataset.series ?? "";
    const shown = list.split(",").map(Number);
    const drawing = element.querySelector(".drawing");
    const values = [...element.querySelectorAll(".legend b")];
    const box = document.createElement("div");
    box.className = "plot";
    let height = 0;
    /** @type {any} */
    let plot = null;
    /** @type {History | null} */
    let now = null;

    const seriesOf = (/** @type {History} */ data) =>
      shown.map((index) => /** @type {Series} */ (data.series[index]));

    /** @param {number | null | undefined} row the row under the pointer, else the last one that is known */
    function showValues(row) {
      if (!now) return;
      seriesOf(now).forEach((series, place) => {
        const value =
          row === null || row === undefined ? series.mean.findLast((one) => one !== null) : series.mean[row];
        const text = value === null || value === undefined ? "–" : valueText(value, series.unit);
        const field = values[place];
        if (field && field.textContent !== text) field.textContent = text;
      });
    }

    /** @param {History} data */
    function make(data) {
      const colour = (/** @type {string} */ name) => colourOf(element, name);
      const unit = data.series[shown[0] ?? 0]?.unit ?? null;
      const axis = {
        stroke: colour("--muted"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { show: false },
        font: "11px system-ui, sans-serif",
      };
      /** @type {any[]} */
      const series = [{}];
      /** @type {any[]} */
      const bands = [];
      shown.forEach((_, place) => {
        const stroke = colour(`--s${(place % COLOURS) + 1}`);
        series.push({ stroke, width: 1.5, points: { size: 4, fill: stroke, filter: lone } });
        series.push(
          { stroke: "transparent", points: { show: false } },
          { stroke: "transparent", points: { show: false } },
          { stroke, width: 1.5, dash: [5, 4], alpha: 0.7, points: { show: false } },
        );
        bands.push({
          series: [4 * place + 3, 4 * place + 2],
          fill: `color-mix(in srgb, ${stroke} 18%, transparent)`,
        });
      });
      // Once it is replaced the drawing has no height any more.
      height ||= drawing?.getBoundingClientRect().height ?? 160;
      // These axes name their units themselves.
      const title = /** @type {HTMLElement | null} */ (element.querySelector("[data-title]"));
      if (title?.dataset.title) title.textContent = title.dataset.title;
      drawing?.replaceWith(box);
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", drawing?.getAttribute("aria-label") ?? "");
      return new uPlot(
        {
          width: box.clientWidth,
          height,
          tzDate: (/** @type {number} */ time_s) =>
            uPlot.tzDate(new Date(time_s * 1000), format?.resolvedOptions().timeZone),
          padding: [8, 0, 0, 0],
          legend: { show: false },
          cursor: {
            y: false,
            sync: { key: "history", setSeries: false },
            drag: { x: true, y: false, setScale: false },
            points: { size: 6 },
          },
          scales: {
            x: { range: () => (now ? [now.from_ms / 1000, now.to_ms / 1000] : [0, 1]) },
            y: {
              range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [
                0,
                unit === "percent" ? 100 : max > 0 ? max * 1.05 : 1,
              ],
            },
          },
          axes: [
            { ...axis, space: 80, size: 22, values: timeTexts },
            {
              ...axis,
              side: 1,
              space: 36,
              size: 52,
              grid: { ...axis.grid },
              values: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
                splits.map((value) => axisText(value, unit)),
            },
          ],
          series,
          bands,
          hooks: {
            drawAxes: [(/** @type {any} */ u) => drawMarks(u, now, colour)],
            setCursor: [(/** @type {any} */ u) => showValues(u.cursor.idx)],
            setSelect: [
              (/** @type {any} */ u) => {
                const { left, width } = u.select;
                if (width < 4) return;
                const [from_s, to_s] = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
                u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                zoom(from_s * 1000, to_s * 1000);
              },
            ],
          },
        },
        columns(data),
        box,
      );
    }

    /** @param {History} data */
    function columns(data) {
      const none = data.times_ms.map(() => null);
      return [
        data.times_ms.map((time_ms) => time_ms / 1000),
        ...seriesOf(data).flatMap(({ mean, min, max, before }) => [
          mean,
          min ?? none,
          max ?? none,
          before ?? none,
        ]),
      ];
    }

    new ResizeObserver(() => {
      if (plot && box.clientWidth > 0) plot.setSize({ width: box.clientWidth, height: plot.height });
    }).observe(box);

    return {
      /** @param {History} data */
      draw(data) {
        now = data;
        if (plot) plot.setData(columns(data));
        else plot = make(data);
        showValues(plot.cursor.idx);
      },
      forget() {
        plot?.destroy();
        plot = null;
      },
    };
  }

  /**
   * Upright lines where something happened; of alerts there may be many, theirs are short.
   * @param {any} u @param {History | null} data @param {(name: string) => string} colour
   */
  function drawMarks(u, data, colour) {
    const { ctx, bbox } = u;
    const dash = 3 * devicePixelRatio;
    ctx.save();
    for (const { at_ms, kind } of data?.marks ?? []) {
      const x = u.valToPos(at_ms / 1000, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      const alert = kind === "alert";
      ctx.strokeStyle = colour(alert ? "--critical" : "--gone");
      ctx.lineWidth = devicePixelRatio * (alert ? 2 : 1);
      ctx.setLineDash(alert ? [] : [dash, dash]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + (alert ? 7 * devicePixelRatio : bbox.height));
      ctx.stroke();
    }
    ctx.restore();
  }

  const MINUTE = 60;
  const HOUR = 3600;
  const DAY = 86_400;

  // Points between gaps, which no line would show; null where there are none, or all points are shown.
  /** @param {any} u @param {number} index @param {boolean} shown @returns {number[] | null} */
  function lone(u, index, shown) {
    if (shown) return null;
    /** @type {(number | null)[]} */
    const values = u.data[index];
    const known = (/** @type {number} */ at) => values[at] !== null && values[at] !== undefined;
    const found = [...values.keys()].filter((at) => known(at) && !known(at - 1) && !known(at + 1));
    return found.length > 0 ? found : null;
  }

  /** @param {any} _ @param {number[]} splits @param {number} __ @param {number} ___ @param {number} step_s */
  function timeTexts(_, splits, __, ___, step_s) {
    return splits.map((time_s) => {
      const text = /** @type {Intl.DateTimeFormat} */ (format).format(new Date(time_s * 1000));
      const time = text.slice(11, step_s < MINUTE ? 19 : 16);
      return step_s >= DAY || time === "00:00" ? text.slice(5, 10) : time;
    });
  }

  /** @param {number} value @param {[string, number][]} sizes largest first @param {string} unit */
  function scaled(value, sizes, unit) {
    const [name, size] = sizes.find(([, size]) => Math.abs(value) >= size) ?? ["", 1];
    return `${short(value / size)} ${name}${unit}`.trimEnd();
  }

  /** @param {number} value */
  function short(value) {
    const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return String(Number(value.toFixed(digits)));
  }

  const BINARY = /** @type {[string, number][]} */ ([
    ["Ti", 2 ** 40],
    ["Gi", 2 ** 30],
    ["Mi", 2 ** 20],
    ["Ki", 2 ** 10],
  ]);
  const DECIMAL = /** @type {[string, number][]} */ ([
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e4],
  ]);

  /** A colour of the style sheet as a canvas takes it. @param {Element} element @param {string} name */
  function colourOf(element, name) {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  /** The chart's title names its unit, but for those that an axis scales. @param {number} value @param {string | null} unit */
  function axisText(value, unit) {
    return ["seconds", "bytes", "bytes_per_second"].includes(unit ?? "")
      ? valueText(value, unit)
      : unit === "ratio"
        ? short(value * 100)
        : short(value);
  }

  /** @param {number} value @param {string | null} unit */
  function valueText(value, unit) {
    if (unit === "percent") return `${short(value)} %`;
    if (unit === "ratio") return `${short(value * 100)} %`;
    if (unit === "bytes") return scaled(value, BINARY, "B");
    if (unit === "bytes_per_second") return scaled(value, BINARY, "B/s");
    if (unit === "per_minute") return `${short(value)} /min`;
    if (unit === "per_hour") return `${short(value)} /h`;
    if (unit === "celsius") return `${short(value)} °C`;
    if (unit === "watts") return `${short(value)} W`;
    if (unit !== "seconds") return Math.abs(value) < 1e6 ? short(value) : scaled(value, DECIMAL, "");
    if (value !== 0 && Math.abs(value) < 0.1) return `${short(value * 1000)} ms`;
    if (Math.abs(value) < 2 * MINUTE) return `${short(value)} s`;
    return Math.abs(value) < 2 * HOUR ? `${short(value / MINUTE)} min` : `${short(value / HOUR)} h`;
  }

  for (const root of document.querySelectorAll("[data-history]")) start(root);
})();
