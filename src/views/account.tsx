import { type AuditEntry, type EmbedLink, ROLES, type Token, type User } from "../metrics/accounts.ts";
import { clean, shorten } from "../metrics/format.ts";
import type { Around, Look } from "./around.ts";
import { Name, Time } from "./components.tsx";
import { renderAlone, renderPlain } from "./layout.tsx";
import type { Markup } from "./panel.ts";

const NAME_LENGTH = 64;

export interface LoginView {
  readonly name: string;
  /** Where it leads then, below the base path. */
  readonly next: string;
  /** What was wrong with the last try. */
  readonly problem: string | null;
}

/** Where one logs in; it shows nothing of the fleet. */
export function renderLogin({ name, next, problem }: LoginView, look: Look): string {
  return renderAlone(
    "Log in",
    look,
    <>
      <h1>Log in</h1>
      {problem === null ? null : (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <form class="fields" method="post" action="login">
        <input type="hidden" name="next" value={next} />
        <label>
          Name
          <input name="name" value={clean(name)} required autocomplete="username" autofocus={name === ""} />
        </label>
        <label>
          Password
          <input
            type="password"
            name="password"
            required
            autocomplete="current-password"
            autofocus={name !== ""}
          />
        </label>
        <button type="submit">Log in</button>
      </form>
    </>,
  );
}

interface SessionRow {
  readonly hash: string;
  readonly user: string | null;
  readonly client: string | null;
  readonly created_ms: number;
}

export interface AccountView {
  /** Null where nobody has to log in, or who asks does so by a token. */
  readonly user: User | null;
  /** The hash of the session that asks. */
  readonly session: string;
  readonly sessions: readonly SessionRow[];
  readonly done: string | null;
}

/** One's own account. */
export function renderAccount({ user, session, sessions, done }: AccountView, around: Around): string {
  const content =
    user === null ? (
      <p class="hint">
        Nobody has to log in here. <code>evenkeel user add NAME</code> makes the first user; from then on
        everybody has to.
      </p>
    ) : (
      <>
        <section class="panel" aria-labelledby="ac-you">
          <h2 id="ac-you">
            {user.name}, {user.role}
          </h2>
          <div class="body fields">
            <form method="post" action="logout">
              <button type="submit">Log out</button>
            </form>
            <form method="post" action="account/sessions/end-all">
              <button type="submit" class="secondary">
                Log out everywhere
              </button>
            </form>
          </div>
        </section>
        <section class="panel" aria-labelledby="ac-password">
          <h2 id="ac-password">Password</h2>
          <form class="body fields" method="post" action="account/password">
            <input type="hidden" name="username" value={user.name} autocomplete="username" />
            <label>
              The old one
              <input type="password" name="old" required autocomplete="current-password" />
            </label>
            <label>
              The new one, 10 characters or more
              <input type="password" name="password" required minlength={10} autocomplete="new-password" />
            </label>
            <button type="submit">Change it, and end all other sessions</button>
          </form>
        </section>
        <Sessions id="ac" sessions={sessions} here={session} action="account/sessions/end" />
      </>
    );
  return renderOwn("Account", done, around, content);
}

function Sessions({
  id,
  sessions,
  here,
  action,
  named = false,
}: {
  id: string;
  sessions: readonly SessionRow[];
  here: string | null;
  action: string;
  named?: boolean;
}) {
  return (
    <section class="panel" aria-labelledby={`${id}-sessions`}>
      <h2 id={`${id}-sessions`}>Sessions</h2>
      <table class="sources">
        <thead>
          <tr>
            {named ? <th scope="col">User</th> : null}
            <th scope="col">Logged in by</th>
            <th scope="col">Since</th>
            <th scope="col">
              <span class="vh">End it</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.map(({ hash, user, client, created_ms }) => (
            <tr>
              {named ? <th scope="row">{user}</th> : null}
              <td data-label="Logged in by">
                <Name>{shorten(client ?? "", 100)}</Name>
              </td>
              <td data-label="Since">
                <Time at_ms={created_ms} full />
              </td>
              <td>
                {hash === here ? (
                  "this one"
                ) : (
                  <form method="post" action={action}>
                    <input type="hidden" name="session" value={hash} />
                    <button type="submit" class="secondary">
                      End
                    </button>
                  </form>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export interface AdminView {
  readonly users: readonly (Pick<User, "name" | "role" | "created_ms"> & { readonly sessions: number })[];
  readonly tokens: readonly Omit<Token, "hash">[];
  readonly sessions: readonly SessionRow[];
  readonly links: readonly EmbedLink[];
  readonly audit: readonly AuditEntry[];
  readonly done: string | null;
  /** Of the token that was just made. */
  readonly secret: string | null;
}

/** Users, tokens, sessions, links and what was done by whom. */
export function renderAdmin(view: AdminView, around: Around): string {
  return renderOwn(
    "Administration",
    view.done,
    around,
    <>
      {view.secret === null ? null : (
        <section class="panel" aria-labelledby="ad-secret">
          <h2 id="ad-secret">The new token</h2>
          <div class="body">
            <p class="hint">It is shown this once. Whoever holds it sends it in a header:</p>
            <pre>Authorization: Bearer {view.secret}</pre>
          </div>
        </section>
      )}
      <Users users={view.users} />
      <Tokens tokens={view.tokens} />
      <Links links={view.links} now_ms={around.newest_ms} />
      <Sessions id="ad" sessions={view.sessions} here={null} action="admin/sessions/end" named />
      <Audit audit={view.audit} />
    </>,
  );
}

function Users({ users }: Pick<AdminView, "users">) {
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
            <th scope="col">
              <span class="vh">Remove</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {users.map(({ name, role, sessions, created_ms }) => (
            <tr>
              <th scope="row">{name}</th>
              <td data-label="Role">
                <form method="post" action={`admin/users/${encodeURIComponent(name)}/role`}>
                  <select name="role" aria-label={`Role of ${name}`}>
                    {ROLES.map((one) => (
                      <option value={one} selected={one === role}>
                        {one}
                      </option>
                    ))}
                  </select>
                  <button type="submit" class="secondary">
                    Set
                  </button>
                </form>
              </td>
              <td data-label="Sessions">{sessions}</td>
              <td data-label="Since">
                <Time at_ms={created_ms} full />
              </td>
              <td>
                <form method="post" action={`admin/users/${encodeURIComponent(name)}/remove`}>
                  <button type="submit" class="secondary" aria-label={`Remove ${name}`}>
                    Remove
                  </button>
                </form>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <form class="body fields" method="post" action="admin/users">
        <label>
          Name <input name="name" required maxlength={64} autocomplete="off" />
        </label>
        <label>
          Role
          <select name="role">
            {ROLES.map((one) => (
              <option value={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          Password, 10 characters or more
          <input type="password" name="password" required minlength={10} autocomplete="new-password" />
        </label>
        <button type="submit">Add a user</button>
      </form>
      <p class="hint">
        A viewer reads. An operator deals with alerts too: acknowledges, silences, tests receivers, sets
        marks. An admin does this page's work too.
      </p>
    </section>
  );
}

function Tokens({ tokens }: Pick<AdminView, "tokens">) {
  return (
    <section class="panel" aria-labelledby="ad-tokens">
      <h2 id="ad-tokens">Tokens</h2>
      {tokens.length === 0 ? null : (
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
            {tokens.map(({ id, name, role, sources, created_ms, created_by, used_ms }) => (
              <tr>
                <th scope="row">
                  <Name>{shorten(name, NAME_LENGTH)}</Name>
                </th>
                <td data-label="May">{role}</td>
                <td data-label="Sources">
                  {sources === null
                    ? role === "ingest"
                      ? "any"
                      : ""
                    : clean(shorten(sources.join(", "), 120))}
                </td>
                <td data-label="Made">
                  <Time at_ms={created_ms} full /> by {clean(created_by)}
                </td>
                <td data-label="Last used">{used_ms === null ? "never" : <Time at_ms={used_ms} full />}</td>
                <td>
                  <form method="post" action={`admin/tokens/${id}/revoke`}>
                    <button type="submit" class="secondary" aria-label={`Revoke ${clean(name)}`}>
                      Revoke
                    </button>
                  </form>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <form class="body fields" method="post" action="admin/tokens">
        <label>
          What it is for <input name="name" required maxlength={100} />
        </label>
        <label>
          What its holder may do
          <select name="role">
            <option value="ingest">report (ingest)</option>
            {ROLES.map((one) => (
              <option value={one}>what a user may who is {one}</option>
            ))}
          </select>
        </label>
        <label>
          The sources that it may report as, separated by commas
          <input name="sources" placeholder="any" />
        </label>
        <button type="submit">Make a token</button>
      </form>
    </section>
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
          {links.map(({ id, panel, query, created_ms, created_by, expires_ms }) => (
            <tr>
              <th scope="row">{panel}</th>
              <td data-label="Bound to">
                <Name>{shorten(query, 120)}</Name>
              </td>
              <td data-label="Made">
                <Time at_ms={created_ms} full /> by {clean(created_by)}
              </td>
              <td data-label="Until">
                <Time at_ms={expires_ms} full /> {expires_ms <= now_ms ? "(over)" : ""}
              </td>
              <td>
                <form method="post" action={`admin/links/${id}/revoke`}>
                  <button type="submit" class="secondary">
                    Revoke
                  </button>
                </form>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
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
                <Name>{shorten(who, NAME_LENGTH)}</Name>
              </td>
              <td data-label="From">{clean(address)}</td>
              <td data-label="What">{clean(what)}</td>
              <td data-label="To what">
                <Name>{shorten(detail, 120)}</Name>
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

function renderOwn(title: string, done: string | null, around: Around, content: Markup): string {
  return renderPlain(
    title,
    around,
    <>
      {done === null ? null : (
        <p class="done" role="status">
          {clean(done)}
        </p>
      )}
      {content}
    </>,
  );
}
