import type { Alert } from "../../model.ts";
import type { Steps } from "../steps.ts";
import { LiveAlert, type Words } from "./live-alert.ts";
import type { Armed, Rule } from "./rule.ts";
import type { RuleScene } from "./vocabulary.ts";

/** Alerts that are pending or fire at once; what comes beyond is not told of. */
export const MAX_ALERTS = 10_000;
/** Subjects that all rules of their kind are asked of in one step. */
const STEP_SUBJECTS = 1000;
/** An alert that fires so often in so long comes and goes: it then goes on firing until it was quiet for a while. */
const FLAPS = 3;
const FLAPPING_MS = 900_000;
const DAMPED_MS = 300_000;
/** Alerts whose firings are remembered after their end. */
const MAX_REMEMBERED = 10_000;
/** Alerts whose words follow their subject each tick; of more, some keep those with which they fired. */
const SAID_A_TICK = 500;
/** What can't be told any more is taken for as it was for so long: until a source that is silent counts as lost. */
const UNKNOWN_MS = 90_000;
/** After a start not everything is known at once: what fired before goes on for so long. */
const SETTLE_MS = 60_000;

/** A rule with what is pending and fires of it, by subject. */
interface Watched {
  readonly rule: Rule;
  readonly armed: Armed;
  readonly live: Map<string, LiveAlert>;
}

/** Takes rules from inactive to pending, firing and resolved, once a tick. */
export class RuleEngine {
  #watched: Watched[] = [];
  #size = 0;
  #said = 0;
  /** When alerts fired that may have ended since, by id, oldest first. */
  readonly #fired = new Map<string, number[]>();
  readonly #changed = new Set<LiveAlert>();
  readonly #reached: (limit: string) => void;
  readonly #started_ms: number;
  #settled_ms: number;
  readonly #restored = new Set<LiveAlert>();

  constructor(rules: readonly Rule[], started_ms: number, reached: (limit: string) => void) {
    this.#reached = reached;
    this.#started_ms = started_ms;
    this.#settled_ms = started_ms + SETTLE_MS;
    this.#watched = rules.map((rule) => ({ rule, armed: rule.arm(), live: new Map() }));
  }

