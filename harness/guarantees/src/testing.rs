//! Small chats for the checkers' tests: a history is written as a few sentences.
//!
//! Unless a test says otherwise, every client starts and connects at 0 s as session `NAME-1`, is
//! entitled to the room `lobby`, and the run ends at 60 s without a fault. Times are in
//! milliseconds. Sentences may come in any order; the history is sorted by time.

use crate::evidence::{Message, Moment, Proof};
use crate::index::Index;
use crate::{
    Bounds, Capacity, Client, ClientId, Direction, Disturbance, DisturbanceKind, EndCause, Event,
    EventKind, FailureCause, Guarantee, Held, History, Lack, LatencyBound, Leftover, Live, Lost,
    Measure, MemoryUse, MessageKind, OperationId, RecoveryBounds, RecoveryRefused, Share, Silence,
    Standstill, StoredMessage, Time, Verdict, seconds,
};

/// A message of Alice's as evidence.
pub(crate) fn message(content: &str) -> Message {
    Message {
        content: content.to_owned(),
        sender: "alice".to_owned(),
        room: "den".to_owned(),
        sent_at: Some(Time::from_secs(1)),
        retries: 0,
        rows: Vec::new(),
    }
}

/// What a story tells about this evidence, as text. Its fields are all documented.
pub(crate) fn moment<P: Proof>(proof: P) -> String {
    let facts = serde_json::to_value(&proof).expect("facts");
    for field in facts.as_object().expect("a table").keys() {
        let documented = P::FIELDS.contains(&format!("`{field}`"));
        assert!(documented, "the fields of {} lack {field}", P::KIND);
    }
    let Moment { at, who, what, .. } = proof.moment();
    let at = at.map_or("at the end".to_owned(), seconds);
    format!("{at} {}: {what}", who.join(", "))
}

#[derive(Clone)]
pub(crate) struct Chat {
    history: History,
    connections: Vec<u32>,
}

pub(crate) fn chat<const N: usize>(clients: [&str; N]) -> Chat {
    let ms = Time::from_millis;
    let client = |name: &str| Client {
        name: name.to_owned(),
        user: None,
        namespace: "/".to_owned(),
        rooms: vec!["lobby".to_owned()],
    };
    let mut chat = Chat {
        history: History {
            clients: clients.map(client).to_vec(),
            bounds: Bounds {
                client_detection: ms(4_000),
                server_detection: ms(3_000),
                delivery: ms(5_000),
                backoff_min: ms(1_000),
                backoff_max: ms(5_000),
                ..Bounds::default()
            },
            ended_at: ms(60_000),
            ..History::default()
        },
        connections: vec![0; N],
    };
    for name in clients {
        chat = chat.event(0, name, EventKind::Started).connected(0, name);
    }
    chat
}

impl Chat {
    /// The history told so far.
    pub(crate) fn history(mut self) -> History {
        self.history.events.sort_by_key(|event| event.at);
        self.history
    }

    /// The verdict on one guarantee, as text.
    pub(crate) fn verdict(self, guarantee: Guarantee) -> String {
        match guarantee.check(&Index::new(&self.history())) {
            Verdict::Held(exercise) => format!("held: {exercise}"),
            Verdict::Violated(violation) => format!("violated: {violation}"),
            Verdict::NotExercised(asked) => match asked.remark() {
                Some(remark) => format!("not exercised {remark}"),
                None => "not exercised".to_owned(),
            },
        }
    }

    /// How much a guarantee was asked, as text.
    pub(crate) fn asked(self, guarantee: Guarantee) -> String {
        let verdict = guarantee.check(&Index::new(&self.history()));
        verdict.asked().to_string()
    }

    /// The client is entitled to nothing.
    pub(crate) fn in_no_room(mut self, who: &str) -> Self {
        let client = self.client(who);
        self.history.clients[client.0 as usize].rooms.clear();
        self
    }

    /// The client is one of this user's devices.
    pub(crate) fn device_of(mut self, user: &str, who: &str) -> Self {
        let client = self.client(who);
        self.history.clients[client.0 as usize].user = Some(user.to_owned());
        self
    }

