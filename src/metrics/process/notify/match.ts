import { ALERT_LABELS } from "../../model.ts";
import type { Labels } from "./event.ts";
import type { RouteConfig } from "./schema.ts";

/** Whether each label that is asked for has one of the values; an alert without the label has none of them. */
export function matches(match: RouteConfig["match"], labels: Labels): boolean {
  return ALERT_LABELS.every((label) => {
    const patterns = match[label];
    const value = labels[label];
    return (
      patterns === undefined || (value !== undefined && patterns.some((pattern) => isLike(value, pattern)))
    );
  });
}

/** `*` stands for any text, also none. */
export function isLike(text: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first)) return false;
  // Each part at its first place leaves the most room for those after it.
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}
