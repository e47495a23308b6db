import type { Alert, AlertStep } from "../../model.ts";

/** What became of one alert: the newest of it. */
const MAX_STEPS = 50;

/** How an alert's words are found. */
export interface Words {
  title(): string;
  detail(): string;
}

/** An alert that is pending or fires. */
export class LiveAlert implements Alert {
  readonly rule: string;
  readonly severity: Alert["severity"];
  readonly labels: Alert["labels"];
  readonly subject: Alert["subject"];
  readonly series: Alert["series"];
  readonly many: string;
  readonly since_ms: number;
  fired_ms: number | null = null;
  ended_ms: number | null = null;
  flaps = 0;
  acknowledged: Alert["acknowledged"] = null;
  silenced_by: string | null = null;
  inhibited_by: string | null = null;
  told = false;
  steps: readonly AlertStep[] = [];
  /** Since when its condition does not hold; null while it does. */
  quiet_since_ms: number | null = null;
  /** Since when nothing can be told of its condition; null while it can. */
  unknown_since_ms: number | null = null;
  /** How its words are found, of the subject as of the tick that last saw the condition hold. */
  #words: Words;
  /** Of many that fire at once each is asked for several times. */
  #snapshot: Alert | null = null;
  #title: string | null = null;
  #detail: string | null = null;

  constructor(
    readonly id: string,
    fixed: Pick<Alert, "rule" | "severity" | "labels" | "subject" | "series" | "many" | "since_ms">,
    words: Words,
  ) {
    this.rule = fixed.rule;
    this.severity = fixed.severity;
    this.labels = fixed.labels;
    this.subject = fixed.subject;
    this.series = fixed.series;
    this.many = fixed.many;
    this.since_ms = fixed.since_ms;
    this.#words = words;
  }

  /** Finds its words now; until then they are found when somebody reads them. */
  say(words: Words): void {
    this.#words = words;
    this.#title = words.title();
    this.#detail = words.detail();
    this.#snapshot = null;
  }

  get title(): string {
    this.#title ??= this.#words.title();
    return this.#title;
  }

  get detail(): string {
    this.#detail ??= this.#words.detail();
    return this.#detail;
  }

  get state(): Alert["state"] {
    if (this.ended_ms !== null) return "resolved";
    return this.fired_ms === null ? "pending" : "firing";
  }

  step(at_ms: number, what: AlertStep["what"], by = "", note = ""): void {
    this.steps = [...this.steps.slice(1 - MAX_STEPS), { at_ms, what, by, note }];
    this.#snapshot = null;
  }

  /** Its receivers are told that it fires. */
  tell(): void {
    this.told = true;
    this.#snapshot = null;
  }

  /** As it is now, for good. */
  snapshot(): Alert {
    this.#snapshot ??= this.#copy();
    return this.#snapshot;
  }

  #copy(): Alert {
    const { id, rule, severity, title, detail, since_ms, subject, labels, many, series, state } = this;
    const { fired_ms, ended_ms, flaps, acknowledged, silenced_by, inhibited_by, told, steps } = this;
    const fixed = { id, rule, severity, title, detail, since_ms, subject, labels, many, series, state };
    return { ...fixed, fired_ms, ended_ms, flaps, acknowledged, silenced_by, inhibited_by, told, steps };
  }
}
