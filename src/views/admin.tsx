import { type AuditEntry, type EmbedLink, ROLES, type Token, type User } from "../metrics/accounts.ts";
import { shorten, visible } from "../metrics/format.ts";
import { Left, NewPassword, ROWS_LIMIT, type SessionRow, Sessions } from "./account.tsx";
import type { Around } from "./around.ts";
import { Name, Time } from "./components.tsx";
import { Ask, Done, Form, type FormProblem, fieldsOf } from "./form.tsx";
import { renderPlain } from "./layout.tsx";

const NAME_LENGTH = 64;
const DETAIL_LENGTH = 120;

type UserRow = Pick<User, "name" | "role" | "created_ms">;

export interface AdminView {
  readonly users: readonly (UserRow & { readonly sessions: number })[];
  readonly tokens: readonly Omit<Token, "hash">[];
  readonly sessions: readonly SessionRow[];
  /** The hash of the one that asks; null where it asks by a token. */
  readonly here: string | null;
  readonly links: readonly EmbedLink[];
  readonly audit: readonly AuditEntry[];
  readonly done: string | null;
  readonly problem: FormProblem | null;
  /** Of the token that was just made. */
  readonly secret: string | null;
}

/** Users, tokens, sessions, links and what was done by whom. */
export function renderAdmin(view: AdminView, around: Around): string {
  return renderPlain(
    "Administration",
    around,
    <>
      <Done what={view.done} />
      {view.secret === null ? null : (
        <section class="panel" aria-labelledby="ad-secret">
          <h2 id="ad-secret">The new token</h2>
          <div class="body">
            <p class="hint">It is shown this once. Whoever holds it sends it in a header:</p>
            <pre tabindex={0}>Authorization: Bearer {view.secret}</pre>
          </div>
        </section>
      )}
      <p class="hint">
        How this server is set up: <a href="admin/settings">its settings</a>.
      </p>
      <Users {...view} />
      <Tokens {...view} />
      <Links links={view.links} now_ms={around.newest_ms} />
      <Sessions id="ad" sessions={view.sessions} here={view.here} action="admin/sessions/end" named />
      <Audit audit={view.audit} />
    </>,
  );
}

function Users({ users, problem }: Pick<AdminView, "users" | "problem">) {
  const action = "admin/users";
  const { field, value } = fieldsOf(problem, action);
  return (
    <section class="panel" aria-labelledby="ad-users">
      <h2 id="ad-users">Users</h2>
      <table class="sources">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">Sessions</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {users.slice(0, ROWS_LIMIT).map(({ name, role, sessions, created_ms }) => (
            <tr>
              <th scope="row">
                <a href={pageOf(name)}>{name}</a>
              </th>
              <td data-label="Role">{role}</td>
              <td data-label="Sessions">{sessions}</td>
              <td data-label="Since">
                <Time at_ms={created_ms} full />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Left all={users} api="api/users" />
      <Form action={action} problem={problem} class="body fields">
        <label>
          Name
          <input {...field("name")} value={value("name")} required maxlength={64} autocomplete="off" />
        </label>
        <label>
          Role
          <select {...field("role")}>
            <Roles chosen={value("role", ROLES[0])} />
          </select>
        </label>
        <NewPassword field={field("password")} label="Password" />
        <button type="submit">Add a user</button>
      </Form>
      <RoleHint />
    </section>
  );
}

function RoleHint() {
  return (
    <p class="hint">
      A viewer reads. An operator deals with alerts too: acknowledges, silences, tests receivers, sets marks,
      makes links. An admin has all that is on Administration too.
    </p>
  );
}

function Roles({ chosen }: { chosen: string }) {
  return (
    <>
      {ROLES.map((one) => (
        <option value={one} selected={one === chosen}>
          {one}
        </option>
      ))}
    </>
  );
}

function pageOf(name: string): string {
  return `admin/users/${encodeURIComponent(name)}`;
}

export interface UserView {
  readonly user: UserRow;
  readonly sessions: readonly SessionRow[];
  /** The hash of the one that asks; null where it asks by a token. */
  readonly here: string | null;
  readonly done: string | null;
  readonly problem: FormProblem | null;
}

/** One user: role, password, sessions, and the end of it. */
export function renderUser({ user, sessions, here, done, problem }: UserView, around: Around): string {
  const { name, role, created_ms } = user;
  const page = pageOf(name);
  const ofRole = fieldsOf(problem, `${page}/role`);
  const ofPassword = fieldsOf(problem, `${page}/password`);
  return renderPlain(
    `User ${name}`,
    around,
    <>
      <Done what={done} />
      <p class="hint">
        {role}, since <Time at_ms={created_ms} full />. <a href="admin">All users</a>
      </p>
      <section class="panel" aria-labelledby="us-role">
        <h2 id="us-role">Role</h2>
        <Form action={`${page}/role`} problem={problem} class="body fields">
          <label>
            What {name} may do
            <select {...ofRole.field("role")}>
              <Roles chosen={ofRole.value("role", role)} />
            </select>
          </label>
          <button type="submit">Set the role</button>
        </Form>
        <RoleHint />
      </section>
      <section class="panel" aria-labelledby="us-password">
        <h2 id="us-password">
          Password <small class="note">another one ends all their sessions</small>
        </h2>
        <Form action={`${page}/password`} problem={problem} class="body fields">
          <input type="hidden" name="username" value={name} autocomplete="username" />
          <NewPassword field={ofPassword.field("password")} label="Another one" />
          <button type="submit">Set the password</button>
        </Form>
      </section>
      <Sessions id="us" sessions={sessions} here={here} action="admin/sessions/end" />
      <section class="panel" aria-labelledby="us-remove">
        <h2 id="us-remove">
          Remove <small class="note">ends their sessions; what they made stays</small>
        </h2>
        <div class="body">
          <Ask
            action={`${page}/remove`}
            what={`Remove ${name}`}
            sure={`Yes, remove ${name} for good`}
            problem={problem}
          />
        </div>
      </section>
    </>,
  );
}

