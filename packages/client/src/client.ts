// The client: typed calls of every route, and the few that do more than one request.
import createFetchClient, { type Client } from "openapi-fetch";
import { type Clock, realClock } from "./clock.ts";
import { type CommandOptions, followCommand, runCommand, withdraw } from "./commands.ts";
import type { paths } from "./generated/api.ts";
import type { Call, CommandPathsOf, InitOf, PathsOf, ResultOf, Schemas } from "./operations.ts";
import { type ItemOf, itemsOf, type ListPath, type PageOf, pagesOf } from "./pages.ts";
import {
  type Fetch,
  type Method,
  openTransport,
  type Sent,
  succeeded,
  type TokenSource,
} from "./transport.ts";
import { watch } from "./watch.ts";

export interface ClientOptions {
  /** Where Holdfast is: `https://tickets.example.com`. In a browser `""` is where the page comes from. */
  readonly baseUrl: string;
  /** An access token, or who knows the one that is good now (`Session.token`). Without one, only what anyone may do. */
  readonly token?: TokenSource;
  readonly fetch?: Fetch;
}

type Reservation = Schemas["Reservation"];
type WaitlistEntry = Schemas["WaitlistEntry"];
type Slot = Schemas["Slot"];
type Event = Schemas["Event"];
type Command = Schemas["Command"];
type Availability = Schemas["Availability"];
type ReserveBody = Schemas["ReserveBody"];

interface Following {
  /** Ends the iteration, by throwing the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Holdfast {
  /** One request each, that resolves to the body of its success and throws everything else. Repeats nothing. */
  readonly get: Call<"get">;
  readonly post: Call<"post">;
  readonly patch: Call<"patch">;
  readonly delete: Call<"delete">;
  /** The same requests with everything that answers say, and nothing thrown: openapi-fetch itself. */
  readonly raw: Client<paths>;

  /** Everything in a list, page after page as it is asked for. */
  all<Path extends ListPath>(
    path: Path,
    init?: InitOf<Path, "get">,
  ): AsyncGenerator<ItemOf<Path>, void, undefined>;
  pages<Path extends ListPath>(
    path: Path,
    init?: InitOf<Path, "get">,
  ): AsyncGenerator<PageOf<Path>, void, undefined>;

  /** Any command: sent under one key until it is accepted, followed to its end. The calls below are this one. */
  command<M extends "post" | "patch" | "delete", Path extends CommandPathsOf<M>>(
    method: M,
    path: Path,
    init: InitOf<Path, M>,
    options?: CommandOptions,
  ): Promise<ResultOf<Path, M>>;

  reserve(
    eventId: string,
    body?: ReserveBody & { onSoldOut?: "refuse" },
    options?: CommandOptions,
  ): Promise<Reservation>;
  reserve(eventId: string, body: ReserveBody, options?: CommandOptions): Promise<Reservation | WaitlistEntry>;
  purchase(
    reservationId: string,
    body?: Schemas["PurchaseBody"],
    options?: CommandOptions,
  ): Promise<Reservation>;
  cancel(reservationId: string, options?: CommandOptions): Promise<Reservation>;
  joinWaitlist(
    slotId: string,
    body?: Schemas["JoinWaitlistBody"],
    options?: CommandOptions,
  ): Promise<WaitlistEntry>;
  leaveWaitlist(entryId: string, options?: CommandOptions): Promise<WaitlistEntry>;

  editEvent(eventId: string, changes: Schemas["EditEventBody"], options?: CommandOptions): Promise<Event>;
  cancelEvent(eventId: string, options?: CommandOptions): Promise<Event>;
  openSales(eventId: string, options?: CommandOptions): Promise<Event>;
  closeSales(eventId: string, options?: CommandOptions): Promise<Event>;
  addSlot(eventId: string, slot: Schemas["SlotBody"], options?: CommandOptions): Promise<Slot>;
  editSlot(slotId: string, changes: Schemas["EditSlotBody"], options?: CommandOptions): Promise<Slot>;
  removeSlot(slotId: string, options?: CommandOptions): Promise<Slot>;
  setCapacity(slotId: string, capacity: number, options?: CommandOptions): Promise<Slot>;

