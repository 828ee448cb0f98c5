//! What a client and its server asked and answered each time it connected, and what came of it: the
//! differences from the time before, because that is where a session, an offset or a room is lost.

use crate::dead::{Dead, in_vain};
use crate::story::Entry;
use crate::{PacketEnd, Record, Saying, SayingKind};
use serde_json::{Map, Value};
use squall_guarantees::{
    ClientId, EventKind, Memberships, MessageKind, StoredMessage, Time, counted, seconds,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many rows are named.
const ROWS_MAX: usize = 8;

/// How many events of the server after its answer belong to it.
const GREETINGS_MAX: usize = 2;

/// One time that a client connected.
pub(crate) struct Visit<'r> {
    /// Where it asked for it, and what, if the record says.
    pub(crate) asked: Option<&'r Saying>,
    /// What it was answered, with what the server said next.
    pub(crate) answered: Vec<&'r Saying>,
    /// From when to when: the next time begins then.
    pub(crate) from: Time,
    pub(crate) until: Time,
    /// When the client had its connection, and whether it takes it for its old session.
    pub(crate) connected: Option<(Time, bool)>,
    /// Whether the server takes it for that.
    pub(crate) opened: Option<bool>,
    /// What it should have had by then, and had not handled.
    pub(crate) lacked: Vec<&'r StoredMessage>,
    /// What it handled, in order, by row.
    pub(crate) handled: Vec<(Time, i64, &'r str)>,
    /// How many messages of which rooms it handled, other than its own.
    pub(crate) rooms: BTreeMap<&'r str, u64>,
}

/// All that a record has of the talk between clients and servers.
pub(crate) struct Talk<'r> {
    record: &'r Record,
    sayings: &'r [Saying],
    dead: Dead<'r>,
    memberships: Memberships<'r>,
}

impl<'r> Talk<'r> {
    pub(crate) fn of(record: &'r Record) -> Self {
        let traffic = record.traffic.as_ref();
        Talk {
            record,
            sayings: traffic.map_or(&[], |it| &it.sayings),
            dead: Dead::of(record),
            memberships: Memberships::new(&record.history),
        }
    }

    fn machine(&self, name: &str) -> Option<u32> {
        let mut machines = (0..).zip(&self.record.machines);
        machines.find(|(_, it)| it.name == name).map(|it| it.0)
    }

