// Server-sent events out of a response's bytes, as the HTML standard says how to read them. Knows no meaning of any.
import { ConnectionLost } from "./errors.ts";

export interface ServerEvent {
  /** "message" when the server gave none. */
  readonly type: string;
  readonly data: string;
  /** The last one that was given, in this event or before it; empty when none was. */
  readonly lastEventId: string;
}

/** What is read of a stream: an event, or that the server is still there. */
export type StreamPart =
  | { readonly kind: "event"; readonly event: ServerEvent }
  | { readonly kind: "retry"; readonly ms: number }
  | { readonly kind: "alive" };

/** Characters that one event may have; who sends more is no server of ours. */
const EVENT_CHARACTERS_MAX = 1_048_576;

/** Takes a stream's text bit by bit. What has no empty line behind it when the stream ends is no event. */
export class EventReader {
  #rest = "";
  #type = "";
  #data: string[] = [];
  #lastEventId = "";
  #characters = 0;

  *read(text: string): Generator<StreamPart> {
    // A line ends with CRLF, LF or CR; a CR that comes last may be half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    this.#bound(this.#rest.length);
    for (const line of lines) yield* this.#line(line);
  }

  *#line(line: string): Generator<StreamPart> {
    if (line === "") {
      yield* this.#end();
      return;
    }
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    this.#characters += line.length;
    this.#bound(0);
    switch (field) {
      case "":
        yield { kind: "alive" };
        return;
      case "event":
        this.#type = value;
        return;
      case "data":
        this.#data.push(value);
        return;
      case "id":
        if (!value.includes("\0")) this.#lastEventId = value;
        return;
      case "retry":
        if (/^\d{1,9}$/.test(value)) yield { kind: "retry", ms: Number(value) };
    }
  }

  *#end(): Generator<StreamPart> {
    const data = this.#data;
    const type = this.#type === "" ? "message" : this.#type;
    this.#data = [];
    this.#type = "";
    this.#characters = 0;
    if (data.length === 0) return;
    yield { kind: "event", event: { type, data: data.join("\n"), lastEventId: this.#lastEventId } };
  }

  #bound(more: number): void {
    if (this.#characters + more > EVENT_CHARACTERS_MAX) throw new ConnectionLost("an event has no end");
  }
}
