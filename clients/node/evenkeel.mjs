/**
 * Reports to Evenkeel from Node.js 18 or newer, without a dependency. Copy it next to your code:
 *
 *     import { Evenkeel } from "./evenkeel.mjs";
 *
 *     const evenkeel = new Evenkeel("http://127.0.0.1:8080/", { source: "balancer-1" });
 *     evenkeel.push({ workers: [{ id: "worker-01", metrics: { cpu_utilization: 42 } }] });
 *
 * `push` never waits and never throws: what can't be sent waits in a bounded buffer, whose oldest reports give way.
 */
const MAX_REPORTS = 10_000;
const MAX_REPORTS_A_BODY = 500;
const ANSWER_TIMEOUT_MS = 10_000;
/** Back soon after a server that was started again: whoever says nothing for a few intervals counts as silent. */
const LONGEST_PAUSE_MS = 5000;

export class Evenkeel {
  /** Counts of reports; `last_error` is what went wrong last, or null. */
  stats = { accepted: 0, rejected: 0, dropped: 0, last_error: null };
  #target;
  #source;
  #headers;
  #waiting = [];
  #sending = null;

  /** @param url where Evenkeel's start page is */
  constructor(url, { source, token = process.env.EVENKEEL_INGEST_TOKEN } = {}) {
    this.#target = `${new URL(url).href.replace(/\/+$/, "")}/api/ingest`;
    this.#source = source;
    this.#headers = { "Content-Type": "application/x-ndjson", Accept: "application/json" };
    if (token) this.#headers.Authorization = `Bearer ${token}`;
  }

  /** @param report as the ingest protocol has it; its time and source are filled in */
  push(report) {
    try {
      this.#waiting.push(JSON.stringify({ at: Date.now(), source: this.#source, ...report }));
    } catch (error) {
      this.#lose(1, error.message);
    }
    if (this.#waiting.length > MAX_REPORTS)
      this.#lose(this.#waiting.splice(0, this.#waiting.length - MAX_REPORTS).length, "the buffer is full");
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  /** Resolves once nothing waits, or after so long; to be awaited before the process ends. */
  async flush(timeout_ms = 5000) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeout_ms);
    });
    await Promise.race([this.#sending, late]);
    clearTimeout(timer);
  }

  #lose(count, error) {
    this.stats.dropped += count;
    this.stats.last_error = error;
  }

  async #send() {
    for (let failures = 0; this.#waiting.length > 0; ) {
      const batch = this.#waiting.splice(0, MAX_REPORTS_A_BODY);
      const pause_ms = await this.#post(batch);
      if (pause_ms === null) {
        failures = 0;
        continue;
      }
      this.#waiting.unshift(...batch);
      failures += 1;
      const longest_ms = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** (failures - 1));
      // A server that does not answer keeps no process alive that is done with its work.
      await new Promise((resolve) => {
        setTimeout(resolve, pause_ms || longest_ms * (0.5 + Math.random() / 2)).unref();
      });
    }
  }

  /** @returns null where the reports are dealt with, else after how many milliseconds to send them again; 0 where that is not said */
  async #post(batch) {
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const body = `${batch.join("\n")}\n`;
      const request = { method: "POST", headers: this.#headers, body, redirect: "manual", signal };
      const response = await fetch(this.#target, request);
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) this.stats.last_error = answer.detail ?? `the server answered ${response.status}`;
      if (response.ok || [400, 413, 415, 422].includes(response.status)) {
        const rejected = response.ok ? (answer.rejected ?? 0) : batch.length;
        this.stats.accepted += batch.length - rejected;
        this.stats.rejected += rejected;
        return null;
      }
      return 1000 * (Number(response.headers.get("retry-after")) || 0);
    } catch (error) {
      this.stats.last_error = error.cause?.code ?? error.message;
      return 0;
    }
  }
}
