//! What clients see: socketioxide's service with the private id in its CONNECT packets.
//!
//! Packets from a client need no change: its private id and offset are ordinary fields of CONNECT's
//! payload, which handlers see. Of the packets to a client, only the answer to CONNECT is changed;
//! those with an offset are noted as having left the queue. Over WebSocket this is done in the
//! stream (`frames`), over polling in the response's body.

mod frames;
mod greeting;

use crate::wires::Wires;
use crate::{Recovery, RecoveryAdapter, log};
use bytes::Bytes;
use frames::Frames;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use socketioxide::layer::SocketIoLayer;
use socketioxide::service::SocketIoService;
use socketioxide::socket::Sid;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll as Ready};
use tower_layer::Layer;
use tower_service::Service;

/// The path under which clients look for Socket.IO.
const PATH: &str = "/socket.io";

/// What the query of a poll contains.
const POLLING: &str = "transport=polling";

/// When the server first heard of a connection, as a count in a request's extensions. A client
/// hears from the server before it says which session it wants, so the connection with the higher
/// number is the one it made later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival(pub(crate) u64);

/// A stream over which a WebSocket runs, for socketioxide.
type Upgraded = Frames<TokioIo<hyper::upgrade::Upgraded>>;

impl Recovery {
    /// Wraps a service of socketioxide in recovery's part of the wire.
    pub fn around_service<S: Clone>(
        &self,
        inner: SocketIoService<S, RecoveryAdapter>,
    ) -> RecoveryService<SocketIoService<S, RecoveryAdapter>> {
        RecoveryService {
            inner,
            recovery: self.clone(),
            path: PATH,
        }
    }

    /// Wraps a layer of socketioxide in recovery's part of the wire: a layer for axum and others.
    #[must_use]
    pub fn around(&self, layer: SocketIoLayer<RecoveryAdapter>) -> Around {
        Around {
            layer,
            recovery: self.clone(),
        }
    }
}

/// A layer: socketioxide with recovery around the services of an application.
#[derive(Clone)]
pub struct Around {
    layer: SocketIoLayer<RecoveryAdapter>,
    recovery: Recovery,
}

impl<S: Clone> Layer<S> for Around {
    type Service = RecoveryService<SocketIoService<S, RecoveryAdapter>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.recovery.around_service(self.layer.layer(inner))
    }
}

/// A service of socketioxide that tells clients their private ids.
#[derive(Clone)]
pub struct RecoveryService<S> {
    inner: S,
    recovery: Recovery,
    path: &'static str,
}

impl<S> RecoveryService<S> {
    /// Sets the path under which Socket.IO is served, if not `/socket.io`.
    #[must_use]
    pub fn at_path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    fn serves(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl<S, B, R> Service<Request<B>> for RecoveryService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Service<(Upgraded, Request<()>)>,
    S: Clone + Send + 'static,
    <S as Service<Request<B>>>::Future: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = <S as Service<Request<B>>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Ready<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let arrivals = self.recovery.0.as_ref().map(|shared| &shared.arrivals);
        let arrivals = arrivals.filter(|_| self.serves(request.uri().path()));
        let ours = arrivals.is_some();
        let asked = request.uri().query().and_then(socket);
        if ours && asked.is_some_and(|asked| self.recovery.is_cut(asked)) {
            return Box::pin(async { Ok(refused()) });
        }
        if let Some(arrivals) = arrivals {
            let arrival = Arrival(arrivals.fetch_add(1, Ordering::Relaxed));
            request.extensions_mut().insert(arrival);
        }
        if ours && request.headers().contains_key(UPGRADE) {
            let upgrade = request.extensions_mut().remove::<OnUpgrade>();
            let (head, response) = (head(&request), self.inner.call(request));
            return Box::pin(upgraded(self.clone(), upgrade, head, response));
        }
        let query = request.uri().query();
        let polls = query.is_some_and(|query| query.contains(POLLING));
        if !ours || !polls || request.method() != Method::GET {
            let response = self.inner.call(request);
            return Box::pin(async { Ok(response.await?.map(Either::Left)) });
        }
        let mut poll = Poll {
            recovery: self.recovery.clone(),
            socket: asked,
        };
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            poll.socket = None;
            match response.status() {
                // What it is told now is the server's goodbye.
                _ if asked.is_some_and(|asked| poll.recovery.is_cut(asked)) => Ok(refused()),
                StatusCode::OK => Ok(polled(&poll.recovery, asked, response).await),
                _ => Ok(response.map(Either::Left)),
            }
        })
    }
}

