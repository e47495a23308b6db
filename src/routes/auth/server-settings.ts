import { z } from "zod";
import type { SettingInForce } from "../../kinds.ts";
import { answer } from "../answers.ts";
import type { Ctx, Route } from "../route.ts";

const JSON_TYPE = "application/json";

const SETTING = z.object({
  name: z.string().describe("As the config file has it"),
  variable: z.string().describe("As the environment has it"),
  value: z.string().nullable().describe("What holds, as one would write it; null for a secret that is set"),
  default: z.string().describe("What would hold if nobody had set it"),
  from: z.string().describe("Where it was set, as it is named there; or default"),
  rule: z.string().describe("What it must be"),
  help: z.string().describe("What it means"),
});

/** What the server was started with: to be read, for it is changed where it is started. */
export function serverSettingsRoutes(
  settings: readonly SettingInForce[],
  render: (c: Ctx, settings: readonly SettingInForce[]) => string,
): Route[] {
  return [
    {
      method: "GET",
      path: "/admin/settings",
      needs: "administer",
      summary: "The page of the settings that the server was started with.",
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) =>
        answer(c, render(c, settings), {
          type: "text/html; charset=utf-8",
          headers: { Vary: "Cookie, Accept-Encoding" },
        }),
    },
    {
      method: "GET",
      path: "/api/settings",
      needs: "administer",
      summary: "The settings that the server was started with, without secrets.",
      response: {
        description: "The settings",
        content: { [JSON_TYPE]: z.object({ success: z.literal(true), settings: z.array(SETTING) }) },
      },
      handler: (c) => answer(c, `${JSON.stringify({ success: true, settings })}\n`, { type: JSON_TYPE }),
    },
  ];
}
