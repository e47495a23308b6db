import { EvenkeelError } from "../../errors.ts";
import type { Alert, AlertEvent, Silence } from "../model.ts";
import { worstFirst } from "./alert-order.ts";
import { RuleEngine } from "./rules/engine.ts";
import { inhibitions } from "./rules/inhibition.ts";
import type { LiveAlert } from "./rules/live-alert.ts";
import type { Rule } from "./rules/rule.ts";
import { isActive, MAX_SILENCES, matches } from "./rules/silences.ts";
import type { RuleScene } from "./rules/vocabulary.ts";
import { finish, type Steps } from "./steps.ts";

/** News is told for so long: whoever reads it out begins when it can. */
const NEWS_MS = 10_000;

/** What the book has to keep since it was last asked. */
export interface AlertChanges {
  /** Began to fire, ended, or was dealt with. */
  readonly alerts: readonly Alert[];
  /** All that is pending, where that changed; else null. */
  readonly pending: readonly Alert[] | null;
  readonly silences: readonly Silence[];
}

/** Every alert from its first sign to its end, and what people did about it. */
export class AlertBook {
  readonly #engine: RuleEngine;
  #rules: readonly Rule[];
  /** By rule, which others hold it back. */
  #unless: ReadonlyMap<string, readonly string[]>;
  readonly #silences = new Map<string, { silence: Silence; matches: ReturnType<typeof matches> }>();
  readonly #dirty = new Set<LiveAlert>();
  readonly #dirty_silences = new Set<Silence>();
  #pending_changed = false;
  #events: AlertEvent[] = [];
  #news: readonly AlertEvent[] = [];
  /** Firing, neither silenced nor held back, worst first. */
  #shown: readonly Alert[] = [];
  #all: readonly Alert[] = [];

  /** @param reached is told of a bound that was reached */
  constructor(rules: readonly Rule[], started_ms: number, reached: (limit: string) => void) {
    this.#rules = rules;
    this.#unless = unlessOf(rules);
    this.#engine = new RuleEngine(rules, started_ms, reached);
  }

  get rules(): readonly Rule[] {
    return this.#rules;
  }

  replaceRules(rules: readonly Rule[], now_ms: number): void {
    this.#rules = rules;
    this.#unless = unlessOf(rules);
    this.#engine.replace(rules, now_ms);
  }

  restore(alerts: readonly Alert[], silences: readonly Silence[]): void {
    this.#engine.restore(alerts);
    for (const silence of silences) this.#hush(silence);
    this.#look();
  }

  resume(now_ms: number): void {
    this.#engine.resume(now_ms);
  }

  evaluate(scene: RuleScene): void {
    finish(this.evaluating(scene));
  }