    pub(crate) fn name(&self, machine: Option<u32>) -> &'r str {
        let machine = machine.and_then(|it| self.record.machines.get(it as usize));
        machine.map_or("nobody", |it| &it.name)
    }

    /// What was said by or to a client, in the order of time.
    pub(crate) fn with(&self, client: &str) -> impl Iterator<Item = &'r Saying> + use<'r> {
        let machine = self.machine(client);
        let sayings = self.sayings.iter();
        sayings
            .filter(move |it| machine.is_some() && (Some(it.from) == machine || it.to == machine))
    }

    /// Every time that a client connected.
    pub(crate) fn visits(&self, client: &str) -> Vec<Visit<'r>> {
        let history = &self.record.history;
        let Some(number) = history.clients.iter().position(|it| it.name == client) else {
            return Vec::new();
        };
        let machine = self.machine(client);
        let own = |at: &&squall_guarantees::Event| at.client.0 as usize == number;
        let events: Vec<_> = history.events.iter().filter(own).collect();
        let asks = self.with(client);
        let asks = asks.filter(|it| it.kind == SayingKind::Connect && Some(it.from) == machine);
        let mut starts: Vec<(Time, Option<&Saying>)> =
            asks.map(|it| (it.sent_at, Some(it))).collect();
        if starts.is_empty() {
            let connected = events.iter();
            let connected = connected.filter(|it| matches!(it.kind, EventKind::Connected { .. }));
            starts.extend(connected.map(|it| (it.at, None)));
        }
        let ends = starts.iter().skip(1).map(|it| it.0);
        let ends: Vec<Time> = ends
            .chain([history.ended_at + Time::from_nanos(1)])
            .collect();
        let mut handled_before: BTreeSet<&str> = BTreeSet::new();
        let mut visits = Vec::new();
        for (&(from, asked), until) in starts.iter().zip(ends) {
            let mut visit = Visit {
                asked,
                answered: self.answers(client, asked, until),
                from,
                until,
                connected: None,
                opened: None,
                lacked: Vec::new(),
                handled: Vec::new(),
                rooms: BTreeMap::new(),
            };
            for event in events.iter().filter(|it| it.at >= from && it.at < until) {
                match &event.kind {
                    EventKind::Connected { recovered, .. } if visit.connected.is_none() => {
                        visit.connected = Some((event.at, *recovered));
                    }
                    EventKind::SessionOpened { recovered, .. } => visit.opened = Some(*recovered),
                    EventKind::Delivered {
                        id,
                        content,
                        room,
                        sender,
                        ..
                    } => {
                        visit.handled.push((event.at, *id, content));
                        if sender != history.clients[number].user() {
                            *visit.rooms.entry(room).or_default() += 1;
                        }
                    }
                    _ => {}
                }
            }
            visit.lacked = self.lacked(number, visit.connected, &handled_before);
            let handled = visit.handled.iter().map(|(_, _, content)| *content);
            handled_before.extend(handled);
            visits.push(visit);
        }
        visits
    }

    /// What the server answered, and what it said next.
    fn answers(&self, client: &str, asked: Option<&Saying>, until: Time) -> Vec<&'r Saying> {
        let Some(asked) = asked else {
            return Vec::new();
        };
        let machine = asked.from;
        let to_it = self.with(client).filter(|it| {
            it.to == Some(machine) && it.sent_at >= asked.sent_at && it.sent_at < until
        });
        let is_answer = |it: &&Saying| matches!(it.kind, SayingKind::Connect | SayingKind::Refusal);
        let mut rest = to_it.skip_while(|it| !is_answer(it));
        let Some(answer) = rest.next() else {
            return Vec::new();
        };
        let next = rest.take_while(|it| it.sent_at <= answer.sent_at + Time::from_millis(10));
        let next = next
            .filter(|it| it.kind == SayingKind::Event)
            .take(GREETINGS_MAX);
        [answer].into_iter().chain(next).collect()
    }

    /// The rows that were there for a client when it had its connection, and that it had not
    /// handled before.
    fn lacked(
        &self,
        client: usize,
        connected: Option<(Time, bool)>,
        handled: &BTreeSet<&str>,
    ) -> Vec<&'r StoredMessage> {
        let Some((at, _)) = connected else {
            return Vec::new();
        };
        let history = &self.record.history;
        let user = history.clients[client].user();
        let rows = history.database.iter().filter(|row| {
            row.stored_at.is_some_and(|stored| stored <= at)
                && row.sender != user
                && row.kind != MessageKind::Typing
                && self
                    .memberships
                    .entitles(ClientId(client as u32), &row.room, row.id)
                && !handled.contains(&*row.content)
        });
        rows.collect()
    }

    /// What became of something that was said, if it did not arrive where it was waited for.
    pub(crate) fn fate(&self, saying: &Saying) -> Option<String> {
        let at = saying.end.arrived_at().unwrap_or(saying.sent_at);
        let dead = self.dead.given_up(saying.connection, saying.from, at);
        match (saying.end, dead) {
            (PacketEnd::Arrived(_), Some(dead)) => Some(in_vain(dead)),
            (PacketEnd::Arrived(_), None) => None,
            (end, _) => Some(end.words().to_owned()),
        }
    }

    /// A client's visits as sentences: of the first what was asked and answered, of each further
    /// one what is different.
    pub(crate) fn sentences(&self, client: &'r str, visits: &[Visit<'r>]) -> Vec<Vec<Entry>> {
        let before = std::iter::once(None).chain(visits.iter().map(Some));
        let pairs = before.zip(visits);
        pairs
            .map(|(before, visit)| self.of_visit(client, visit, before))
            .collect()
    }

    fn of_visit(&self, client: &str, visit: &Visit<'r>, before: Option<&Visit<'r>>) -> Vec<Entry> {
        let mut told = Vec::new();
        let mut tell = |at, who: &str, what: String| {
            told.push(Entry {
                at,
                who: who.to_owned(),
                what,
                violates: Vec::new(),
            });
        };
        let with_fate = |what: String, saying: &Saying| match self.fate(saying) {
            Some(fate) => format!("{what} ({fate})"),
            None => what,
        };
        if let Some(asked) = visit.asked {
            let known = before.and_then(|it| it.asked);
            let again = if before.is_some() { " again" } else { "" };
            let what = format!("asks to be connected{again}: {}", changes(asked, known));
            tell(asked.sent_at, client, with_fate(what, asked));
        }
        let answered: Vec<String> = visit
            .answered
            .iter()
            .map(|answer| {
                let name = event_name(answer);
                let known = before.into_iter().flat_map(|it| &it.answered);
                let mut known = known.filter(|it| it.kind == answer.kind && event_name(it) == name);
                let changes = changes(answer, known.next().copied());
                let what = match answer.kind {
                    SayingKind::Refusal => format!("no: {changes}"),
                    SayingKind::Event => format!("{name}: {changes}"),
                    _ => changes,
                };
                with_fate(what, answer)
            })
            .collect();
        if let Some(first) = visit.answered.first() {
            let server = self.name(Some(first.from));
            let what = format!("answers {client}: {}", answered.join("; "));
            tell(first.sent_at, server, what);
        }
        if let Some((at, recovered)) = visit.connected {
            let word = |old| if old { "its old session" } else { "a new one" };
            if let Some(opened) = visit.opened.filter(|it| *it != recovered) {
                let (mine, theirs) = (word(recovered), word(opened));
                let what = format!("takes this for {mine}, and the server takes it for {theirs}");
                tell(at, client, what);
            }
            if before.is_some() && !visit.lacked.is_empty() {
                tell(at, client, of_lacked(visit));
            }
            if let Some(before) = before
                && let Some(what) = self.of_rooms(client, before, visit)
            {
                tell(at, client, what);
            }
        }
        told
    }

    /// The rooms of which a client has had messages before, and none any more, though there are.
    fn of_rooms(&self, client: &str, before: &Visit<'r>, visit: &Visit<'r>) -> Option<String> {
        let history = &self.record.history;
        let number = history.clients.iter().position(|it| it.name == client)?;
        let user = history.clients[number].user();
        let stored = |room: &str| {
            let rows = history.database.iter().filter(|row| {
                let then = row
                    .stored_at
                    .is_some_and(|at| at >= visit.from && at < visit.until);
                then && row.room == room && row.sender != user
            });
            rows.count() as u64
        };
        let silent = before.rooms.keys();
        let silent: Vec<String> = silent
            .filter(|room| !visit.rooms.contains_key(*room))
            .map(|room| (room, stored(room)))
            .filter(|(_, count)| *count > 0)
            .map(|(room, count)| format!("{room} ({} stored in it)", counted(count, "message")))
            .collect();
        let fresh = visit.rooms.keys();
        let fresh: Vec<&str> = fresh
            .filter(|room| !before.rooms.contains_key(*room))
            .filter(|room| !history.clients[number].rooms.iter().any(|it| it == *room))
            .copied()
            .collect();
        let silent =
            (!silent.is_empty()).then(|| format!("none of {} any more", silent.join(", ")));
        let fresh = (!fresh.is_empty()).then(|| format!("now those of {}", fresh.join(", ")));
        let all: Vec<String> = silent.into_iter().chain(fresh).collect();
        (!all.is_empty())
            .then(|| format!("handles messages on this connection: {}", all.join(", ")))
    }
}

