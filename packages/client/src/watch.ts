// Watches one thing to its end: by its stream, resumed where it broke; where no stream is to be had, by asking again and
// again, as often as the server likes. Knows neither commands nor availability.
import { backoffMs, jitteredMs, retryAfterMs, within } from "./clock.ts";
import { ConnectionLost } from "./errors.ts";
import { EventReader, type ServerEvent } from "./server-events.ts";
import { readBody, refusalOf, type Transport } from "./transport.ts";

export interface Subject<Seen> {
  readonly path: string;
  readonly id: string;
  /** The stream's events that tell something; others are passed over. */
  readonly eventTypes: readonly string[];
  /** Seconds that an answer may wait for something to tell, where there is no stream. 0: it does not wait. */
  readonly pollWaitSeconds: number;
  /** True of the last that there is to see. */
  ends(seen: Seen): boolean;
}

/** Milliseconds that an answer may take beyond what it was asked to wait. */
const ANSWER_MS = 10_000;
/** Milliseconds without a byte after which a stream is dead: three heartbeats. */
const SILENCE_MS = 45_000;
/** The same before its first byte: somebody on the way may be collecting the stream to pass it on whole. */
const FIRST_BYTE_MS = 5_000;
/** Milliseconds until a broken stream is opened again when the server named none, and at most. */
const RECONNECT_MS = 1_000;
const RECONNECT_MAX_MS = 60_000;
/** Streams in a row that opened and told nothing: then one asks, instead. */
const BARREN_MAX = 2;
/** Milliseconds until a stream is tried again after that. */
const STREAM_AGAIN_MS = 60_000;
/** Milliseconds between two looks when the server names none. */
const POLL_MS = 2_000;

/** How far a watch has come. */
interface Place {
  /** When a stream is to be tried next. */
  streamsAt: number;
  reconnectMs: number;
  lastEventId: string;
  /** Of what was told last; null when it is not known. */
  tag: string | null;
  /** Attempts in a row that told nothing, and streams among them that had opened. */
  failures: number;
  barren: number;
  /** The server has too many who wait: looks are short. */
  crowded: boolean;
}

/** What is told, then milliseconds until the next step; null behind the last that there is to see. */
type Step<Seen> = AsyncGenerator<Seen, number | null, undefined>;

/** Ends behind the last that there is to see. Lost connections are waited out; only the signal ends that. */
export async function* watch<Seen>(
  transport: Transport,
  subject: Subject<Seen>,
  signal?: AbortSignal,
): AsyncGenerator<Seen, void, undefined> {
  const { clock } = transport;
  const place: Place = {
    streamsAt: 0,
    reconnectMs: RECONNECT_MS,
    lastEventId: "",
    tag: null,
    failures: 0,
    barren: 0,
    crowded: false,
  };
  for (;;) {
    signal?.throwIfAborted();
    const step = clock.now() >= place.streamsAt ? followStream : look;
    const pauseMs = yield* step(transport, subject, place, signal);
    if (pauseMs === null) return;
    await clock.pause(pauseMs, signal);
  }
}