/// A poll that waits for its answer. If its connection closes first, the client is gone, as with
/// Socket.IO's own server ("poll connection closed prematurely"); engineioxide would only notice at
/// the next heartbeat, and refuse the client its session until then.
struct Poll {
    recovery: Recovery,
    socket: Option<Sid>,
}

impl Drop for Poll {
    fn drop(&mut self) {
        if let Some(socket) = self.socket {
            self.recovery.lose(socket);
        }
    }
}

/// The answer to a request that belongs to no connection any more, as engineioxide gives it.
fn refused<R>() -> Response<Either<R, Full<Bytes>>> {
    let body = Bytes::from_static(br#"{"code":"1","message":"Session ID unknown"}"#);
    let length = body.len().into();
    let mut response = Response::new(Either::Right(Full::new(body)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

impl Recovery {
    fn wires(&self) -> Option<&Wires> {
        self.0.as_ref().map(|shared| &shared.wires)
    }

    fn is_cut(&self, socket: Sid) -> bool {
        self.wires().is_some_and(|wires| wires.is_cut(socket))
    }

    /// The end of an event passes the wire, so its packet has left the queue.
    fn passes(&self, socket: Sid, end: &[u8]) {
        if let (Some(shared), Some(packet)) = (&self.0, log::at_end(end)) {
            shared.flow.passes(socket, packet);
        }
    }
}

/// The connection that a request belongs to.
fn socket(query: &str) -> Option<Sid> {
    let mut fields = query.split('&');
    fields
        .find_map(|field| field.strip_prefix("sid="))?
        .parse()
        .ok()
}

/// A request without its body.
fn head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}

/// A request for a WebSocket. The inner service checks and answers it; it finds no connection to
/// take over, because we have that, and gets the one that we have wrapped.
async fn upgraded<S, R, E>(
    mut service: RecoveryService<S>,
    upgrade: Option<OnUpgrade>,
    head: Request<()>,
    response: impl Future<Output = Result<Response<R>, E>>,
) -> Result<Response<Either<R, Full<Bytes>>>, E>
where
    S: Service<(Upgraded, Request<()>)> + Send + 'static,
{
    let response = response.await?.map(Either::Left);
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) = (response.status(), upgrade) {
        tokio::spawn(async move {
            // A client that is gone by now needs no answer.
            if let Ok(connection) = upgrade.await {
                let upgraded = head.uri().query().and_then(socket);
                let stream = TokioIo::new(connection);
                let stream = Frames::new(stream, service.recovery.clone(), upgraded);
                drop(service.inner.call((stream, head)));
            }
        });
    }
    Ok(response)
}

/// The answer to a poll: a payload of packets.
async fn polled<R: Body<Data = Bytes>>(
    recovery: &Recovery,
    socket: Option<Sid>,
    response: Response<R>,
) -> Response<Either<R, Full<Bytes>>> {
    let (mut head, body) = response.into_parts();
    let Ok(payload) = body.collect().await else {
        let mut failed = Response::new(Either::Right(Full::default()));
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return failed;
    };
    let payload = payload.to_bytes();
    if let Some(socket) = socket {
        greeting::events(&payload).for_each(|event| recovery.passes(socket, event));
    }
    let payload = greeting::in_payload(recovery, &payload).map_or(payload, Bytes::from);
    head.headers.insert(CONTENT_LENGTH, payload.len().into());
    Response::from_parts(head, Either::Right(Full::new(payload)))
}