  /** Other rules from now on. What one of the same name and kind had goes on; what no rule has ends. */
  replace(rules: readonly Rule[], now_ms: number): void {
    const before = new Map(this.#watched.map((watched) => [watched.rule.name, watched]));
    this.#watched = rules.map((rule) => {
      const same = before.get(rule.name);
      const armed = rule.arm();
      if (same?.rule.each !== rule.each) return { rule, armed, live: new Map() };
      before.delete(rule.name);
      return { rule, armed, live: same.live };
    });
    for (const { live } of before.values()) {
      for (const [id, alert] of live) this.#end(live, id, alert, now_ms);
    }
  }

  /** Goes on with what was pending or fired when the process ended. */
  restore(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      const watched = this.#watched.find(({ rule }) => rule.name === alert.rule);
      const words = { title: () => alert.title, detail: () => alert.detail };
      const live = new LiveAlert(alert.id, alert, words);
      const { fired_ms, flaps, acknowledged, silenced_by, inhibited_by, told, steps } = alert;
      Object.assign(live, { fired_ms, flaps, acknowledged, silenced_by, inhibited_by, told, steps });
      if (fired_ms !== null) this.#remember(alert.id, fired_ms);
      if (watched) {
        watched.live.set(subjectOf(alert), live);
        this.#size += 1;
        this.#restored.add(live);
      } else {
        // Its rule is no more.
        live.ended_ms = Math.max((fired_ms ?? 0) + 1, this.#started_ms);
        this.#changed.add(live);
      }
    }
  }

  /** After the clock jumped or the process slept: nothing held or was quiet meanwhile. */
  resume(now_ms: number): void {
    this.#settled_ms = now_ms + SETTLE_MS;
    for (const { live } of this.#watched) {
      for (const [id, alert] of live) {
        if (alert.fired_ms === null) this.#drop(live, id);
        else {
          alert.quiet_since_ms = null;
          this.#restored.add(alert);
        }
      }
    }
  }

  /** Asks every rule of every subject, in steps. */
  *evaluating(scene: RuleScene): Steps {
    this.#said = 0;
    for (const asked of groupedByKind(this.#watched)) yield* this.#asking(asked, scene);
    if (scene.now_ms >= this.#settled_ms) this.#restored.clear();
  }

  /** All rules of one kind: what is known of one subject is at hand while they are asked of it. */
  *#asking(watched: readonly Watched[], scene: RuleScene): Steps {
    const { kind } = watched[0]!.rule;
    const asked = watched.map((one) => ({
      ...one,
      // Most rules fire for nobody: then there is nothing to look up.
      missing: one.live.size > 0 ? new Map(one.live) : null,
      samples: one.armed.windows.begin(scene.now_ms),
    }));
    const in_state = new Map<string, { one: (typeof asked)[number]; never: boolean }[]>();
    const inState = (state: string) => {
      const all = asked.map((one) => ({ one, never: one.armed.holdsNever(state) }));
      // Of a hundred thousand tasks most only wait, and most rules are about others.
      const some = all.filter(({ one, never }) => !never || one.samples || one.missing !== null);
      in_state.set(state, some);
      return some;
    };
    let subjects = 0;
    for (const subject of kind.each(scene)) {
      if (++subjects % STEP_SUBJECTS === 0) yield;
      const state = kind.state?.(subject) ?? "";
      const to_ask = in_state.get(state) ?? inState(state);
      if (to_ask.length === 0) continue;
      const planned = kind.planned?.(subject) ?? false;
      for (const { one, never } of to_ask) {
        const { rule, armed, missing } = one;
        if (planned && !rule.planned) continue;
        if (one.samples) armed.windows.note(subject, scene);
        if (never && missing?.has(kind.id(subject)) !== true) continue;
        const held = armed.holds(subject, scene);
        if (missing === null && held !== 1) continue;
        missing?.delete(kind.id(subject));
        if (held === 1) this.#hold(one, subject, scene);
        else this.#release(one, subject, Number.isNaN(held), scene);
      }
    }
    yield;
    for (const { armed, live, missing, samples } of asked) {
      if (samples) armed.windows.end(scene.now_ms);
      for (const [id, alert] of missing ?? []) {
        if (!this.#restored.has(alert) || scene.now_ms >= this.#settled_ms)
          this.#end(live, id, alert, scene.now_ms);
      }
    }
  }

  /** The condition holds. */
  #hold({ rule, armed, live }: Watched, subject: unknown, scene: RuleScene): void {
    const { now_ms } = scene;
    const id = rule.kind.id(subject);
    const known = live.get(id);
    let alert = known;
    const words = {
      title: () => armed.summary(subject, scene),
      detail: () => armed.description(subject, scene),
    };
    if (!alert) {
      if (this.#size >= MAX_ALERTS) {
        this.#reached("alerts");
        return;
      }
      alert = begin(rule, id, subject, scene, words);
      live.set(id, alert);
      this.#size += 1;
    }
    alert.quiet_since_ms = null;
    alert.unknown_since_ms = null;
    this.#restored.delete(alert);
    if (alert.fired_ms === null && now_ms - alert.since_ms >= rule.for_ms) {
      alert.say(words);
      this.#fire(alert, now_ms);
    } else if (!known) this.#changed.add(alert);
    else if (alert.fired_ms !== null && this.#said < SAID_A_TICK) {
      this.#said += 1;
      alert.say(words);
    }
  }

  #fire(alert: LiveAlert, now_ms: number): void {
    const fired_ms = this.#remember(alert.id, now_ms);
    alert.fired_ms = now_ms;
    alert.flaps = fired_ms.length >= FLAPS ? fired_ms.length : 0;
    alert.step(now_ms, "firing", "", alert.detail);
    this.#changed.add(alert);
  }

  /** @returns when it fired of late, this time included */
  #remember(id: string, now_ms: number): number[] {
    const fired_ms = (this.#fired.get(id) ?? []).filter((at_ms) => at_ms > now_ms - FLAPPING_MS);
    fired_ms.push(now_ms);
    this.#fired.delete(id);
    this.#fired.set(id, fired_ms);
    if (this.#fired.size > MAX_REMEMBERED) this.#fired.delete(this.#fired.keys().next().value!);
    return fired_ms;
  }

  /** The condition does not hold, or can't be told. */
  #release({ rule, armed, live }: Watched, subject: unknown, unknown: boolean, scene: RuleScene): void {
    const { now_ms } = scene;
    const id = rule.kind.id(subject);
    const alert = live.get(id);
    if (!alert) return;
    if (alert.fired_ms === null) {
      if (!unknown || !this.#restored.has(alert) || now_ms >= this.#settled_ms) this.#drop(live, id);
      return;
    }
    if (unknown) {
      // Of what follows from another alert nothing is known while that fires.
      if (alert.inhibited_by !== null) return;
      alert.unknown_since_ms ??= now_ms;
      if (now_ms - alert.unknown_since_ms >= UNKNOWN_MS) this.#end(live, id, alert, now_ms);
      return;
    }
    alert.unknown_since_ms = null;
    if (armed.cleared && armed.cleared(subject, scene) !== 1) {
      alert.quiet_since_ms = null;
      return;
    }
    alert.quiet_since_ms ??= now_ms;
    const keep_ms = alert.flaps > 0 ? Math.max(rule.keep_firing_for_ms, DAMPED_MS) : rule.keep_firing_for_ms;
    if (now_ms - alert.quiet_since_ms >= keep_ms) this.#end(live, id, alert, now_ms);
  }

  #end(live: Map<string, LiveAlert>, id: string, alert: LiveAlert, now_ms: number): void {
    this.#drop(live, id);
    if (alert.fired_ms === null) return;
    alert.ended_ms = Math.max(now_ms, alert.fired_ms + 1);
    alert.step(now_ms, "resolved");
    this.#changed.add(alert);
  }

  #drop(live: Map<string, LiveAlert>, id: string): void {
    const alert = live.get(id);
    if (!alert) return;
    live.delete(id);
    this.#size -= 1;
    this.#restored.delete(alert);
    if (alert.fired_ms === null) this.#changed.add(alert);
  }

  /** Everything that is pending or fires, in no order. */
  *alerts(): Iterable<LiveAlert> {
    for (const { live } of this.#watched) yield* live.values();
  }

  find(alert_id: string): LiveAlert | undefined {
    for (const { rule, live } of this.#watched) {
      if (alert_id === rule.name || alert_id.startsWith(`${rule.name}:`)) {
        const alert = live.get(alert_id.slice(rule.name.length + 1));
        if (alert) return alert;
      }
    }
    return undefined;
  }

  /** What became pending, fired, ended or was dropped since the last call. */
  takeChanged(): LiveAlert[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }
}