    /// As if the client's program had not started so far.
    pub(crate) fn never_started(mut self, who: &str) -> Self {
        let client = self.client(who);
        self.history.events.retain(|event| event.client != client);
        self
    }

    /// These clients, and no others, are entitled to one more room.
    pub(crate) fn room<const N: usize>(mut self, room: &str, clients: [&str; N]) -> Self {
        for name in clients {
            let client = self.client(name);
            self.history.clients[client.0 as usize]
                .rooms
                .push(room.to_owned());
        }
        self
    }

    pub(crate) fn sent<const N: usize>(self, at: u64, who: &str, contents: [&str; N]) -> Self {
        self.sent_to("lobby", at, who, contents)
    }

    /// Successive messages are sent 1 ms apart.
    pub(crate) fn sent_to<const N: usize>(
        mut self,
        room: &str,
        at: u64,
        who: &str,
        contents: [&str; N],
    ) -> Self {
        for (at, content) in (at..).zip(contents) {
            self = self.sent_as(MessageKind::Message, room, at, who, content);
        }
        self
    }

    /// A message of any kind.
    pub(crate) fn sent_as(
        self,
        kind: MessageKind,
        room: &str,
        at: u64,
        who: &str,
        content: &str,
    ) -> Self {
        self.invoked(at, who, (room, content), kind, true)
    }

    /// A message to the lobby that is not for its sender.
    pub(crate) fn sent_to_others(self, at: u64, who: &str, content: &str) -> Self {
        self.invoked(at, who, ("lobby", content), MessageKind::Message, false)
    }

    fn invoked(
        self,
        at: u64,
        who: &str,
        (room, content): (&str, &str),
        kind: MessageKind,
        echo: bool,
    ) -> Self {
        let operation = OperationId(self.history.events.len() as u64);
        let (room, content) = (room.to_owned(), content.to_owned());
        self.event(
            at,
            who,
            EventKind::Invoked {
                operation,
                room,
                content,
                kind,
                size: None,
                echo,
                nickname: None,
            },
        )
    }

    pub(crate) fn retried(self, at: u64, content: &str) -> Self {
        self.operation(at, content, |operation| EventKind::Retried {
            operation,
            attempt: 2,
        })
    }

    pub(crate) fn acknowledged(self, at: u64, content: &str) -> Self {
        self.operation(at, content, |operation| EventKind::Ok {
            operation,
            acknowledged: true,
        })
    }

    pub(crate) fn unacknowledged(self, at: u64, content: &str) -> Self {
        self.operation(at, content, |operation| EventKind::Ok {
            operation,
            acknowledged: false,
        })
    }

    pub(crate) fn failed(self, at: u64, content: &str) -> Self {
        let reason = "no connection".to_owned();
        self.operation(at, content, |operation| EventKind::Failed {
            operation,
            reason,
            cause: FailureCause::Unknown,
        })
    }

    /// Successive messages are handled 1 ms apart.
    pub(crate) fn handled<const N: usize>(
        mut self,
        at: u64,
        who: &str,
        contents: [&str; N],
    ) -> Self {
        for (at, content) in (at..).zip(contents) {
            let (sender, room) = self.sending_of(content);
            self = self.handled_as(at, who, content, &sender, &room);
        }
        self
    }

    pub(crate) fn handled_as(
        self,
        at: u64,
        who: &str,
        content: &str,
        sender: &str,
        room: &str,
    ) -> Self {
        let [content, sender, room] = [content, sender, room].map(str::to_owned);
        self.event(
            at,
            who,
            EventKind::Delivered {
                id: 1,
                room,
                sender,
                content,
                kind: None,
                nickname: None,
            },
        )
    }

    pub(crate) fn stored<const N: usize>(mut self, contents: [&str; N]) -> Self {
        for content in contents {
            let (sender, room) = self.sending_of(content);
            self = self.stored_as(content, &sender, &room);
        }
        self
    }

