//! What must hold in a world: what the chat promises in that configuration, or what its file
//! expects.

use super::document::Document;
use super::promises::{may_be_refused, unpromised};
use serde::{Deserialize, Serialize};
use squall_guarantees::Guarantee;
use std::collections::BTreeSet;

/// What a world is measured by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Yardstick {
    /// What the file expects to be violated, or either. Kept here, because a world that is shrunk
    /// loses whatever it can.
    open: BTreeSet<Guarantee>,
    by: By,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum By {
    /// The `[expect]` of the file, as `squall run` uses it.
    Expectations,
    /// What the chat promises in the configuration of the world.
    Promises {
        /// What the completed file expects to hold although its own configuration does not promise
        /// it.
        insisted: BTreeSet<Guarantee>,
    },
}

impl Yardstick {
    /// For a world that is an unchanged file: what the file expects, or what the chat promises if
    /// it expects nothing.
    pub fn of_file(file: &Document) -> Self {
        let by = match file.has("expect") {
            true => By::Expectations,
            false => By::Promises {
                insisted: BTreeSet::new(),
            },
        };
        let open = open(file);
        Self { open, by }
    }

    /// For the worlds that complete a file. What the seed adds may cancel a promise, and then the
    /// file's `held` does not demand it; what the file itself says may not.
    pub fn completing(fixed: &Document) -> Self {
        let unpromised = unpromised(fixed);
        let insists = |it: &Guarantee| expects(fixed, *it, "held") && unpromised.contains_key(it);
        let insisted = Guarantee::ALL.into_iter().filter(insists).collect();
        let (open, by) = (open(fixed), By::Promises { insisted });
        Self { open, by }
    }

    /// The guarantees that may be violated in this world.
    pub(super) fn leaves_open(&self, world: &Document) -> BTreeSet<Guarantee> {
        let mut open = self.open.clone();
        if let By::Promises { insisted } = &self.by {
            let unpromised = unpromised(world).into_keys();
            open.extend(unpromised.filter(|it| !insisted.contains(it)));
        }
        open
    }

    /// Whether a message may be missing whose sender was told that its fate is unknown.
    pub(super) fn may_be_refused(&self, world: &Document) -> bool {
        matches!(self.by, By::Promises { .. }) && may_be_refused(world)
    }
}

/// What a file expects to be violated, or either.
fn open(file: &Document) -> BTreeSet<Guarantee> {
    let is_open = |it: &Guarantee| expects(file, *it, "violated") || expects(file, *it, "either");
    Guarantee::ALL.into_iter().filter(is_open).collect()
}

fn expects(file: &Document, guarantee: Guarantee, how: &str) -> bool {
    file.word(&format!("expect.{guarantee}")) == Some(how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Guarantee::{AtLeastOnce, AtMostOnce, ExactlyOnce, Ordering, TotalOrder};

    fn document(text: &str) -> Document {
        Document::parse(text).expect("TOML")
    }

    const WEAK: &str =
        "link.loss = '1%'\n[chat]\nto-server = 'at-most-once'\n[expect]\nordering = 'either'\n";

    #[test]
    fn a_file_as_it_stands_is_asked_what_it_expects_and_not_what_its_mode_promises() {
        let file = document(WEAK);
        let yardstick = Yardstick::of_file(&file);
        assert_eq!(yardstick.leaves_open(&file), BTreeSet::from([Ordering]));
        let smaller = document("[chat]\nto-server = 'at-most-once'");
        let open = yardstick.leaves_open(&smaller);
        assert_eq!(open, BTreeSet::from([Ordering]));
        let mix = document(&format!("{WEAK}[workload.mix]\njoin = 1"));
        assert!(!Yardstick::of_file(&mix).may_be_refused(&mix));
    }

    #[test]
    fn a_file_that_expects_nothing_is_asked_what_its_mode_promises() {
        let mut file = document(&format!("{WEAK}[workload.mix]\njoin = 1"));
        file.remove("expect");
        let yardstick = Yardstick::of_file(&file);
        let open = yardstick.leaves_open(&file);
        assert_eq!(open, BTreeSet::from([AtLeastOnce, ExactlyOnce]));
        assert!(yardstick.may_be_refused(&file));
    }

    #[test]
    fn a_completed_file_is_asked_for_what_it_wants_held_though_its_mode_does_not_promise_it() {
        let file = document(&format!("{WEAK}exactly-once = 'held'"));
        let open = Yardstick::completing(&file).leaves_open(&file);
        // The overall order is promised only together with that of each sender, and others may be
        // too.
        assert!(open.is_superset(&BTreeSet::from([Ordering, TotalOrder, AtLeastOnce])));
        assert!(!open.contains(&ExactlyOnce));
    }

    #[test]
    fn what_a_seed_adds_to_a_file_may_take_promises_away() {
        let file = document("link.loss = '1%'\n[expect]\nat-most-once = 'held'");
        let mut world = file.clone();
        world.put("chat.to-server", "at-least-once");
        let open = Yardstick::completing(&file).leaves_open(&world);
        assert_eq!(open, BTreeSet::from([AtMostOnce, ExactlyOnce]));
    }
}
