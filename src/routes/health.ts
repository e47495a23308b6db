import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { json } from "./answers.ts";
import type { Route } from "./route.ts";

export function healthRoutes(ready: () => string | null): Route[] {
  return [
    {
      method: "GET",
      path: "/healthz",
      needs: "nothing",
      summary: "Whether the process lives.",
      response: {
        description: "It does",
        content: { "application/json": z.object({ status: z.literal("ok") }) },
      },
      handler: () => json({ status: "ok" }),
    },
    {
      method: "GET",
      path: "/readyz",
      needs: "nothing",
      summary: "Whether requests can be served; 503 with the reason while they cannot.",
      response: {
        description: "They can",
        content: { "application/json": z.object({ status: z.literal("ready") }) },
      },
      handler: () => {
        const reason = ready();
        if (reason !== null) throw new EvenkeelError("unavailable", reason, { retry_after_s: 1 });
        return json({ status: "ready" });
      },
    },
  ];
}
