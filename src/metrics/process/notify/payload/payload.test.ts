import { describe, expect, test } from "vitest";
import { ends, fires, messageOf, overload, T0 } from "../notify-fixture.ts";
import { alertmanagerBody, alertmanagerWebhookBody } from "./alertmanager.ts";
import { emailText } from "./email.ts";
import { slackBody } from "./slack.ts";
import { webhookBody } from "./webhook.ts";

const BASE = "https://fleet.example/evenkeel/";
const one = messageOf([fires(overload("W3"))]);
const mixed = messageOf(
  [ends(overload("W1"), T0 - 90_000, T0), fires(overload("W2", {}, "warning")), fires(overload("W3"))],
  {
    firing: 5,
  },
);
const storm = messageOf(
  Array.from({ length: 20 }, (_, i) => fires(overload(`W${i}`))),
  { firing: 20 },
);
const HOSTILE = '<!channel> @here *x* & <https://evil.example|click>\r\nBcc: all@x\u202e"\u0000|';

describe("the generic webhook", () => {
  test("tells each alert with its labels and its page", () => {
    expect(webhookBody(one, "pager", BASE)).toEqual({
      version: 1,
      id: 7,
      at: "2026-01-01T12:00:00Z",
      receiver: "pager",
      status: "firing",
      repeat: false,
      test: false,
      title: "Worker W3 is overloaded",
      group: { rule: "worker_overload", worker_type: "gpu" },
      firing: 1,
      url: `${BASE}alerts`,
      alerts: [
        {
          id: "worker_overload:W3",
          status: "firing",
          rule: "worker_overload",
          severity: "critical",
          title: "Worker W3 is overloaded",
          detail: "95 % CPU, 5 pending tasks",
          subject: { kind: "worker", id: "W3" },
          labels: overload("W3").labels,
          since: "2026-01-01T11:59:58Z",
          fired_at: "2026-01-01T12:00:00Z",
          ended_at: null,
          url: `${BASE}alerts/worker_overload%3AW3`,
        },
      ],
    });
  });

  test("has a status for the whole and for each", () => {
    const { status, alerts, title } = webhookBody(mixed, "pager", BASE);
    expect([status, title]).toEqual(["firing", "2 gpu workers are overloaded"]);
    expect(alerts.map((alert) => alert.status)).toEqual(["resolved", "firing", "firing"]);
    expect(webhookBody(messageOf(mixed.events.slice(0, 1)), "pager", BASE)).toMatchObject({
      status: "resolved",
      alerts: [{ ended_at: "2026-01-01T12:00:00Z" }],
    });
  });
});

