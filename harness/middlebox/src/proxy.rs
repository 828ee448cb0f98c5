//! One client's connection: its requests are forwarded one by one, until one of them turns it into
//! a tunnel.

use crate::balance::Balance;
use crate::deed::{Deed, Observer};
use crate::options::MiddleboxOptions;
use crate::tunnel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderMap, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// What a middlebox knows about one client's connection.
pub(crate) struct Visit {
    pub(crate) options: Arc<MiddleboxOptions>,
    pub(crate) observer: Observer,
    pub(crate) balance: Arc<Balance>,
    pub(crate) client: IpAddr,
    /// The two ends of a tunnel, once there is one.
    pub(crate) upgraded: Mutex<Option<[OnUpgrade; 2]>>,
}

type Body = BoxBody<Bytes, hyper::Error>;

type BoxError = Box<dyn Error + Send + Sync>;

impl Visit {
    /// Serves the connection until it ends. Errors are the client's, and end only its own
    /// connection.
    pub(crate) async fn receive(self, stream: TcpStream) {
        let service = hyper::service::service_fn(|request| self.answer(request));
        let served = server::conn::http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        let upgraded = self
            .upgraded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Ok(()), Some(ends)) = (served, upgraded) {
            tunnel::carry(ends, &self.options, &self.observer).await;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.options.stall().await;
        let upgrade = request.headers().contains_key(UPGRADE);
        if upgrade && self.options.refuses_upgrades() {
            return Ok(self.refuse(Deed::RefusedUpgrade, StatusCode::FORBIDDEN));
        }
        let began = Instant::now();
        tokio::select! {
            biased;
            answer = self.forward(request) => {
                let unreachable = |_| self.refuse(Deed::Unreachable, StatusCode::BAD_GATEWAY);
                Ok(answer.unwrap_or_else(unreachable))
            }
            // Dropping the request closes the connection to the server.
            () = self.options.too_quiet(|| began) => {
                Ok(self.refuse(Deed::TimedOut, StatusCode::GATEWAY_TIMEOUT))
            }
        }
    }

    /// The middlebox's own answer.
    fn refuse(&self, deed: Deed, status: StatusCode) -> Response<Body> {
        (self.observer)(deed);
        let reason = status.canonical_reason().unwrap_or_default();
        let words = format!("The middlebox says: {reason}.\n");
        let mut answer = Response::new(boxed(Full::from(words)));
        *answer.status_mut() = status;
        answer
    }

    /// Asks the server, and passes its answer on.
    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let turn = self.balance.turn(&self.options, self.client);
        let client = hyper::upgrade::on(&mut request);
        let upgrade = request.headers().contains_key(UPGRADE);
        let strip = upgrade && self.options.strips_upgrades();
        if strip {
            (self.observer)(Deed::StrippedUpgrade);
        }
        if strip || !upgrade {
            drop_connection_headers(request.headers_mut());
        }
        let repeat = request.method() == Method::POST && {
            let number = self.balance.count_post();
            self.options.repeats(number)
        };
        let mut answer = match repeat {
            true => self.ask_twice(request, turn).await?,
            false => self.ask(request.map(BodyExt::boxed), turn).await?,
        };
        self.options.stall().await;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let ends = [client, hyper::upgrade::on(&mut answer)];
            *self.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends);
            return Ok(answer.map(|_| Body::default()));
        }
        drop_connection_headers(answer.headers_mut());
        self.pass_on(answer).await
    }

    /// Sends a request to a server.
    async fn ask(
        &self,
        request: Request<Body>,
        turn: usize,
    ) -> Result<Response<Incoming>, BoxError> {
        let stream = connect(&self.options.servers, turn).await?;
        let _ = stream.set_nodelay(true);
        let (mut server, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer, or when no one waits for the answer any more.
        tokio::spawn(connection.with_upgrades());
        Ok(server.send_request(request).await?)
    }

    /// Sends a request again when it has been answered; the second answer counts.
    async fn ask_twice(
        &self,
        request: Request<Incoming>,
        turn: usize,
    ) -> Result<Response<Incoming>, BoxError> {
        let (head, body) = request.into_parts();
        let whole = Full::from(body.collect().await?.to_bytes());
        let request = || Request::from_parts(head.clone(), boxed(whole.clone()));
        self.ask(request(), turn).await?;
        (self.observer)(Deed::RepeatedRequest);
        self.ask(request(), turn).await
    }

    /// The answer as the client gets it: piece by piece as it arrives, or whole and late.
    async fn pass_on(&self, answer: Response<Incoming>) -> Result<Response<Body>, BoxError> {
        let Some(hold) = self.options.holds_answers() else {
            return Ok(answer.map(|body| body.boxed()));
        };
        let (head, body) = answer.into_parts();
        let whole = Full::from(body.collect().await?.to_bytes());
        sleep(hold).await;
        Ok(Response::from_parts(head, boxed(whole)))
    }
}

/// Connects to the server whose turn it is, or else to the next one that can be reached.
async fn connect(servers: &[SocketAddr], turn: usize) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for server in servers.iter().cycle().skip(turn).take(servers.len()) {
        match TcpStream::connect(server).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn boxed(whole: Full<Bytes>) -> Body {
    whole.map_err(|never| match never {}).boxed()
}

/// They apply to one connection and must not be forwarded (RFC 9110, section 7.6.1).
fn drop_connection_headers(headers: &mut HeaderMap) {
    for name in [CONNECTION, UPGRADE, TE, TRAILER, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}
