import { clientOf } from "../proxies.ts";
import type { Ctx } from "../route.ts";

/** Where a request comes from, as limits and the audit log tell callers apart. */
export function addressOf(c: Ctx): string {
  return clientOf(c).address || "in process";
}
