//! What every request passes through first.
//!
//! - A browser names the page that makes a request (`Origin`). Pages of other origins are admitted
//!   only if the server's owner has listed them; otherwise any page that a user opens could speak
//!   in the user's name.
//! - A handshake gets a [`Line`], or is told to come back later.
//! - A body has to arrive in time: a heartbeat does not notice a POST that never ends. And it has
//!   to arrive whole, or nothing in it was said.

use super::lines::{Line, Lines, Wire};
use super::pool::Begun;
use axum::Router;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tower_service::Service as _;

/// The path of Socket.IO.
const PATH: &str = "/socket.io";
/// The longest answer to a handshake over polling.
const GREETING_MAX: u64 = 4096;

/// Which pages of browsers may use the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    #[default]
    Any,
    /// The server's own, and those of these origins: `https://chat.example`.
    These(Vec<String>),
    /// The same for a server that only programs on its computer reach. It is then named by its
    /// address, as `localhost`, or as one of these origins. A page under another name, which its
    /// owner has made to mean this computer (DNS rebinding), is not the server's own.
    Local(Vec<String>),
}

/// The door of one TCP connection.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) app: Router,
    pub(super) lines: Lines,
    pub(super) wire: Arc<Wire>,
    pub(super) origins: Arc<Origins>,
    /// How long a body may take to arrive.
    pub(super) patience: Duration,
    /// How many bytes a body may have.
    pub(super) longest: usize,
}

type Answer = Response<Body>;

impl Service<Request<Incoming>> for Door {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let origin = match self.origins.check(request.headers()) {
            Ok(origin) => origin,
            Err(why) => return Box::pin(async move { Ok(told(StatusCode::FORBIDDEN, why)) }),
        };
        if let (Some(origin), &Method::OPTIONS) = (&origin, request.method()) {
            let mut answer = told(StatusCode::NO_CONTENT, "");
            let headers = answer.headers_mut();
            let methods = HeaderValue::from_static("GET, POST");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            let types = HeaderValue::from_static("content-type");
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, types);
            allow(headers, origin.clone());
            return Box::pin(async move { Ok(answer) });
        }
        let door = self.clone();
        Box::pin(async move {
            let mut answer = door.lead(request).await;
            if let Some(origin) = origin {
                allow(answer.headers_mut(), origin);
            }
            Ok(answer)
        })
    }
}

impl Door {
    async fn lead(mut self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(PATH);
        let ours = path.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let id = head.uri.query().and_then(line_id).map(ToOwned::to_owned);
        let upgrades = head.headers.contains_key(header::UPGRADE);
        let polls = head.method == Method::GET && !upgrades;
        let line = match &id {
            _ if !ours => None,
            Some(id) => {
                let line = self.lines.find(id);
                if line.as_ref().is_some_and(|line| line.has_ended()) {
                    return told(
                        StatusCode::BAD_REQUEST,
                        "the server has ended this session\n",
                    );
                }
                line
            }
            None => {
                let line = match self.lines.open(self.wire.address) {
                    Ok(line) => line,
                    Err(why) => return told(StatusCode::SERVICE_UNAVAILABLE, why),
                };
                if upgrades {
                    line.moves_to(&self.wire);
                }
                head.extensions.insert(line.clone());
                Some(line)
            }
        };
        let body = Body::new(Whole {
            body,
            begun: Vec::new(),
            room: self.wire.begin(),
            line: line.clone(),
            most: self.longest,
            patience: self.patience,
            due: None,
        });
        // The router is always ready.
        let Ok(answer) = self.app.call(Request::from_parts(head, body)).await;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.wire.upgrades();
        }
        match (line, id, answer.status()) {
            (Some(line), Some(_), StatusCode::SWITCHING_PROTOCOLS) => line.moves_to(&self.wire),
            (Some(line), Some(_), StatusCode::OK) if polls => {
                line.polls(answer.body().size_hint().lower());
            }
            (Some(line), None, StatusCode::OK) if polls => return name(&line, answer).await,
            _ => {}
        }
        answer
    }
}

/// Reads the line's id from the answer to a handshake over polling.
async fn name(line: &Arc<Line>, answer: Answer) -> Answer {
    let (head, body) = answer.into_parts();
    if body
        .size_hint()
        .upper()
        .is_none_or(|most| most > GREETING_MAX)
    {
        return Response::from_parts(head, body);
    }
    let greeting = body.collect().await.map(|body| body.to_bytes());
    let greeting = greeting.unwrap_or_default();
    let text = str::from_utf8(&greeting).unwrap_or_default();
    let id = text
        .split_once("\"sid\":\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    if let Some((id, _)) = id {
        line.is_called(id);
    }
    Response::from_parts(head, Body::from(greeting))
}

/// The id of the line that a request belongs to.
fn line_id(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|field| field.strip_prefix("sid="))
}