describe("Alertmanager's own webhook, version 4", () => {
  test("has all its fields", () => {
    const body = alertmanagerWebhookBody(mixed, "am", BASE);
    expect(body).toMatchObject({
      version: "4",
      groupKey: mixed.group,
      truncatedAlerts: 0,
      status: "firing",
      receiver: "am",
      groupLabels: { rule: "worker_overload", worker_type: "gpu" },
      commonLabels: {
        alertname: "worker_overload",
        rule: "worker_overload",
        kind: "worker",
        worker_type: "gpu",
      },
      commonAnnotations: { description: "95 % CPU, 5 pending tasks" },
      externalURL: BASE,
    });
    expect(body.commonLabels).not.toHaveProperty("worker");
    expect(body.alerts[0]).toEqual({
      status: "resolved",
      labels: { ...overload("W1").labels, alertname: "worker_overload", alert_id: "worker_overload:W1" },
      annotations: { summary: "Worker W1 is overloaded", description: "95 % CPU, 5 pending tasks" },
      startsAt: "2026-01-01T11:58:30.000Z",
      endsAt: "2026-01-01T12:00:00.000Z",
      generatorURL: `${BASE}alerts/worker_overload%3AW1`,
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(body.alerts[1]).toMatchObject({ status: "firing", endsAt: "0001-01-01T00:00:00Z" });
  });
});

describe("Alertmanager's API", () => {
  test("is told how long an alert holds, and when it ended, under the same labels", () => {
    const [ended, held] = alertmanagerBody(mixed, BASE);
    expect(ended).toMatchObject({ endsAt: "2026-01-01T12:00:00.000Z" });
    expect(held).toMatchObject({ startsAt: "2026-01-01T12:00:00.000Z", endsAt: "2026-01-01T20:00:00.000Z" });
    const [end] = alertmanagerBody(messageOf([ends(overload("W2", {}, "warning"), T0, T0 + 1)]), BASE);
    expect(end!.labels).toEqual(held!.labels);
  });
});

describe("Slack", () => {
  test("is told the worst first, each linked, in the colour of the worst", () => {
    expect(slackBody(mixed, BASE)).toEqual({
      text: "*2 gpu workers are overloaded* (2 firing (5 in all), 1 resolved)",
      attachments: [
        {
          color: "#c62828",
          fallback: "2 gpu workers are overloaded",
          mrkdwn_in: ["text"],
          text: [
            `critical: <${BASE}alerts/worker_overload%3AW3|Worker W3 is overloaded> 95 % CPU, 5 pending tasks, since 2026-01-01 11:59:58\u00a0UTC`,
            `warning: <${BASE}alerts/worker_overload%3AW2|Worker W2 is overloaded> 95 % CPU, 5 pending tasks, since 2026-01-01 11:59:58\u00a0UTC`,
            `resolved: <${BASE}alerts/worker_overload%3AW1|Worker W1 is overloaded> 95 % CPU, 5 pending tasks, ended 2026-01-01 12:00:00\u00a0UTC after 1\u00a0m\u00a030\u00a0s`,
          ].join("\n"),
        },
      ],
    });
  });

  test("is told the first ten of many", () => {
    const { text, attachments } = slackBody(storm, BASE);
    expect(text).toBe("*20 gpu workers are overloaded* (firing)");
    const lines = attachments[0]!.text.split("\n");
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe(`<${BASE}alerts|and 10 more>`);
  });

  test("gets no link, no mention and no line that a name brings along", () => {
    const { attachments, text } = slackBody(messageOf([fires({ ...overload("W"), title: HOSTILE })]), BASE);
    const line = attachments[0]!.text;
    expect(line.split("\n")).toHaveLength(1);
    expect(line.match(/</g)).toHaveLength(1);
    expect(line.match(/\|/g)).toHaveLength(1);
    for (const one of [line, text]) {
      expect(one).not.toMatch(/@here|<!|\u202e|\u0000/);
      expect(one).toContain("&lt;!channel&gt;");
    }
  });
});

describe("a mail", () => {
  test("says in its subject what it is about, and has each alert with its page", () => {
    expect(emailText(one, BASE)).toEqual({
      subject: "[Evenkeel] Worker W3 is overloaded (firing)",
      text: `Worker W3 is overloaded: firing

Worker W3 is overloaded [critical]
95 % CPU, 5 pending tasks, since 2026-01-01 11:59:58\u00a0UTC
${BASE}alerts/worker_overload%3AW3

All alerts: ${BASE}alerts
`,
    });
    expect(emailText({ ...one, repeat: true }, BASE).subject).toContain("(still firing)");
    expect(emailText(storm, BASE).text).toContain("and 10 more");
  });

  test("has a subject of one line, whatever a name holds", () => {
    const { subject } = emailText(messageOf([fires({ ...overload("W"), title: HOSTILE.repeat(50) })]), BASE);
    expect(subject).not.toMatch(/[\r\n\u0000\u202e]/);
    expect(subject.length).toBeLessThanOrEqual(150);
  });
});

test("a page's address holds whatever an id holds", () => {
  const ids = ["a/b?c#d", "..", "\ud800", "%2e", "é ü"];
  const urls = ids.map(
    (id) => webhookBody(messageOf([fires({ ...overload("W"), id })]), "r", BASE).alerts[0]!.url,
  );
  for (const url of urls) expect(new URL(url).href.startsWith(`${BASE}alerts/`)).toBe(true);
  expect(new URL(urls[0]!).pathname).toBe("/evenkeel/alerts/a%2Fb%3Fc%23d");
  expect(new URL(urls[1]!).pathname).toBe("/evenkeel/alerts/~..");
});
