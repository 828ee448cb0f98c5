// The chat's page: the protocol of the chat (`harness/chat/PROTOCOL.md`) with Socket.IO's own client.
//
// What the user says goes into an outbox in the browser's storage first, under an identity that the server recognises,
// and is sent again until it is acknowledged: over a lost connection, a restarted server, a closed page.
"use strict";

const byId = (id) => document.getElementById(id);

// --- What outlives the page -------------------------------------------------------------------------------------

const kept = (key, otherwise) => JSON.parse(localStorage.getItem(key) ?? "null") ?? otherwise;
const keep = (key, value) => localStorage.setItem(key, JSON.stringify(value));

// Names this page, so that no two messages are called the same.
const page = crypto.getRandomValues(new Uint32Array(4)).join("");

let me, socket;
// What is not acknowledged yet. Each message is kept by itself, since several pages may be open; what two of them send,
// the server stores once.
let outbox = [];

const outboxKey = (identity) => `outbox ${me} ${identity}`;

function keptOutbox() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(outboxKey("")));
  const order = (message) => message.written;
  return keys.map((key) => kept(key)).sort((one, other) => order(one) - order(other));
}

let room = "lobby";
const rooms = new Set(["lobby"]);
const online = new Set();
const nicknames = new Map();

// --- What has been handled --------------------------------------------------------------------------------------

// Everything up to this id.
let cursor = 0;

function deliver(delivery) {
  const [content, id, where, sender, , particulars = {}] = delivery;
  if (id <= cursor) return; // It has been shown.
  if ((particulars.previous ?? id - 1) > cursor) {
    socket.emit("sync", { offset: cursor }); // Something before it is missing.
    return;
  }
  cursor = id;
  if (particulars.nickname) nicknames.set(sender, particulars.nickname);
  // Ours comes back to us too: it is shown already.
  const ours = sender === me && outbox.find((waiting) => !waiting.id && waiting.room === where && waiting.content === content);
  if (ours && !particulars.kind) {
    ours.id = id;
    return mark(ours, "sent");
  }
  if (particulars.kind === "join") return show({ where, sender, content: "has joined" });
  if (particulars.kind === "leave") return show({ where, sender, content: "has left" });
  if (content === null || particulars.length !== undefined) return show({ where, sender, content: "(bytes)" });
  show({ where, sender, content });
}

// --- What is said -----------------------------------------------------------------------------------------------

let said = 0;

function say(message) {
  said += 1;
  const identity = `${page}-${said}`;
  const waiting = { tag: identity, client_offset: identity, ...message };
  keep(outboxKey(identity), { ...waiting, written: Date.now() + said / 1e6 });
  outbox.push(waiting);
  mark(waiting, "waiting");
  send();
}

// One at a time, so that they stay in order.
let underway = false;

function send() {
  const [waiting] = outbox;
  if (!waiting || underway || !socket.connected) return; // When it is connected again.
  underway = true;
  const { shown, id, written, ...message } = waiting;
  socket.timeout(5000).emit("chat message", message, (late, receipt) => {
    underway = false;
    if (late) return send();
    if (receipt.retry) return void setTimeout(send, 1000);
    outbox.shift();
    localStorage.removeItem(outboxKey(message.tag));
    mark(waiting, receipt.refusal ? `failed: ${receipt.refusal.reason}` : "sent");
    send();
    if (receipt.refusal) return;
    if (message.kind === "join") enter(message.room);
    if (message.kind === "leave") leave(message.room);
  });
}

function mark(waiting, state) {
  if (waiting.kind) return;
  waiting.shown ??= show({ where: waiting.room, sender: me, content: waiting.content, mark: state });
  const item = waiting.shown;
  item.classList.toggle("failed", state.startsWith("failed"));
  item.querySelector(".mark").textContent = state;
}

// --- What is shown ----------------------------------------------------------------------------------------------

const inView = (where) => where === room || where.startsWith("@") || where === "*";

