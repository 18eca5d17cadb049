// Answers out of the bytes of a connection, as far as a load generator needs HTTP/1.1: a status, where the body ends, and
// whether the connection ends with it. No header is kept beyond the answer, and what has no length is refused.

const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
/** Bytes after which a head without an end is nonsense. */
const HEAD_BYTES_MAX = 64 * 1_024;
const FIRST_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |\r|$)/;
const FRAMING = /\r\n(content-length|transfer-encoding|connection):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)/gi;
const NOTHING = Buffer.alloc(0);
const OK = 200;
const WITHOUT_BODY: readonly number[] = [204, 304];

interface Head {
  readonly status: number;
  /** Null: the body comes in chunks. */
  readonly bodyBytes: number | null;
  readonly closes: boolean;
}

/** What is told of a response. */
export interface ResponseHeard {
  readonly status: number;
  /** True when the server will take no other request on this connection. */
  readonly closes: boolean;
  /** Only until the listener returns: the bytes are used again. */
  body(): string;
  /** The value of a field, its name in lower case. */
  header(name: string): string | null;
}

export class ResponseParser {
  readonly #heard: (response: ResponseHeard) => void;
  /** Copies of what has come of a response that is not complete. */
  #parts: Buffer[] = [];
  #held = 0;
  /** Bytes without which it cannot be complete. */
  #needed = 0;

  constructor(heard: (response: ResponseHeard) => void) {
    this.#heard = heard;
  }

  /** True while a response has begun and not ended. */
  get amid(): boolean {
    return this.#held > 0;
  }

  /** Takes what came, which may be used again afterwards. Throws when it is no HTTP. */
  feed(chunk: Buffer): void {
    const bytes = this.#joined(chunk);
    if (bytes === null) return;
    let at = 0;
    while (at < bytes.length) {
      const end = this.#one(bytes, at);
      if (end === null) break;
      at = end;
      this.#needed = 0;
    }
    if (at < bytes.length) this.#hold(Buffer.from(bytes.subarray(at)));
  }

  /** All that is there; null while that is too little. */
  #joined(chunk: Buffer): Buffer | null {
    if (this.#held === 0) return chunk;
    if (this.#held + chunk.length < this.#needed) {
      this.#hold(Buffer.from(chunk));
      return null;
    }
    const all = Buffer.concat([...this.#parts, chunk]);
    this.#parts = [];
    this.#held = 0;
    return all;
  }

  #hold(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#held += bytes.length;
  }

  /** Tells of the response that begins at `at`. Gives where it ends; null when it does not yet. */
  #one(bytes: Buffer, at: number): number | null {
    const headEnd = bytes.indexOf(HEAD_END, at);
    if (headEnd === -1) {
      if (bytes.length - at > HEAD_BYTES_MAX) throw new Error("a response has no end of its head");
      return null;
    }
    const head = bytes.toString("latin1", at, headEnd);
    const { status, bodyBytes, closes } = readHead(head);
    const header = (name: string): string | null => fieldOf(head, name);
    const begin = headEnd + HEAD_END.length;
    if (status < OK) return begin; // not the answer yet
    if (bodyBytes === null) {
      const chunked = readChunks(bytes, begin);
      if (chunked === null) return null;
      this.#heard({ status, closes, body: () => chunked.body.toString(), header });
      return chunked.end;
    }
    const end = begin + bodyBytes;
    if (end > bytes.length) {
      this.#needed = end - at;
      return null;
    }
    this.#heard({ status, closes, body: () => bytes.toString("utf8", begin, end), header });
    return end;
  }
}

function readHead(head: string): Head {
  const first = FIRST_LINE.exec(head);
  if (first === null) throw new Error(`this is no response: ${head.slice(0, 100)}`);
  const status = Number(first[2]);
  let length: number | null = null;
  let chunked = false;
  let closes = first[1] === "0";
  FRAMING.lastIndex = 0;
  for (let found = FRAMING.exec(head); found !== null; found = FRAMING.exec(head)) {
    const [, name = "", value = ""] = found;
    // "content-length", "connection", "transfer-encoding" differ in length
    if (name.length === "content-length".length) length = Number(value);
    else if (name.length === "connection".length) closes = /\bclose\b/i.test(value);
    else chunked = /\bchunked$/i.test(value);
  }
  if (status < OK || WITHOUT_BODY.includes(status)) return { status, bodyBytes: 0, closes };
  if (chunked) return { status, bodyBytes: null, closes };
  if (length === null || !Number.isSafeInteger(length) || length < 0)
    throw new Error(`a response of ${status} does not say how long it is`);
  return { status, bodyBytes: length, closes };
}

function fieldOf(head: string, name: string): string | null {
  for (const line of head.split("\r\n")) {
    if (line.startsWith(":", name.length) && line.slice(0, name.length).toLowerCase() === name) {
      return line.slice(name.length + 1).trim();
    }
  }
  return null;
}

/** Null when the last chunk, or what follows it, is not there yet. */
function readChunks(bytes: Buffer, begin: number): { body: Buffer; end: number } | null {
  const chunks: Buffer[] = [];
  for (let at = begin; ; ) {
    const lineEnd = bytes.indexOf(LINE_END, at);
    if (lineEnd === -1) return null;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9a-f]+[ \t]*(?:;|$)/i.test(line)) throw new Error(`a chunk has no size: ${line.slice(0, 100)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + LINE_END.length;
    if (size === 0) {
      const end = trailersEnd(bytes, at);
      return end === null ? null : { body: chunks.length === 0 ? NOTHING : Buffer.concat(chunks), end };
    }
    if (at + size + LINE_END.length > bytes.length) return null;
    chunks.push(bytes.subarray(at, at + size));
    at += size + LINE_END.length;
  }
}

/** Behind the empty line that ends a chunked body. */
function trailersEnd(bytes: Buffer, begin: number): number | null {
  for (let at = begin; ; ) {
    const lineEnd = bytes.indexOf(LINE_END, at);
    if (lineEnd === -1) return null;
    if (lineEnd === at) return at + LINE_END.length;
    at = lineEnd + LINE_END.length;
  }
}
