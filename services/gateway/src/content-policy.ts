// The content security policy of a page that people look at. (An answer that is no page allows nothing: see `answer.ts`.)

export interface ContentAllowed {
  readonly style: string;
  readonly script?: string;
  readonly connect?: string;
  /** Where its forms may be sent. */
  readonly form?: string;
  /** What its relative links may be based on. */
  readonly base?: string;
}

/** Nothing is loaded from anywhere else, and nothing frames these pages. */
export const contentPolicy = ({ style, script, connect, form, base }: ContentAllowed): string =>
  [
    "default-src 'none'",
    `script-src ${script ?? "'none'"}`,
    `style-src ${style}`,
    `connect-src ${connect ?? "'none'"}`,
    "img-src 'self' data:",
    "font-src 'self' data:",
    "frame-ancestors 'none'",
    `base-uri ${base ?? "'none'"}`,
    `form-action ${form ?? "'none'"}`,
  ].join("; ");