  /** Asks all rules, in steps, and settles what is told. */
  *evaluating(scene: RuleScene): Steps {
    const { now_ms } = scene;
    const told = this.#events.length;
    yield* this.#engine.evaluating(scene);
    this.#hold(now_ms);
    this.#silence(now_ms);
    for (const alert of this.#engine.takeChanged()) {
      if (alert.fired_ms === null) this.#pending_changed = true;
      else {
        // It may just have been pending.
        if (alert.fired_ms === now_ms) this.#pending_changed = true;
        this.#dirty.add(alert);
      }
      if (alert.ended_ms !== null && alert.told) this.#tell("resolved", alert, now_ms);
    }
    for (const alert of this.#engine.alerts()) {
      if (alert.told || !isShown(alert)) continue;
      alert.tell();
      this.#dirty.add(alert);
      this.#tell("firing", alert, now_ms);
    }
    const news = this.#events.slice(told);
    if (news.length > 0 || now_ms - (this.#news[0]?.at_ms ?? 0) > NEWS_MS) this.#news = news;
    this.#look();
  }

  /** What people did since the last evaluation shows at once. */
  settle(now_ms: number): void {
    this.#silence(now_ms);
    this.#look();
  }

  #tell(kind: AlertEvent["kind"], alert: LiveAlert, at_ms: number): void {
    const { fired_ms, ended_ms } = alert;
    this.#events.push({ kind, at_ms, fired_ms: fired_ms!, ended_ms, alert: alert.snapshot() });
  }

  /** Notes which alerts follow from which. */
  #hold(now_ms: number): void {
    const firing = [...this.#engine.alerts()].filter(({ fired_ms }) => fired_ms !== null);
    const held = inhibitions(firing, this.#unless);
    for (const alert of firing) {
      const cause = held.get(alert) ?? null;
      if (cause === alert.inhibited_by) continue;
      alert.inhibited_by = cause;
      if (cause === null) alert.step(now_ms, "uninhibited");
      else alert.step(now_ms, "inhibited", cause);
      this.#dirty.add(alert);
    }
  }

  #silence(now_ms: number): void {
    const active = [...this.#silences.values()].filter(({ silence }) => isActive(silence, now_ms));
    for (const alert of this.#engine.alerts()) {
      if (alert.fired_ms === null || (active.length === 0 && alert.silenced_by === null)) continue;
      const silence = active.find((one) => one.matches(alert))?.silence.id ?? null;
      if (silence === alert.silenced_by) continue;
      alert.silenced_by = silence;
      if (silence === null) alert.step(now_ms, "unsilenced");
      else alert.step(now_ms, "silenced", silence);
      this.#dirty.add(alert);
    }
  }

  #look(): void {
    this.#all = [...this.#engine.alerts()].sort(worstFirst);
    this.#shown = this.#all.filter(isShown);
  }

  /** What fires and is neither silenced nor held back, worst first. */
  get firing(): readonly Alert[] {
    return this.#shown;
  }

  /** What the last tick told that told anything, for some seconds. */
  get news(): readonly AlertEvent[] {
    return this.#news;
  }

  /** Everything that is pending or fires, worst first. */
  get all(): readonly Alert[] {
    return this.#all;
  }

  get silences(): readonly Silence[] {
    const all = Array.from(this.#silences.values(), ({ silence }) => silence);
    return all.sort((a, b) => b.ends_ms - a.ends_ms);
  }

  /**
   * @param by null takes the acknowledgement back
   * @throws EvenkeelError "not_found" for an alert that does not fire
   */
  acknowledge(
    alert_id: string,
    by: { name: string; note: string } | null,
    who: string,
    now_ms: number,
  ): Alert {
    const alert = this.#engine.find(alert_id);
    if (!alert || alert.fired_ms === null)
      throw new EvenkeelError("not_found", `No alert ${JSON.stringify(alert_id)} fires now`);
    if (by) {
      alert.acknowledged = { at_ms: now_ms, by: by.name, note: by.note };
      alert.step(now_ms, "acknowledged", by.name, by.note);
    } else if (alert.acknowledged) {
      alert.acknowledged = null;
      alert.step(now_ms, "unacknowledged", who);
    }
    this.#dirty.add(alert);
    return alert;
  }

  /** @throws EvenkeelError "too_many" */
  addSilence(silence: Silence, now_ms: number): void {
    if (this.#silences.size >= MAX_SILENCES) {
      const over = this.silences.find(({ ends_ms }) => ends_ms <= now_ms);
      if (!over)
        throw new EvenkeelError("too_many", `At most ${MAX_SILENCES} silences may hold; end one of them`);
      this.#silences.delete(over.id);
    }
    this.#put(silence);
  }

  /** @throws EvenkeelError "not_found" for one that is not known or over */
  endSilence(id: string, now_ms: number): Silence {
    const silence = this.#silences.get(id)?.silence;
    if (!silence || silence.ends_ms <= now_ms)
      throw new EvenkeelError("not_found", `No silence ${JSON.stringify(id)} holds`);
    const ended = { ...silence, ends_ms: Math.max(now_ms, silence.starts_ms) };
    this.#put(ended);
    return ended;
  }

  #put(silence: Silence): void {
    this.#hush(silence);
    this.#dirty_silences.add(silence);
  }

  #hush(silence: Silence): void {
    this.#silences.set(silence.id, { silence, matches: matches(silence.matchers) });
  }

  takeChanges(): AlertChanges {
    const pending = this.#pending_changed ? this.#all.filter(({ state }) => state === "pending") : null;
    const changes = {
      alerts: [...this.#dirty].map((alert) => alert.snapshot()),
      pending: pending === null ? null : pending.map((alert) => (alert as LiveAlert).snapshot()),
      silences: [...this.#dirty_silences],
    };
    this.#dirty.clear();
    this.#dirty_silences.clear();
    this.#pending_changed = false;
    return changes;
  }

  /** What there is to tell since the last call. */
  takeEvents(): AlertEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

function unlessOf(rules: readonly Rule[]): ReadonlyMap<string, readonly string[]> {
  return new Map(rules.filter(({ unless }) => unless.length > 0).map(({ name, unless }) => [name, unless]));
}

function isShown({ fired_ms, ended_ms, silenced_by, inhibited_by }: Alert): boolean {
  return fired_ms !== null && ended_ms === null && silenced_by === null && inhibited_by === null;
}