    pub(crate) fn stored_as(mut self, content: &str, sender: &str, room: &str) -> Self {
        let id = self.history.database.len() as i64 + 1;
        let kind = self.kind_of(content);
        let [content, sender, room] = [content, sender, room].map(str::to_owned);
        self.history.database.push(StoredMessage {
            id,
            sender,
            room,
            content,
            kind,
            client_offset: None,
            nickname: None,
            stored_at: None,
        });
        self
    }

    /// What was last handled is of this kind, and takes a nickname, as the server says.
    pub(crate) fn told_as(mut self, what: MessageKind, name: Option<&str>) -> Self {
        if let Some(Event {
            kind: EventKind::Delivered { kind, nickname, .. },
            ..
        }) = self.history.events.last_mut()
        {
            (*kind, *nickname) = (Some(what), name.map(str::to_owned));
        }
        self
    }

    /// The last message that was given asks for a nickname.
    pub(crate) fn asking_for(mut self, name: &str) -> Self {
        if let Some(Event {
            kind: EventKind::Invoked { kind, nickname, .. },
            ..
        }) = self.history.events.last_mut()
        {
            (*kind, *nickname) = (MessageKind::Nickname, Some(name.to_owned()));
        }
        self
    }

    /// The latest row takes a nickname.
    pub(crate) fn taking(mut self, nickname: &str) -> Self {
        let row = self.history.database.last_mut().expect("a row");
        (row.kind, row.nickname) = (MessageKind::Nickname, Some(nickname.to_owned()));
        self
    }

    pub(crate) fn connecting(self, at: u64, who: &str) -> Self {
        self.event(at, who, EventKind::Connecting { attempt: 1 })
    }

    /// The client and the server both see a new session: `NAME-1`, `NAME-2`, …
    pub(crate) fn connected(mut self, at: u64, who: &str) -> Self {
        let client = self.client(who);
        self.connections[client.0 as usize] += 1;
        let session = format!("{who}-{}", self.connections[client.0 as usize]);
        self.connected_as(at, who, &session)
    }

    pub(crate) fn connected_as(self, at: u64, who: &str, session: &str) -> Self {
        self.given(at, who, session, [false, false])
    }

    /// The client and the server both say that it is an earlier session.
    pub(crate) fn recovered(self, at: u64, who: &str, session: &str) -> Self {
        self.given(at, who, session, [true, true])
    }

    pub(crate) fn recovered_says_only_the_server(self, at: u64, who: &str, session: &str) -> Self {
        self.given(at, who, session, [true, false])
    }

    /// A session, and whether the server and the client say that it is an earlier one.
    fn given(self, at: u64, who: &str, session: &str, [by_server, by_client]: [bool; 2]) -> Self {
        let (session, recovered) = (session.to_owned(), by_server);
        let opened = EventKind::SessionOpened {
            session: session.clone(),
            recovered,
            server: String::new(),
        };
        let connected = EventKind::Connected {
            session,
            recovered: by_client,
            refused: None,
        };
        self.event(at, who, opened).event(at, who, connected)
    }

    /// The client asked for its session and got a new one, `NAME-2`.
    pub(crate) fn refused(mut self, at: u64, who: &str, refused: RecoveryRefused) -> Self {
        self = self.connected(at, who);
        if let Some(Event {
            kind: EventKind::Connected { refused: told, .. },
            ..
        }) = self.history.events.last_mut()
        {
            *told = Some(refused);
        }
        self
    }

    /// The client says that it has a session, and the server says nothing.
    pub(crate) fn connected_unopened(self, at: u64, who: &str, session: &str) -> Self {
        let connected = EventKind::Connected {
            session: session.to_owned(),
            recovered: false,
            refused: None,
        };
        self.event(at, who, connected)
    }

    /// Sessions wait for their clients this long.
    pub(crate) fn recovering(mut self, window: u64, outlives_server: bool) -> Self {
        self.history.bounds.recovery = Some(RecoveryBounds {
            window: Time::from_millis(window),
            outlives_server,
            elsewhere: false,
            tells_why: false,
            packets: None,
            sessions: None,
        });
        self
    }

