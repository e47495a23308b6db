import { z } from "zod";
import { ALERT_PARAMS, ALERT_STANDINGS, alertOf, standingOf } from "../alert-data.ts";
import { pathSegment } from "../identity.ts";
import { definePanel } from "../panel.ts";
import { at_ms } from "../schema.ts";
import { matchersOf } from "../silence-form.ts";
import { MAX_NOTE, NameField, OnlyOperators } from "../viewer.tsx";
import { SilenceFields } from "./silence-new.tsx";

const data = z.object({
  at_ms,
  alert_id: z.string().describe("The alert"),
  standing: z.enum(ALERT_STANDINGS).describe("How it stands; only what fires can be acknowledged"),
  matchers: z.string().describe("What a silence of it and of nothing else would match"),
});
type Data = z.output<typeof data>;

export const alertActions = definePanel({
  id: "alert-actions",
  title: "Deal with it",
  description: "Forms that acknowledge one alert, take that back, and silence it.",
  api: "/api/alerts/:alert_id/actions",
  params: ALERT_PARAMS,
  example: { alert_id: "worker_overload:W3" },
  data,
  live: false,
  form: true,
  load: (read, given) => {
    const found = alertOf(read, given);
    return {
      at_ms: read.now_ms,
      alert_id: found.id,
      standing: standingOf(found),
      matchers: matchersOf(found),
    };
  },
  view,
  table: ({ alert_id, standing, matchers }) => ({
    columns: ["alert_id", "standing", "matchers"],
    rows: [[alert_id, standing, matchers]],
  }),
});

function view({ alert_id, standing, matchers }: Data) {
  const action = `alerts/${pathSegment(alert_id)}/acknowledgement`;
  const over = standing === "resolved" || standing === "pending";
  return (
    <div class="alert-forms">
      <OnlyOperators />
      {over ? (
        <p class="quiet">
          {standing === "pending" ? "It does not fire yet" : "It is over"}: there is nothing to acknowledge.
        </p>
      ) : (
        <form class="stacked" method="post" action={action}>
          <h3>
            {standing === "acknowledged" ? "Acknowledge it anew" : "Acknowledge"}{" "}
            <small>you have seen it and take care: it no longer counts</small>
          </h3>
          <NameField />
          <label>
            Note <input name="note" maxlength={MAX_NOTE} placeholder="may be empty" />
          </label>
          <button type="submit">Acknowledge</button>
        </form>
      )}
      {standing === "acknowledged" ? (
        <form class="stacked" method="post" action={`${action}/end`}>
          <NameField />
          <button type="submit" class="secondary">
            Take the acknowledgement back
          </button>
        </form>
      ) : null}
      <form class="stacked" method="get" action="silences/new">
        <h3>
          Silence it <small>for a while it is neither told nor counted</small>
        </h3>
        <SilenceFields asked={{ matchers }} />
        <button type="submit" class="secondary">
          Preview the silence
        </button>
      </form>
    </div>
  );
}
