//! What a hostile peer does in one act of each kind.

use crate::options::{Ear, HostileOptions, Hostility};
use crate::packets::{break_bytes, corpus};
use crate::peer::{BINARY, Peer, SOCKET_IO, TEXT, frame, frame_head};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::io::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long an act that only wants an answer waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often slow peers move.
const SLOW: Duration = Duration::from_secs(1);
/// How many phrases one act of a flood sends.
const FLOOD: usize = 100;
/// How many bytes are too many.
const TOO_LARGE: usize = 2_000_000;

/// One act.
pub(crate) struct Act {
    pub(crate) options: Arc<HostileOptions>,
    pub(crate) ear: Ear,
    pub(crate) chance: ChaCha8Rng,
}

impl Act {
    pub(crate) async fn perform(mut self) -> Result<()> {
        match self.options.hostility {
            Hostility::Malformed => self.malformed().await,
            Hostility::Flood => self.flood().await,
            Hostility::Oversized => self.oversized().await,
            Hostility::Guesses => self.guess().await,
            Hostility::Untimely => self.untimely().await,
            Hostility::SlowReader => self.read_slowly().await,
            Hostility::SlowWriter => self.write_slowly().await,
            Hostility::HalfOpen => self.connect().await?.wait_for_end().await,
            Hostility::AttachmentBomb => self.announce_attachments().await,
        }
    }

    async fn connect(&self) -> Result<Peer> {
        Peer::connect(self.options.server, &self.ear).await
    }

    /// A WebSocket after Engine.IO's handshake.
    async fn websocket(&self) -> Result<Peer> {
        let path = format!("{SOCKET_IO}&transport=websocket");
        let mut peer = Peer::websocket(self.options.server, &path, &self.ear).await?;
        peer.hear().await?;
        Ok(peer)
    }

    /// A WebSocket on which the server has admitted or refused the hostile peer.
    async fn logged_in(&self) -> Result<Peer> {
        let mut peer = self.websocket().await?;
        peer.say(&format!("40{}", self.options.login)).await?;
        while !peer.hear().await?.starts_with('4') {}
        Ok(peer)
    }

    async fn ask(&self, method: &str, query: &str, body: &[u8]) -> Result<String> {
        let path = format!("{SOCKET_IO}&{query}");
        Peer::ask(self.options.server, method, &path, body, &self.ear).await
    }

    /// A polling session that has just been opened.
    async fn polling_session(&self) -> Result<String> {
        let handshake = self.ask("GET", "transport=polling", b"").await?;
        let sid = handshake
            .split_once("\"sid\":\"")
            .and_then(|(_, rest)| rest.split('"').next());
        Ok(sid.unwrap_or_default().to_owned())
    }

    /// Listens for answers, for as long as its patience lasts.
    async fn listen(&self, peer: &mut Peer) -> Result<()> {
        let listen = async {
            loop {
                peer.hear().await?;
            }
        };
        timeout(PATIENCE, listen).await.unwrap_or(Ok(()))
    }

    async fn malformed(&mut self) -> Result<()> {
        let corpus = corpus(&self.options.login, &self.options.phrases);
        let packet = corpus.choose(&mut self.chance).cloned().unwrap_or_default();
        let mut bytes = packet.into_bytes();
        match self.chance.random_range(0..5) {
            // In a request.
            0 => {
                let sid = self.polling_session().await?;
                break_bytes(&mut bytes, &mut self.chance);
                let query = format!("transport=polling&sid={sid}");
                self.ask("POST", &query, &bytes).await?;
                Ok(())
            }
            // The request itself.
            1 => {
                let mut request = format!(
                    "POST {SOCKET_IO}&transport=polling HTTP/1.1\r\nHost: server\r\n\
                     Transfer-Encoding: chunked\r\n\r\n4\r\n40{{}}\r\n0\r\n\r\n"
                )
                .into_bytes();
                break_bytes(&mut request, &mut self.chance);
                let mut peer = self.connect().await?;
                peer.write(&request).await?;
                timeout(PATIENCE, peer.wait_for_end())
                    .await
                    .unwrap_or(Ok(()))
            }
            // A frame.
            2 => {
                let mut peer = self.logged_in().await?;
                let mut frame = frame(self.chance.random_range(0..16), &bytes);
                break_bytes(&mut frame, &mut self.chance);
                peer.write(&frame).await?;
                self.listen(&mut peer).await
            }
            // In a frame, before or after logging in.
            place => {
                let mut peer = match place {
                    3 => self.websocket().await?,
                    _ => self.logged_in().await?,
                };
                break_bytes(&mut bytes, &mut self.chance);
                peer.write(&frame(TEXT, &bytes)).await?;
                self.listen(&mut peer).await
            }
        }
    }

    async fn flood(&mut self) -> Result<()> {
        let mut peer = self.logged_in().await?;
        for phrase in self.options.phrases.iter().cycle().take(FLOOD) {
            peer.say(&format!("42{phrase}")).await?;
        }
        self.listen(&mut peer).await
    }