    /// Sessions are kept in another place than their server.
    pub(crate) fn elsewhere(mut self) -> Self {
        let recovery = self.history.bounds.recovery.as_mut().expect("recovering");
        recovery.elsewhere = true;
        self
    }

    /// This many packets are kept for each session, and this many sessions may wait.
    pub(crate) fn keeping(mut self, packets: u32, sessions: u32) -> Self {
        let recovery = self.history.bounds.recovery.as_mut().expect("recovering");
        (recovery.packets, recovery.sessions) = (Some(packets), Some(sessions));
        self
    }

    /// A client that asks for a session and does not get it is told why.
    pub(crate) fn telling_why(mut self) -> Self {
        let recovery = self.history.bounds.recovery.as_mut().expect("recovering");
        recovery.tells_why = true;
        self
    }

    /// This share of what is measured takes this long at most.
    pub(crate) fn latency_of(mut self, what: Measure, share: Share, within: u64) -> Self {
        self.history.bounds.latency.push(LatencyBound {
            what,
            share,
            within: Time::from_millis(within),
        });
        self
    }

    /// A machine's programs held this many bytes when it was most, and may hold so many.
    pub(crate) fn holds(mut self, at: u64, machine: &str, bytes: u64, limit: u64) -> Self {
        self.history.memory.push(MemoryUse {
            machine: machine.to_owned(),
            at: Time::from_millis(at),
            bytes,
            limit,
        });
        self
    }

    /// The back-off starts over with at most this wait.
    pub(crate) fn backoff_first(mut self, longest: u64) -> Self {
        self.history.bounds.backoff_first = Some(Time::from_millis(longest));
        self
    }

    /// A client waits this long for an acknowledgement when the last one came in time.
    pub(crate) fn patience(mut self, patience: u64) -> Self {
        self.history.bounds.patience = Some(Time::from_millis(patience));
        self
    }

    /// It waits twice as long after each overdue one, up to this.
    pub(crate) fn patience_up_to(mut self, most: u64) -> Self {
        self.history.bounds.patience_max = Some(Time::from_millis(most));
        self
    }

    /// An attempt to connect is given up after this time.
    pub(crate) fn attempts_within(mut self, bound: u64) -> Self {
        self.history.bounds.attempt = Some(Time::from_millis(bound));
        self
    }

    /// The server tells who is online, and a change is to be shown within this time.
    pub(crate) fn presence(mut self, bound: u64) -> Self {
        self.history.bounds.presence = Some(Time::from_millis(bound));
        self
    }

    /// The client is in this namespace.
    pub(crate) fn namespace(mut self, namespace: &str, who: &str) -> Self {
        let client = self.client(who);
        self.history.clients[client.0 as usize].namespace = namespace.to_owned();
        self
    }

    /// The observer shows these users as online from now on.
    pub(crate) fn shown<const N: usize>(
        mut self,
        at: u64,
        observer: &str,
        users: [&str; N],
    ) -> Self {
        for user in users.map(str::to_owned) {
            self = self.event(at, observer, EventKind::Online { user });
        }
        self
    }

    /// The client noticed that it lacked something.
    pub(crate) fn missed(self, at: u64, who: &str, what: Lack, reliable: bool) -> Self {
        self.event(at, who, EventKind::Missed { what, reliable })
    }

    /// The client was sent again what it had handled.
    pub(crate) fn repeated(self, at: u64, who: &str, content: &str, reliable: bool) -> Self {
        let content = content.to_owned();
        let again = EventKind::Repeated {
            id: 1,
            content,
            reliable,
        };
        self.event(at, who, again)
    }

    /// The observer no longer shows them.
    pub(crate) fn hidden<const N: usize>(
        mut self,
        at: u64,
        observer: &str,
        users: [&str; N],
    ) -> Self {
        for user in users.map(str::to_owned) {
            self = self.event(at, observer, EventKind::Offline { user });
        }
        self
    }

