//! Planted mistakes. A harness that never sees a checker fail proves nothing, so the chat can be
//! told to make exactly one mistake, and every checker has a chat that it must catch.
//!
//! The same value may be given to the server and to the clients; each side looks only at the
//! mistakes that are its own. Nothing of this is active unless it is asked for. A mistake belongs
//! to the thread on which a server or client begins, and a machine of the simulated world has
//! threads of its own.

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
    /// for them again when it comes back, and handles them again.
    HandleTwice,
    /// *Ordering, at most once.* The mistake of the official tutorial: catching up runs while live
    /// messages go out, and the client stores the offset of the last message it saw instead of the
    /// highest. Older messages follow newer ones, and come again after the next reconnection.
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
    /// *At least once.* The client does not retry a message that was not acknowledged, and says
    /// that it was sent.
    ForgetRetry,
    /// *Durability to delivery.* The server tells a client that comes back that it has missed
    /// nothing.
    SkipCatchUp,
    /// *No phantom, no leak.* The server broadcasts to everybody, whatever the room.
    LeakRoom,
    /// *Detection.* The client does not notice that its connection is dead.
    DeafWatchdog,
    /// *Reconnection.* The client goes on under the id of its first session.
    ReusedSession,
    /// *Reconnection.* The client connects again at once, without waiting.
    EagerReconnect,
    /// *At most once, durability to delivery.* The server broadcasts at once and stores a moment
    /// later: a crash in between leaves receivers with what does not exist.
    BroadcastBeforeCommit,
    /// *Acknowledgement truth.* The mistake of the official tutorial: the client offset is made of
    /// the socket's id, which does not exist offline, and the server takes every conflict of client
    /// offsets for a retry.
    OffsetFromSocketId,
    /// *Acknowledgement truth.* The client keeps its identity on disk, but counts from one again
    /// after a restart; the server takes every conflict of client offsets for a retry.
    ClientOffsetRestarts,
    /// *At least once.* The client keeps its outbox on disk, and does not read it when it starts.
    OutboxForgets,
    /// *Ordering.* A message that was not acknowledged goes to the end of the queue.
    RetriesOutOfOrder,
    /// *No phantom, no leak.* The server broadcasts to rooms of the same name in every namespace.
    LeakNamespace,
    /// *No phantom, no leak.* Private messages go to everybody in the namespace.
    LeakPrivate,
    /// *No phantom, no leak.* Whoever leaves a room goes on getting its messages.
    LeaveDoesNotLeave,
    /// *No phantom, no leak.* Whoever joins a room gets what was said there before, as soon
    /// as it connects with an empty memory.
    JoinTellsThePast,
    /// *No phantom, no leak.* What is for all but the sender comes back to the sender.
    EchoToSender,
    /// *No phantom, no leak.* The server stores and delivers the first 64 bytes of what is binary.
    BinaryTruncated,
    /// *No phantom, no leak.* The server stores that somebody is typing.
    TypingStored,
    /// *Acknowledgement truth.* The server acknowledges what it refuses.
    RefusalAcknowledged,
    /// *Recovery.* A recovered session is in none of the rooms that it was in.
    RecoveryWithoutRooms,
    /// *Recovery.* A recovered session is in the rooms of another client.
    RecoveryWrongRoom,
    /// *Recovery.* The client names the first offset that it has seen instead of the last, and
    /// handles again what comes again.
    RecoveryReplayedTwice,
    /// *Recovery.* The client throws away what it is sent before the greeting, which is what it has
    /// missed.
    RecoveryForgetsMissed,
    /// *Recovery.* The server keeps sessions a hundred times as long as it says.
    RecoveryAfterExpiry,
    /// *Recovery.* The server does not tell the client that its session is recovered.
    RecoveryOneSided,
    /// *Exactly once, recovery.* The server does not send, when it starts, what its last process
    /// has stored and was killed before it sent it.
    RecoveryForgetsUnsent,
    /// *Exactly once, recovery.* The server takes a client for live again that has not got the last
    /// page of its catch-up.
    RecoveryForgetsPage,
    /// *Recovery.* A recovered session has the id of its connection.
    RecoveryNewId,
    /// *Durability to delivery.* A server of a cluster sends out what the channel brings as it
    /// comes, though its clients take ids below their cursor for duplicates.
    ChannelOutOfOrder,
    /// *Progress.* The server sends large contents as a whole to clients that would ask for them
    /// piece by piece: over a slow link such a message outlasts the heartbeat, on every connection
    /// again.
    LargeAsAWhole,
    /// *Just failure.* The client takes what the server cannot store for now for what it will never
    /// store.
    PutOffMeansFailed,
    /// *Just failure.* When a message was sent as often as it may be, the client says that it has
    /// failed, though it may be stored.
    UnknownMeansFailed,
    /// *Progress.* A server that stops disconnects its clients from their namespaces, and they do
    /// what Socket.IO's own clients do then: they stay away.
    StopMeansForGood,
    /// *Stability.* The client lets go of its connection after every message whose id is a multiple
    /// of twenty.
    RestlessClient,
    /// *No leak.* The server keeps a session whose client has left for good.
    SessionOutlivesClient,
    /// *Uniqueness.* The server lets two users have the same nickname.
    NicknameShared,
    /// *Fairness.* The server stores what everybody but the first sender says three seconds late.
    FavouredClient,
    /// *Ephemeral delivery.* The server does not pass on that somebody is typing.
    TypingSwallowed,
    /// *Ephemeral delivery.* The server tells again who was typing five seconds later.
    TypingRepeated,
    /// *Reconnection.* The client's back-off does not start over when a connection is established.
    BackoffNotReset,
    /// *Reconnection.* The client's back-off is not drawn: who loses the same server comes back at
    /// the same moment.
    BackoffWithoutJitter,
    /// *Reconnection.* The time for which the client waits for an acknowledgement never comes back
    /// down.
    PatienceStaysUp,
    /// *Reconnection.* The client's back-off does not grow: a server that is away is asked all the
    /// time.
    BackoffNeverGrows,
    /// *Just failure.* The client tries a message once more than it may.
    OneRetryTooMany,
    /// *No leak.* The client asks for what it has missed again and again, though it has missed
    /// nothing.
    AsksForEver,
    /// *Detection.* The client takes a quarter of the time that a silence may last for a silence.
    HastyWatchdog,
    /// *Recovery.* The server keeps one packet for a session that waits, whatever it says.
    RecoveryKeepsTooLittle,
    /// *Fairness.* The server lets everybody say as much as they like.
    AllowsTooMuch,
    /// *Progress.* The server does not answer what it has stored already: its client tries for
    /// ever.
    DuplicateUnanswered,
    /// *Recovery.* The server gives a client whose session is gone a new one, and says nothing of
    /// the old.
    RefusedWithoutReason,
    /// *No leak.* The server keeps a room when nobody is in it any more.
    RoomOutlivesMembers,
    /// *No leak.* The client leaves in its outbox on the disk what is done.
    OutboxKeepsWhatIsDone,
    /// *At least once.* The client puts a message on its disk when it is given the next one.
    OutboxOneBehind,
    /// *Progress.* The client asks for the next page of a catch-up two seconds after it has got
    /// one.
    PagesOnATimer,
    /// *Progress.* A client whose attempt to connect fails does not try again.
    OneAttempt,
    /// *Reconnection.* The client's back-off begins with its second step.
    BackoffBeginsHigh,
    /// *Presence.* The server tells who comes, and not who leaves.
    PresenceForgetsLeaving,
    /// *Presence.* The server takes a user for gone when one session ends, though the user is back
    /// with another one.
    PresenceForgetsReturned,
    /// *Presence.* The client goes on showing who left while it was away.
    PresenceKeepsTheGone,
}

impl Bug {
    /// How often a program with this mistake has come to where it makes it, in this process.
    pub fn reached(self) -> u64 {
        REACHED[self as usize].load(Ordering::Relaxed)
    }
}

/// By mistake.
static REACHED: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

const COUNT: usize = Bug::PresenceKeepsTheGone as usize + 1;

thread_local! {
    /// The mistake that programs of this thread make.
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// From now on programs of this thread make a mistake, if there is one.
pub(crate) fn plant(bug: Option<Bug>) {
    if bug.is_some() {
        PLANTED.set(bug);
    }
}

/// Whether the program makes this mistake, to whose place it has come.
pub(crate) fn on(bug: Bug) -> bool {
    let on = PLANTED.get() == Some(bug);
    if on {
        REACHED[bug as usize].fetch_add(1, Ordering::Relaxed);
    }
    on
}

/// Whether the server sends messages to those who are not in their rooms.
pub(crate) fn leaks_rooms() -> bool {
    let leaks = [Bug::LeakRoom, Bug::LeakNamespace, Bug::LeakPrivate];
    PLANTED.get().is_some_and(|bug| leaks.contains(&bug))
}
