import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, test } from "vitest";
import { createDeliver, type DeliverOptions, judged } from "./deliver.ts";
import { fires, messageOf, overload, type Receiving, receiving, T0 } from "./notify-fixture.ts";
import type { EmailReceiver, HttpReceiver } from "./secrets.ts";

const BASE = "https://fleet.example/";
const STRICT = { allow_private: false, follow_redirects: false };
const FOLLOWING = { allow_private: false, follow_redirects: true };
const MESSAGE = messageOf([fires(overload("W3"))]);
const NEVER = new AbortController().signal;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function listening(...[answer]: Parameters<typeof receiving>): Promise<Receiving> {
  const receiver = await receiving(answer);
  open.push(receiver);
  return receiver;
}

function webhook(url: string, fields: Partial<HttpReceiver> = {}): HttpReceiver {
  return { name: "pager", kind: "webhook", url, headers: {}, ...fields };
}

function deliver(
  receiver: HttpReceiver | EmailReceiver,
  options: Partial<DeliverOptions> = {},
  signal = NEVER,
) {
  return createDeliver({ network: STRICT, base_url: () => BASE, ...options })(receiver, MESSAGE, signal);
}

describe("a delivery by HTTP", () => {
  test("posts the receiver's kind of body, with its headers, and tells the answer", async () => {
    const { url, got } = await listening(() => [200, {}, "thanks"]);
    const headers = { Authorization: "Bearer s3cret", "X-Team": "fleet" };
    expect(await deliver(webhook(`${url}hook?a=1`, { headers }))).toEqual({
      outcome: "delivered",
      answer: "answered 200: thanks",
    });
    await deliver(webhook(url, { kind: "slack" }));
    await deliver(webhook(url, { kind: "alertmanager" }));
    await deliver(webhook(`${url}am/`, { kind: "alertmanager" }));
    await deliver(webhook(url, { kind: "alertmanager_webhook" }));
    expect(got.map((one) => one.url)).toEqual(["/hook?a=1", "/", "/api/v2/alerts", "/am/api/v2/alerts", "/"]);
    expect(got[0]).toMatchObject({
      headers: {
        "content-type": "application/json",
        authorization: "Bearer s3cret",
        "x-team": "fleet",
        "idempotency-key": `evenkeel-${T0}-7`,
      },
      body: { version: 1, receiver: "pager", status: "firing" },
    });
    expect(got.slice(1).map(({ body }) => body)).toMatchObject([
      { text: "*Worker W3 is overloaded* (firing)" },
      [{ labels: { alertname: "worker_overload" } }],
      [{ labels: { alertname: "worker_overload" } }],
      { version: "4" },
    ]);
  });

  test.each([
    [200, "delivered"],
    [204, "delivered"],
    [400, "refused"],
    [404, "refused"],
    [410, "refused"],
    [413, "refused"],
    [422, "refused"],
    [401, "failed"],
    [403, "failed"],
    [408, "failed"],
    [409, "failed"],
    [429, "failed"],
    [500, "failed"],
    [503, "failed"],
    [302, "failed"],
  ] as const)("that is answered %i is %s", async (status, outcome) => {
    const { url } = await listening(() => [
      status,
      status === 302 ? { location: "/elsewhere" } : {},
      "because\n<b>",
    ]);
    const delivery = await deliver(webhook(url));
    expect(delivery.outcome).toBe(outcome);
    if (outcome === "refused") expect(delivery).toMatchObject({ error: `answered ${status}: because <b>` });
  });

  test("waits as long as the receiver asks, within bounds", () => {
    const answer = { status: 429, text: "", location: null };
    const pause = (retry_after: string | null) => judged({ ...answer, retry_after }, STRICT);
    expect(pause("30")).toMatchObject({ retry_after_ms: 30_000 });
    expect(pause("999999")).toMatchObject({ retry_after_ms: 600_000 });
    expect(pause("Wed, 21 Oct 2026 07:28:00 GMT")).toMatchObject({ retry_after_ms: 0 });
    expect(pause(null)).toMatchObject({ retry_after_ms: 0 });
  });

  test("fails where nobody listens or the receiver hangs, and never tells the address's path", async () => {
    const { url, close } = await receiving(() => 200);
    await close();
    expect(await deliver(webhook(`${url}secret`))).toEqual({
      outcome: "failed",
      error: expect.stringMatching(/^connect ECONNREFUSED 127\.0\.0\.1:\d+$/),
      retry_after_ms: 0,
    });
    const hanging = await listening(() => null);
    expect(await deliver(webhook(`${hanging.url}secret`), { timeout_ms: 50 })).toMatchObject({
      outcome: "failed",
      error: "it did not answer within 0.05 s",
    });
    const resolve = () => new Promise<never>(() => {});
    expect(await deliver(webhook("http://slow.example/"), { timeout_ms: 50, resolve })).toMatchObject({
      error: "it did not answer within 0.05 s",
    });
  });

  test("reads no more than the beginning of an endless answer", async () => {
    const { url } = await listening(() => [200, {}, "x".repeat(10_000_000)]);
    expect(await deliver(webhook(url))).toMatchObject({
      answer: expect.stringMatching(/^answered 200: x+…$/),
    });
  });

  test("ends at once where it is broken off", async () => {
    const { url } = await listening(() => null);
    const abort = new AbortController();
    const delivery = deliver(webhook(url), {}, abort.signal);
    abort.abort(new Error("stopping"));
    expect(await delivery).toMatchObject({ outcome: "failed", error: "stopping" });
  });

  test("connects to the address that was checked, and asks for the name once", async () => {
    const { url, got } = await listening(() => 200);
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return [{ address: asked === 1 ? "127.0.0.1" : "127.0.0.9", family: 4 as const }];
    };
    const named = url.replace("127.0.0.1", "pager.example");
    expect(
      await deliver(webhook(named), { resolve, network: { ...STRICT, allow_private: true } }),
    ).toMatchObject({
      outcome: "delivered",
    });
    expect([asked, got[0]!.headers.host]).toEqual([1, new URL(named).host]);
  });

  test("refuses a name that leads inside, and goes on trying: who answers for the name may mend it", async () => {
    const { url, got } = await listening(() => 200);
    const resolve = async () => [{ address: "127.0.0.1", family: 4 as const }];
    const delivery = await deliver(webhook(url.replace("127.0.0.1", "pager.example")), { resolve });
    expect(delivery).toMatchObject({
      outcome: "failed",
      error: expect.stringContaining("private address 127.0.0.1"),
    });
    expect(got).toEqual([]);
  });
});

