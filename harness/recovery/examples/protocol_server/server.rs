//! What the protocol test cases expect of a server: it echoes, in the namespaces `/` and `/custom`.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, TryData};
use socketioxide::service::SocketIoService;
use squall_recovery::{Recovery, RecoveryAdapter, RecoveryService, SocketRef};
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service as Serve;

/// How often the server pings.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(300);
/// How long the answer to a ping may take.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a connection may be without a namespace.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) type Service = RecoveryService<SocketIoService<Elsewhere, RecoveryAdapter>>;

/// - It reports CONNECT's payload to each client that connects, in the event `auth`.
/// - It answers `message` with `message-back` and the same arguments.
/// - It acknowledges `message-with-ack` with its arguments.
pub(crate) fn service(recovery: &Recovery) -> Service {
    let (service, io) = SocketIo::builder()
        .ping_interval(PING_INTERVAL)
        .ping_timeout(PING_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .max_payload(1_000_000)
        .with_adapter::<RecoveryAdapter>(recovery.clone())
        .build_with_inner_svc(Elsewhere);
    io.ns("/", recovery.protect(greet_and_echo));
    io.ns("/custom", recovery.protect(greet_and_echo));
    recovery.around_service(service)
}

async fn greet_and_echo(socket: SocketRef, TryData(auth): TryData<rmpv::Value>) {
    socket.on(
        "message",
        async |socket: SocketRef, Data(said): Data<Arguments>| {
            // An error means that the client is gone.
            socket.emit("message-back", &said).ok();
        },
    );
    socket.on(
        "message-with-ack",
        async |Data(said): Data<Arguments>, ack: AckSender<RecoveryAdapter>| {
            ack.send(&said).ok();
        },
    );
    let nothing = rmpv::Value::Map(Vec::new());
    socket.emit("auth", &auth.unwrap_or(nothing)).ok();
}

/// What is served besides Socket.IO: nothing.
#[derive(Clone)]
pub(crate) struct Elsewhere;

impl<B> Serve<Request<B>> for Elsewhere {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}

/// All arguments of an event, however many: JSON, with bytes in it. To socketioxide a tuple is
/// several arguments, and a list is one.
struct Arguments(Vec<rmpv::Value>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the arguments of an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rest: A) -> Result<Arguments, A::Error> {
                let mut arguments = Vec::new();
                while let Some(argument) = rest.next_element()? {
                    arguments.push(argument);
                }
                Ok(Arguments(arguments))
            }
        }
        // JSON does not ask for the number of arguments.
        deserializer.deserialize_tuple(0, Each)
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for argument in &self.0 {
            tuple.serialize_element(argument)?;
        }
        tuple.end()
    }
}
