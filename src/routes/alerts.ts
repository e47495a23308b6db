import { randomBytes } from "node:crypto";
import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { instant } from "../metrics/format.ts";
import type { Silence } from "../metrics/model.ts";
import type { ReceiverTest } from "../metrics/outbox.ts";
import { matchersText } from "../metrics/process/rules/silences.ts";
import { ALERT_PARAMS } from "../views/alert-data.ts";
import { alertHref } from "../views/links.ts";
import { RECEIVER_TEST } from "../views/panels/receivers.tsx";
import { SILENCE, silenceData } from "../views/panels/silences.tsx";
import { type Asked, checkBy, checkNote, checkSilence } from "../views/silence-form.ts";
import { MAX_NAME, MAX_NOTE } from "../views/viewer.tsx";
import { json } from "./answers.ts";
import type { Forms } from "./forms.ts";
import { given } from "./params.ts";
import type { Ctx, Route } from "./route.ts";
import type { Sessions } from "./sessions.ts";

const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
const ID_BYTES = 8;
const SILENCE_FIELDS = ["matchers", "duration", "ends", "by", "note"];
/** Longer than each of them may be, so that one that is too long is still so when it is cut. */
const MAX_FIELD = 4000;

/** What people do about alerts. */
export interface AlertActions {
  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  acknowledge(alert_id: string, by: string, note: string): void;
  /** @throws EvenkeelError "not_found" for an alert that does not fire */
  unacknowledge(alert_id: string, by: string): void;
  /** @throws EvenkeelError "too_many" */
  silence(silence: Silence): void;
  /** @throws EvenkeelError "not_found" for one that is not known or over */
  endSilence(id: string): void;
  /** @throws EvenkeelError "not_found" for a receiver that the file does not name */
  testReceiver(name: string): Promise<ReceiverTest>;
  /**
   * Reads the file of alerts again; what is wrong with it, where the former rules hold.
   *
   * @throws EvenkeelError "invalid" where the settings name none
   */
  reload(): string | null;
}

export interface AlertDeps {
  readonly actions: AlertActions;
  readonly now_ms: () => number;
  readonly sessions: Sessions;
  readonly forms: Forms;
}

const BY = z.string().optional().describe(`Who, 1 to ${MAX_NAME} characters; left out, the session's name`);
const NOTE = z.string().optional().describe(`What they say, at most ${MAX_NOTE} characters`);

const POSTED = {
  acknowledgement: z.strictObject({ by: BY, note: NOTE }),
  removal: z.strictObject({ by: BY }),
  silence: z.strictObject({
    matchers: z
      .union([
        z.string(),
        z
          .array(z.string())
          .max(100)
          .transform((all) => all.join("\n")),
      ])
      .describe("label=value or label!=value, several separated by commas or as a list"),
    duration: z.string().optional().describe("How long it holds, 1m to 30d"),
    ends: z
      .union([z.string(), z.number().transform(String)])
      .optional()
      .describe("When it ends, in place of a duration: RFC 3339 with an offset, or Unix milliseconds"),
    by: BY,
    note: NOTE,
  }),
};

const ACKNOWLEDGED = z.object({
  success: z.literal(true),
  alert_id: z.string().describe("The alert"),
  by: z.string().describe("Who acknowledged it, or took that back"),
  note: z.string().describe("What they said"),
});
const ALERT_ID = ALERT_PARAMS.pick({ alert_id: true });
const OF_ALERT = { params: { alert_id: "worker_overload:W3" } };
const SILENCE_ID = z.object({ silence_id: z.string().describe("The silence") });
const OF_SILENCE = { params: { silence_id: "5f1d3a9b0c7e2468" } };
const RECEIVER = z.object({ name: z.string().describe("The receiver, as the file of alerts names it") });
const OF_RECEIVER = { params: { name: "pager" } };

