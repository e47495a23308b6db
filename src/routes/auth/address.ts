import { isIPv6 } from "node:net";
import { clientOf } from "../proxies.ts";
import type { Ctx } from "../route.ts";

/** Where a request comes from, as limits and the audit log tell callers apart. */
export function addressOf(c: Ctx): string {
  return clientOf(c).address || "in process";
}

/** What limits tell callers apart by: of IPv6 one person has a whole /64. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const rest = tail === undefined ? [] : tail.split(":").filter((group) => group !== "");
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0");
  return `${[...groups, ...(tail === undefined ? [] : zeros), ...rest].slice(0, 4).join(":")}::/64`;
}
