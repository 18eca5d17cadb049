// Which TCP ports are free on an address. Reserves nothing: who gets a port must still cope with losing it.
import { connect, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";
const HIGHEST_PORT = 65_535;

/** True when a server could listen on the port now. */
export async function isPortFree(port: number, host: string = LOOPBACK): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** True when somebody takes connections on the loopback port. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: LOOPBACK });
  return await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).finally(() => socket.destroy());
}

/** The remembered port when it is free, else a free one that the system picks. */
export async function pickPort(remembered?: number): Promise<number> {
  if (remembered !== undefined && (await isPortFree(remembered))) return remembered;
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** The first free port from `first` upwards. Throws when there is none. */
export async function nextFreePort(first: number, host: string): Promise<number> {
  for (let port = first; port <= HIGHEST_PORT; port += 1) {
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no free port from ${first} upwards on ${host}`);
}
