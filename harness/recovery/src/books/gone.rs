//! Why sessions are gone, for clients that ask.

use crate::refusal::Refusal;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The ends of sessions by private id, kept for one to two times the requested period.
#[derive(Debug)]
pub(super) struct Gone {
    recent: HashMap<String, Refusal>,
    older: HashMap<String, Refusal>,
    turned: Instant,
    age: Duration,
    /// How many of the most recent ones are kept. For others, the reason is not known.
    most: usize,
}

impl Gone {
    pub(super) fn new(age: Duration, most: usize, now: Instant) -> Self {
        Self {
            recent: HashMap::new(),
            older: HashMap::new(),
            turned: now,
            age,
            most,
        }
    }

    pub(super) fn insert(&mut self, private_id: String, why: Refusal) {
        if self.recent.len() < self.most {
            self.recent.insert(private_id, why);
        }
    }

    pub(super) fn get(&self, private_id: &str) -> Option<Refusal> {
        let found = self.recent.get(private_id);
        found.or_else(|| self.older.get(private_id)).copied()
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while now.duration_since(self.turned) >= self.age && !self.is_empty() {
            self.older = std::mem::take(&mut self.recent);
            self.turned += self.age;
        }
        if self.is_empty() {
            self.turned = now;
        }
    }

    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.older.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn an_end_is_known_for_once_to_twice_the_age_and_not_for_ever() {
        let start = Instant::now();
        let mut gone = Gone::new(AGE, 2, start);
        gone.insert("a".to_owned(), Refusal::Expired);
        gone.expire(start + AGE);
        assert_eq!(gone.get("a"), Some(Refusal::Expired));
        gone.expire(start + 2 * AGE);
        assert_eq!(gone.get("a"), None);
        assert!(gone.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_ends_are_known_than_may_be() {
        let mut gone = Gone::new(AGE, 2, Instant::now());
        for id in ["a", "b", "c"] {
            gone.insert(id.to_owned(), Refusal::LeftOnPurpose);
        }
        assert!(gone.get("b").is_some() && gone.get("c").is_none());
    }
}
