import { alertPath } from "../../../alert-path.ts";
import type { Message } from "../message.ts";
import { countsOf, detailOf, namedOf, plain, titleOf } from "../text.ts";

/** Characters of a subject; lists of mail show no more. */
const MAX_SUBJECT = 150;

/** A mail of plain text: its subject and what stands in it. */
export function emailText(message: Message, base_url: string): { subject: string; text: string } {
  const { named, more } = namedOf(message);
  const title = titleOf(message);
  const counts = countsOf(message);
  const parts = named.map((event) => {
    const { kind, alert } = event;
    const state = kind === "firing" ? alert.severity : "resolved";
    return `${plain(alert.title)} [${state}]\n${detailOf(event)}\n${base_url}${alertPath(alert.id)}`;
  });
  if (more > 0) parts.push(`and ${more} more`);
  return {
    subject: plain(`[Evenkeel] ${title} (${counts})`, MAX_SUBJECT),
    text: `${title}: ${counts}\n\n${parts.join("\n\n")}\n\nAll alerts: ${base_url}alerts\n`,
  };
}