describe("a redirect", () => {
  test("is not followed unless the file allows it", async () => {
    const { url, got } = await listening(() => [307, { location: "/there" }]);
    expect(await deliver(webhook(url))).toMatchObject({
      outcome: "failed",
      error: expect.stringContaining("network.follow_redirects: true"),
    });
    expect(got).toHaveLength(1);
  });

  test("is followed with the same request where the file allows it and the way is not private", async () => {
    const { url, got } = await listening((one) => (one.url === "/" ? [307, { location: "/there" }] : 200));
    const network = { ...FOLLOWING, allow_private: true };
    const receiver = webhook(url, { headers: { Authorization: "Bearer s3cret" } });
    expect(await deliver(receiver, { network })).toMatchObject({ outcome: "delivered" });
    expect(got.map((one) => [one.url, one.headers.authorization])).toEqual([
      ["/", "Bearer s3cret"],
      ["/there", "Bearer s3cret"],
    ]);
    expect(got[1]!.body).toEqual(got[0]!.body);
    // That the file names this address is no leave for whoever redirects to it.
    expect(await deliver(receiver, { network: FOLLOWING })).toMatchObject({
      outcome: "failed",
      error: expect.stringContaining("private address"),
    });
  });

  test("takes no secret to another origin, and ends after three", async () => {
    const other = await listening(() => 200);
    const { url } = await listening(() => [308, { location: other.url }]);
    const network = { ...FOLLOWING, allow_private: true };
    await deliver(webhook(url, { headers: { Authorization: "Bearer s3cret" } }), { network });
    expect(other.got[0]!.headers).not.toHaveProperty("authorization");
    const circle = await listening(() => [307, { location: "/" }]);
    expect(await deliver(webhook(circle.url), { network })).toMatchObject({ outcome: "failed" });
    expect(circle.got).toHaveLength(4);
    const file = await listening(() => [307, { location: "file:///etc/passwd" }]);
    expect(await deliver(webhook(file.url), { network })).toMatchObject({ outcome: "failed" });
  });
});

interface Mail {
  readonly from: string;
  readonly to: string[];
  readonly user: unknown;
  readonly text: string;
}

async function mailServer(options: SMTPServerOptions = {}): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    hideSTARTTLS: true,
    logger: false,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? "" : mailFrom.address;
        const text = Buffer.concat(chunks).toString();
        mails.push({ from, to: rcptTo.map(({ address }) => address), user: session.user, text });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  return { port: (server.server.address() as AddressInfo).port, mails };
}

