// The two pages on which operators sign in and out: plain HTML, no script, nothing from elsewhere.
import { createHash } from "node:crypto";
import { contentPolicy } from "../content-policy.ts";

const STYLE = `
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 15vh auto 0; padding: 0 1rem }
h1 { font-size: 1.25rem }
label { display: block; margin-top: 1rem }
input, button { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }
button { margin-top: 1.5rem; cursor: pointer }
[role=alert] { border-left: 4px solid #c33; padding-left: .75rem }
`;

export const SIGN_PAGES_POLICY = contentPolicy({
  style: `'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  form: "'self'",
});

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>Holdfast: ${title}</title>
<style>${STYLE}</style>
<main>
${body}
</main>
</html>
`;

/** `trouble` is one of our own sentences, never what somebody sent. */
export const loginPage = (trouble: string | null): string =>
  page(
    "sign in",
    `<h1>Holdfast for operators</h1>
${trouble === null ? "" : `<p role="alert">${trouble}</p>\n`}<form method="post" action="/ops/login">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>`,
  );

export const LOGOUT_PAGE = page(
  "sign out",
  `<h1>Holdfast for operators</h1>
<form method="post" action="/ops/logout">
<button>Sign out</button>
</form>
<p><a href="/ops/queues">Back to the queues</a></p>`,
);
