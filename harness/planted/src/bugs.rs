//! Planted mistakes. A harness whose checkers are never seen to fail proves nothing, so the chat
//! can be told to make exactly one mistake, and for every checker there is a chat that it must
//! catch.
//!
//! The same value may be given to the server and to the clients; each side only considers its own
//! mistakes. Nothing here is active unless requested. A mistake belongs to the thread on which a
//! server or client starts, and each machine of the simulated world has threads of its own.

use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// One planted mistake, with the guarantee that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// *Acknowledgement truth.* The server acknowledges at once and stores half a second later; a
    /// crash in between loses what was promised.
    AckBeforeCommit,
    /// *Exactly once.* The server ignores the client offset, so a retried message is stored again.
    NoDeduplication,
    /// *At most once.* The client believes it has handled three messages fewer than it has: it asks
    /// for them again when it reconnects, and handles them again.
    HandleTwice,
    /// *Ordering, at most once.* The mistake of the official tutorial: catching up runs while live
    /// messages go out, and the client stores the offset of the last message it saw instead of the
    /// highest. Older messages follow newer ones, and are repeated after the next reconnection.
    LastInsteadOfHighestOffset,
    /// *Ordering.* The server hands out each page of a catch-up newest first, under ids that
    /// pretend otherwise.
    CatchUpBackwards,
    /// *Causal order.* The server hands out each page of a catch-up sorted by sender, under ids
    /// that pretend otherwise: replies come before what they reply to.
    PageBySender,
    /// *Total order.* Every second session sees the messages of two senders swapped. Each sender's
    /// own messages stay in order.
    ShuffledBroadcast,
    /// *At least once.* The client does not retry an unacknowledged message, and reports it as
    /// sent.
    ForgetRetry,
    /// *Durability to delivery.* The server tells a returning client that it has missed nothing.
    SkipCatchUp,
    /// *No phantom, no leak.* The server broadcasts to everyone, whatever the room.
    LeakRoom,
    /// *Detection.* The client does not notice that its connection is dead.
    DeafWatchdog,
    /// *Reconnection.* The client continues under the id of its first session.
    ReusedSession,
    /// *Reconnection.* The client reconnects at once, without waiting.
    EagerReconnect,
    /// *At most once, durability to delivery.* The server broadcasts at once and stores a moment
    /// later: a crash in between leaves receivers with a message that does not exist.
    BroadcastBeforeCommit,
    /// *Acknowledgement truth.* The mistake of the official tutorial: the client offset is made of
    /// the socket's id, which is undefined offline, and the server takes every conflict of client
    /// offsets for a retry.
    OffsetFromSocketId,
    /// *Acknowledgement truth.* The client keeps its identity on disk, but counts from one again
    /// after a restart; the server takes every conflict of client offsets for a retry.
    ClientOffsetRestarts,
    /// *At least once.* The client keeps its outbox on disk, and does not read it when it starts.
    OutboxForgets,
    /// *Ordering.* An unacknowledged message goes to the end of the queue.
    RetriesOutOfOrder,
    /// *No phantom, no leak.* The server broadcasts to rooms of the same name in every namespace.
    LeakNamespace,
    /// *No phantom, no leak.* Private messages go to everyone in the namespace.
    LeakPrivate,
    /// *No phantom, no leak.* A user who has left a room goes on getting its messages.
    LeaveDoesNotLeave,
    /// *No phantom, no leak.* A user who joins a room also gets earlier messages of it, as soon as
    /// the client connects with an empty memory.
    JoinTellsThePast,
    /// *No phantom, no leak.* A message for all but the sender comes back to the sender.
    EchoToSender,
    /// *No phantom, no leak.* The server stores and delivers only the first 64 bytes of binary
    /// content.
    BinaryTruncated,
    /// *No phantom, no leak.* The server stores typing notices.
    TypingStored,
    /// *Acknowledgement truth.* The server acknowledges what it refuses.
    RefusalAcknowledged,
    /// *Recovery.* A recovered session is in none of its rooms.
    RecoveryWithoutRooms,
    /// *Recovery.* A recovered session is in the rooms of another client.
    RecoveryWrongRoom,
    /// *Recovery.* The client names the first offset that it has seen instead of the last, and
    /// handles what is repeated once more.
    RecoveryReplayedTwice,
    /// *Recovery.* The client throws away what arrives before the greeting, which is what it has
    /// missed.
    RecoveryForgetsMissed,
    /// *Recovery.* The server keeps sessions a hundred times as long as it announces.
    RecoveryAfterExpiry,
    /// *Recovery.* The server does not tell the client that its session is recovered.
    RecoveryOneSided,
    /// *Exactly once, recovery.* When the server starts, it does not send what its last process
    /// stored but was killed before sending.
    RecoveryForgetsUnsent,
    /// *Exactly once, recovery.* The server considers a client live again that has not received the
    /// last page of its catch-up.
    RecoveryForgetsPage,
    /// *Recovery.* A recovered session has the id of its connection.
    RecoveryNewId,
    /// *Durability to delivery.* A server of a cluster sends out what the channel brings in the
    /// order of arrival, though its clients take ids below their cursor for duplicates.
    ChannelOutOfOrder,
    /// *Progress.* The server sends large contents as a whole to clients that would ask for them
    /// piece by piece: over a slow link such a message outlasts the heartbeat, on every connection.
    LargeAsAWhole,
    /// *Just failure.* The client takes "cannot be stored for now" for "will never be stored".
    PutOffMeansFailed,
    /// *Just failure.* When a message has been sent as often as allowed, the client reports it as
    /// failed, though it may be stored.
    UnknownMeansFailed,
    /// *Progress.* A server that shuts down disconnects its clients from their namespaces, and they
    /// do what Socket.IO's own clients do then: they stay away.
    StopMeansForGood,
    /// *Stability.* The client drops its connection after every message whose id is a multiple of
    /// twenty.
    RestlessClient,
    /// *No leak.* The server keeps a session whose client has left for good.
    SessionOutlivesClient,
    /// *Uniqueness.* The server lets two users have the same nickname.
    NicknameShared,
    /// *Fairness.* The server stores the messages of all but the first sender three seconds late.
    FavouredClient,
    /// *Ephemeral delivery.* The server does not pass on typing notices.
    TypingSwallowed,
    /// *Ephemeral delivery.* The server repeats typing notices five seconds later.
    TypingRepeated,
    /// *Reconnection.* The client's back-off is not reset when a connection is established.
    BackoffNotReset,
    /// *Reconnection.* The client's back-off has no jitter: clients that lose the same server come
    /// back at the same moment.
    BackoffWithoutJitter,
    /// *Reconnection.* The time for which the client waits for an acknowledgement never comes down
    /// again.
    PatienceStaysUp,
    /// *Reconnection.* The client's back-off does not grow: a server that is down is tried all the
    /// time.
    BackoffNeverGrows,
    /// *Just failure.* The client retries a message once more than allowed.
    OneRetryTooMany,
    /// *No leak.* The client keeps asking for what it has missed, though it has missed nothing.
    AsksForEver,
    /// *Detection.* The client gives up after a quarter of the silence that it should allow.
    HastyWatchdog,
    /// *Recovery.* The server keeps one packet for a waiting session, whatever it announces.
    RecoveryKeepsTooLittle,
    /// *Fairness.* The server lets every user say as much as they like.
    AllowsTooMuch,
    /// *Progress.* The server does not answer a message that it has stored already: its client
    /// retries forever.
    DuplicateUnanswered,
    /// *Recovery.* The server gives a client whose session is gone a new one, without a word about
    /// the old one.
    RefusedWithoutReason,
    /// *No leak.* The server keeps a room when there is no user in it any more.
    RoomOutlivesMembers,
    /// *No leak.* The client leaves finished messages in its outbox on the disk.
    OutboxKeepsWhatIsDone,
    /// *At least once.* The client writes a message to its disk when it is given the next one.
    OutboxOneBehind,
    /// *Progress.* The client asks for the next page of a catch-up two seconds after it got one.
    PagesOnATimer,
    /// *Progress.* A client whose attempt to connect fails does not retry.
    OneAttempt,
    /// *Reconnection.* The client's back-off starts with its second step.
    BackoffBeginsHigh,
    /// *Presence.* The server announces who joins, but not who leaves.
    PresenceForgetsLeaving,
    /// *Presence.* The server considers a user gone when one session ends, though the user is back
    /// with another one.
    PresenceForgetsReturned,
    /// *Presence.* The client goes on showing users who left while it was away.
    PresenceKeepsTheGone,
    /// *Exactly once.* The server takes what one device of a user has been sent for handled by the
    /// user: another one that was away does not get it.
    OffsetByUser,
    /// *Memory.* The server keeps every message that it was ever sent.
    MessagesKept,
    /// *Latency.* The client takes its time with everything that comes.
    SluggishClient,
    /// *Recovery.* The recovery layer refuses an offset that is older than the session: a session
    /// in which nothing was sent yet cannot be recovered, because its client still names the last
    /// offset of the one before.
    EarlierOffsetRefused,
    /// *At most once.* The server sends every message twice on the same connection; its client
    /// leaves out the second.
    SentTwice,
    /// *Durability to delivery.* The server counts every fifth message as sent and does not send
    /// it; its client notices the gap at once, and asks.
    CountedNotSent,
    /// *No phantom.* The server delivers joins, leaves and nicknames as plain messages.
    KindForgotten,
    /// *Durability to delivery.* The server stores messages, and neither sends them nor tells that
    /// they are stored.
    StoredInSilence,
}

impl Bug {
    /// How often programs with this mistake have reached the place where they make it, in this
    /// process.
    pub fn reached(self) -> u64 {
        REACHED[self as usize].load(Ordering::Relaxed)
    }
}

/// The counts, indexed by mistake.
static REACHED: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

const COUNT: usize = Bug::StoredInSilence as usize + 1;

thread_local! {
    /// The mistake made by programs on this thread.
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// From now on, programs on this thread make this mistake, if there is one.
pub(crate) fn plant(bug: Option<Bug>) {
    if bug.is_some() {
        PLANTED.set(bug);
    }
}

/// Whether the program, which has reached the place of this mistake, makes it.
pub(crate) fn on(bug: Bug) -> bool {
    let on = PLANTED.get() == Some(bug);
    if on {
        REACHED[bug as usize].fetch_add(1, Ordering::Relaxed);
    }
    on
}

/// Whether the server sends messages to sessions that are not in their rooms.
pub(crate) fn leaks_rooms() -> bool {
    let leaks = [Bug::LeakRoom, Bug::LeakNamespace, Bug::LeakPrivate];
    PLANTED.get().is_some_and(|bug| leaks.contains(&bug))
}
