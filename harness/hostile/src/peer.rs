//! HTTP and WebSocket, as far as a rule-breaker must speak them: what is sent can be anything, what
//! is received is read leniently.

use crate::options::Ear;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Where Socket.IO is served, with the revision of Engine.IO's protocol.
pub(crate) const SOCKET_IO: &str = "/socket.io/?EIO=4";

/// The longest frame or body that is read.
const LONGEST: u64 = 16 << 20;

/// A connection.
pub(crate) struct Peer {
    stream: BufReader<TcpStream>,
    ear: Ear,
}

impl Peer {
    pub(crate) async fn connect(server: SocketAddr, ear: &Ear) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            ear: ear.clone(),
        })
    }

    /// A WebSocket (RFC 6455, section 4.1) at this path.
    pub(crate) async fn websocket(server: SocketAddr, path: &str, ear: &Ear) -> Result<Self> {
        let mut peer = Self::connect(server, ear).await?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        peer.write(head.as_bytes()).await?;
        let (status, _) = peer.head().await?;
        match status {
            101 => Ok(peer),
            other => Err(Error::other(format!("no WebSocket, but status {other}"))),
        }
    }

    /// One request on its own connection; returns the body of the answer.
    pub(crate) async fn ask(
        server: SocketAddr,
        method: &str,
        path: &str,
        body: &[u8],
        ear: &Ear,
    ) -> Result<String> {
        let mut peer = Self::connect(server, ear).await?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n"
        );
        peer.write(&[head.as_bytes(), body].concat()).await?;
        let (_, length) = peer.head().await?;
        let mut answer = Vec::new();
        let mut body = (&mut peer.stream).take(length.unwrap_or(LONGEST).min(LONGEST));
        body.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (peer.ear)(&answer);
        Ok(answer)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a text frame.
    pub(crate) async fn say(&mut self, text: &str) -> Result<()> {
        self.write(&frame(TEXT, text.as_bytes())).await
    }

    /// The next text frame; others are skipped.
    pub(crate) async fn hear(&mut self) -> Result<String> {
        loop {
            let opcode = self.stream.read_u8().await? & 0x0f;
            let length = match self.stream.read_u8().await? & 0x7f {
                126 => self.stream.read_u16().await?.into(),
                127 => self.stream.read_u64().await?,
                short => short.into(),
            };
            if length > LONGEST {
                return Err(ErrorKind::InvalidData.into());
            }
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await?;
            if opcode == TEXT {
                let text = String::from_utf8_lossy(&payload).into_owned();
                (self.ear)(&text);
                return Ok(text);
            }
        }
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn wait_for_end(&mut self) -> Result<()> {
        let mut nowhere = tokio::io::sink();
        tokio::io::copy(&mut self.stream, &mut nowhere).await?;
        Ok(())
    }

    /// The status of an answer, and how long its body is.
    async fn head(&mut self) -> Result<(u16, Option<u64>)> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or(ErrorKind::InvalidData)?;
        let mut length = None;
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? <= "\r\n".len() {
                return Ok((status, length));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
    }
}

/// Opcodes of RFC 6455, section 5.2.
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;

/// A final frame, masked with zeros: a rule-breaker hides nothing from proxies.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(opcode, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The head of a frame whose payload has, or is said to have, this length.
pub(crate) fn frame_head(opcode: u8, length: u64) -> Vec<u8> {
    const FINAL: u8 = 0x80;
    const MASKED: u8 = 0x80;
    let mut head = vec![FINAL | opcode];
    match length {
        0..126 => head.push(MASKED | length as u8),
        126..=0xffff => {
            head.push(MASKED | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(MASKED | 127);
            head.extend_from_slice(&length.to_be_bytes());
        }
    }
    head.extend_from_slice(&[0; 4]);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_its_length_in_the_shortest_form() {
        assert_eq!(frame(TEXT, b"hi"), b"\x81\x82\0\0\0\0hi");
        assert_eq!(frame_head(BINARY, 126), b"\x82\xfe\0\x7e\0\0\0\0");
        assert_eq!(
            frame_head(BINARY, 1 << 16),
            b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0"
        );
    }
}