    pub(crate) fn disconnected(self, at: u64, who: &str) -> Self {
        self.event(
            at,
            who,
            EventKind::Disconnected {
                reason: "silence".to_owned(),
                cause: EndCause::Unknown,
            },
        )
    }

    /// The server closes the client's first session.
    pub(crate) fn session_closed(self, at: u64, who: &str) -> Self {
        self.session_closed_because(at, who, EndCause::TimedOut)
    }

    pub(crate) fn session_closed_because(self, at: u64, who: &str, cause: EndCause) -> Self {
        let (session, reason) = (format!("{who}-1"), String::new());
        let closed = EventKind::SessionClosed {
            session,
            reason,
            cause,
            server: String::new(),
        };
        self.event(at, who, closed)
    }

    pub(crate) fn disconnected_because(self, at: u64, who: &str, cause: EndCause) -> Self {
        let reason = "its own".to_owned();
        self.event(at, who, EventKind::Disconnected { reason, cause })
    }

    /// As if the client had not connected at the beginning.
    pub(crate) fn never_connected(mut self, who: &str) -> Self {
        let client = self.client(who);
        self.history.events.retain(|event| {
            let connection = matches!(
                event.kind,
                EventKind::Connected { .. } | EventKind::SessionOpened { .. }
            );
            event.client != client || !connection
        });
        self
    }

    /// The server opens a session that the client does not report.
    pub(crate) fn opened_only(self, at: u64, who: &str, session: &str) -> Self {
        let opened = EventKind::SessionOpened {
            session: session.to_owned(),
            recovered: false,
            server: String::new(),
        };
        self.event(at, who, opened)
    }

    /// The server recovers a session, and its client never hears of it.
    pub(crate) fn reopened_only(self, at: u64, who: &str, session: &str) -> Self {
        let opened = EventKind::SessionOpened {
            session: session.to_owned(),
            recovered: true,
            server: String::new(),
        };
        self.event(at, who, opened)
    }

    /// The server closes a session.
    pub(crate) fn closed(self, at: u64, who: &str, session: &str) -> Self {
        self.closed_because(at, who, session, EndCause::TimedOut)
    }

    pub(crate) fn closed_because(self, at: u64, who: &str, session: &str, cause: EndCause) -> Self {
        let closed = EventKind::SessionClosed {
            session: session.to_owned(),
            reason: "heartbeat".to_owned(),
            cause,
            server: String::new(),
        };
        self.event(at, who, closed)
    }

    pub(crate) fn failed_because(self, at: u64, content: &str, cause: FailureCause) -> Self {
        let reason = "no luck".to_owned();
        self.operation(at, content, |operation| EventKind::Failed {
            operation,
            reason,
            cause,
        })
    }

    /// The client could not tell what became of it.
    pub(crate) fn unknown(self, at: u64, content: &str) -> Self {
        let reason = "no answer".to_owned();
        self.operation(at, content, |operation| EventKind::Unknown {
            operation,
            reason,
            cause: FailureCause::Unknown,
        })
    }

    pub(crate) fn unknown_because(self, at: u64, content: &str, cause: FailureCause) -> Self {
        let reason = "no answer".to_owned();
        self.operation(at, content, |operation| EventKind::Unknown {
            operation,
            reason,
            cause,
        })
    }

    /// A message of this many bytes to the lobby.
    pub(crate) fn sent_large(mut self, at: u64, who: &str, content: &str, bytes: u64) -> Self {
        self = self.sent(at, who, [content]);
        if let Some(Event {
            kind: EventKind::Invoked { size, .. },
            ..
        }) = self.history.events.last_mut()
        {
            *size = Some(bytes);
        }
        self
    }

    /// Typing, for everyone else in the room.
    pub(crate) fn typed(self, at: u64, room: &str, who: &str, content: &str) -> Self {
        self.invoked(at, who, (room, content), MessageKind::Typing, false)
    }

    pub(crate) fn handled_with_id(mut self, at: u64, who: &str, content: &str, id: i64) -> Self {
        self = self.handled(at, who, [content]);
        if let Some(Event {
            kind: EventKind::Delivered { id: told, .. },
            ..
        }) = self.history.events.last_mut()
        {
            *told = id;
        }
        self
    }