    async fn oversized(&mut self) -> Result<()> {
        let large = "x".repeat(TOO_LARGE);
        match self.chance.random_range(0..6) {
            0 => {
                let sid = self.polling_session().await?;
                let query = format!("transport=polling&sid={sid}");
                let body = format!("42[\"{large}\"]");
                self.ask("POST", &query, body.as_bytes()).await?;
            }
            1 => {
                let mut peer = self.connect().await?;
                let head = format!("GET /{large} HTTP/1.1\r\nHost: server\r\n\r\n");
                peer.write(head.as_bytes()).await?;
                peer.wait_for_end().await?;
            }
            2 => {
                let mut peer = self.logged_in().await?;
                peer.write(&frame_head(TEXT, u64::MAX >> 1)).await?;
                peer.write(large.as_bytes()).await?;
                self.listen(&mut peer).await?;
            }
            3 => {
                let mut peer = self.logged_in().await?;
                peer.say(&format!("42[\"{large}\"]")).await?;
                self.listen(&mut peer).await?;
            }
            4 => {
                let mut peer = self.logged_in().await?;
                peer.write(&frame(BINARY, large.as_bytes())).await?;
                self.listen(&mut peer).await?;
            }
            // Many layers, few bytes.
            _ => {
                let mut peer = self.logged_in().await?;
                peer.say(&format!("42{}", "[".repeat(100_000))).await?;
                self.listen(&mut peer).await?;
            }
        }
        Ok(())
    }

    async fn guess(&mut self) -> Result<()> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let guess = |length| -> String {
            let letter = |_| *ALPHABET.choose(&mut self.chance).unwrap_or(&b'A') as char;
            (0..length).map(letter).collect()
        };
        let sid = [16, 20, 0].map(guess);
        let sid = sid.choose(&mut self.chance).cloned().unwrap_or_default();
        let query = format!("transport=polling&sid={sid}");
        match self.chance.random_range(0..4) {
            0 => self.ask("GET", &query, b"").await.map(drop),
            1 => self.ask("POST", &query, b"41").await.map(drop),
            2 => {
                let login = self.options.login.trim_end_matches('}');
                let mut peer = self.websocket().await?;
                peer.say(&format!("40{login},\"pid\":\"{sid}\"}}")).await?;
                self.listen(&mut peer).await
            }
            _ => {
                let path = format!("{SOCKET_IO}&transport=websocket&sid={sid}");
                let mut peer = Peer::websocket(self.options.server, &path, &self.ear).await?;
                peer.say("2probe").await?;
                peer.say("5").await?;
                self.listen(&mut peer).await
            }
        }
    }

    async fn untimely(&mut self) -> Result<()> {
        let phrase = self.options.phrases.choose(&mut self.chance);
        let event = format!("42{}", phrase.cloned().unwrap_or_default());
        let login = format!("40{}", self.options.login);
        let rows: [&[&str]; 6] = [
            // Before CONNECT.
            &[&event, &event, &login],
            // A second CONNECT, and one to a namespace that does not exist.
            &[&login, &login, "40/admin,", &event],
            // After DISCONNECT.
            &[&login, "41", &event, &login, &event],
            // Unsolicited acknowledgements.
            &[&login, "430[]", "43999999[1]", "430[]"],
            // An upgrade of what is already a WebSocket, and pongs without a ping.
            &[&login, "2probe", "5", "3", "3", "3", "6"],
            // Attachments that do not come, and some that were not announced.
            &[
                &login,
                "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
                &event,
            ],
        ];
        match self.chance.random_range(0..8) {
            // Two polls at once, which is not allowed.
            0 => {
                let sid = self.polling_session().await?;
                let query = format!("transport=polling&sid={sid}");
                let (one, other) =
                    tokio::join!(self.ask("GET", &query, b""), self.ask("GET", &query, b""));
                one.and(other).map(drop)
            }
            // An upgrade that begins and is never finished.
            1 => {
                let sid = self.polling_session().await?;
                let path = format!("{SOCKET_IO}&transport=websocket&sid={sid}");
                let mut peer = Peer::websocket(self.options.server, &path, &self.ear).await?;
                peer.say("2probe").await?;
                peer.wait_for_end().await
            }
            row => {
                let mut peer = self.websocket().await?;
                for packet in rows[row - 2] {
                    peer.say(packet).await?;
                }
                peer.write(&frame(BINARY, &[1, 2, 3])).await?;
                self.listen(&mut peer).await
            }
        }
    }

    /// Gives signs of life now and then, so that the only thing wrong is that it does not read.
    async fn read_slowly(&mut self) -> Result<()> {
        let mut peer = self.websocket().await?;
        peer.say(&format!("40{}", self.options.login)).await?;
        loop {
            sleep(SLOW).await;
            for phrase in &self.options.phrases {
                peer.say(&format!("42{phrase}")).await?;
            }
            peer.say("3").await?;
        }
    }

    async fn write_slowly(&mut self) -> Result<()> {
        let mut peer = self.connect().await?;
        let head = format!("GET {SOCKET_IO}&transport=polling HTTP/1.1\r\nHost: server\r\nX: ");
        for byte in head.into_bytes().into_iter().chain(std::iter::repeat(b'x')) {
            peer.write(&[byte]).await?;
            sleep(SLOW).await;
        }
        Ok(())
    }

    async fn announce_attachments(&mut self) -> Result<()> {
        let counts = ["1000000000", "18446744073709551615", "99999999999999999999"];
        let count = counts.choose(&mut self.chance).copied().unwrap_or_default();
        let mut peer = self.logged_in().await?;
        let packet = format!("45{count}-[\"bomb\",{{\"_placeholder\":true,\"num\":0}}]");
        peer.say(&packet).await?;
        for _ in 0..FLOOD {
            peer.write(&frame(BINARY, &[0; 1024])).await?;
        }
        self.listen(&mut peer).await
    }
}
