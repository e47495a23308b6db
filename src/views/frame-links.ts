import { splitOnce } from "./address.ts";
import type { Panel } from "./panel.ts";

/** What lets somebody see a panel without a log-in. */
export interface FrameLink {
  /** As addresses carry it. */
  readonly text: string;
  /** Whether it opens the panel with these parameters. */
  opens(params: URLSearchParams): boolean;
}

/**
 * A panel's markup as whoever has a link to it sees it: the addresses of its data carry the link, where it opens
 * them. What is sent later is the same for everybody: there the page's script does it.
 */
export function withFrameLink(html: string, { api }: Panel, link: FrameLink): string {
  const data = new RegExp(`^${api.slice(1).replace(/:\w+/g, "[^/]+")}$`);
  return html.replace(/ href="([^"#]*)"/g, (whole, href: string) => {
    const [path, query] = splitOnce(href.replaceAll("&amp;", "&"), "?");
    const params = new URLSearchParams(query);
    if (!data.test(path) || !link.opens(params)) return whole;
    params.set("link", link.text);
    return ` href="${path}?${String(params).replaceAll("&", "&amp;")}"`;
  });
}