function show({ where, sender, content, mark }) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = nicknames.get(sender) ?? sender;
  item.append(name, ` ${content}`);
  if (where.startsWith("@")) {
    item.classList.add("private");
    name.textContent += where === `@${me}` ? " to you" : ` to ${where.slice(1)}`;
  }
  if (mark !== undefined) {
    const state = document.createElement("span");
    state.className = "mark";
    item.append(state);
  }
  item.dataset.room = where;
  item.hidden = !inView(where);
  const talk = byId("talk");
  talk.append(item);
  talk.scrollTop = talk.scrollHeight;
  return item;
}

function choice(label, current, act) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.ariaCurrent = String(current);
  button.onclick = act;
  item.append(button);
  return item;
}

function refresh() {
  byId("rooms").replaceChildren(
    ...[...rooms].map((name) => choice(name, name === room, () => look(name))),
  );
  byId("online").replaceChildren(
    ...[...online].sort().map((name) => choice(nicknames.get(name) ?? name, room === `@${name}`, () => look(`@${name}`))),
  );
  for (const item of byId("talk").children) item.hidden = !inView(item.dataset.room);
}

function look(where) {
  room = where;
  refresh();
  byId("text").focus();
}

function enter(name) {
  rooms.add(name);
  keep(`rooms ${me}`, [...rooms]);
  look(name);
}

function leave(name) {
  rooms.delete(name);
  keep(`rooms ${me}`, [...rooms]);
  look([...rooms][0] ?? "lobby");
}

let quiet;
function typing({ sender, room: where }) {
  if (!inView(where)) return;
  byId("typing").textContent = `${nicknames.get(sender) ?? sender} is typing`;
  clearTimeout(quiet);
  quiet = setTimeout(() => (byId("typing").textContent = ""), 3000);
}

const state = (text) => (byId("state").textContent = text);

// --- The connection ---------------------------------------------------------------------------------------------

function connect(name, token) {
  me = name;
  outbox = keptOutbox();
  kept(`rooms ${me}`, []).forEach((known) => rooms.add(known));
  outbox.forEach((waiting) => mark(waiting, "waiting"));
  socket = io({
    auth: (login) => login({ name: me, token: token || undefined, rooms: [...rooms], server_offset: cursor }),
    reconnectionDelay: 200,
    reconnectionDelayMax: 2000,
  });
  socket.on("ready", () => {
    byId("login").hidden = true;
    for (const part of [byId("talk"), byId("say"), document.querySelector("aside")]) part.hidden = false;
    state("connected");
    refresh();
    send();
  });
  socket.on("disconnect", (why) => {
    state(`not connected (${why})`);
    if (why === "io server disconnect") setTimeout(() => socket.connect(), 2000); // Too much was said.
  });
  socket.on("connect_error", (error) => {
    state(`not connected (${error.message})`);
    if (socket.active) return; // It is tried again.
    if (byId("login").hidden) return void setTimeout(() => socket.connect(), 2000);
    byId("refused").textContent = error.message;
    socket.close();
  });
  socket.on("chat message", deliver);
  socket.on("typing", typing);
  socket.on("synced", ({ previous, upto }) => {
    if (previous <= cursor) cursor = Math.max(cursor, upto);
  });
  socket.on("beat", ({ head }) => {
    if (head !== null && head > cursor) socket.emit("sync", { offset: cursor });
  });
  socket.on("roster", ({ after, came, went }) => {
    if (after === null) online.clear();
    came.forEach((user) => online.add(user));
    went.forEach((user) => online.delete(user));
    refresh();
  });
}

byId("login").onsubmit = (event) => {
  event.preventDefault();
  byId("refused").textContent = "";
  connect(byId("name").value, byId("token").value);
};

let typed = 0;
byId("text").oninput = () => {
  if (!socket.connected || Date.now() - typed < 2000) return;
  typed = Date.now();
  const message = { tag: "typing", room, echo: false, kind: "typing", content: "" };
  socket.volatile.emit("chat message", message);
};

byId("say").onsubmit = (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  byId("text").value = "";
  const [command, argument] = text.split(/\s+(.*)/s);
  if (text === "") return;
  if (command === "/join" && argument) return say({ room: argument, kind: "join", content: "" });
  if (command === "/leave") return say({ room, kind: "leave", content: "" });
  if (command === "/nick" && argument) return say({ room, nickname: argument, content: `is called ${argument} now` });
  say({ room, content: text });
};
