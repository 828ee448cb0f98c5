//! What a client is told in answer to what it said: a receipt, a refusal, a goodbye.

use crate::cause::EndCause;
use crate::wire::{self, Receipt, Refused};
use socketioxide::extract::AckSender;
use squall_recovery::{RecoveryAdapter, SocketRef};

/// How the sender of a message is answered.
pub(super) enum Reply {
    /// As Socket.IO defines it.
    Acknowledgement(AckSender<RecoveryAdapter>),
    /// With an event, because rust_socketio cannot receive the acknowledgement of a binary event.
    Event(SocketRef),
}

impl Reply {
    /// Answers. A receipt for which the queue has no room is lost; the client will ask again.
    pub(super) fn send(self, receipt: &Receipt) {
        let _ = match self {
            Reply::Acknowledgement(ack) => ack.send(receipt).map_err(drop),
            Reply::Event(socket) => socket.emit(wire::RECEIPT, receipt).map_err(drop),
        };
    }
}

/// Tells a client that it has sent something wrong. If even that does not fit into its queue, it
/// has sent a lot of it.
pub(super) fn refuse(socket: &SocketRef, reason: String) {
    let _ = socket.emit(wire::REFUSED, &Refused { reason });
}

/// Disconnects a client; its session ends with this cause.
pub(super) fn send_away(socket: &SocketRef, cause: EndCause) {
    socket.extensions.insert(Meant(cause));
    // An error means that it is gone already, or that its queue has no place for the goodbye: a
    // client that goes on flooding is disconnected at its next packet, and a server that shuts down
    // closes all connections after this.
    let _ = socket.clone().disconnect();
}

/// Why this server has disconnected a client.
#[derive(Clone, Copy)]
pub(super) struct Meant(pub(super) EndCause);