/** What people do about alerts: as plain forms, and as JSON for scripts. */
export function alertRoutes({ actions, now_ms, sessions, forms }: AlertDeps): Route[] {
  const back = (where: string, headers: Record<string, string> = {}) => forms.back(where, headers);
  const body = <S extends z.ZodType>(c: Ctx, schema: S) => forms.json(c, schema);
  const idOf = (c: Ctx, name: string) => String(given(c).get(name));
  /** Who acts: who is logged in, else as they say, else as they said before. */
  const whoOf = (c: Ctx, by: string | null | undefined) => {
    const caller = c.get("caller");
    if (caller?.kind === "user") return caller.name;
    return checkBy(by?.trim() ? by : sessions.preferences(c).name);
  };
  /** The name is offered again the next time. */
  const remembered = (c: Ctx, name: string): Record<string, string> => {
    const preferences = sessions.preferences(c);
    return preferences.name === name ? {} : sessions.save(c, { ...preferences, name });
  };
  const set = (c: Ctx, asked: Asked): Silence => {
    const at_ms = now_ms();
    const checked = checkSilence({ ...asked, by: whoOf(c, asked.by) }, at_ms);
    const silence = { id: randomBytes(ID_BYTES).toString("hex"), starts_ms: at_ms, ...checked };
    actions.silence(silence);
    c.set("audited", { detail: `${matchersText(silence.matchers)} until ${instant(silence.ends_ms)}` });
    return silence;
  };
  const form = (
    path: string,
    summary: string,
    about: Pick<Route, "params" | "example">,
    handle: (c: Ctx, given: URLSearchParams) => Response | Promise<Response>,
  ): Route => ({ ...forms.route(path, "operate", summary, handle), ...about });
  return [
    form(
      "/alerts/:alert_id/acknowledgement",
      "Acknowledges an alert, as a form does.",
      { params: ALERT_ID, example: OF_ALERT },
      (c, given) => {
        const id = idOf(c, "alert_id");
        const by = whoOf(c, given.get("by"));
        actions.acknowledge(id, by, checkNote(given.get("note") ?? ""));
        return back(alertHref(id), remembered(c, by));
      },
    ),
    form(
      "/alerts/:alert_id/acknowledgement/end",
      "Takes an acknowledgement back, as a form does.",
      { params: ALERT_ID, example: OF_ALERT },
      (c, given) => {
        const id = idOf(c, "alert_id");
        const by = whoOf(c, given.get("by"));
        actions.unacknowledge(id, by);
        return back(alertHref(id), remembered(c, by));
      },
    ),
    {
      method: "PUT",
      path: "/alerts/:alert_id/acknowledgement",
      needs: "operate",
      summary: "Acknowledges an alert.",
      params: ALERT_ID,
      takes: [JSON_TYPE],
      body: () => POSTED.acknowledgement,
      example: { ...OF_ALERT, body: { by: "Ada", note: "moving its tasks" } },
      response: { description: "Acknowledged", content: { "application/json": ACKNOWLEDGED } },
      handler: async (c) => {
        const alert_id = idOf(c, "alert_id");
        const asked = await body(c, POSTED.acknowledgement);
        const [by, note] = [whoOf(c, asked.by), checkNote(asked.note)];
        actions.acknowledge(alert_id, by, note);
        return json({ success: true, alert_id, by, note });
      },
    },
    {
      method: "DELETE",
      path: "/alerts/:alert_id/acknowledgement",
      needs: "operate",
      summary: "Takes an acknowledgement back.",
      params: ALERT_ID,
      takes: [JSON_TYPE],
      body: () => POSTED.removal,
      example: { ...OF_ALERT, body: { by: "Ada" } },
      response: { description: "Taken back", content: { "application/json": ACKNOWLEDGED } },
      handler: async (c) => {
        const alert_id = idOf(c, "alert_id");
        const by = whoOf(c, (await body(c, POSTED.removal)).by);
        actions.unacknowledge(alert_id, by);
        return json({ success: true, alert_id, by, note: "" });
      },
    },
    form("/silences", "Sets a silence, as a form does.", {}, (c, given) => {
      const asked = Object.fromEntries(
        SILENCE_FIELDS.flatMap((name) => {
          const value = given.get(name)?.slice(0, MAX_FIELD);
          return value ? [[name, value]] : [];
        }),
      );
      try {
        return back("alerts#p-silences", remembered(c, set(c, asked).by));
      } catch (error) {
        // The page of the preview says what is wrong, and keeps what was filled in.
        if (!(error instanceof EvenkeelError) || error.kind !== "invalid") throw error;
        c.set("audited", null);
        return back(`silences/new?${new URLSearchParams(asked)}`);
      }
    }),
    {
      method: "POST",
      path: "/api/silences",
      needs: "operate",
      summary: "Sets a silence: for a while alerts that it matches are neither told nor counted.",
      takes: [JSON_TYPE],
      body: () => POSTED.silence,
      example: {
        body: { matchers: "rule=worker_*, worker=rack4-*", duration: "8h", by: "Ada", note: "rewiring" },
      },
      response: {
        status: 201,
        description: "The silence",
        content: { "application/json": z.object({ success: z.literal(true), ...SILENCE.shape }) },
      },
      handler: async (c) => {
        const silence = set(c, await body(c, POSTED.silence));
        return json({ success: true, ...silenceData(silence, now_ms()) }, 201);
      },
    },
    form(
      "/silences/:silence_id/end",
      "Ends a silence, as a form does.",
      { params: SILENCE_ID, example: OF_SILENCE },
      (c) => {
        actions.endSilence(idOf(c, "silence_id"));
        return back("alerts#p-silences");
      },
    ),
    {
      method: "DELETE",
      path: "/api/silences/:silence_id",
      needs: "operate",
      summary: "Ends a silence.",
      params: SILENCE_ID,
      example: OF_SILENCE,
      response: {
        description: "Ended",
        content: { "application/json": z.object({ success: z.literal(true), silence_id: z.string() }) },
      },
      handler: (c) => {
        const silence_id = idOf(c, "silence_id");
        actions.endSilence(silence_id);
        return json({ success: true, silence_id });
      },
    },
    form(
      "/alerts/receivers/:name/test",
      "Sends a test to a receiver, as a form does.",
      { params: RECEIVER, example: OF_RECEIVER },
      async (c) => {
        await actions.testReceiver(idOf(c, "name"));
        return back("alerts#p-receivers");
      },
    ),
    {
      method: "POST",
      path: "/api/receivers/:name/test",
      needs: "operate",
      summary: "Sends a test to a receiver, and says what came of it.",
      params: RECEIVER,
      example: OF_RECEIVER,
      response: {
        description: "What came of it, also where the receiver did not take it",
        content: { "application/json": z.object({ success: z.literal(true), ...RECEIVER_TEST.shape }) },
      },
      handler: async (c) => json({ success: true, ...(await actions.testReceiver(idOf(c, "name"))) }),
    },
    {
      method: "POST",
      path: "/alerts/reload",
      needs: "operate",
      summary: "Reads the file of alert rules again; where it is wrong the former rules hold.",
      response: {
        description: "Read; a form is led back to the page of alerts",
        content: { "application/json": z.object({ success: z.literal(true) }) },
      },
      handler: (c) => {
        const error = actions.reload();
        if (c.req.header("content-type")?.startsWith(FORM)) return back("alerts#p-alert-rules");
        if (error !== null) throw new EvenkeelError("unprocessable", error);
        return json({ success: true });
      },
    },
  ];
}