/// What came of what a client lacked.
fn of_lacked(visit: &Visit<'_>) -> String {
    let handled: BTreeSet<&str> = visit.handled.iter().map(|it| it.2).collect();
    let (had, not): (Vec<_>, Vec<_>) = visit
        .lacked
        .iter()
        .partition(|row| handled.contains(&*row.content));
    let all = counted(visit.lacked.len() as u64, "message");
    let lacked = format!("lacked {all} then, {}", rows(&visit.lacked));
    match (had.len(), not.len()) {
        (_, 0) => format!("{lacked}, and handled all of it on this connection"),
        (0, _) => format!("{lacked}, and handled nothing of it on this connection"),
        (had, _) => {
            let not = rows(&not);
            format!("{lacked}, and handled {had} of it on this connection, but not {not}")
        }
    }
}

fn rows(rows: &[&StoredMessage]) -> String {
    let named = rows.iter().take(ROWS_MAX);
    let named: Vec<String> = named
        .map(|row| format!("row {} (`{}`)", row.id, row.content))
        .collect();
    let more = rows.len().saturating_sub(ROWS_MAX);
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The name of an event.
pub(crate) fn event_name(saying: &Saying) -> &str {
    match saying.kind {
        SayingKind::Event => saying.text.split(' ').next().unwrap_or_default(),
        _ => "",
    }
}

/// What something says that is a table, if it was said before: which of its values are others.
fn changes(saying: &Saying, before: Option<&Saying>) -> String {
    let table = |it: &Saying| -> Option<Map<String, Value>> {
        let start = it.text.find('{')?;
        serde_json::from_str(&it.text[start..]).ok()
    };
    let Some(now) = table(saying) else {
        return match saying.text.is_empty() {
            true => "nothing more".to_owned(),
            false => saying.text.clone(),
        };
    };
    let before = before.and_then(table);
    let (mut told, mut same) = (Vec::new(), Vec::new());
    for (name, value) in &now {
        match before.as_ref().map(|before| before.get(name)) {
            Some(Some(old)) if old == value => same.push(name.as_str()),
            Some(Some(old)) => told.push(format!("{name} {value} (before: {old})")),
            Some(None) => told.push(format!("{name} {value} (new)")),
            None => told.push(format!("{name} {value}")),
        }
    }
    let gone = before.iter().flat_map(Map::keys);
    let gone = gone.filter(|name| !now.contains_key(*name));
    told.extend(gone.map(|name| format!("no {name} any more")));
    if !same.is_empty() {
        told.push(format!("{} as before", same.join(", ")));
    }
    told.join(", ")
}

/// Something that was said, perhaps several times in a row.
pub(crate) struct Again<'r> {
    pub(crate) saying: &'r Saying,
    pub(crate) times: u64,
    /// When it was said last.
    pub(crate) until: Time,
    pub(crate) fate: Option<String>,
}

