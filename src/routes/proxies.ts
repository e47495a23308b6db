import { BlockList, isIP } from "node:net";
import type { Client, Ctx } from "./route.ts";

/** What one proxy tells of whoever asked it; null or empty where it does not. */
interface Hop extends Omit<Client, "host"> {
  readonly host: string | null;
}

/** The client of a request, for whoever limits, notes or checks by it. */
export function clientOf(c: Ctx): Client {
  return c.var.proxies.clientOf(c);
}

/** Whether a page of this origin is one of ours, as the browser that shows it reached them. */
export function isOwnOrigin(c: Ctx, origin: string): boolean {
  return c.var.proxies.isOwnOrigin(c, origin);
}

/** Proxies that are believed when they tell of whom they speak for: `Forwarded` (RFC 7239) and `X-Forwarded-*`. */
export class Proxies {
  readonly #trusted = new BlockList();

  readonly #external_origin: string | null;

  /**
   * @param trusted IP addresses and networks such as 10.0.0.0/8
   * @param external_url where people reach us; empty where that is not said
   */
  constructor(trusted: readonly string[], external_url: string) {
    this.#external_origin = external_url === "" ? null : new URL(external_url).origin;
    for (const network of trusted) {
      const [address = "", prefix] = network.split("/");
      const family = familyOf(address);
      if (prefix === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(prefix), family);
    }
  }

  clientOf(c: Ctx): Client {
    const direct: Client = {
      address: plainAddress(c.env?.incoming?.socket?.remoteAddress ?? ""),
      // Over plain HTTP there may be a proxy in front that speaks TLS.
      scheme: c.req.url.startsWith("https:") ? "https" : null,
      host: c.req.header("host") ?? new URL(c.req.url).host,
    };
    if (!this.#trusts(direct.address)) return direct;
    const [one, other] = [forwarded(c), xForwarded(c)].map((hops) => this.#furthest(hops, direct));
    // A proxy that writes one of the two may pass the other on as the client sent it.
    return agree(one!, other!) ? told(told(direct, one!), other!) : direct;
  }

  isOwnOrigin(c: Ctx, origin: string): boolean {
    if (!URL.canParse(origin)) return false;
    const from = new URL(origin);
    if (from.origin === this.#external_origin) return true;
    const { scheme, host } = this.clientOf(c);
    const own = `${scheme ?? from.protocol.slice(0, -1)}://${host}`;
    return URL.canParse(own) && new URL(own).origin === from.origin && from.origin !== "null";
  }

  /** The hop of the nearest address that is not trusted: what is told beyond it may be made up. */
  #furthest(hops: readonly Hop[], direct: Client): Hop {
    let believed: Hop = { address: "", scheme: null, host: null };
    for (const hop of hops.toReversed()) {
      const known = isIP(hop.address) !== 0;
      believed = known ? hop : { ...hop, address: believed.address || direct.address };
      if (!known || !this.#trusts(hop.address)) break;
    }
    return believed;
  }

  #trusts(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, familyOf(address));
  }
}

function agree(one: Hop, other: Hop): boolean {
  const same = (a: string | null, b: string | null) => !a || !b || a === b;
  return same(one.address, other.address) && same(one.scheme, other.scheme) && same(one.host, other.host);
}

function told(client: Client, { address, scheme, host }: Hop): Client {
  return { address: address || client.address, scheme: scheme ?? client.scheme, host: host ?? client.host };
}

/** One element a proxy, the nearest last. RFC 7239, 4. */
function forwarded(c: Ctx): Hop[] {
  const header = c.req.header("forwarded");
  if (header === undefined) return [];
  const hops = [new Map<string, string>()];
  for (const [part, name, quoted, bare] of header.matchAll(
    /,|([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))/gi,
  )) {
    if (part === ",") hops.push(new Map());
    else hops.at(-1)!.set(name!.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? bare!);
  }
  return hops.map((hop) => ({
    address: addressOf(hop.get("for") ?? ""),
    scheme: schemeOf(hop.get("proto")),
    host: hop.get("host") || null,
  }));
}

/** Many proxies write the scheme and the host once, however many there are; then they are the client's own. */
function xForwarded(c: Ctx): Hop[] {
  const list = (name: string) =>
    (c.req.header(name) ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  const addresses = list("x-forwarded-for");
  const [schemes, hosts] = [list("x-forwarded-proto"), list("x-forwarded-host")];
  if (addresses.length + schemes.length + hosts.length === 0) return [];
  if (addresses.length === 0) addresses.push("");
  const nth = (all: string[], index: number) => (all.length === addresses.length ? all[index] : all.at(-1));
  return addresses.map((address, index) => ({
    address: addressOf(address),
    scheme: schemeOf(nth(schemes, index)),
    host: nth(hosts, index) ?? null,
  }));
}

function schemeOf(text: string | undefined): Client["scheme"] {
  const scheme = text?.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : null;
}

/** An address without its port: `192.0.2.1:80`, `[2001:db8::1]:80`, or either one bare. */
function addressOf(text: string): string {
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\]|([\d.]+))(?::[\w.-]+)?$/.exec(text) ?? [];
  return plainAddress(inBrackets ?? v4 ?? text);
}

function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  const v4 = bare.startsWith("::ffff:") ? bare.slice(7) : bare;
  return isIP(v4) === 4 ? v4 : bare;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
