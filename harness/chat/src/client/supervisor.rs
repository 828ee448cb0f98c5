//! Keeps a client connected: one connection after another, with a wait in between, for as long as
//! the user wants. While there is a connection it listens, speaks, and watches for silence.

use super::ack_timeout::AckTimeout;
use super::backoff::Backoff;
use super::carriers::Carriers;
use super::connection::{Connection, Emit, Signal};
use super::inbox::{Inbox, Judgement};
use super::outbox::Step;
use super::pieces::Pieces;
use super::roster::Roster;
use super::shared::Shared;
use super::{ClientEvent, ClientOptions, ToServer};
use crate::Observer;
use crate::cause::{End, EndCause};
use crate::message::{Content, MessageKind};
use crate::wire::{self, Claim, Delivery, Login, Ready, SyncRequest};
use futures_util::FutureExt;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long a departing client waits for its goodbye to be sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// The longest silence that a server may ask for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A client's program.
pub(super) struct Supervisor {
    options: ClientOptions,
    observer: Observer<ClientEvent>,
    shared: Arc<Shared>,
    inbox: Inbox,
    roster: Roster,
    pieces: Pieces,
    ack_timeout: AckTimeout,
    carriers: Carriers,
    /// Makes the server give the session back.
    claim: Option<Claim>,
    connection: Option<Connection>,
    /// How many servers have been tried so far, counting repeats.
    tried: usize,
}