function groupedByKind(watched: readonly Watched[]): Iterable<Watched[]> {
  const groups = new Map<string, Watched[]>();
  for (const one of watched) {
    const group = groups.get(one.rule.each);
    if (group) group.push(one);
    else groups.set(one.rule.each, [one]);
  }
  return groups.values();
}

function begin(rule: Rule, subject_id: string, subject: unknown, scene: RuleScene, words: Words): LiveAlert {
  const { kind, name, each, severity, chart } = rule;
  const about = kind.about?.(subject) ?? { kind: each as Alert["subject"]["kind"], id: subject_id || name };
  const labels = { rule: name, severity, kind: about.kind, ...kind.labels(subject, scene) };
  const series = kind.series?.(subject);
  return new LiveAlert(
    subject_id === "" ? name : `${name}:${subject_id}`,
    {
      rule: name,
      severity,
      labels,
      subject: about,
      series: series
        ? (kind.metric ? [kind.metric(subject)] : chart).map((metric) => ({ ...series, metric }))
        : [],
      many: rule.many.replace(
        /\{\{\s*worker_type\s*\}\}\s?/g,
        labels.worker_type === undefined ? "" : `${labels.worker_type} `,
      ),
      since_ms: scene.now_ms,
    },
    words,
  );
}

function subjectOf({ id, rule }: Alert): string {
  return id.slice(rule.length + 1);
}