fn told(status: StatusCode, what: &'static str) -> Answer {
    let mut answer = Response::new(Body::from(what));
    *answer.status_mut() = status;
    answer
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
}

impl Origins {
    /// Whether a request is admitted. Returns the origin to report as allowed to its browser, if
    /// there is one.
    fn check(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, &'static str> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        if let Origins::Local(allowed) = self
            && !host.is_none_or(|host| is_local(host) || allowed.iter().any(|it| names(it, host)))
        {
            return Err("this server is for its own computer: name it localhost\n");
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(None);
        };
        let (Origins::These(allowed) | Origins::Local(allowed)) = self else {
            return Ok(Some(origin.clone()));
        };
        let text = origin.to_str().unwrap_or_default();
        let own = text.split_once("://").map(|(_, host)| host);
        if own.is_some() && own == host {
            return Ok(None);
        }
        match allowed.iter().any(|allowed| allowed == text) {
            true => Ok(Some(origin.clone())),
            false => Err("pages of this origin may not use this server\n"),
        }
    }
}

/// Whether an origin is of this host.
fn names(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, own)| own == host)
}

/// Whether a host is named by its address, or is this computer under whatever resolver (RFC 6761,
/// section 6.3).
fn is_local(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

/// A body that has to arrive in time, and whole. One that is cut short with its connection comes
/// out empty: socketioxide would take it for a mistake of its client, and end the session for good.
struct Whole {
    body: Incoming,
    /// What has arrived, and the room that it takes.
    begun: Vec<u8>,
    room: Begun,
    line: Option<Arc<Line>>,
    /// Of a body that has more bytes than this, nothing is held back: it is refused.
    most: usize,
    patience: Duration,
    /// When it is late; none until it is first awaited.
    due: Option<Pin<Box<Sleep>>>,
}

/// A body that is given up.
#[derive(Debug, thiserror::Error)]
enum GivenUp {
    #[error("the body did not arrive in time")]
    Late,
    #[error("too much has been begun from this address, and not finished")]
    NoRoom,
}

impl Whole {
    /// What is held back, if there is something.
    fn release(&mut self) -> Option<Result<Frame<Bytes>, GivenUp>> {
        let begun = std::mem::take(&mut self.begun);
        if self.line.as_ref().is_some_and(|line| !line.posts(&begun)) {
            return Some(Err(GivenUp::NoRoom));
        }
        (!begun.is_empty()).then(|| Ok(Frame::data(begun.into())))
    }
}

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            match frame {
                Some(Ok(frame)) => {
                    // Trailers say nothing to us.
                    let data = frame.into_data().unwrap_or_default();
                    self.begun.extend_from_slice(&data);
                    let there = self.begun.len();
                    if there > self.most {
                        return Poll::Ready(self.release());
                    }
                    if !self.room.has(there as u64) {
                        self.begun.clear();
                        return Poll::Ready(Some(Err(GivenUp::NoRoom)));
                    }
                }
                Some(Err(_)) => {
                    self.begun.clear();
                    return Poll::Ready(None);
                }
                None => return Poll::Ready(self.release()),
            }
        }
        let patience = self.patience;
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(patience)));
        match due.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(GivenUp::Late))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (begun, rest) = (self.begun.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(begun + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(begun + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("chat.example:3000"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn pages_of_the_server_and_of_named_origins_are_let_in_and_no_others() {
        let these = Origins::These(vec!["https://friend.example".to_owned()]);
        let check =
            |origins: &Origins, origin| origins.check(&asked(origin)).map(|told| told.is_some());
        assert_eq!(check(&these, None), Ok(false), "no browser");
        assert_eq!(check(&these, Some("http://chat.example:3000")), Ok(false));
        assert_eq!(check(&these, Some("https://friend.example")), Ok(true));
        for other in [
            "https://evil.example",
            "null",
            "http://chat.example",
            "https://friend.example.evil",
        ] {
            assert!(check(&these, Some(other)).is_err(), "{other}");
        }
        assert_eq!(check(&Origins::Any, Some("https://evil.example")), Ok(true));
    }

    #[test]
    fn a_local_server_is_not_reached_under_a_name_that_somebody_has_given_it() {
        let local = Origins::Local(vec!["http://chat.example:3000".to_owned()]);
        let check = |host: &str, origin: Option<&str>| {
            let mut headers = asked(origin);
            headers.insert(header::HOST, host.parse().unwrap());
            local.check(&headers).is_ok()
        };
        for own in [
            "localhost:3000",
            "127.0.0.1:3000",
            "[::1]:3000",
            "chat.localhost",
            "chat.example:3000",
        ] {
            assert!(
                check(own, None) && check(own, Some(&format!("http://{own}"))),
                "{own}"
            );
        }
        for other in [
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ] {
            assert!(!check(other, None), "{other}");
            assert!(!check(other, Some(&format!("http://{other}"))), "{other}");
        }
        assert!(!check("localhost:3000", Some("http://evil.example")));
    }
}
