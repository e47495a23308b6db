import { CATALOGUE } from "../../catalogue.ts";
import { DEFAULT_RULES } from "./default-rules.ts";
import { SUBJECT_KINDS } from "./subjects.ts";
import type { SubjectKind } from "./vocabulary.ts";

/** README's table of the default rules, as Markdown. */
export function rulesTable(): string {
  const rows = DEFAULT_RULES.map(
    ({ name, each, severity, for_ms, help }) =>
      `| \`${name}\` | ${each} | ${severity} | ${for_ms === 0 ? "" : `${for_ms / 1000} s`} | ${help} |`,
  );
  return ["| Rule | Looks at | Severity | Held for | Fires when |", "|---|---|---|---|---|", ...rows].join(
    "\n",
  );
}

/** README's table of what rules may ask of each kind of thing beside its metrics, as Markdown. */
export function wordsTable(): string {
  const metrics = new Set(CATALOGUE.map(({ scope, name }) => `${scope} ${name}`));
  const rows = Object.entries(SUBJECT_KINDS).map(([name, kind]) => {
    const { help, names, texts } = kind as SubjectKind<unknown>;
    const own = names.filter((one) => !metrics.has(`${name} ${one}`));
    const list = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(" ");
    return `| \`${name}\` | ${help} | ${list(own)} | ${list(Object.keys(texts))} |`;
  });
  return ["| `each` | Looks at | Figures of its own | Texts |", "|---|---|---|---|", ...rows].join("\n");
}
