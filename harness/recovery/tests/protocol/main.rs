//! The protocols, case by case, as stated by <https://github.com/socketio/engine.io-protocol> and
//! <https://github.com/socketio/socket.io-protocol> (in versions 4 and 5), run against
//! `examples/protocol_server`: with recovery off, in memory and in SQLite; in virtual time.
//!
//! Each case is named by its number: `e` for the 24 of Engine.IO, `s` for the 16 that Socket.IO
//! adds. Engine.IO does not define what messages mean, so its cases send Socket.IO's.

mod engine;
#[path = "../../examples/protocol_server/server.rs"]
mod server;
mod socket;
mod wire;