    /// The clients' paths are known: they carry whatever comes.
    pub(crate) fn links_without_limits(mut self) -> Self {
        let clients = self.history.clients.len();
        self.history.links = vec![Capacity::default(); clients];
        self
    }

    /// The client's path carries this many bytes per second, and loses this many packets in a
    /// million.
    pub(crate) fn link(mut self, who: &str, rate: u64, loss_ppm: u32) -> Self {
        let direction = Direction {
            rate: Some(rate),
            loss_ppm,
            ..Direction::default()
        };
        *self.link_of(who) = Capacity {
            to_client: direction,
            to_server: direction,
        };
        self
    }

    /// A packet needs this long from the client to the server, and this long back.
    pub(crate) fn latency(mut self, who: &str, to_server: u64, to_client: u64) -> Self {
        let link = self.link_of(who);
        link.to_server.latency = Time::from_millis(to_server);
        link.to_client.latency = Time::from_millis(to_client);
        self
    }

    /// How many packets in a million are lost of what the client sends, and of what it is sent.
    pub(crate) fn loses(mut self, who: &str, to_server: u32, to_client: u32) -> Self {
        let link = self.link_of(who);
        link.to_server.loss_ppm = to_server;
        link.to_client.loss_ppm = to_client;
        self
    }

    /// At how many bytes per second the client can send and receive.
    pub(crate) fn carries(
        mut self,
        who: &str,
        to_server: Option<u64>,
        to_client: Option<u64>,
    ) -> Self {
        let link = self.link_of(who);
        link.to_server.rate = to_server;
        link.to_client.rate = to_client;
        self
    }

    fn link_of(&mut self, who: &str) -> &mut Capacity {
        let client = self.client(who).0 as usize;
        let links = &mut self.history.links;
        links.resize(links.len().max(client + 1), Capacity::default());
        &mut links[client]
    }

    /// The client's path loses this many packets in a million, and this many of those that follow a
    /// lost one.
    pub(crate) fn bursts(mut self, who: &str, loss_ppm: u32, next_loss_ppm: u32) -> Self {
        self = self.link(who, 1_000_000, loss_ppm);
        self.link_of(who).to_client.next_loss_ppm = next_loss_ppm;
        self
    }

    /// A receiver gets this many of the messages that it has missed at a time.
    pub(crate) fn page(mut self, messages: u32) -> Self {
        self.history.bounds.page = Some(messages);
        self
    }

    /// How often each connection gives signs of life.
    pub(crate) fn heartbeat(mut self, interval: u64) -> Self {
        self.history.bounds.heartbeat = Some(Time::from_millis(interval));
        self
    }

    /// How often a message is tried again, and how large it may be.
    pub(crate) fn limits(mut self, retries: u32, max_payload: u64) -> Self {
        self.history.bounds.retries = Some(retries);
        self.history.bounds.max_payload = Some(max_payload);
        self
    }

    /// A client notices no silence before this time has passed.
    pub(crate) fn silent_after(mut self, bound: u64) -> Self {
        self.history.bounds.silence = Some(Time::from_millis(bound));
        self
    }

    /// A receiver that stays connected, and is not disturbed, gets a message within this time.
    pub(crate) fn prompt(mut self, bound: u64) -> Self {
        self.history.bounds.prompt = Some(Time::from_millis(bound));
        self
    }

    /// A receiver whose queue has room, and that is not disturbed, gets a message within this time.
    pub(crate) fn live(mut self, within: u64, packets: u32) -> Self {
        self.history.bounds.live = Some(Live {
            within: Time::from_millis(within),
            packets,
            bytes: 1 << 20,
        });
        self
    }

    /// The server tells when it has stored something.
    pub(crate) fn tells_commits(mut self) -> Self {
        self.history.bounds.tells_commits = true;
        self
    }

    /// Who is not disturbed is told within this time of who comes or goes.
    pub(crate) fn news(mut self, bound: u64) -> Self {
        self.history.bounds.news = Some(Time::from_millis(bound));
        self
    }

