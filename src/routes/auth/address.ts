import type { Ctx } from "../route.ts";

/** Where a request comes from, as limits and the audit log tell callers apart. */
export function addressOf(c: Ctx): string {
  return c.env?.incoming?.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "in process";
}
