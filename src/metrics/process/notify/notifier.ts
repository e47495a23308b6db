import { ALERT_LABELS } from "../../model.ts";
import type { NewMessage } from "../../outbox.ts";
import { wildcard } from "../rules/compile.ts";
import { type Labels, type ToldAlert, type ToldEvent, toldOf } from "./event.ts";
import { keysOf, type Message, split, toDocument } from "./message.ts";
import type { NotifyConfig, RouteConfig } from "./schema.ts";

/** What the rule engine knows of alerts now. */
export interface AlertsNow {
  /** Acknowledged or silenced: it is not told again. */
  isQuiet(alert_id: string): boolean;
  /** Undefined where it does not fire. */
  alertOf(alert_id: string): ToldAlert | undefined;
  /** What fires and is neither silenced nor held back, nor acknowledged. */
  loud(): Iterable<ToldAlert & { readonly fired_ms: number | null }>;
}

/** All that a restart has to know; JSON. */
export interface NotifierState {
  readonly next_id: number;
  readonly groups: readonly GroupState[];
}

interface GroupState {
  /** The route, by what it matches and tells. */
  readonly route: string;
  readonly receivers: readonly string[];
  readonly labels: Labels;
  readonly opened_ms: number;
  readonly told_ms: number | null;
  readonly members: readonly (readonly [alert_id: string, Member])[];
  readonly pending: readonly ToldEvent[];
}

/** An alert that was told and fires. */
interface Member {
  readonly fired_ms: number;
  /** The last time. */
  told_ms: number;
  /** As they were when it was told: its end is told under the same. */
  readonly labels: Labels;
}

interface Group {
  readonly route: Route;
  /** Within its route. */
  readonly key: string;
  /** The route's, but for those whom an earlier route tells already. */
  readonly receivers: readonly string[];
  readonly labels: Labels;
  readonly opened_ms: number;
  told_ms: number | null;
  /** When the first of its members is to be told again. */
  repeats_ms: number;
  readonly members: Map<string, Member>;
  /** Not told yet, in order. */
  pending: ToldEvent[];
}

interface Route extends RouteConfig {
  readonly id: string;
  readonly matches: (labels: Labels) => boolean;
  readonly groups: Map<string, Group>;
}

/** Beyond it new ones of a route are told in one group without labels. */
const MAX_GROUPS = 5000;
/** Events that wait for their group's turn; beyond it the group is told at once. */
const MAX_PENDING = 1000;

/**
 * Decides who is told what, and when: routes, groups, their waits and repeats. Of each alert every receiver on its
 * way is told each event in order, none is merged into another: an alert that came and went within a group's interval
 * is told twice.
 */
export class Notifier {
  readonly #routes: readonly Route[];
  /** Receivers that hold an alert no longer than they were told: they are told again whoever acknowledged it. */
  readonly #forgetful: ReadonlySet<string>;
  /** In which groups an alert is, told or waiting. */
  readonly #groups_of = new Map<string, Set<Group>>();
  #next_id: number;
  /** What had to be told before its turn. */
  #ready: NewMessage[] = [];
  #changed = false;

