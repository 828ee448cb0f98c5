//! Planted bugs: variants of the chat that each break one thing, and the named scenarios that must
//! bring them to light. A checker that never fails proves nothing.

use crate::library::library;
use crate::runner::{self, RunError};
use crate::scenario::Scenario;
use squall_chat::Bug;
use squall_guarantees::{Guarantee, Verdict, check};

/// A variant of the chat with a mistake in it.
#[derive(Clone, Copy, Debug)]
pub struct PlantedBug {
    /// Its name, also in scenario files.
    pub name: &'static str,
    /// The mistake.
    pub bug: Bug,
    /// The guarantee that it breaks.
    pub guarantee: Guarantee,
    /// The named scenario that shows it.
    pub scenario: &'static str,
}

macro_rules! planted {
    ($($name:literal $bug:ident breaks $guarantee:ident in $scenario:literal;)+) => {
        /// Every planted bug.
        pub const PLANTED_BUGS: &[PlantedBug] = &[$(PlantedBug {
            name: $name,
            bug: Bug::$bug,
            guarantee: Guarantee::$guarantee,
            scenario: $scenario,
        }),+];
    };
}

planted! {
    "ack-before-commit" AckBeforeCommit breaks AcknowledgementTruth in "exactly-once-server-killed";
    "no-deduplication" NoDeduplication breaks ExactlyOnce in "exactly-once-lost-ack";
    "handle-twice" HandleTwice breaks AtMostOnce in "exactly-once-partition";
    "last-instead-of-highest-offset" LastInsteadOfHighestOffset breaks Ordering in "exactly-once-partition";
    "catch-up-backwards" CatchUpBackwards breaks Ordering in "exactly-once-partition";
    "shuffled-broadcast" ShuffledBroadcast breaks TotalOrder in "ordering-websocket";
    "forget-retry" ForgetRetry breaks AtLeastOnce in "exactly-once-partition";
    "skip-catch-up" SkipCatchUp breaks DurabilityToDelivery in "exactly-once-partition";
    "leak-room" LeakRoom breaks NoPhantom in "rooms-isolated";
    "deaf-watchdog" DeafWatchdog breaks Detection in "heartbeat-detects-silence";
    "reused-session" ReusedSession breaks Reconnection in "reconnection-new-id";
    "eager-reconnect" EagerReconnect breaks Reconnection in "reconnection-new-id";
    "broadcast-before-commit" BroadcastBeforeCommit breaks AtLeastOnce in "exactly-once-server-killed";
    "offset-from-socket-id" OffsetFromSocketId breaks AcknowledgementTruth in "offline-buffering";
    "client-offset-restarts" ClientOffsetRestarts breaks AcknowledgementTruth in "outbox-survives-restart";
    "outbox-forgets" OutboxForgets breaks AtLeastOnce in "outbox-survives-restart";
    "retries-out-of-order" RetriesOutOfOrder breaks Ordering in "retries-in-order";
    "leak-namespace" LeakNamespace breaks NoPhantom in "namespaces-isolated";
    "leak-private" LeakPrivate breaks NoPhantom in "private-messages";
    "leave-does-not-leave" LeaveDoesNotLeave breaks NoPhantom in "join-and-leave-messages";
    "join-tells-the-past" JoinTellsThePast breaks NoPhantom in "rooms-isolated";
    "echo-to-sender" EchoToSender breaks NoPhantom in "broadcast-all-but-sender";
    "binary-truncated" BinaryTruncated breaks NoPhantom in "binary-messages";
    "typing-stored" TypingStored breaks NoPhantom in "typing-is-ephemeral";
    "refusal-acknowledged" RefusalAcknowledged breaks AcknowledgementTruth in "nicknames";
    "recovery-without-rooms" RecoveryWithoutRooms breaks Recovery in "recovery-websocket";
    "recovery-wrong-room" RecoveryWrongRoom breaks Recovery in "recovery-websocket";
    "recovery-replayed-twice" RecoveryReplayedTwice breaks Recovery in "recovery-websocket";
    "recovery-forgets-missed" RecoveryForgetsMissed breaks Recovery in "recovery-websocket";
    "recovery-after-expiry" RecoveryAfterExpiry breaks Recovery in "recovery-expired";
    "recovery-one-sided" RecoveryOneSided breaks Recovery in "recovery-websocket";
    "recovery-new-id" RecoveryNewId breaks Recovery in "recovery-websocket";
    "presence-forgets-leaving" PresenceForgetsLeaving breaks Presence in "presence-after-kill";
    "presence-forgets-returned" PresenceForgetsReturned breaks Presence in "presence-after-silence";
    "presence-keeps-the-gone" PresenceKeepsTheGone breaks Presence in "presence-after-restart";
}

/// What came of the hunt for a bug.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub planted: PlantedBug,
    /// The first seed with which it was caught, and by what.
    pub caught: Option<Caught>,
    /// What the correct chat violated with the same seeds: it should be nothing.
    pub false_alarms: Vec<(u64, Guarantee)>,
}

/// A bug that was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The first seed.
    pub seed: u64,
    /// How its guarantee was violated, in words.
    pub evidence: String,
}

impl Hunt {
    /// Whether the bug was caught, and nothing else.
    pub fn succeeded(&self) -> bool {
        self.caught.is_some() && self.false_alarms.is_empty()
    }
}

/// Plays a bug's scenario with the seeds from 1 to `seeds`, with the bug and without it, until its
/// guarantee is violated.
///
/// # Errors
/// If a run cannot come to its end.
///
/// # Panics
/// If the bug's scenario is not in the library, which a test rules out.
pub fn hunt(planted: PlantedBug, seeds: u64) -> Result<Hunt, RunError> {
    let mut library = library().into_iter();
    let correct = library.find(|scenario| scenario.name == planted.scenario);
    let correct = correct.unwrap_or_else(|| panic!("there is no scenario {}", planted.scenario));
    let mut buggy = correct.clone();
    buggy.chat.bug = Some(planted.bug);
    let (mut caught, mut false_alarms) = (None, Vec::new());
    for seed in 1..=seeds {
        let expected = |guarantee| {
            guarantee == planted.guarantee || correct.expect.contains(&(guarantee, true))
        };
        for (guarantee, _) in violations(&correct, seed)? {
            if expected(guarantee) {
                false_alarms.push((seed, guarantee));
            }
        }
        let violated = violations(&buggy, seed)?.into_iter();
        caught = (violated.into_iter())
            .find(|(guarantee, _)| *guarantee == planted.guarantee)
            .map(|(_, evidence)| Caught { seed, evidence });
        if caught.is_some() {
            break;
        }
    }
    Ok(Hunt {
        planted,
        caught,
        false_alarms,
    })
}

/// The guarantees that a run violates, and how.
fn violations(scenario: &Scenario, seed: u64) -> Result<Vec<(Guarantee, String)>, RunError> {
    let record = runner::run(&scenario.plan(seed))?;
    let violated = check(&record.history).into_iter();
    Ok(violated
        .filter_map(|(guarantee, verdict)| match verdict {
            Verdict::Violated(violation) => Some((guarantee, violation.to_string())),
            _ => None,
        })
        .collect())
}
