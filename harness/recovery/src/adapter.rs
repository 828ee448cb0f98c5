//! The adapter: all broadcasts pass through it, so this is where they get their offsets.

use crate::Recovery;
use crate::books::{Books, Progress, Sent};
use crate::log::Packet as Logged;
use crate::number::Number;
use crate::storage::StorageError;
use socketioxide::adapter::Emitter;
use socketioxide::socket::Sid;
use socketioxide_core::adapter::errors::{AdapterError, BroadcastError, SocketError};
use socketioxide_core::adapter::{
    BroadcastFlags, BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, SocketEmitter,
};
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::Parse;
use socketioxide_core::{Str, Value};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long to wait for a full queue to empty.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// socketioxide's own adapter, plus offsets, plus the books of [`Recovery`]. Choose it with
/// `SocketIo::builder().with_adapter::<RecoveryAdapter>(recovery)`.
///
/// Events without acknowledgement that are not volatile can be recovered. To know which session was
/// sent what, the adapter puts each of them into each socket's queue separately, in the order in
/// which the sessions were opened; a full queue delays them and loses none.
pub struct RecoveryAdapter {
    local: CoreLocalAdapter<Emitter>,
    recovery: Recovery,
    itself: OnceLock<Weak<Self>>,
}

impl CoreAdapter<Emitter> for RecoveryAdapter {
    type Error = Infallible;
    type State = Recovery;
    type AckStream = <Emitter as SocketEmitter>::AckStream;
    type InitRes = ();

    fn new(recovery: &Recovery, local: CoreLocalAdapter<Emitter>) -> Self {
        Self {
            local,
            recovery: recovery.clone(),
            itself: OnceLock::new(),
        }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        let itself = Arc::downgrade(&self);
        self.itself.set(itself.clone()).ok();
        self.recovery.add_adapter(self.local.path().clone(), itself);
        on_success();
    }

    fn broadcast(
        &self,
        packet: Packet,
        options: BroadcastOptions,
    ) -> impl Future<Output = Result<(), BroadcastError>> + Send {
        ready(self.publish(packet, options))
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        options: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, options, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<Emitter> {
        &self.local
    }
}

impl DefinedAdapter for RecoveryAdapter {}

impl RecoveryAdapter {
    fn publish(&self, packet: Packet, options: BroadcastOptions) -> Result<(), BroadcastError> {
        let volatile = options.has_flag(BroadcastFlags::Volatile);
        let (Some(mut books), false) = (self.recovery.books(), volatile) else {
            return self.local.broadcast(packet, options).map_err(Into::into);
        };
        let Some(event) = recoverable(&packet.inner) else {
            return self.local.broadcast(packet, options).map_err(Into::into);
        };
        let connected = self.local.sockets(options.clone());
        let (receivers, strangers) = books.receivers(self.local.path(), &options, connected);
        self.send(&mut books, event, &receivers, None)
            .map_err(|error| BroadcastError::Adapter(AdapterError(Box::new(error))))?;
        drop(books);
        let plain = |socket| {
            let to_one = BroadcastOptions::new(socket);
            self.local.broadcast(packet.clone(), to_one).err()
        };
        let errors: Vec<SocketError> = strangers.into_iter().filter_map(plain).flatten().collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(errors.into()),
        }
    }

    /// Sends an event to some sessions, wherever they are.
    pub(crate) fn send_to<T: serde::Serialize + ?Sized>(
        &self,
        books: &mut Books,
        receivers: &BTreeSet<Number>,
        (event, data): (&str, &T),
        position: Option<i64>,
    ) -> Result<(), StorageError> {
        let value = self.local.parser().encode_value(data, Some(event));
        let packet = Packet::event(Str::default(), value.map_err(StorageError::new)?);
        match recoverable(&packet.inner) {
            Some(event) => self.send(books, event, receivers, position),
            None => Err(StorageError::new("only JSON packets can be recovered")),
        }
    }

    fn send(
        &self,
        books: &mut Books,
        event: &Value,
        receivers: &BTreeSet<Number>,
        position: Option<i64>,
    ) -> Result<(), StorageError> {
        let (false, Value::Str(arguments, attachments)) = (receivers.is_empty(), event) else {
            return Ok(());
        };
        let event = (arguments, attachments.clone());
        books.publish(event, receivers, position, Instant::now())?;
        for number in receivers {
            self.deliver(books, *number);
        }
        Ok(())
    }

    /// Sends a session what it has not been sent yet, now or as its queue empties.
    pub(crate) fn deliver(&self, books: &mut Books, session: Number) {
        match books.deliver(session, |socket, packet| self.emit(socket, packet)) {
            Progress::Done => {}
            Progress::Gap => self.end(books, session),
            Progress::Later => {
                if books.wait(session) {
                    let itself = self.itself.get().cloned().unwrap_or_default();
                    tokio::spawn(deliver_later(itself, session));
                }
            }
        }
    }

    fn emit(&self, socket: Sid, packet: &Logged) -> Sent {
        let packet = Packet::event(self.local.path().clone(), packet.value());
        match self.local.broadcast(packet, BroadcastOptions::new(socket)) {
            Ok(()) => Sent::Taken,
            Err(errors) => match errors.first() {
                Some(SocketError::InternalChannelFull) => Sent::QueueFull,
                _ => Sent::Closed,
            },
        }
    }

    /// Ends a connection that could not be sent everything. Without the lock of the books, because
    /// this calls the disconnect handler.
    fn end(&self, books: &mut Books, session: Number) {
        let Some(socket) = books.disown(session) else {
            return;
        };
        let itself = self.itself.get().cloned().unwrap_or_default();
        tokio::spawn(async move {
            while let Some(adapter) = itself.upgrade() {
                if adapter.recovery.cut(socket) {
                    return;
                }
                drop(adapter);
                sleep(PACE).await;
            }
        });
    }
}

async fn deliver_later(adapter: Weak<RecoveryAdapter>, session: Number) {
    sleep(PACE).await;
    let Some(adapter) = adapter.upgrade() else {
        return;
    };
    if let Some(mut books) = adapter.recovery.books() {
        books.stop_waiting(session);
        adapter.deliver(&mut books, session);
    }
}

/// The arguments of a packet that can be sent again: an event without acknowledgement.
fn recoverable(packet: &PacketData) -> Option<&Value> {
    match packet {
        PacketData::Event(value, None) | PacketData::BinaryEvent(value, None) => {
            matches!(value, Value::Str(..)).then_some(value)
        }
        _ => None,
    }
}
