// A kept connection with at most one request under way. It is cheap: no timer, no copy of what is read when it comes in
// one piece, and one buffer to read into for all connections, for what is read is taken at once.
import { connect, type Socket } from "node:net";
import { type ResponseHeard, ResponseParser } from "./http-response.ts";

/** As much as the kernel gives at once. */
const READ_BYTES = 64 * 1_024;
const readInto = Buffer.allocUnsafeSlow(READ_BYTES);

export interface ConnectionEvents {
  /** The answer of what was sent. The next request may be sent at once. */
  answered(response: ResponseHeard): void;
  /** It is gone, and with it, when something was under way, the answer. */
  gone(): void;
}

export class HttpConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #underWay = false;

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  /** Rejects when there is nobody at the address. */
  static async open(host: string, port: number, events: ConnectionEvents): Promise<HttpConnection> {
    return await new Promise((resolve, reject) => {
      const parser = new ResponseParser((response) => connection.#hear(response));
      const socket = connect({
        host,
        port,
        noDelay: true,
        onread: {
          buffer: readInto,
          callback(bytes) {
            try {
              parser.feed(readInto.subarray(0, bytes));
            } catch (error) {
              socket.destroy(error as Error);
            }
            return true;
          },
        },
      });
      const connection = new HttpConnection(socket, events);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.on("error", () => {}); // its end follows
        socket.once("close", () => events.gone());
        resolve(connection);
      });
      socket.once("error", reject);
    });
  }

  send(bytes: Buffer): void {
    this.#underWay = true;
    this.#socket.write(bytes);
  }

  /** Whoever waits for an answer is told that it is gone. */
  cut(): void {
    this.#socket.destroy();
  }

  /** Tells nobody. */
  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }

  #hear(response: ResponseHeard): void {
    if (!this.#underWay) throw new Error("an answer came that nobody has asked for");
    this.#underWay = false;
    this.#events.answered(response);
  }
}
