import type { Page, Panel } from "./panel.ts";

/** What can be shown as it was: the paths below the base of pages, and of panels as data and to embed. */
function pastPaths(pages: readonly Page[]): RegExp[] {
  const whole = pages.filter(isPast).map(({ path }) => path);
  const panels = pages.flatMap((page) => page.panels).filter(({ past }) => past);
  return [...whole, ...panels.map(({ api }) => api), ...panels.map(({ id }) => `/embed/${id}`)].map(
    (path) => new RegExp(`^${path.slice(1).replace(/:\w+/g, "[^/]+")}$`),
  );
}

export function isPast({ panels }: { readonly panels: readonly Pick<Panel, "past">[] }): boolean {
  return panels.length > 0 && panels.every(({ past }) => past);
}

/** Markup of a moment of the past, its links and forms leading to the same moment wherever that can be shown. */
export function linksAt(html: string, at_ms: number, pages: readonly Page[]): string {
  const paths = pastPaths(pages);
  const leadsToPast = (href: string) => {
    const path = href.replace(/[?#].*$/s, "").replace(/^\.\//, "");
    return !href.startsWith("#") && paths.some((pattern) => pattern.test(path));
  };
  return html
    .replace(/ href="([^"]*)"/g, (link, href: string) => {
      if (!leadsToPast(href) || /(\?|;)at=/.test(href)) return link;
      const [address, fragment = ""] = href.split(/(?=#)/);
      return ` href="${address}${address!.includes("?") ? "&amp;" : "?"}at=${at_ms}${fragment}"`;
    })
    .replace(/<form [^>]*method="get" action="([^"]*)"[^>]*>/g, (form, action: string) =>
      leadsToPast(action) ? `${form}<input type="hidden" name="at" value="${at_ms}"/>` : form,
    );
}
