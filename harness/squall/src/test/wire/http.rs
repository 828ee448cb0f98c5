//! Requests and answers of HTTP/1.1 (RFC 9112), as far as they have to be read to find where each
//! ends.

use super::said::{Said, What};
use super::streams::{Connection, Stream};

/// A request or an answer.
pub(super) struct Part {
    /// Its first line.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Where it ends in its stream.
    pub(super) end: usize,
}

impl Part {
    /// The value of a header, whose name is given in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        let mut words = self.line.split(' ');
        let status = words.nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or(0)
    }
}

/// The requests that have this header, and their answers.
pub(super) fn read<'c>(connection: &'c Connection, header: &str) -> Vec<Said<'c>> {
    let (requests, answers) = (requests(&connection.client), answers(&connection.server));
    let mut said = Vec::new();
    for (place, request) in requests.iter().enumerate() {
        let Some(value) = request.header(header) else {
            continue;
        };
        // Another connection between the two has other requests.
        let name = format!("{value} {place} {:p}", &raw const *connection);
        said.push(Said {
            stream: &connection.client,
            end: request.end,
            what: What::Message {
                text: value.to_owned(),
                asks: Some(name.clone()),
            },
        });
        if let Some(answer) = answers.get(place).filter(|it| it.status() / 100 == 2) {
            said.push(Said {
                stream: &connection.server,
                end: answer.end,
                what: What::Answer(name),
            });
        }
    }
    said
}

/// The requests that a client has sent in full.
pub(super) fn requests(stream: &Stream) -> Vec<Part> {
    parts(stream, |part| part.line.ends_with(" HTTP/1.1"), |_| true)
}

/// The final answers that a server has sent in full, one for each request.
pub(super) fn answers(stream: &Stream) -> Vec<Part> {
    let is_answer = |part: &Part| part.line.starts_with("HTTP/1.1 ");
    let mut answers = parts(stream, is_answer, |part| {
        !matches!(part.status(), 100..=199 | 204 | 304)
    });
    answers.retain(|it| it.status() == 101 || it.status() >= 200);
    answers
}

fn parts(
    stream: &Stream,
    is_known: impl Fn(&Part) -> bool,
    has_body: impl Fn(&Part) -> bool,
) -> Vec<Part> {
    let (bytes, mut at) = (&stream.bytes, 0);
    let mut parts = Vec::new();
    while let Some(head) = bytes[at..].windows(4).position(|it| it == b"\r\n\r\n") {
        let text = String::from_utf8_lossy(&bytes[at..at + head]).into_owned();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let mut part = Part {
            line,
            headers: headers.collect(),
            body: Vec::new(),
            end: at + head + 4,
        };
        if !is_known(&part) {
            break;
        }
        if has_body(&part) && !read_body(stream, &mut part) {
            break;
        }
        at = part.end;
        let is_upgrade = part.status() == 101;
        parts.push(part);
        if is_upgrade {
            break;
        }
    }
    parts
}

/// Reads the body; whether all of it is there.
fn read_body(stream: &Stream, part: &mut Part) -> bool {
    let rest = &stream.bytes[part.end..];
    let is_chunked = |it: &str| it.to_ascii_lowercase().ends_with("chunked");
    if part.header("transfer-encoding").is_some_and(is_chunked) {
        let Some((body, length)) = chunks(rest) else {
            return false;
        };
        part.body = body;
        part.end += length;
        return true;
    }
    let length = match part.header("content-length") {
        Some(length) => length.parse().unwrap_or(usize::MAX),
        // An answer may go on to the end of the connection, a request may not.
        None if part.line.starts_with("HTTP/") && stream.ended => rest.len(),
        None if part.line.starts_with("HTTP/") => return false,
        None => 0,
    };
    let Some(body) = rest.get(..length) else {
        return false;
    };
    part.body = body.to_vec();
    part.end += length;
    true
}

/// A chunked body, and how long it is on the wire; none if it is not complete.
fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|it| it == b"\r\n")?;
        let size = str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        body.extend(bytes.get(at..at.checked_add(size)?)?);
        at += size + 2;
        if size == 0 {
            return (at <= bytes.len()).then_some((body, at));
        }
        if at > bytes.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(client: &str, server: &str) -> String {
        let connection = Connection::of(client.as_bytes(), server.as_bytes());
        let said = read(&connection, "idempotency-key").into_iter();
        let words = said.map(|said| match said.what {
            What::Message { text, .. } => format!("{text} by {}", said.end),
            What::Answer(_) => format!("answered by {}", said.end),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    const PAY: &str = "POST /pay HTTP/1.1\r\nIdempotency-Key: 7\r\nContent-Length: 3\r\n\r\nten";

    #[test]
    fn a_request_has_its_answer() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        insta::assert_snapshot!(told(PAY, ok), @"7 by 64, answered by 40");
        let twice = format!("{PAY}GET / HTTP/1.1\r\n\r\n{PAY}");
        let no = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        insta::assert_snapshot!(told(&twice, &format!("{no}{ok}{ok}")), @"7 by 64, 7 by 146, answered by 137");
        insta::assert_snapshot!(told(PAY, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), @"7 by 64, answered by 52");
    }

    #[test]
    fn what_is_cut_short_was_not_said() {
        assert_eq!(told(&PAY[..PAY.len() - 1], ""), "");
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
        insta::assert_snapshot!(told(PAY, half), @"7 by 64");
    }

    #[test]
    fn a_body_may_come_in_chunks_or_to_the_end() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        insta::assert_snapshot!(told(PAY, chunked), @"7 by 64, answered by 59");
        assert_eq!(told(PAY, &chunked[..chunked.len() - 2]), "7 by 64");
        insta::assert_snapshot!(told(PAY, "HTTP/1.1 200 OK\r\n\r\nok"), @"7 by 64, answered by 21");
    }
}