/// What is in progress on a connection.
struct Conversation {
    catch_up: bool,
    /// How long a silence may last.
    patience: Duration,
    heard: Instant,
    /// At most one emit at a time, so that a stuck one cannot be overtaken.
    emit: Option<(Emit, Emitted)>,
    /// Since when the acknowledgement of the message in flight is awaited, and when it is overdue.
    ack: Option<(Instant, Instant)>,
    /// The server has said that it cannot store that message for now: it is retried at that time.
    put_off: bool,
    catching_up: CatchingUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Emitted {
    Message,
    Whisper,
    Sync,
    Piece,
    Who,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CatchingUp {
    /// Messages come unasked.
    Live,
    /// Something is missing, and has to be requested.
    Wanted,
    /// It has been requested; at this time it is overdue.
    Asked(Instant),
}

impl Supervisor {
    pub(super) fn new(
        options: ClientOptions,
        observer: Observer<ClientEvent>,
        shared: Arc<Shared>,
    ) -> Self {
        let (inbox, roster) = (Inbox::default(), Roster::default());
        let pieces = Pieces::new(options.ack_timeout);
        let ack_timeout = AckTimeout::new(options.ack_timeout);
        let carriers = Carriers::new(options.transport);
        let (claim, connection) = (None, None);
        Self {
            options,
            observer,
            shared,
            inbox,
            roster,
            pieces,
            ack_timeout,
            carriers,
            claim,
            connection,
            tried: 0,
        }
    }

    /// Runs until the user leaves, which is signalled by dropping the other end of `farewell`.
    pub(super) async fn run(mut self, farewell: oneshot::Receiver<Infallible>) {
        tokio::select! {
            biased;
            _ = farewell => {}
            never = self.stay_connected() => match never {},
        }
        self.take_leave().await;
    }

    async fn stay_connected(&mut self) -> Infallible {
        let (min, max) = (self.options.backoff_min, self.options.backoff_max);
        let mut backoff = Backoff::new(min, max);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.tell(ClientEvent::Connecting { attempt });
            // Boxed, so that a client that is connected does not hold what connecting takes.
            let end = match Box::pin(self.connect()).await {
                Ok(ready) => {
                    (attempt, _) = (0, backoff.reset());
                    self.converse(ready).await
                }
                Err(end) => end,
            };
            drop(self.connection.take());
            self.pieces.disconnected();
            let lost = self.shared.outbox().disconnected(&end.reason);
            lost.into_iter().for_each(|event| self.tell(event));
            self.tell_end(end);
            sleep(backoff.next()).await;
        }
    }

    async fn connect(&mut self) -> Result<Ready, End> {
        let (name, rooms) = (self.options.name.clone(), self.options.rooms.clone());
        let login = Login {
            name,
            device: self.options.device.clone(),
            rooms,
            server_offset: self.inbox.offset(),
            pieces: true,
            pages: true,
            token: self.options.token.clone(),
            claim: self.claim.clone(),
        };
        let server = self.next_server();
        let connecting = self.carriers.connect(&self.options, &server, &login);
        let (connection, ready) = connecting.await?;
        self.connection = Some(connection);
        let session = ready.session.clone();
        let (recovered, refused) = (ready.recovered, ready.refused);
        // As in Socket.IO's own client: an offset is kept until an event brings another, whatever
        // the session.
        let offset = self.claim.take().and_then(|claim| claim.offset);
        let private_id = ready.private_id.clone();
        self.claim = private_id.map(|pid| Claim { pid, offset });
        self.tell(ClientEvent::Connected {
            session,
            recovered,
            refused,
        });
        Ok(ready)
    }

    /// The first server first, and then the others in turn.
    fn next_server(&mut self) -> String {
        let others = &self.options.other_servers;
        let turn = self.tried % (others.len() + 1);
        self.tried += 1;
        let other = turn.checked_sub(1).map(|other| &others[other]);
        other.unwrap_or(&self.options.server).clone()
    }

    /// Listens and speaks until the connection ends; returns why it did.
    async fn converse(&mut self, ready: Ready) -> End {
        let mut talk = Conversation::new(&ready, self.options.ack_timeout);
        self.shared.outbox().connected(&ready);
        self.roster.connected();
        loop {
            self.speak(&mut talk);
            let Some(connection) = &mut self.connection else {
                return End::new(EndCause::Closed, "closed");
            };
            let (silence, ack, page) = (talk.silence_due(), talk.ack_due(), talk.page_due());
            // A page may be held up by what comes in pieces.
            let page = page.filter(|_| !self.pieces.is_busy());
            let piece = self.pieces.due();
            // In a crowd there is nearly always a signal, and nothing else is worth checking before
            // it.
            let event = match connection.next().now_or_never() {
                Some(signal) => Happened::Signal(signal),
                None => tokio::select! {
                    biased;
                    signal = connection.next() => Happened::Signal(signal),
                    (outcome, what) = talk.emitted() => Happened::Emitted(outcome, what),
                    () = sleep_until(silence) => Happened::Silence,
                    () = until(ack) => Happened::AckOverdue,
                    () = until(page) => Happened::PageOverdue,
                    () = until(piece) => Happened::PieceOverdue,
                    () = self.shared.given.notified() => Happened::Given,
                },
            };
            if let Some(end) = self.react(&mut talk, event) {
                return end;
            }
        }
    }

    /// Puts the next thing on the connection, unless something is being put there already.
    fn speak(&mut self, talk: &mut Conversation) {
        let limit = self.options.ack_timeout;
        while talk.emit.is_none() {
            let Some(connection) = &self.connection else {
                return;
            };
            if talk.catching_up == CatchingUp::Wanted {
                let request = SyncRequest {
                    offset: self.inbox.offset(),
                };
                talk.emit = Some((connection.emit(wire::SYNC, &request, limit), Emitted::Sync));
                talk.catching_up = CatchingUp::Asked(Instant::now() + limit);
                return;
            }
            if let Some(request) = self.pieces.ask(Instant::now()) {
                talk.emit = Some((
                    connection.emit(wire::PIECE, &request, limit),
                    Emitted::Piece,
                ));
                return;
            }
            if self.roster.ask() {
                self.tell_missed(false);
                talk.emit = Some((connection.emit(wire::WHO, &(), limit), Emitted::Who));
                return;
            }
            let step = self.shared.outbox().next();
            match step {
                None => return,
                Some(Step::Done(event)) => self.tell(event),
                Some(Step::Whisper(message)) => {
                    let emit = connection.emit(wire::CHAT_MESSAGE, &message, limit);
                    talk.emit = Some((emit, Emitted::Whisper));
                }
                Some(Step::Send(message, retried)) => {
                    let acknowledged = self.options.to_server != ToServer::AtMostOnce;
                    let limit = self.ack_timeout.current();
                    let emit = match (&message.content, acknowledged) {
                        // Answered by an event: see `frame`.
                        (Content::Binary(bytes), _) => {
                            connection.emit_binary(&message, bytes, limit)
                        }
                        (_, false) => connection.emit(wire::CHAT_MESSAGE, &message, limit),
                        (_, true) => connection.emit_with_ack(wire::CHAT_MESSAGE, &message, limit),
                    };
                    talk.ack = acknowledged.then(|| (Instant::now(), Instant::now() + limit));
                    talk.emit = Some((emit, Emitted::Message));
                    retried.into_iter().for_each(|event| self.tell(event));
                }
            }
        }
    }

    /// Handles what has happened; returns an end if the connection has ended.
    fn react(&mut self, talk: &mut Conversation, event: Happened) -> Option<End> {
        match event {
            Happened::Signal(signal) => return self.listen(talk, signal),
            Happened::Emitted(Ok(()), Emitted::Message) => {
                let done = self.shared.outbox().emitted();
                done.into_iter().for_each(|event| self.tell(event));
            }
            Happened::Emitted(Ok(()), Emitted::Whisper) => {
                let done = self.shared.outbox().whispered();
                done.into_iter().for_each(|event| self.tell(event));
            }
            Happened::Emitted(Ok(()), Emitted::Sync | Emitted::Piece | Emitted::Who) => {}
            Happened::Emitted(Err(end), _) => {
                if talk.ack_due().is_some_and(|due| due <= Instant::now()) {
                    self.ack_timeout.overdue();
                }
                return Some(end);
            }
            Happened::Silence => {
                talk.heard = Instant::now();
                let after = Some(talk.patience);
                return Some(End::new(
                    EndCause::Silent { after },
                    format!("the server has been silent for {:?}", talk.patience),
                ));
            }
            Happened::AckOverdue if std::mem::take(&mut talk.put_off) => {
                talk.ack = None;
                self.shared.outbox().timed_out();
            }
            Happened::AckOverdue => {
                // The retry needs a new connection: see `Connection::emit_with_ack`.
                talk.ack = None;
                self.shared.outbox().timed_out();
                let limit = self.ack_timeout.current();
                self.ack_timeout.overdue();
                return Some(End::new(
                    EndCause::Unanswered { after: limit },
                    format!("no acknowledgement within {limit:?}"),
                ));
            }
            Happened::PieceOverdue => self.pieces.overdue(),
            Happened::PageOverdue => {
                self.tell_missed(true);
                talk.catching_up = CatchingUp::Wanted;
            }
            // It is in the outbox already, and we look for the next thing to say in any case.
            Happened::Given => {}
        }
        None
    }

    fn listen(&mut self, talk: &mut Conversation, signal: Signal) -> Option<End> {
        if !matches!(signal, Signal::Lost(_)) {
            talk.heard = Instant::now();
        }
        let signal = self.in_its_turn(talk, signal)?;
        match signal {
            Signal::Lost(end) => return Some(end),
            Signal::Stopping => return Some(End::new(EndCause::Stopping, "the server stops")),
            Signal::Delivery(delivery, offset) => match self.judge(talk, &delivery, offset) {
                Judgement::Handle => {
                    self.tell(ClientEvent::Delivered {
                        id: delivery.id,
                        room: delivery.room,
                        sender: delivery.sender,
                        kind: delivery.particulars.kind,
                        nickname: delivery.particulars.nickname,
                        content: delivery.content.into(),
                    });
                }
                Judgement::Duplicate => self.tell_repeated(*delivery),
                Judgement::Gap => self.miss(talk),
            },
            Signal::Synced(page) => {
                let complete = self.inbox.page_ended(&page);
                if page.live && !complete {
                    self.tell_missed(true);
                }
                talk.catching_up = if complete {
                    CatchingUp::Live
                } else {
                    CatchingUp::Wanted
                };
            }
            Signal::Beat(beat) => {
                self.roster.compare(beat.roster);
                if talk.catch_up && !self.pieces.is_busy() && self.inbox.is_behind(beat) {
                    self.miss(talk);
                }
            }
            Signal::Roster(news) => {
                let changes = self.roster.hear(*news);
                changes.into_iter().for_each(|change| self.tell(change));
            }
            Signal::Typing(typing) => self.tell(ClientEvent::Delivered {
                id: 0,
                room: typing.room,
                sender: typing.sender,
                kind: MessageKind::Typing,
                nickname: None,
                content: typing.content.into(),
            }),
            Signal::Receipt(receipt) => {
                let mut outbox = self.shared.outbox();
                talk.put_off |= outbox.is_put_off(&receipt);
                let done = outbox.acknowledged(*receipt);
                drop(outbox);
                if let Some(event) = done {
                    if let Some((since, _)) = talk.ack.take() {
                        self.ack_timeout.answered(since.elapsed());
                    }
                    self.tell(event);
                }
            }
            // There is only one greeting, which has come; pieces have been assembled.
            Signal::Ready(_) | Signal::Piece(_) | Signal::Noise => {}
        }
        None
    }

    /// Returns the signal, unless its turn comes later: a message whose content has to be
    /// requested, or something whose place is after such a message.
    fn in_its_turn(&mut self, talk: &mut Conversation, signal: Signal) -> Option<Signal> {
        match signal {
            Signal::Piece(piece) => {
                let whole = self.pieces.add(&piece, Instant::now());
                if let Some(connection) = &mut self.connection {
                    connection.go_on_with(whole);
                }
                None
            }
            Signal::Delivery(..) | Signal::Synced(_) if self.pieces.is_busy() => {
                self.pieces.wait(signal);
                None
            }
            Signal::Delivery(delivery, offset) => {
                talk.page_goes_on(self.options.ack_timeout);
                let next = self.inbox.consider(&delivery, talk.catch_up) == Judgement::Handle;
                match delivery.particulars.length {
                    Some(total) if next => {
                        self.pieces.begin(delivery, offset, total);
                        None
                    }
                    _ => Some(Signal::Delivery(delivery, offset)),
                }
            }
            other => Some(other),
        }
    }

    /// Decides about a delivery, and remembers its offset unless it has to come again.
    fn judge(
        &mut self,
        talk: &Conversation,
        delivery: &Delivery,
        offset: Option<String>,
    ) -> Judgement {
        let judgement = self.inbox.judge(delivery, talk.catch_up);
        if let (Some(claim), true) = (&mut self.claim, judgement != Judgement::Gap) {
            claim.offset = offset.or(claim.offset.take());
        }
        judgement
    }

    /// Something is missing. If a page is on its way, it may be in there.
    fn miss(&self, talk: &mut Conversation) {
        if talk.catching_up == CatchingUp::Live {
            self.tell_missed(true);
            talk.catching_up = CatchingUp::Wanted;
        }
    }

    fn tell_missed(&self, messages: bool) {
        self.tell(ClientEvent::Missed {
            messages,
            reliable: self.is_reliable(),
        });
    }

    fn tell_repeated(&self, delivery: Delivery) {
        self.tell(ClientEvent::Repeated {
            id: delivery.id,
            content: delivery.content.into(),
            reliable: self.is_reliable(),
        });
    }

    fn is_reliable(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.is_reliable)
    }

