import { splitOnce } from "./address.ts";
import type { Page, Panel } from "./panel.ts";

/** What lets somebody see a panel without a log-in. */
export interface FrameLink {
  /** As addresses carry it. */
  readonly text: string;
  /** Whether it opens the panel with these parameters. */
  opens(params: URLSearchParams): boolean;
}

/**
 * A panel's markup in a frame: what leads to the panel itself stays there, and its data can be had by the same link.
 * All else opens beside the frame, by the target of the page. Only of a panel that is not live: what is sent of one
 * that is is the same for everybody.
 *
 * @param link null where who looks sees every page
 */
export function linksInFrame(
  html: string,
  panel: Panel,
  pages: readonly Page[],
  link: FrameLink | null,
): string {
  if (panel.live !== false) return html;
  const own = pages.find(({ panels }) => panels[0] === panel)?.path.slice(1);
  const api = panel.api.slice(1);
  const links = html.replace(/ href="([^"#]*)"/g, (whole, href: string) => {
    const [path, query] = splitOnce(href.replaceAll("&amp;", "&"), "?");
    const params = new URLSearchParams(query);
    if ((path !== own && path !== api) || (link !== null && !link.opens(params))) return whole;
    if (link !== null) params.set("link", link.text);
    const to = path === own ? `embed/${panel.id}` : path;
    return ` href="${to}?${String(params).replaceAll("&", "&amp;")}"${path === own ? ' target="_self"' : ""}`;
  });
  // What a form asks for is known only when it is sent: a link may not open it.
  if (link !== null) return links;
  return links.replaceAll(/ method="get" action="([^"]*)"/g, (whole, action: string) =>
    action === own ? ` method="get" action="embed/${panel.id}" target="_self"` : whole,
  );
}
