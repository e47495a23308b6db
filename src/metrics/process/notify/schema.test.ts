import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readYaml } from "../../yaml.ts";
import { checkNotify, notifyShape } from "./schema.ts";
import { reachable } from "./secrets.ts";

const notifySchema = z.strictObject(notifyShape).superRefine(checkNotify);

const EXAMPLE = `
receivers:
  - name: pager
    kind: webhook
    url: https://pager.example/hook/\${PAGER_KEY}
    headers: {X-Team: fleet}
    bearer_file: secrets/pager
  - name: chat
    kind: slack
    url_file: secrets/chat
  - name: mail
    kind: email
    host: smtp.example
    user: evenkeel
    password: \${SMTP_PASSWORD}
    from: Evenkeel <evenkeel@fleet.example>
    to: [ops@fleet.example]
  - {name: am, kind: alertmanager, url: "http://127.0.0.1:9093"}
routes:
  - match: {severity: critical, worker_type: [gpu, "tpu-*"]}
    receivers: [pager, chat]
    group_by: [rule]
    group_wait: 5s
    continue: true
  - receivers: [mail, am]
    repeat_interval: 1d
    resolved: false
heartbeat: {url: "https://hc.example/ping", interval: 30s}
network: {allow_private: true}
`;

const SECRETS: Record<string, string> = {
  "secrets/pager": "s3cret\n",
  "secrets/chat": "https://chat.example/x\n",
};
const sources = {
  env: { PAGER_KEY: "k1", SMTP_PASSWORD: "pw" } as Record<string, string>,
  readFile(path: string) {
    const text = SECRETS[path];
    if (text === undefined) throw new Error("ENOENT: no such file");
    return text;
  },
};

function read(text: string) {
  const found = readYaml(text, notifySchema, "alerts.yaml");
  if ("problems" in found) throw new Error(found.problems.join("\n"));
  return found.value;
}

function problems(text: string): readonly string[] {
  const found = readYaml(text, notifySchema, "alerts.yaml");
  return "problems" in found ? found.problems : [];
}

test("a file says who is told what, and has a default for the rest", () => {
  const { routes, heartbeat, network, receivers } = read(EXAMPLE);
  expect(routes).toEqual([
    {
      match: { severity: ["critical"], worker_type: ["gpu", "tpu-*"] },
      receivers: ["pager", "chat"],
      group_by: ["rule"],
      group_wait: 5000,
      group_interval: 10_000,
      repeat_interval: 14_400_000,
      resolved: true,
      continue: true,
    },
    {
      match: {},
      receivers: ["mail", "am"],
      group_by: ["rule", "worker_type"],
      group_wait: 0,
      group_interval: 10_000,
      repeat_interval: 86_400_000,
      resolved: false,
      continue: false,
    },
  ]);
  expect(heartbeat).toMatchObject({ interval: 30_000 });
  expect(network).toEqual({ allow_private: true, follow_redirects: false });
  expect(receivers).toHaveLength(4);
  expect(read("")).toEqual({ receivers: [], network: { allow_private: false, follow_redirects: false } });
});

