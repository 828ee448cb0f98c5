// A user of the chat with the official client. Commands come on standard input, what happens goes to
// standard output: one JSON document a line.

import { io } from "socket.io-client";
import { createInterface } from "node:readline";

const [server, name, transport, namespace = "/"] = process.argv.slice(2);

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

// The namespace `/`, and perhaps another one, over one connection.
const options = {
  transports: transport === "upgrade" ? ["polling", "websocket"] : [transport],
  auth: { name, rooms: ["lobby"] },
  // Every emit is repeated until it is acknowledged, one at a time.
  retries: 1_000,
  ackTimeout: 500,
  reconnectionDelay: 100,
  reconnectionDelayMax: 200,
};

const socket = io(server, options);
const other = namespace === "/" ? socket : io(server + namespace, options);

for (const one of new Set([socket, other])) {
  one.on("connect", () => tell({ event: "connect", id: one.id, recovered: !!one.recovered }));
  one.on("disconnect", (reason) => tell({ event: "disconnect", reason }));
  one.on("chat message", ([content, id]) => tell({ event: "message", content, id }));
}

let said = 0;
let talking;

const say = (content, where = socket) => {
  said += 1;
  const identity = `${name}-${process.pid}-${said}`;
  const message = { tag: identity, client_offset: identity, room: "lobby", content };
  where.emit("chat message", message, (error, receipt) =>
    tell({ event: "acknowledged", content, id: error ? null : receipt.id }),
  );
};

const commands = {
  say,
  sayThere: (content) => say(content, other),
  // Says something again and again, with this many milliseconds between.
  talk: (pause) => {
    talking = setInterval(() => say(`${name} ${said}`), Number(pause));
  },
  hush: () => {
    clearInterval(talking);
    tell({ event: "hushed", said });
  },
  // The low-level connection is lost, as in Socket.IO's documentation of recovery.
  drop: () => socket.io.engine.close(),
  // The user leaves, and comes back in the same breath: the goodbye is in flight on one connection
  // while the next is made.
  leave: () => socket.disconnect().connect(),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { command, argument } = JSON.parse(line);
    commands[command](argument);
  })
  .on("close", () => process.exit(0));