    /// Says goodbye to the server, if there is one, and tells the user what became of the rest.
    async fn take_leave(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Whether the server has heard it makes no difference to a client that leaves.
            let _ = timeout(FAREWELL, connection.close()).await;
            self.tell_end(End::new(EndCause::Meant, "the user has left"));
        }
        let left = self.shared.outbox().abandon();
        left.into_iter().for_each(|event| self.tell(event));
    }

    fn tell_end(&self, End { cause, reason }: End) {
        self.tell(ClientEvent::Disconnected { cause, reason });
    }

    fn tell(&self, event: ClientEvent) {
        (self.observer)(event);
    }
}

/// What a conversation waits for.
enum Happened {
    Signal(Signal),
    Emitted(Result<(), End>, Emitted),
    Silence,
    AckOverdue,
    PageOverdue,
    PieceOverdue,
    Given,
}

impl Conversation {
    /// The first page comes unasked.
    fn new(ready: &Ready, page_limit: Duration) -> Self {
        let now = Instant::now();
        let patience_ms = ready.ping_interval_ms.saturating_add(ready.ping_timeout_ms);
        let catching_up = match ready.catch_up && !ready.live {
            true => CatchingUp::Asked(now + page_limit),
            false => CatchingUp::Live,
        };
        Self {
            catch_up: ready.catch_up,
            patience: Duration::from_millis(patience_ms).min(LONGEST_PATIENCE),
            heard: now,
            emit: None,
            ack: None,
            put_off: false,
            catching_up,
        }
    }

    /// Waits for the emit in progress, if there is one.
    async fn emitted(&mut self) -> (Result<(), End>, Emitted) {
        let Some((emit, what)) = &mut self.emit else {
            return pending().await;
        };
        let (outcome, what) = (emit.await, *what);
        self.emit = None;
        (outcome, what)
    }

    fn silence_due(&self) -> Instant {
        self.heard + self.patience
    }

    fn ack_due(&self) -> Option<Instant> {
        self.ack.map(|(_, due)| due)
    }

    fn page_due(&self) -> Option<Instant> {
        match self.catching_up {
            CatchingUp::Asked(due) => Some(due),
            CatchingUp::Live | CatchingUp::Wanted => None,
        }
    }

    /// Part of the page has come: it is not overdue as long as more of it comes.
    fn page_goes_on(&mut self, limit: Duration) {
        if let CatchingUp::Asked(due) = &mut self.catching_up {
            *due = Instant::now() + limit;
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