/** One stream, for as long as it lasts. */
async function* followStream<Seen>(
  transport: Transport,
  subject: Subject<Seen>,
  place: Place,
  signal: AbortSignal | undefined,
): Step<Seen> {
  const { clock } = transport;
  const connection = new AbortController();
  try {
    const headers = {
      accept: "text/event-stream",
      ...(place.lastEventId === "" ? {} : { "last-event-id": place.lastEventId }),
    };
    const response = await within(clock, ANSWER_MS, signal, tooLate, () => {
      return transport.send("get", subject.path, { ...of(subject), headers, signal: connection.signal });
    });
    if (!isStream(response)) {
      return yield* insteadOfStream(transport, subject, place, response);
    }
    place.barren += 1; // until it tells something
    for await (const seen of readStream<Seen>(transport, subject, place, response.body, signal)) {
      yield seen;
      if (subject.ends(seen)) return null;
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    place.failures += 1;
  } finally {
    connection.abort();
  }
  if (place.barren >= BARREN_MAX) {
    place.barren = 0;
    place.streamsAt = clock.now() + STREAM_AGAIN_MS;
    return 0;
  }
  return Math.max(place.reconnectMs, backoffMs(clock, place.failures));
}

/** What to do with an answer that is no stream. */
async function* insteadOfStream<Seen>(
  { clock }: Transport,
  subject: Subject<Seen>,
  place: Place,
  response: Response,
): Step<Seen> {
  const body = await within(clock, ANSWER_MS, undefined, tooLate, () => readBody(response));
  switch (response.status) {
    case 200: // there are no streams here, but this is what was asked for
      place.streamsAt = Number.POSITIVE_INFINITY;
      return yield* tell(clock, subject, place, response, body);
    case 204: // there is nothing more to stream
    case 406:
      place.streamsAt = Number.POSITIVE_INFINITY;
      return 0;
    case 429:
    case 503:
      place.streamsAt = clock.now() + STREAM_AGAIN_MS;
      return jitteredMs(clock, retryAfterMs(response.headers) ?? POLL_MS);
  }
  if (mayPass(response.status)) throw new ConnectionLost(`${response.status}`);
  throw refusalOf(response, body);
}

/** One answer, asked for as long as the server lets wait. */
async function* look<Seen>(
  transport: Transport,
  subject: Subject<Seen>,
  place: Place,
  signal: AbortSignal | undefined,
): Step<Seen> {
  const { clock } = transport;
  const waitSeconds = place.crowded ? 0 : subject.pollWaitSeconds;
  const headers = {
    accept: "application/json",
    ...(waitSeconds === 0 ? {} : { prefer: `wait=${waitSeconds}` }),
    ...(place.tag === null ? {} : { "if-none-match": place.tag }),
  };
  try {
    const limitMs = waitSeconds * 1_000 + ANSWER_MS;
    const { response, body } = await within(clock, limitMs, signal, tooLate, async (limit) => {
      const answer = await transport.send("get", subject.path, { ...of(subject), headers, signal: limit });
      return { response: answer, body: await readBody(answer) };
    });
    if (response.status === 200) return yield* tell(clock, subject, place, response, body);
    if (response.status === 304) {
      place.failures = 0;
      return jitteredMs(clock, retryAfterMs(response.headers) ?? POLL_MS);
    }
    if (!mayPass(response.status)) throw refusalOf(response, body);
    place.failures += 1;
    place.crowded = true;
    return jitteredMs(clock, retryAfterMs(response.headers) ?? backoffMs(clock, place.failures));
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    place.failures += 1;
    return backoffMs(clock, place.failures);
  }
}

async function* tell<Seen>(
  clock: Transport["clock"],
  subject: Subject<Seen>,
  place: Place,
  { headers }: Response,
  body: unknown,
): Step<Seen> {
  place.failures = 0;
  place.crowded = false;
  place.tag = headers.get("etag");
  const seen = body as Seen;
  yield seen;
  if (subject.ends(seen)) return null;
  return jitteredMs(clock, retryAfterMs(headers) ?? POLL_MS);
}

/** What a stream tells. Throws `ConnectionLost` at its end: whatever ends well ends before. */
async function* readStream<Seen>(
  { clock }: Transport,
  { eventTypes }: Subject<Seen>,
  place: Place,
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<Seen, void, undefined> {
  if (body === null) throw new ConnectionLost("the stream is empty");
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  let silenceMs = FIRST_BYTE_MS;
  try {
    for (;;) {
      const { value, done } = await within(clock, silenceMs, signal, tooLate, () => readChunk(reader));
      if (done) throw new ConnectionLost("the stream ended");
      silenceMs = SILENCE_MS;
      for (const part of events.read(decoder.decode(value, { stream: true }))) {
        const seen =
          part.kind === "event" && eventTypes.includes(part.event.type) ? parsed<Seen>(part.event) : null;
        if (part.kind === "retry") place.reconnectMs = Math.min(part.ms, RECONNECT_MAX_MS);
        else place.failures = place.barren = 0;
        if (part.kind === "event") place.lastEventId = part.event.lastEventId;
        if (seen !== null) yield seen;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // it is over already, or nobody listens
  }
}

async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch (error) {
    throw new ConnectionLost("the stream broke", { cause: error });
  }
}

function parsed<Seen>({ data, type }: ServerEvent): Seen {
  try {
    return JSON.parse(data) as Seen;
  } catch {
    throw new ConnectionLost(`an event of the type ${type} is not JSON`);
  }
}

/** Answers that say nothing of what was asked for: of a busy server, or of a proxy before one that restarts. */
export const mayPass = (status: number): boolean =>
  status === 408 || status === 429 || status === 502 || status === 503 || status === 504;

const isStream = ({ status, headers }: Response): boolean =>
  status === 200 && (headers.get("content-type") ?? "").toLowerCase().startsWith("text/event-stream");

const of = ({ id }: Pick<Subject<unknown>, "id">) => ({ params: { path: { id } } });

const tooLate = (): Error => new ConnectionLost("no answer came in time");
