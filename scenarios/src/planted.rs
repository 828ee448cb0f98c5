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
    /// What brings it to light there: any of these, each a word that the part of the plan is known
    /// by. None: it needs nothing but clients that talk.
    pub triggers: &'static [&'static str],
}

macro_rules! planted {
    ($($name:literal $bug:ident breaks $guarantee:ident in $scenario:literal by $triggers:expr;)+) => {
        /// Every planted bug.
        pub const PLANTED_BUGS: &[PlantedBug] = &[$(PlantedBug {
            name: $name,
            bug: Bug::$bug,
            guarantee: Guarantee::$guarantee,
            scenario: $scenario,
            triggers: &$triggers,
        }),+];
    };
}

planted! {
    "ack-before-commit" AckBeforeCommit breaks AcknowledgementTruth in "exactly-once-server-killed" by ["kill"];
    "no-deduplication" NoDeduplication breaks ExactlyOnce in "exactly-once-lost-ack" by ["partition"];
    "handle-twice" HandleTwice breaks AtMostOnce in "exactly-once-partition" by ["partition"];
    "last-instead-of-highest-offset" LastInsteadOfHighestOffset breaks Ordering in "exactly-once-partition" by ["partition"];
    "catch-up-backwards" CatchUpBackwards breaks Ordering in "exactly-once-partition" by ["partition"];
    "page-by-sender" PageBySender breaks CausalOrder in "catch-up-after-partition" by ["partition"];
    "shuffled-broadcast" ShuffledBroadcast breaks TotalOrder in "ordering-websocket" by [];
    "forget-retry" ForgetRetry breaks AtLeastOnce in "exactly-once-partition" by ["partition"];
    "skip-catch-up" SkipCatchUp breaks DurabilityToDelivery in "exactly-once-partition" by ["partition"];
    "leak-room" LeakRoom breaks NoPhantom in "rooms-isolated" by ["rooms"];
    "deaf-watchdog" DeafWatchdog breaks Detection in "heartbeat-detects-silence" by ["partition"];
    "reused-session" ReusedSession breaks Reconnection in "reconnection-new-id" by ["kill", "partition"];
    "eager-reconnect" EagerReconnect breaks Reconnection in "reconnection-new-id" by ["kill", "partition"];
    "broadcast-before-commit" BroadcastBeforeCommit breaks AtLeastOnce in "exactly-once-server-killed" by ["kill"];
    "offset-from-socket-id" OffsetFromSocketId breaks AcknowledgementTruth in "offline-buffering" by [];
    "client-offset-restarts" ClientOffsetRestarts breaks AcknowledgementTruth in "outbox-survives-restart" by ["kill"];
    "outbox-forgets" OutboxForgets breaks AtLeastOnce in "outbox-survives-restart" by ["kill"];
    "retries-out-of-order" RetriesOutOfOrder breaks Ordering in "retries-in-order" by ["partition"];
    "leak-namespace" LeakNamespace breaks NoPhantom in "namespaces-isolated" by ["namespaces"];
    "leak-private" LeakPrivate breaks NoPhantom in "private-messages" by ["private"];
    "leave-does-not-leave" LeaveDoesNotLeave breaks NoPhantom in "join-and-leave-messages" by ["leave"];
    "join-tells-the-past" JoinTellsThePast breaks NoPhantom in "rooms-isolated" by ["join"];
    "echo-to-sender" EchoToSender breaks NoPhantom in "broadcast-all-but-sender" by ["others"];
    "binary-truncated" BinaryTruncated breaks NoPhantom in "binary-messages" by ["binary"];
    "typing-stored" TypingStored breaks NoPhantom in "typing-is-ephemeral" by ["typing"];
    "refusal-acknowledged" RefusalAcknowledged breaks AcknowledgementTruth in "nicknames" by ["nickname"];
    "recovery-without-rooms" RecoveryWithoutRooms breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-wrong-room" RecoveryWrongRoom breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-replayed-twice" RecoveryReplayedTwice breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-forgets-missed" RecoveryForgetsMissed breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-after-expiry" RecoveryAfterExpiry breaks Recovery in "recovery-expired" by ["partition"];
    "recovery-one-sided" RecoveryOneSided breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-forgets-page" RecoveryForgetsPage breaks ExactlyOnce in "recovery-during-catch-up" by ["partition"];
    "recovery-forgets-unsent" RecoveryForgetsUnsent breaks ExactlyOnce in "recovery-server-killed-at-work" by ["kill"];
    "recovery-new-id" RecoveryNewId breaks Recovery in "recovery-websocket" by ["partition"];
    "recovery-refused-without-reason" RefusedWithoutReason breaks Recovery in "recovery-expired" by ["partition"];
    "large-as-a-whole" LargeAsAWhole breaks Progress in "slow-link-large-messages" by ["rate"];
    "put-off-means-failed" PutOffMeansFailed breaks JustFailure in "disk-full" by ["disk-full"];
    "unknown-means-failed" UnknownMeansFailed breaks JustFailure in "given-up-though-stored" by ["partition"];
    "stop-means-for-good" StopMeansForGood breaks Progress in "graceful-stop" by ["stop"];
    "restless-client" RestlessClient breaks Stability in "bufferbloat" by [];
    "session-outlives-client" SessionOutlivesClient breaks NoLeak in "users-leave-for-good" by ["kill"];
    "room-outlives-members" RoomOutlivesMembers breaks NoLeak in "users-leave-for-good" by ["kill"];
    "outbox-keeps-what-is-done" OutboxKeepsWhatIsDone breaks NoLeak in "outbox-survives-restart" by ["outbox"];
    "outbox-one-behind" OutboxOneBehind breaks AtLeastOnce in "outbox-survives-restart" by ["kill"];
    "pages-on-a-timer" PagesOnATimer breaks Progress in "small-limits" by ["partition"];
    "one-attempt" OneAttempt breaks Progress in "burst-loss" by ["loss"];
    "backoff-begins-high" BackoffBeginsHigh breaks Reconnection in "clock-drift" by ["partition"];
    "nickname-shared" NicknameShared breaks Uniqueness in "nicknames" by ["nickname"];
    "favoured-client" FavouredClient breaks Fairness in "ordering-websocket" by [];
    "typing-swallowed" TypingSwallowed breaks EphemeralDelivery in "typing-is-ephemeral" by ["typing"];
    "typing-repeated" TypingRepeated breaks EphemeralDelivery in "typing-is-ephemeral" by ["typing"];
    "backoff-not-reset" BackoffNotReset breaks Reconnection in "restart-loop" by ["restart-loop"];
    "backoff-without-jitter" BackoffWithoutJitter breaks Reconnection in "crowd-reconnects" by ["kill"];
    "patience-stays-up" PatienceStaysUp breaks Reconnection in "partition-again-and-again" by ["partition"];
    "backoff-never-grows" BackoffNeverGrows breaks Reconnection in "server-gone-for-good" by ["kill"];
    "one-retry-too-many" OneRetryTooMany breaks JustFailure in "retries-exhausted" by ["disk-full"];
    "asks-for-ever" AsksForEver breaks NoLeak in "catch-up-after-partition" by [];
    "hasty-watchdog" HastyWatchdog breaks Detection in "heartbeat-detects-silence" by [];
    "recovery-keeps-too-little" RecoveryKeepsTooLittle breaks Recovery in "recovery-websocket" by ["partition"];
    "allows-too-much" AllowsTooMuch breaks Fairness in "more-than-allowed" by ["rate"];
    "duplicate-unanswered" DuplicateUnanswered breaks Progress in "exactly-once-lost-ack" by ["partition"];
    "presence-forgets-leaving" PresenceForgetsLeaving breaks Presence in "presence-after-kill" by ["kill"];
    "presence-forgets-returned" PresenceForgetsReturned breaks Presence in "presence-after-silence" by ["half-open", "partition", "kill"];
    "offset-by-user" OffsetByUser breaks ExactlyOnce in "several-devices" by ["partition", "devices"];
    "messages-kept" MessagesKept breaks Memory in "memory-bounded" by [];
    "sluggish-client" SluggishClient breaks Latency in "latency-percentiles" by [];
    "presence-keeps-the-gone" PresenceKeepsTheGone breaks Presence in "presence-after-restart" by ["kill"];
    "recovery-earlier-offset-refused" EarlierOffsetRefused breaks Recovery in "recovery-fresh-session-quiet" by ["partition"];
    "sent-twice" SentTwice breaks AtMostOnce in "ordering-websocket" by [];
    "counted-not-sent" CountedNotSent breaks DurabilityToDelivery in "ordering-websocket" by [];
    "kind-forgotten" KindForgotten breaks NoPhantom in "join-and-leave-messages" by ["join", "leave"];
    "stored-in-silence" StoredInSilence breaks DurabilityToDelivery in "duplicated-packets" by [];
}
