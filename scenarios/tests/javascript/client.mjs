// A user of the chat with the official client. Commands come on standard input, what happens goes to
// standard output: one JSON document a line.

import { io } from "socket.io-client";
import { createInterface } from "node:readline";

const [server, name, transport] = process.argv.slice(2);

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const socket = io(server, {
  transports: [transport],
  auth: { name, rooms: ["lobby"] },
  // Every emit is repeated until it is acknowledged, one at a time.
  retries: 1_000,
  ackTimeout: 500,
  reconnectionDelay: 100,
  reconnectionDelayMax: 200,
});

socket.on("connect", () => tell({ event: "connect", id: socket.id, recovered: !!socket.recovered }));
socket.on("disconnect", (reason) => tell({ event: "disconnect", reason }));
socket.on("chat message", ([content]) => tell({ event: "message", content }));

let said = 0;

const commands = {
  say: (content) => {
    said += 1;
    const identity = `${name}-${process.pid}-${said}`;
    const message = { tag: identity, client_offset: identity, room: "lobby", content };
    socket.emit("chat message", message, (error, receipt) =>
      tell({ event: "acknowledged", content, id: error ? null : receipt.id }),
    );
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