function Tokens({ tokens, problem }: Pick<AdminView, "tokens" | "problem">) {
  const action = "admin/tokens";
  const { field, value } = fieldsOf(problem, action);
  const role = value("role");
  return (
    <section class="panel" aria-labelledby="ad-tokens">
      <h2 id="ad-tokens">Tokens</h2>
      {tokens.length === 0 ? null : <TokenRows tokens={tokens} />}
      <Left all={tokens} api="api/tokens" />
      <Form action={action} problem={problem} class="body fields">
        <label>
          What it is for
          <input {...field("name")} value={value("name")} required maxlength={100} />
        </label>
        <label>
          What its holder may do
          <select {...field("role")}>
            <option value="ingest">report (ingest)</option>
            {ROLES.map((one) => (
              <option value={one} selected={one === role}>
                what a user with the role {one} may
              </option>
            ))}
          </select>
        </label>
        <label>
          Sources it may report as, with commas
          <input {...field("sources")} value={value("sources")} placeholder="any" />
        </label>
        <button type="submit">Make a token</button>
      </Form>
    </section>
  );
}

function TokenRows({ tokens }: Pick<AdminView, "tokens">) {
  return (
    <table class="sources">
      <thead>
        <tr>
          <th scope="col">For</th>
          <th scope="col">May</th>
          <th scope="col">Sources</th>
          <th scope="col">Made</th>
          <th scope="col">Last used</th>
          <th scope="col">
            <span class="vh">Revoke</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {tokens.slice(0, ROWS_LIMIT).map(({ id, name, role, sources, created_ms, created_by, used_ms }) => (
          <tr>
            <th scope="row">
              <Name>{visible(shorten(name, NAME_LENGTH))}</Name>
            </th>
            <td data-label="May">{role}</td>
            <td data-label="Sources">
              {sources === null
                ? role === "ingest"
                  ? "any"
                  : ""
                : visible(shorten(sources.join(", "), DETAIL_LENGTH))}
            </td>
            <td data-label="Made">
              <Time at_ms={created_ms} full /> by {visible(created_by)}
            </td>
            <td data-label="Last used">{used_ms === null ? "never" : <Time at_ms={used_ms} full />}</td>
            <td>
              <Ask
                action={`admin/tokens/${id}/revoke`}
                what="Revoke"
                sure="Yes, for good"
                name={visible(name)}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Links({ links, now_ms }: Pick<AdminView, "links"> & { now_ms: number }) {
  if (links.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="ad-links">
      <h2 id="ad-links">Links to embedded panels</h2>
      <table class="sources">
        <thead>
          <tr>
            <th scope="col">Panel</th>
            <th scope="col">Bound to</th>
            <th scope="col">Made</th>
            <th scope="col">Until</th>
            <th scope="col">
              <span class="vh">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {links.slice(0, ROWS_LIMIT).map(({ id, panel, query, created_ms, created_by, expires_ms }) => (
            <tr>
              <th scope="row">{panel}</th>
              <td data-label="Bound to">
                {query === "" ? "no filter" : <Name>{shorten(query, DETAIL_LENGTH)}</Name>}
              </td>
              <td data-label="Made">
                <Time at_ms={created_ms} full /> by {visible(created_by)}
              </td>
              <td data-label="Until">
                <Time at_ms={expires_ms} full /> {expires_ms <= now_ms ? "(over)" : ""}
              </td>
              <td>
                <Ask
                  action={`admin/links/${id}/revoke`}
                  what="Revoke"
                  sure="Yes, for good"
                  name={`the link to ${panel}`}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Left all={links} />
    </section>
  );
}

function Audit({ audit }: Pick<AdminView, "audit">) {
  return (
    <section class="panel" aria-labelledby="ad-audit">
      <h2 id="ad-audit">
        Who did what <small class="note">the newest {audit.length}</small>
      </h2>
      <table class="sources">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">From</th>
            <th scope="col">What</th>
            <th scope="col">To what</th>
          </tr>
        </thead>
        <tbody>
          {audit.map(({ at_ms, who, address, what, detail }) => (
            <tr>
              <td data-label="When">
                <Time at_ms={at_ms} full />
              </td>
              <td data-label="Who">
                <Name>{visible(shorten(who, NAME_LENGTH))}</Name>
              </td>
              <td data-label="From">{visible(address)}</td>
              <td data-label="What">{what}</td>
              <td data-label="To what">
                <Name>{visible(shorten(detail, DETAIL_LENGTH))}</Name>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="more">
        <a href="api/audit?entries=10000&format=csv">All of it as CSV</a>
      </p>
    </section>
  );
}
