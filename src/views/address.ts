// Addresses of pages below the base path, as links: what a page shows is all in its query.

/** A path below the base as a link relative to it. */
export function relative(path: string): string {
  const below = path.replace(/^\/+/, "");
  return below === "" || below.startsWith("?") ? `./${below}` : below;
}

/** Parameters that say how any page looks. */
export const LOOK = ["theme", "density", "tz", "kiosk"];

/** A path below the base as a link, looking as the page at `url` does, and with these of its parameters. */
export function kept(path: string, url: string, names: readonly string[]): string {
  const params = new URLSearchParams(splitOnce(url, "?")[1]);
  const query = new URLSearchParams(
    [...params].filter(([name, value]) => value !== "" && (LOOK.includes(name) || names.includes(name))),
  );
  return relative(query.size === 0 ? path : `${path}?${query}`);
}

/** The page's own address. A fragment needs it in full, since links are relative to the base. */
export function ownAddress(url: string): string {
  return relative(url.replace(/#.*$/s, ""));
}

/** The page's own address with one parameter set, the others kept. */
export function withQuery(url: string, name: string, value: string): string {
  const [path = "", query = ""] = splitOnce(ownAddress(url), "?");
  const params = new URLSearchParams(query);
  params.set(name, value);
  return `${path}?${params}`;
}

/** The page's own address without some parameters. */
export function without(url: string, names: readonly string[]): string {
  const [path = "", query = ""] = splitOnce(ownAddress(url), "?");
  const left = new URLSearchParams([...new URLSearchParams(query)].filter(([name]) => !names.includes(name)));
  if (left.size > 0) return `${path}?${left}`;
  // Without any parameter these would begin with the viewer's own filters and range again.
  return path === "./" || path === "history" ? `${path}?all` : path;
}

/** The same page live. */
export function liveAddress(url: string): string {
  const params = new URLSearchParams(splitOnce(url, "?")[1]);
  return params.size > 1 ? without(url, ["at"]) : splitOnce(ownAddress(url), "?")[0];
}

export function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index === -1 ? [text, ""] : [text.slice(0, index), text.slice(index + at.length)];
}
