//! Those who only want to chat.

use crate::clients::{Anything, PATIENCE, Read, Write, enter, text};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How often each of them says something.
pub(crate) const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) struct User {
    name: String,
    write: Write,
    read: Read,
}

impl User {
    pub(crate) async fn enter(server: &str, name: &str) -> Anything<Self> {
        let (write, read) = enter(server, name).await?;
        Ok(Self {
            name: name.to_owned(),
            write,
            read,
        })
    }

    /// Says something now and then; returns how long the answers took, and how many never came.
    pub(crate) async fn talk(mut self, over: Arc<AtomicBool>) -> (Vec<Duration>, usize) {
        let mut asked: Vec<Option<Instant>> = Vec::new();
        let mut waits = Vec::new();
        let mut next = interval(BETWEEN);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = None;
        loop {
            if over.load(Ordering::Relaxed) && due.is_none() {
                due = Some(Instant::now() + PATIENCE);
            }
            let open = asked.iter().flatten().count();
            if due.is_some_and(|due| open == 0 || due <= Instant::now()) {
                return (waits, open);
            }
            tokio::select! {
                heard = self.read.next() => {
                    let Some(Ok(heard)) = heard else { return (waits, open.max(1)) };
                    let heard = heard.to_text().unwrap_or_default();
                    if heard == "2" {
                        self.write.send(text("3")).await.ok();
                    }
                    let number = heard.strip_prefix("43").and_then(|rest| rest.split('[').next());
                    let number: Option<usize> = number.and_then(|number| number.parse().ok());
                    if let Some(at) = number.and_then(|number| asked.get_mut(number)?.take()) {
                        waits.push(at.elapsed());
                    }
                }
                _ = next.tick() => if due.is_none() {
                    let (number, name) = (asked.len(), &self.name);
                    asked.push(Some(Instant::now()));
                    let said = format!(
                        r#"42{number}["chat message",{{"tag":"{number}","room":"lobby","content":"{name} says {number}"}}]"#
                    );
                    self.write.send(text(said)).await.ok();
                },
            }
        }
    }
}
