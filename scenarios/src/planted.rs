//! The planted bugs: variants of the chat that each break one thing, and the named scenarios that
//! must bring them to light.

use squall_guarantees::Guarantee;
use squall_planted::Bug;

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
    "page-by-sender" PageBySender breaks CausalOrder in "catch-up-after-partition";
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
    "recovery-forgets-page" RecoveryForgetsPage breaks ExactlyOnce in "recovery-during-catch-up";
    "recovery-forgets-unsent" RecoveryForgetsUnsent breaks ExactlyOnce in "recovery-server-killed-at-work";
    "recovery-new-id" RecoveryNewId breaks Recovery in "recovery-websocket";
    "recovery-refused-without-reason" RefusedWithoutReason breaks Recovery in "recovery-expired";
    "large-as-a-whole" LargeAsAWhole breaks Progress in "slow-link-large-messages";
    "put-off-means-failed" PutOffMeansFailed breaks JustFailure in "disk-full";
    "unknown-means-failed" UnknownMeansFailed breaks JustFailure in "given-up-though-stored";
    "stop-means-for-good" StopMeansForGood breaks Progress in "graceful-stop";
    "restless-client" RestlessClient breaks Stability in "bufferbloat";
    "session-outlives-client" SessionOutlivesClient breaks NoLeak in "users-leave-for-good";
    "room-outlives-members" RoomOutlivesMembers breaks NoLeak in "users-leave-for-good";
    "outbox-keeps-what-is-done" OutboxKeepsWhatIsDone breaks NoLeak in "outbox-survives-restart";
    "outbox-one-behind" OutboxOneBehind breaks AtLeastOnce in "outbox-survives-restart";
    "pages-on-a-timer" PagesOnATimer breaks Progress in "small-limits";
    "one-attempt" OneAttempt breaks Progress in "burst-loss";
    "backoff-begins-high" BackoffBeginsHigh breaks Reconnection in "clock-drift";
    "nickname-shared" NicknameShared breaks Uniqueness in "nicknames";
    "favoured-client" FavouredClient breaks Fairness in "ordering-websocket";
    "typing-swallowed" TypingSwallowed breaks EphemeralDelivery in "typing-is-ephemeral";
    "typing-repeated" TypingRepeated breaks EphemeralDelivery in "typing-is-ephemeral";
    "backoff-not-reset" BackoffNotReset breaks Reconnection in "restart-loop";
    "backoff-without-jitter" BackoffWithoutJitter breaks Reconnection in "crowd-reconnects";
    "patience-stays-up" PatienceStaysUp breaks Reconnection in "partition-again-and-again";
    "backoff-never-grows" BackoffNeverGrows breaks Reconnection in "server-gone-for-good";
    "one-retry-too-many" OneRetryTooMany breaks JustFailure in "retries-exhausted";
    "asks-for-ever" AsksForEver breaks NoLeak in "catch-up-after-partition";
    "hasty-watchdog" HastyWatchdog breaks Detection in "heartbeat-detects-silence";
    "recovery-keeps-too-little" RecoveryKeepsTooLittle breaks Recovery in "recovery-websocket";
    "allows-too-much" AllowsTooMuch breaks Fairness in "more-than-allowed";
    "duplicate-unanswered" DuplicateUnanswered breaks Progress in "exactly-once-lost-ack";
    "presence-forgets-leaving" PresenceForgetsLeaving breaks Presence in "presence-after-kill";
    "presence-forgets-returned" PresenceForgetsReturned breaks Presence in "presence-after-silence";
    "presence-keeps-the-gone" PresenceKeepsTheGone breaks Presence in "presence-after-restart";
}
