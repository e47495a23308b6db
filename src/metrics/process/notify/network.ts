import { lookup as lookupName } from "node:dns/promises";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { unlessAborted } from "../../within.ts";

/** What may be contacted. */
export interface NetworkRules {
  /** Names that lead into a private network, to this machine or to a link-local address may be contacted. */
  readonly allow_private: boolean;
  readonly follow_redirects: boolean;
}

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

export type Resolve = (host: string) => Promise<readonly Address[]>;

/** Addresses tried of one name at most. */
const MAX_ADDRESSES = 8;

const PRIVATE = blockList(
  ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
  ["::1/128", "fc00::/7", "fec0::/10"],
);
const LINK_LOCAL = blockList(["169.254.0.0/16"], ["fe80::/10"]);
/** Nobody's own address: unspecified, multicast, reserved, and those that hold an address of the other family. */
const NOBODYS = blockList(
  ["0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"],
  ["::/128", "ff00::/8", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"],
);

function blockList(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const [family, ranges] of [["ipv4", v4] as const, ["ipv6", v6] as const]) {
    for (const range of ranges) {
      const [net = "", bits] = range.split("/");
      list.addSubnet(net, Number(bits), family);
    }
  }
  return list;
}

/** An address that is not contacted; the message says what would allow it. */
export class RefusedAddress extends Error {
  override readonly name = "RefusedAddress";
}

const resolveName: Resolve = async (host) =>
  (await lookupName(host, { all: true })).map(({ address, family }) => ({
    address,
    family: family === 6 ? 6 : 4,
  }));

/**
 * The addresses at which a host may be contacted; whoever connects uses these and asks for the name no more, so that
 * it can't lead elsewhere meanwhile.
 *
 * An address or localhost that the alerts file itself names is contacted wherever it is, but for link-local ones.
 * A name is not, unless the file allows it: what it leads to is up to whoever answers for it.
 *
 * @param written whether the host stands in the alerts file, and did not come with a redirect
 * @throws RefusedAddress, what the resolver throws, and the signal's reason
 */
export async function allowedAddresses(
  host: string,
  rules: NetworkRules,
  written: boolean,
  signal: AbortSignal,
  resolve: Resolve = resolveName,
): Promise<readonly Address[]> {
  const bare = host.replace(/^\[|\]$/g, "");
  const family = isIP(bare);
  const itself: Address[] | null = family === 0 ? null : [{ address: bare, family: family === 6 ? 6 : 4 }];
  const named = written && (itself !== null || bare === "localhost");
  const addresses = (itself ?? (await unlessAborted(resolve(bare), signal))).slice(0, MAX_ADDRESSES);
  for (const { address, family } of addresses) {
    const kind = family === 6 ? "ipv6" : "ipv4";
    if (NOBODYS.check(address, kind))
      throw new RefusedAddress(`${bare} leads to ${address}, which is nobody's address`);
    const refused = named ? LINK_LOCAL.check(address, kind) : isInside(address, kind);
    if (refused && !rules.allow_private) {
      throw new RefusedAddress(
        `${bare} leads to the private address ${address}; the alerts file allows that with network.allow_private: true`,
      );
    }
  }
  if (addresses.length === 0) throw new RefusedAddress(`${bare} has no address`);
  return addresses;
}

function isInside(address: string, kind: "ipv4" | "ipv6"): boolean {
  return PRIVATE.check(address, kind) || LINK_LOCAL.check(address, kind);
}

/** Answers each look-up of a connection with the addresses that were checked. */
export function pinned(addresses: readonly Address[]): LookupFunction {
  return (_host, { all }, callback) => {
    const [first] = addresses as Address[];
    if (all) callback(null, addresses as Address[]);
    else callback(null, first!.address, first!.family);
  };
}