    /// A client may send this many messages per second, and this many at once.
    pub(crate) fn allowing(mut self, rate: u32, burst: u32) -> Self {
        self.history.bounds.allowance = Some((rate, burst));
        self
    }

    /// A client may be in this many rooms.
    pub(crate) fn rooms_up_to(mut self, most: u32) -> Self {
        self.history.bounds.rooms = Some(most);
        self
    }

    pub(crate) fn acknowledged_within(mut self, bound: u64) -> Self {
        self.history.bounds.acknowledgement = Some(Time::from_millis(bound));
        self
    }

    pub(crate) fn ephemeral_within(mut self, bound: u64) -> Self {
        self.history.bounds.ephemeral = Some(Time::from_millis(bound));
        self
    }

    /// The server holds this much at the end, of which this much may be left.
    pub(crate) fn left(mut self, what: Held, count: u64, expected_at_most: u64) -> Self {
        self.history.leftovers.push(Leftover {
            holder: "server".to_owned(),
            what,
            count,
            expected_at_most,
            at: self.history.ended_at,
        });
        self
    }

    /// At 9 s, the server held so much, which is the most; so much is allowed.
    pub(crate) fn peak(mut self, what: Held, count: u64, expected_at_most: u64) -> Self {
        self.history.peaks.push(Leftover {
            holder: "server".to_owned(),
            what,
            count,
            expected_at_most,
            at: Time::from_secs(9),
        });
        self
    }

    /// The rows stored so far, each with the offset that its client gave it.
    pub(crate) fn offsets<const N: usize>(mut self, offsets: [&str; N]) -> Self {
        for (row, offset) in self.history.database.iter_mut().zip(offsets) {
            row.client_offset = Some(offset.to_owned());
        }
        self
    }

    /// The last row was committed at this time.
    pub(crate) fn committed(mut self, at: u64) -> Self {
        if let Some(row) = self.history.database.last_mut() {
            row.stored_at = Some(Time::from_millis(at));
        }
        self
    }

    /// Something is wrong with a disk: a client's, or the server's.
    pub(crate) fn failing_disk(self, from: u64, until: u64, who: Option<&str>) -> Self {
        let mut chat = self.disturbed(from, Some(until), who);
        let fault = chat.history.disturbances.last_mut().expect("the fault");
        fault.kind = DisturbanceKind::Disk;
        chat
    }

    /// A fault, of everyone or of one client, that may never end.
    pub(crate) fn disturbed(mut self, from: u64, until: Option<u64>, who: Option<&str>) -> Self {
        self.history.disturbances.push(Disturbance {
            client: who.map(|who| self.client(who)),
            from: Time::from_millis(from),
            until: until.map(Time::from_millis),
            kind: DisturbanceKind::Cut,
        });
        self
    }

    /// There is a permanent middlebox on the client's path.
    pub(crate) fn behind_a_box(mut self, who: &str) -> Self {
        self = self.disturbed(0, None, Some(who));
        if let Some(disturbance) = self.history.disturbances.last_mut() {
            disturbance.kind = DisturbanceKind::Middlebox;
        }
        self
    }

    pub(crate) fn stopped(self, at: u64, who: &str) -> Self {
        self.event(at, who, EventKind::Stopped)
    }

    pub(crate) fn started(self, at: u64, who: &str) -> Self {
        self.event(at, who, EventKind::Started)
    }

    /// The client's program ends, starts and connects, all at once.
    pub(crate) fn restarted(self, at: u64, who: &str) -> Self {
        self.stopped(at, who).started(at, who).connected(at, who)
    }

    pub(crate) fn silence(mut self, from: u64, until: u64, who: &str, lost: Lost) -> Self {
        let client = self.client(who);
        let (from, until) = (Time::from_millis(from), Time::from_millis(until));
        self.history.silences.push(Silence {
            client,
            server: None,
            lost,
            from,
            until,
        });
        self
    }

