/** A link to somebody else's pages: what it is called, and its address with `{names}` where values stand. */
export interface LinkTemplate {
  readonly name: string;
  readonly url: string;
}

/** A word between braces in a template. */
export const PLACEHOLDER = /\{(\w+)\}/g;

/** What can stand in an address, by what it is shown beside. */
export const LINK_WORDS = {
  worker: ["worker", "worker_type", "hostname", "source", "from_ms", "to_ms"],
  task: ["task", "task_type", "model", "model_family", "worker", "attempt", "from_ms", "to_ms"],
  alert: [
    ...["alert", "rule", "severity", "worker", "worker_type", "task", "task_type", "model", "model_family"],
    ...["source", "from_ms", "to_ms"],
  ],
} as const;
export type LinkedKind = keyof typeof LINK_WORDS;
export type LinkTemplates = Readonly<Record<LinkedKind, readonly LinkTemplate[]>>;

export const NO_LINKS: LinkTemplates = { worker: [], task: [], alert: [] };

export type LinkValues<K extends LinkedKind> = Readonly<
  Record<(typeof LINK_WORDS)[K][number], string | number | null | undefined>
>;

/**
 * The templates with a thing's values in them, percent-encoded. A link is left out where a value that it names is not
 * known, or is `.` or `..`, which would lead to another place however it is encoded.
 */
export function linksOut<K extends LinkedKind>(
  templates: readonly LinkTemplate[],
  values: LinkValues<K>,
): LinkTemplate[] {
  const known: Readonly<Record<string, string | number | null | undefined>> = values;
  return templates.flatMap(({ name, url }) => {
    const words = [...url.matchAll(PLACEHOLDER)].map(([, word]) => known[word!]);
    if (words.some((value) => value === null || value === undefined || /^\.{0,2}$/.test(String(value))))
      return [];
    return [{ name, url: url.replace(PLACEHOLDER, (_, word: string) => encoded(String(known[word]))) }];
  });
}

function encoded(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, "\ufffd"));
}

const MINUTE_MS = 60_000;

/** The end of a time that lasts: the end of the minute, so that the link stays the same for as long. */
export function endOfMinute(now_ms: number): number {
  return Math.ceil(now_ms / MINUTE_MS) * MINUTE_MS;
}