  /** @param least_id no message of the outbox has it or a larger one */
  constructor(
    config: Pick<NotifyConfig, "receivers" | "routes">,
    state: NotifierState | null,
    least_id: number,
  ) {
    const { receivers, routes } = config;
    this.#routes = (routes ?? everythingTo(receivers)).map((route) => ({
      ...route,
      id: JSON.stringify([route.match, route.receivers, route.group_by]),
      matches: matcher(route.match),
      groups: new Map(),
    }));
    this.#forgetful = new Set(
      receivers.filter(({ kind }) => kind === "alertmanager").map(({ name }) => name),
    );
    this.#next_id = Math.max(least_id, state?.next_id ?? 1);
    for (const group of state?.groups ?? []) this.#restore(group);
  }

  /** What is to be kept with the messages that came of it; null while nothing changed. */
  takeState(): NotifierState | null {
    if (!this.#changed) return null;
    this.#changed = false;
    return this.state();
  }

  state(): NotifierState {
    const groups = this.#routes.flatMap((route) =>
      Array.from(route.groups.values(), ({ receivers, labels, opened_ms, told_ms, members, pending }) => ({
        route: route.id,
        receivers,
        labels,
        opened_ms,
        told_ms,
        members: [...members],
        pending,
      })),
    );
    return { next_id: this.#next_id, groups };
  }

  /** A group whose route the file no longer has is forgotten: how its alerts end is told by the routes of now. */
  #restore({ route: id, receivers, labels, opened_ms, told_ms, members, pending }: GroupState): void {
    const route = this.#routes.find((route) => route.id === id);
    if (!route) return;
    const group = openGroup(route, receivers, labels, opened_ms);
    group.told_ms = told_ms;
    group.pending = [...pending];
    for (const [alert_id, member] of members) {
      group.members.set(alert_id, member);
      this.#join(alert_id, group);
    }
    for (const { alert } of pending) this.#join(alert.id, group);
    group.repeats_ms = repeatsAt_ms(group);
  }

  #join(alert_id: string, group: Group): void {
    const groups = this.#groups_of.get(alert_id);
    if (groups) groups.add(group);
    else this.#groups_of.set(alert_id, new Set([group]));
  }

  #leave(alert_id: string, group: Group): void {
    const groups = this.#groups_of.get(alert_id);
    groups?.delete(group);
    if (groups?.size === 0) this.#groups_of.delete(alert_id);
  }

  take(events: readonly ToldEvent[], now_ms: number): void {
    for (const event of events) {
      const { id, labels } = event.alert;
      const known = this.#groups_of.get(id);
      // Its end goes where its beginning went, whatever its labels are by now.
      const groups = event.kind === "resolved" && known ? [...known] : this.#groupsFor(labels, now_ms);
      for (const other of known ?? []) this.#tellBefore(event, other, groups, now_ms);
      this.#add(event, groups);
    }
  }

  #add(event: ToldEvent, groups: readonly Group[]): void {
    const { alert } = event;
    for (const group of groups) {
      group.pending.push({ ...event, alert: toldOf(alert, alert.labels) });
      this.#join(alert.id, group);
      this.#changed = true;
    }
  }

  /** Routes that are new are told of what fires already. */
  adopt(alerts: AlertsNow, now_ms: number): void {
    for (const alert of alerts.loud()) {
      const routes = Array.from(this.#groups_of.get(alert.id) ?? [], ({ route }) => route);
      const groups = this.#groupsFor(alert.labels, now_ms).filter(({ route }) => !routes.includes(route));
      const fired_ms = alert.fired_ms ?? now_ms;
      this.#add({ kind: "firing", at_ms: now_ms, fired_ms, ended_ms: null, alert }, groups);
    }
  }

  /** What waits of the alert in a group that it has left comes before what happens to it now. */
  #tellBefore({ alert }: ToldEvent, other: Group, groups: readonly Group[], now_ms: number): void {
    if (groups.includes(other) || !other.pending.some((one) => one.alert.id === alert.id)) return;
    this.#tell(other, now_ms, this.#ready);
  }

  #groupsFor(labels: Labels, now_ms: number): Group[] {
    const groups: Group[] = [];
    const told = new Set<string>();
    for (const route of this.#routes) {
      if (!route.matches(labels)) continue;
      const receivers = route.receivers.filter((name) => !told.has(name));
      if (receivers.length > 0) groups.push(groupOf(route, receivers, labels, now_ms));
      if (!route.continue) break;
      for (const name of receivers) told.add(name);
    }
    return groups;
  }

  /** What is to be told now, in order. */
  due(now_ms: number, alerts: AlertsNow): NewMessage[] {
    const messages = this.#ready;
    this.#ready = [];
    for (const route of this.#routes) {
      for (const group of route.groups.values()) {
        if (group.pending.length > 0) {
          if (isTurn(group, now_ms)) this.#tell(group, now_ms, messages);
        } else if (group.members.size > 0) {
          if (repeats(group, now_ms)) this.#repeat(group, now_ms, alerts, messages);
        } else if (isPast(group.told_ms, route.group_interval, now_ms)) {
          route.groups.delete(group.key);
          this.#changed = true;
        }
      }
    }
    return messages;
  }

  #tell(group: Group, now_ms: number, messages: NewMessage[]): void {
    const { route, receivers, members, pending } = group;
    const told: ToldEvent[] = [];
    for (const event of pending) {
      const { id, labels } = event.alert;
      const held = members.get(id);
      if (event.kind === "resolved") members.delete(id);
      else members.set(id, { fired_ms: event.fired_ms, labels: held?.labels ?? labels, told_ms: now_ms });
      if (event.kind === "firing" || route.resolved) {
        told.push({ ...event, alert: toldOf(event.alert, held?.labels ?? labels) });
      }
    }
    for (const { alert } of pending) if (!members.has(alert.id)) this.#leave(alert.id, group);
    group.pending = [];
    group.told_ms = now_ms;
    group.repeats_ms = Math.min(group.repeats_ms, now_ms + route.repeat_interval);
    this.#changed = true;
    for (const part of split(told)) this.#put(group, receivers, part, false, now_ms, messages);
  }

  /** Tells again what was told longest ago, and with it what would follow soon. */
  #repeat(group: Group, now_ms: number, { isQuiet, alertOf }: AlertsNow, messages: NewMessage[]): void {
    const { route, receivers, members } = group;
    const forgetful = receivers.filter((name) => this.#forgetful.has(name));
    const others = receivers.filter((name) => !this.#forgetful.has(name));
    const loud: ToldEvent[] = [];
    const all: ToldEvent[] = [];
    for (const [id, member] of members) {
      if (!isPast(member.told_ms, route.repeat_interval / 2, now_ms)) continue;
      const alert = alertOf(id);
      if (!alert) {
        // It ended and nobody said so: there is nothing to repeat.
        members.delete(id);
        this.#leave(id, group);
        continue;
      }
      const { fired_ms, labels } = member;
      const quiet = isQuiet(id);
      const event = { kind: "firing", at_ms: now_ms, fired_ms, ended_ms: null } as const;
      all.push({ ...event, alert: toldOf(alert, labels) });
      if (!quiet) loud.push(all.at(-1)!);
      if (!quiet || forgetful.length > 0) member.told_ms = now_ms;
    }
    for (const part of split(loud)) this.#put(group, others, part, true, now_ms, messages);
    for (const part of split(all)) this.#put(group, forgetful, part, true, now_ms, messages);
    // What is quiet is looked at again: somebody may want to hear of it after all.
    group.repeats_ms = Math.max(repeatsAt_ms(group), now_ms + route.group_interval);
    this.#changed = true;
  }

  #put(
    { route, key, labels, members }: Group,
    receivers: readonly string[],
    events: readonly ToldEvent[],
    repeat: boolean,
    now_ms: number,
    messages: NewMessage[],
  ): void {
    const message: Omit<Message, "id"> = {
      created_ms: now_ms,
      group: `${this.#routes.indexOf(route)} ${key}`,
      labels,
      repeat,
      test: false,
      firing: members.size,
      holds_until_ms: now_ms + 2 * route.repeat_interval,
      events,
    };
    // The same text for all of them.
    const document = toDocument({ ...message, id: 0 });
    const keys = keysOf(message);
    for (const receiver of receivers) {
      messages.push({ id: this.#next_id, receiver, created_ms: now_ms, document, keys });
      this.#next_id += 1;
    }
  }
}

/** Whether each label that is asked for has one of the values; an alert without the label has none of them. */
function matcher(match: RouteConfig["match"]): (labels: Labels) => boolean {
  const wanted = ALERT_LABELS.flatMap((label) => {
    const likes = match[label]?.map(wildcard);
    return likes ? [{ label, likes }] : [];
  });
  return (labels) =>
    wanted.every(({ label, likes }) => {
      const value = labels[label];
      return value !== undefined && likes.some((like) => like(value));
    });
}

/** A file that names receivers and no routes. */
function everythingTo(receivers: NotifyConfig["receivers"]): RouteConfig[] {
  if (receivers.length === 0) return [];
  return [
    {
      match: {},
      receivers: receivers.map(({ name }) => name),
      group_by: ["rule", "worker_type"],
      group_wait: 0,
      group_interval: 10_000,
      repeat_interval: 4 * 3_600_000,
      resolved: true,
      continue: false,
    },
  ];
}

function groupOf(route: Route, receivers: readonly string[], labels: Labels, now_ms: number): Group {
  const { groups, group_by } = route;
  const values = group_by.map((label) => labels[label] ?? "");
  const known = groups.get(groupKey(receivers, values));
  if (known) return known;
  if (groups.size < MAX_GROUPS) {
    const own = group_by.flatMap((label) => (labels[label] ? [[label, labels[label]]] : []));
    return openGroup(route, receivers, Object.fromEntries(own), now_ms);
  }
  const none = group_by.map(() => "");
  return groups.get(groupKey(receivers, none)) ?? openGroup(route, receivers, {}, now_ms);
}

function openGroup(route: Route, receivers: readonly string[], labels: Labels, opened_ms: number): Group {
  const values = route.group_by.map((label) => labels[label] ?? "");
  const key = groupKey(receivers, values);
  const group: Group = {
    route,
    key,
    receivers,
    labels,
    opened_ms,
    told_ms: null,
    repeats_ms: Number.POSITIVE_INFINITY,
    members: new Map(),
    pending: [],
  };
  route.groups.set(key, group);
  return group;
}

/** No receiver's name has a comma in it. */
function groupKey(receivers: readonly string[], values: readonly string[]): string {
  return `${receivers.join()} ${JSON.stringify(values)}`;
}

function isTurn({ route, opened_ms, told_ms, pending }: Group, now_ms: number): boolean {
  if (pending.length >= MAX_PENDING) return true;
  if (told_ms === null) return isPast(opened_ms, route.group_wait, now_ms);
  if (isPast(told_ms, route.group_interval, now_ms)) return true;
  // What is critical is worth a message of its own: it may be over before the interval is.
  return pending.some(
    ({ kind, at_ms, alert }) =>
      kind === "firing" && alert.severity === "critical" && isPast(at_ms, route.group_wait, now_ms),
  );
}

function repeats({ route, repeats_ms }: Group, now_ms: number): boolean {
  return now_ms >= repeats_ms || repeats_ms - now_ms > route.repeat_interval;
}

function repeatsAt_ms({ route, members }: Group): number {
  let first_ms = Number.POSITIVE_INFINITY;
  for (const { told_ms } of members.values()) first_ms = Math.min(first_ms, told_ms);
  return first_ms + route.repeat_interval;
}

/** A clock that was set back must not make anybody wait for the time it had. */
function isPast(since_ms: number | null, interval_ms: number, now_ms: number): boolean {
  return since_ms === null || Math.abs(now_ms - since_ms) >= interval_ms;
}
