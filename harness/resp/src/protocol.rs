//! RESP3, as far as it is spoken here (<https://redis.io/docs/latest/develop/reference/protocol-spec>).

use std::io::{self, ErrorKind};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The longest text that is accepted, and the most texts in a request.
const LONGEST: usize = 512 << 20;
const MOST: usize = 1 << 20;

/// An answer, or a part of one.
#[derive(Debug)]
pub(crate) enum Reply {
    Simple(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// It comes without having been asked for.
    Push(Vec<Reply>),
}

impl Reply {
    pub(crate) fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    pub(crate) fn error(text: &str) -> Self {
        Self::Error(text.to_owned())
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let line = |to: &mut Vec<u8>, kind: char, text: &str| {
            to.extend(format!("{kind}{text}\r\n").as_bytes());
        };
        let parts = |to: &mut Vec<u8>, kind: char, parts: &[Reply]| {
            line(to, kind, &parts.len().to_string());
            parts.iter().for_each(|part| part.write(to));
        };
        match self {
            Self::Simple(text) => line(to, '+', text),
            Self::Error(text) => line(to, '-', text),
            Self::Integer(number) => line(to, ':', &number.to_string()),
            Self::Null => line(to, '_', ""),
            Self::Bulk(text) => {
                line(to, '$', &text.len().to_string());
                to.extend(text);
                to.extend(b"\r\n");
            }
            Self::Array(all) => parts(to, '*', all),
            Self::Push(all) => parts(to, '>', all),
            Self::Map(pairs) => {
                line(to, '%', &pairs.len().to_string());
                for (key, value) in pairs {
                    key.write(to);
                    value.write(to);
                }
            }
        }
    }
}

/// A request, as clients and the file have it: an array of texts.
pub(crate) fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Reply::Array(words.iter().map(Reply::bulk).collect()).write(&mut bytes);
    bytes
}

/// Reads a request.
pub(crate) async fn read_request(
    from: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Vec<Vec<u8>>> {
    let count = length(from, b'*', MOST).await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = length(from, b'$', LONGEST).await?;
        let mut word = vec![0; length + 2];
        from.read_exact(&mut word).await?;
        if !word.ends_with(b"\r\n") {
            return Err(ErrorKind::InvalidData.into());
        }
        word.truncate(length);
        words.push(word);
    }
    Ok(words)
}

async fn length(
    from: &mut (impl AsyncBufRead + Unpin),
    kind: u8,
    most: usize,
) -> io::Result<usize> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let digits = line
        .strip_prefix(&[kind])
        .and_then(|line| line.strip_suffix(b"\r\n"));
    let length = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    length
        .filter(|length| *length <= most)
        .ok_or_else(|| ErrorKind::InvalidData.into())
}