impl Again<'_> {
    /// As a predicate of who said it.
    pub(crate) fn words(&self, talk: &Talk<'_>) -> String {
        let to = talk.name(self.saying.to);
        let text = &self.saying.text;
        let what = match self.saying.kind {
            SayingKind::Connect if text.is_empty() => format!("says to {to}: CONNECT"),
            SayingKind::Connect => format!("says to {to}: CONNECT {text}"),
            SayingKind::Disconnect => format!("says to {to}: DISCONNECT"),
            SayingKind::Event => format!("says to {to}: {text}"),
            SayingKind::Acknowledgement => format!("acknowledges to {to}: {text}"),
            SayingKind::Refusal => format!("refuses {to}: {text}"),
        };
        let times = match self.times {
            1 => String::new(),
            times => format!(", {times} times until {}", seconds(self.until)),
        };
        let fate = self.fate.as_ref().map(|it| format!(" ({it})"));
        format!("{what}{times}{}", fate.unwrap_or_default())
    }
}

/// What was said, each in a row of equals once.
pub(crate) fn in_rows<'r>(
    talk: &Talk<'r>,
    sayings: impl Iterator<Item = &'r Saying>,
) -> Vec<Again<'r>> {
    let mut told: Vec<Again<'r>> = Vec::new();
    // The last of each direction.
    let mut last: BTreeMap<(u32, Option<u32>), usize> = BTreeMap::new();
    for saying in sayings {
        let fate = talk.fate(saying);
        let way = (saying.from, saying.to);
        if let Some(place) = last.get(&way) {
            let known = &mut told[*place];
            let it = known.saying;
            if (it.kind, &it.text) == (saying.kind, &saying.text) && known.fate == fate {
                known.times += 1;
                known.until = saying.sent_at;
                continue;
            }
        }
        last.insert(way, told.len());
        told.push(Again {
            saying,
            times: 1,
            until: saying.sent_at,
            fate,
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;

    const SERVER: u32 = 0;
    const BOB: u32 = 2;

    fn said(from: u32, at: u64, kind: SayingKind, text: &str) -> Saying {
        let sent_at = Time::from_millis(at);
        Saying {
            packet: 0,
            connection: 1,
            from,
            to: Some(if from == SERVER { BOB } else { SERVER }),
            sent_at,
            end: PacketEnd::Arrived(sent_at + Time::from_millis(10)),
            kind,
            about: None,
            text: text.to_owned(),
        }
    }

    /// Bob connects, and again at 8.6 s.
    fn record(sayings: Vec<Saying>) -> Record {
        let mut record = with_traffic();
        record.traffic.as_mut().expect("there is traffic").sayings = sayings;
        record
    }

    fn told(record: &Record) -> Vec<String> {
        let talk = Talk::of(record);
        let visits = talk.visits("bob");
        let told = talk.sentences("bob", &visits);
        let words = |it: &Entry| format!("{} {} {}", seconds(it.at), it.who, it.what);
        told.iter().flatten().map(words).collect()
    }

    #[test]
    fn what_was_asked_and_answered_again_is_told_by_what_is_different() {
        let mut refused = said(
            SERVER,
            8_640,
            SayingKind::Event,
            r#"ready {"session":"s3","live":true}"#,
        );
        refused.end = PacketEnd::Lost;
        let record = record(vec![
            said(
                BOB,
                10,
                SayingKind::Connect,
                r#"{"name":"bob","rooms":["lobby"]}"#,
            ),
            said(SERVER, 20, SayingKind::Connect, r#"{"sid":"s2"}"#),
            said(
                SERVER,
                20,
                SayingKind::Event,
                r#"ready {"session":"s2","live":true}"#,
            ),
            said(SERVER, 900, SayingKind::Event, r#"beat {"head":4}"#),
            said(
                BOB,
                8_600,
                SayingKind::Connect,
                r#"{"name":"bob","offset":4}"#,
            ),
            said(SERVER, 8_635, SayingKind::Connect, r#"{"sid":"s3"}"#),
            refused,
        ]);
        insta::assert_snapshot!(told(&record).join("\n"), @r#"
        0.010 s bob asks to be connected: name "bob", rooms ["lobby"]
        0.020 s server answers bob: sid "s2"; ready: live true, session "s2"
        8.600 s bob asks to be connected again: offset 4 (new), no rooms any more, name as before
        8.635 s server answers bob: sid "s3" (before: "s2"); ready: session "s3" (before: "s2"), live as before (lost)
        "#);
    }

    #[test]
    fn what_a_client_lacked_when_it_came_back_is_told_with_what_it_got_of_it() {
        let mut record = record(Vec::new());
        let rows = &mut record.history.database;
        rows.iter_mut()
            .for_each(|row| row.stored_at = Some(Time::from_secs(4)));
        // Bob has had row 1 before, and handles rows 2 and 3 when he is back.
        let mut lost = rows[1].clone();
        (lost.id, lost.content) = (4, "m9".to_owned());
        rows.push(lost);
        let told = told(&record);
        let lacked = "8.630 s bob lacked 3 messages then, row 2 (`m2`), row 3 (`m2`), row 4 (`m9`), and handled 2 of it on this connection, but not row 4 (`m9`)";
        assert!(told.iter().any(|it| it == lacked), "{told:#?}");
    }

    #[test]
    fn a_room_of_which_nothing_comes_any_more_is_told_if_there_is_something_in_it() {
        let mut record = record(Vec::new());
        let mut later = record.history.database[0].clone();
        (later.id, later.content) = (7, "m7".to_owned());
        later.stored_at = Some(Time::from_secs(20));
        record.history.events.retain(|event| {
            let then = event.at > Time::from_secs(8);
            !(then && matches!(event.kind, EventKind::Delivered { .. }))
        });
        assert_eq!(told(&record), Vec::<String>::new());
        record.history.database.push(later);
        let silent = "8.630 s bob handles messages on this connection: none of lobby (1 message stored in it) any more";
        assert_eq!(told(&record), [silent]);
    }

    #[test]
    fn who_takes_a_session_for_what_the_other_does_not_is_told() {
        let mut record = record(Vec::new());
        for event in &mut record.history.events {
            if let EventKind::Connected { recovered, .. } = &mut event.kind
                && event.at > Time::from_secs(8)
            {
                *recovered = true;
            }
            // The server's view comes first; without packets a visit begins with the client's.
            if event.at == Time::from_millis(8_620) {
                event.at = Time::from_millis(8_630);
            }
        }
        let differs =
            "8.630 s bob takes this for its old session, and the server takes it for a new one";
        assert_eq!(told(&record), [differs]);
    }

    #[test]
    fn what_is_said_again_and_again_is_told_once_until_it_changes() {
        let beat = |at, head: u32| {
            let text = format!(r#"beat {{"head":{head}}}"#);
            said(SERVER, at, SayingKind::Event, &text)
        };
        let record = record(vec![
            beat(1, 4),
            beat(2_000, 4),
            beat(3_000, 5),
            beat(6_000, 5),
        ]);
        let talk = Talk::of(&record);
        let told = in_rows(&talk, talk.with("bob"));
        let words: Vec<String> = told.iter().map(|it| it.words(&talk)).collect();
        assert_eq!(
            words,
            [
                r#"says to bob: beat {"head":4}, 2 times until 2.000 s"#,
                r#"says to bob: beat {"head":5}, 2 times until 6.000 s"#,
            ]
        );
    }
}