    /// The last silence is that of one of several servers.
    pub(crate) fn silent(mut self, server: &str) -> Self {
        let silence = self.history.silences.last_mut().expect("a silence");
        silence.server = Some(server.to_owned());
        self
    }

    /// Every session so far belongs to this server.
    pub(crate) fn served_by(mut self, server: &str) -> Self {
        for event in &mut self.history.events {
            if let EventKind::SessionOpened { server: of, .. }
            | EventKind::SessionClosed { server: of, .. } = &mut event.kind
            {
                server.clone_into(of);
            }
        }
        self
    }

    /// The client takes its first session along to this server.
    pub(crate) fn moved(self, at: u64, who: &str, server: &str) -> Self {
        let session = format!("{who}-1");
        let opened = EventKind::SessionOpened {
            session: session.clone(),
            recovered: true,
            server: server.to_owned(),
        };
        let connected = EventKind::Connected {
            session,
            recovered: true,
            refused: None,
        };
        self.event(at, who, opened).event(at, who, connected)
    }

    /// This server closes the client's first session.
    pub(crate) fn session_closed_at(self, at: u64, who: &str, server: &str) -> Self {
        let closed = EventKind::SessionClosed {
            session: format!("{who}-1"),
            reason: String::new(),
            cause: EndCause::TimedOut,
            server: server.to_owned(),
        };
        self.event(at, who, closed)
    }

    /// A client's program, or the server's, stands still.
    pub(crate) fn standstill(mut self, from: u64, until: u64, who: &str) -> Self {
        let client = (who != "server").then(|| self.client(who));
        let (from, until) = (Time::from_millis(from), Time::from_millis(until));
        self.history.standstills.push(Standstill {
            client,
            from,
            until,
        });
        self
    }

    pub(crate) fn server_stopped(mut self, at: u64) -> Self {
        self.history.server_stops.push(Time::from_millis(at));
        self
    }

    pub(crate) fn ended(mut self, at: u64) -> Self {
        self.history.ended_at = Time::from_millis(at);
        self
    }

    pub(crate) fn healed(mut self, at: u64) -> Self {
        self.history.healed_at = Time::from_millis(at);
        self
    }

    fn event(mut self, at: u64, who: &str, kind: EventKind) -> Self {
        let client = self.client(who);
        self.history.events.push(Event {
            at: Time::from_millis(at),
            client,
            kind,
        });
        self
    }

    fn operation(
        self,
        at: u64,
        content: &str,
        kind: impl FnOnce(OperationId) -> EventKind,
    ) -> Self {
        let (client, operation) = self.invocation_of(content);
        let who = self.history.clients[client.0 as usize].name.clone();
        self.event(at, &who, kind(operation))
    }

    fn client(&self, name: &str) -> ClientId {
        let position = self
            .history
            .clients
            .iter()
            .position(|client| client.name == name);
        ClientId(position.expect("the test names a client of its chat") as u32)
    }

    fn invocation_of(&self, wanted: &str) -> (ClientId, OperationId) {
        let found = self
            .history
            .events
            .iter()
            .find_map(|event| match &event.kind {
                EventKind::Invoked {
                    operation, content, ..
                } if content == wanted => Some((event.client, *operation)),
                _ => None,
            });
        found.expect("the test sends the message before it tells more about it")
    }

    /// What the content was sent as; a message if nobody sent it.
    fn kind_of(&self, wanted: &str) -> MessageKind {
        let mut events = self.history.events.iter();
        let kind = events.find_map(|event| match &event.kind {
            EventKind::Invoked { content, kind, .. } if content == wanted => Some(*kind),
            _ => None,
        });
        kind.unwrap_or_default()
    }

    fn sending_of(&self, wanted: &str) -> (String, String) {
        let (client, wanted) = self.invocation_of(wanted);
        let room = self
            .history
            .events
            .iter()
            .find_map(|event| match &event.kind {
                EventKind::Invoked {
                    operation, room, ..
                } if *operation == wanted => Some(room),
                _ => None,
            });
        let sender = self.history.clients[client.0 as usize].name.clone();
        (sender, room.expect("the operation was just found").clone())
    }
}
