import { alertPath } from "../../../alert-path.ts";
import type { ToldEvent } from "../event.ts";
import type { Message } from "../message.ts";
import { countsOf, detailOf, namedOf, plain, titleOf, toneOf } from "../text.ts";

const COLOURS = { critical: "#c62828", warning: "#ef8f00", notice: "#1e6fbf", resolved: "#2e7d32" };

/** The body of an incoming webhook of Slack, and of what takes the same (Mattermost, Rocket.Chat, Discord's /slack). */
export function slackBody(message: Message, base_url: string) {
  const tone = toneOf(message);
  const head = `*${escaped(titleOf(message))}* (${countsOf(message)})`;
  const { named, more } = namedOf(message);
  const lines = named.map((event) => lineOf(event, base_url));
  if (more > 0) lines.push(`<${base_url}alerts|and ${more} more>`);
  return {
    text: head,
    attachments: [
      {
        color: COLOURS[tone],
        fallback: escaped(titleOf(message)),
        text: lines.join("\n"),
        mrkdwn_in: ["text"],
      },
    ],
  };
}

function lineOf(event: ToldEvent, base_url: string): string {
  const { kind, alert } = event;
  // A bar would end the address within the link.
  const title = escaped(plain(alert.title)).replaceAll("|", "¦");
  const state = kind === "firing" ? alert.severity : "resolved";
  return `${state}: <${base_url}${alertPath(alert.id)}|${title}> ${escaped(detailOf(event))}`;
}

/** Slack's own three, and no name from outside calls a whole channel together. */
function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("@", "@\u200b");
}