  /** A command's place in the queue, whenever that changes, and at last how it ended. */
  followCommand(commandId: string, options?: Following): AsyncGenerator<Command, void, undefined>;
  /** Takes a command back that has not had its turn; else throws a problem, `already-finished`. */
  withdraw(commandId: string, options?: Following): Promise<Command>;
  /** What is left of an event, now and whenever that changes. */
  availability(eventId: string, options?: Following): AsyncGenerator<Availability, void, undefined>;
}

export function createClient(options: ClientOptions): Holdfast {
  return openClient(options, realClock);
}

/** As `createClient`, with a clock of the caller's. */
export function openClient(options: ClientOptions, clock: Clock): Holdfast {
  const transport = openTransport({ ...options, clock });
  const call =
    <M extends Method>(method: M) =>
    async (path: PathsOf<M>, sent: Sent = {}) =>
      succeeded(await transport.send(method, path, sent));

  const command = (method: Method, path: string, sent: Sent, asked: CommandOptions = {}) =>
    runCommand(transport, method, path, sent, asked);
  /** A command of one thing, to which its path leads. */
  const of =
    <M extends "post" | "patch" | "delete", Path extends CommandPathsOf<M>>(method: M, path: Path) =>
    (id: string, body?: object, asked: CommandOptions = {}) =>
      command(method, path, { params: { path: { id } }, body }, asked) as Promise<ResultOf<Path, M>>;
  const bodiless =
    <M extends "post" | "patch" | "delete", Path extends CommandPathsOf<M>>(method: M, path: Path) =>
    (id: string, asked?: CommandOptions) =>
      of(method, path)(id, undefined, asked);

  return {
    // The document says what each path takes and gives; from here on that is trusted.
    get: call("get") as unknown as Call<"get">,
    post: call("post") as unknown as Call<"post">,
    patch: call("patch") as unknown as Call<"patch">,
    delete: call("delete") as unknown as Call<"delete">,
    raw: createFetchClient<paths>({ baseUrl: options.baseUrl, credentials: "omit", fetch: transport.fetch }),
    all: ((path, sent) => itemsOf(transport, path, sent)) as Holdfast["all"],
    pages: ((path, sent) => pagesOf(transport, path, sent)) as Holdfast["pages"],
    command: command as Holdfast["command"],
    reserve: of("post", "/v1/events/{id}/reserve") as Holdfast["reserve"],
    purchase: of("post", "/v1/reservations/{id}/purchase"),
    cancel: bodiless("post", "/v1/reservations/{id}/cancel"),
    joinWaitlist: of("post", "/v1/slots/{id}/waitlist"),
    leaveWaitlist: bodiless("delete", "/v1/waitlist/{id}"),
    editEvent: of("patch", "/v1/events/{id}"),
    cancelEvent: bodiless("post", "/v1/events/{id}/cancel"),
    openSales: bodiless("post", "/v1/events/{id}/open-sales"),
    closeSales: bodiless("post", "/v1/events/{id}/close-sales"),
    addSlot: of("post", "/v1/events/{id}/slots"),
    editSlot: of("patch", "/v1/slots/{id}"),
    removeSlot: bodiless("delete", "/v1/slots/{id}"),
    setCapacity: (slotId, capacity, asked) =>
      of("post", "/v1/slots/{id}/capacity")(slotId, { capacity }, asked),
    followCommand: (id, { signal } = {}) => followCommand(transport, id, signal),
    withdraw: (id, { signal } = {}) => withdraw(transport, id, signal),
    availability: (id, { signal } = {}) =>
      watch<Availability>(
        transport,
        {
          path: "/v1/events/{id}/availability",
          id,
          eventTypes: ["availability"],
          pollWaitSeconds: 0,
          ends: () => false,
        },
        signal,
      ),
  };
}