function mailbox(port: number, fields: Partial<EmailReceiver> = {}): EmailReceiver {
  const whole = { name: "mail", kind: "email", host: "127.0.0.1", port, tls: "none", login: null } as const;
  return {
    ...whole,
    from: "Evenkeel <evenkeel@fleet.example>",
    to: ["ops@fleet.example", "boss@fleet.example"],
    ...fields,
  };
}

function refusal(code: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode: code });
}

describe("a delivery by mail", () => {
  test("arrives with its subject, for all its recipients", async () => {
    const { port, mails } = await mailServer();
    expect(await deliver(mailbox(port))).toMatchObject({ outcome: "delivered" });
    expect(mails).toMatchObject([
      { from: "evenkeel@fleet.example", to: ["ops@fleet.example", "boss@fleet.example"] },
    ]);
    const { text } = mails[0]!;
    expect(text).toContain("Subject: [Evenkeel] Worker W3 is overloaded (firing)\r\n");
    expect(text).toContain("From: Evenkeel <evenkeel@fleet.example>\r\n");
    expect(text).toContain(`Message-ID: <${T0}.7@evenkeel>\r\n`);
    expect(text).toContain("Auto-Submitted: auto-generated\r\n");
    expect(text).toContain(`${BASE}alerts/worker_overload%3AW3`);
  });

  test("has no header that a name brings along", async () => {
    const { port, mails } = await mailServer();
    const alert = { ...overload("W"), title: "W\r\nBcc: all@fleet.example\r\n\r\nhello" };
    const message = messageOf([fires(alert)]);
    await createDeliver({ network: STRICT, base_url: () => BASE })(mailbox(port), message, NEVER);
    expect(mails[0]!.to).toHaveLength(2);
    expect(mails[0]!.text).not.toMatch(/^Bcc/im);
  });

  test("is encrypted or not sent where that is asked for", async () => {
    const { port, mails } = await mailServer();
    expect(await deliver(mailbox(port, { tls: "starttls" }))).toMatchObject({ outcome: "failed" });
    // Its certificate is nobody's.
    const encrypting = await mailServer({ hideSTARTTLS: false });
    expect(await deliver(mailbox(encrypting.port, { tls: "starttls" }))).toMatchObject({
      outcome: "failed",
      error: expect.stringMatching(/certificate/),
    });
    expect([mails, encrypting.mails]).toEqual([[], []]);
  });

  test("that the server refuses for good is refused, and one that it puts off is tried again", async () => {
    const refusing = await mailServer({ onRcptTo: (_, __, done) => done(refusal(550, "no such mailbox")) });
    expect(await deliver(mailbox(refusing.port))).toMatchObject({
      outcome: "refused",
      error: expect.stringContaining("no such mailbox"),
    });
    const busy = await mailServer({ onRcptTo: (_, __, done) => done(refusal(451, "greylisted")) });
    expect(await deliver(mailbox(busy.port))).toMatchObject({
      outcome: "failed",
      error: expect.stringContaining("greylisted"),
    });
  });

  test("waits for a mended password", async () => {
    const { port } = await mailServer({
      allowInsecureAuth: true,
      onAuth: (_, __, done) => done(refusal(535, "wrong password")),
    });
    const login = { user: "evenkeel", password: "s3cret" };
    const delivery = await deliver(mailbox(port, { login }));
    expect(delivery).toMatchObject({ outcome: "failed", error: expect.stringContaining("535") });
    expect(JSON.stringify(delivery)).not.toContain("s3cret");
  });

  test("ends within its time where the server says nothing, and leaves no connection", async () => {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => sockets.push(socket.on("error", () => {})));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
    const { port } = server.address() as AddressInfo;
    expect(await deliver(mailbox(port), { timeout_ms: 200 })).toMatchObject({
      outcome: "failed",
      error: "it did not answer within 0.2 s",
    });
    // Else the server would not close.
    expect(sockets).toHaveLength(1);
    sockets[0]!.resume();
  });

  test("fails where nobody listens, and where the name leads inside", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(await deliver(mailbox(port))).toMatchObject({
      outcome: "failed",
      error: expect.stringContaining("ECONNREFUSED"),
    });
    const resolve = async () => [{ address: "10.0.0.1", family: 4 as const }];
    expect(await deliver(mailbox(port, { host: "smtp.example" }), { resolve })).toMatchObject({
      error: expect.stringContaining("private address 10.0.0.1"),
    });
  });
});