test.each([
  [
    "receivers: [{name: a, kind: pigeon}]",
    [
      'alerts.yaml: receivers[0].kind must be one of webhook, alertmanager_webhook, slack, email, alertmanager; got "pigeon", line 1',
    ],
  ],
  [
    "receivers:\n  - name: a\n    password: s3cret\n    kind: emial",
    [
      /^alerts\.yaml: receivers\[0\]\.kind must be one of [a-z, _]*; got "emial"; did you mean email\?, line 4$/,
    ],
  ],
  ["receivers: [[a, s3cret]]", ["alerts.yaml: receivers[0] must be a receiver with its fields, line 1"]],
  [
    "receivers: [{name: a, kind: email, host: h, from: a@b, to: [c@d], user: u, password: 12345}]",
    ["alerts.yaml: receivers[0].password must be a text of one line, not empty, line 1"],
  ],
  [
    "receivers:\n  - {name: a, kind: slack, url: ftp://x}\n  - {name: a, kind: slack}",
    [
      "alerts.yaml: receivers[0].url must be an address that starts with http:// or https://; got 7 characters, line 2",
      'alerts.yaml: receivers[1].name must be a name of its own; got "a" again, line 3',
      "alerts.yaml: receivers[1].url must be given, or url_file name a file that holds it; got nothing, line 3",
    ],
  ],
  [
    "receivers: [{name: a, kind: webhook, url: http://x, urll: 1}]",
    ['alerts.yaml: receivers[0] has no field "urll"; did you mean url?, line 1'],
  ],
  [
    'receivers: [{name: a, kind: webhook, url: http://x, headers: {"a b": c, d: "x\\ny"}}]',
    [/headers/, /headers/],
  ],
  [
    "receivers:\n  - name: a\n    kind: email\n    host: h\n    from: x\n    to: []\n    tls: none\n    user: u",
    [
      'alerts.yaml: receivers[0].from must be an address such as ops@fleet.example; got "x", line 5',
      "alerts.yaml: receivers[0].to must be a list of at least one address; got [], line 6",
      /password must be given/,
      /tls must be starttls or always/,
    ],
  ],
  [
    "receivers: [{name: a, kind: email, host: h, from: a@b, to: [c@d], tls: none, user: u}]",
    [
      /receivers\[0\].password must be given, or password_file name a file/,
      'alerts.yaml: receivers[0].tls must be starttls or always where a user logs in; got "none", line 1',
    ],
  ],
  [
    "receivers: [{name: pager, kind: slack, url: http://x}]\nroutes: [{receivers: [pager], match: {wroker: a}}]",
    ['alerts.yaml: routes[0].match has no field "wroker"; did you mean worker?, line 2'],
  ],
  [
    "receivers: [{name: pager, kind: slack, url: http://x}]\nroutes: [{receivers: [pagr]}]",
    [
      'alerts.yaml: routes[0].receivers[0] must be the name of a receiver of this file; got "pagr"; did you mean pager?, line 2',
    ],
  ],
  [
    "receivers: [{name: p, kind: slack, url: http://x}]\nroutes: [{receivers: [p], group_wait: 2 hours, repeat_interval: 1s}]",
    [
      'alerts.yaml: routes[0].group_wait must be a duration from 0s to 1h, such as 90s, 15m, 24h or 7d; got "2 hours", line 2',
      'alerts.yaml: routes[0].repeat_interval must be a duration from 1m to 30d, such as 90s, 15m, 24h or 7d; got "1s", line 2',
    ],
  ],
  ["heartbeat: {}", [/^alerts\.yaml: heartbeat\.url must be given/]],
  [
    "network: {allow_private: maybe}",
    ['alerts.yaml: network.allow_private must be true or false; got "maybe", line 1'],
  ],
])("%j is refused by field and line", (text, expected) => {
  expect(problems(text)).toEqual(
    expected.map((one) => (typeof one === "string" ? one : expect.stringMatching(one))),
  );
});

describe("secrets", () => {
  test("come from the environment and from files", () => {
    const found = reachable(read(EXAMPLE), sources);
    if ("problems" in found) throw new Error(found.problems.join("\n"));
    expect(found.receivers).toMatchObject([
      {
        kind: "webhook",
        url: "https://pager.example/hook/k1",
        headers: { "X-Team": "fleet", Authorization: "Bearer s3cret" },
      },
      { kind: "slack", url: "https://chat.example/x" },
      { kind: "email", host: "smtp.example", port: 587, login: { user: "evenkeel", password: "pw" } },
      { kind: "alertmanager", url: "http://127.0.0.1:9093", headers: {} },
    ]);
    expect(found.heartbeat).toEqual({ url: "https://hc.example/ping", interval_ms: 30_000 });
  });

  test("that are missing or can't be used are named, and never shown", () => {
    const text = `receivers:
  - {name: a, kind: webhook, url: "\${NOWHERE}", bearer_file: nowhere}
  - {name: b, kind: webhook, url_file: secrets/pager, bearer: "\${ODD}"}`;
    const found = reachable(read(text), { ...sources, env: { ODD: "line\nbreak" } });
    expect(found).toEqual({
      problems: [
        "receivers[0].bearer_file can't be read: ENOENT: no such file",
        "receivers[0].url wants the variable NOWHERE, which is not set",
        "receivers[1].bearer must be visible ASCII of one line; got 10 characters",
        "receivers[1].url must be an address that starts with http:// or https://; got 6 characters",
      ],
    });
    expect(JSON.stringify(found)).not.toContain("s3cret");
  });
});
