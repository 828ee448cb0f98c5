//! `[[message]]`: messages that the file itself says, beside those of the workload.

use crate::cast::{Clients, ROOT};
use crate::dice::Draw;
use crate::overrides::Override;
use crate::setting::Setting;
use crate::text::{Placed, Problems, Table, choose_from};
use crate::workload::{Act, Content, Message, PlannedMessage, To};
use squall_guarantees::MessageKind;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// A message that the file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Scripted {
    /// Who says it.
    pub from: String,
    /// When it is due.
    pub at: Setting<Duration>,
    /// What it is, and for whom.
    pub act: Act,
    message: Message,
}

/// What it can be: whatever needs nothing but a room or a user.
const ACTS: [(&str, Act); 7] = [
    ("room", Act::Room),
    ("all", Act::All),
    ("others", Act::Others),
    ("private", Act::Private),
    ("typing", Act::Typing),
    ("join", Act::Join),
    ("leave", Act::Leave),
];

/// Reads all `[[message]]` tables. `someones` are the rooms that clients are in.
pub(crate) fn read<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    overrides: &[Override],
    someones: &[&str],
    problems: &mut Problems,
) -> Vec<Scripted> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[[message]]` on a line of its own for each, and its fields below.";
    let Some(items) = raw.get_ref().as_array() else {
        problems.add(raw.span(), "the messages must be a list of tables", wanted);
        return Vec::new();
    };
    let namespace_of = |client: &str| {
        let own = overrides.iter().find(|own| own.client == client);
        own.and_then(|own| own.namespace.as_deref()).unwrap_or(ROOT)
    };
    let stay_of = |client: &str| {
        let own = overrides.iter().find(|own| own.client == client);
        own.map_or(clients.stay, |own| own.stay)
    };
    let mut script: Vec<Scripted> = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let title = format!("[[message]] number {number}");
        let Some(mut table) = Table::read(title, item, wanted, problems) else {
            continue;
        };
        let from = client(&mut table, "from", clients, problems);
        let at = table.need::<Setting<Duration>>("at", problems);
        if let (Some(from), Some(at)) = (&from, &at)
            && !stay_of(&from.value).may_meet(at.value)
        {
            let what = format!("`{}` is not there then", from.value);
            let remedy = "Let it be said between `comes` and `leaves` of its client.";
            problems.add(at.at.clone(), what, remedy);
        }
        let act = table.word("does", &ACTS, problems).unwrap_or(Act::Room);
        let to = match act {
            Act::All | Act::Others => Some(String::new()),
            Act::Private => recipient(&mut table, clients, overrides, problems).and_then(|to| {
                let from = from.as_ref().map_or(ROOT, |from| namespace_of(&from.value));
                if namespace_of(&to.value) != from {
                    let what = format!("`{}` is in another namespace", to.value);
                    problems.add(to.at, what, "Write to a client of the sender's namespace.");
                    return None;
                }
                let own = overrides.iter().find(|own| own.client == to.value);
                Some(own.and_then(|own| own.user.clone()).unwrap_or(to.value))
            }),
            _ => room(&mut table, someones, problems),
        };
        let says = table.placed::<String>("says", problems);
        table.finish(problems);
        let (Some(from), Some(at), Some(to)) = (from, at, to) else {
            continue;
        };
        let content = match says {
            Some(says) => {
                let is_said =
                    |it: &Scripted| it.message.content == Content::Text(says.value.clone());
                if script.iter().any(is_said) || is_of_workload(&says.value, clients) {
                    let what = format!("`{}` is said twice", says.value);
                    let remedy = "Messages are told apart by what they say: write something else. \
                        `NAME NUMBER` is what the workload says.";
                    problems.add(says.at, what, remedy);
                }
                says.value
            }
            None => format!("{} says {number}", from.value),
        };
        script.push(Scripted {
            message: message(act, to, content),
            from: from.value,
            at: at.value,
            act,
        });
    }
    script
}

/// Whether the workload may say this.
fn is_of_workload(says: &str, clients: &Clients) -> bool {
    let parts = says.split_once(' ');
    parts.is_some_and(|(name, rest)| {
        clients.names.iter().any(|it| it == name) && rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// A client that exists whatever the seed.
fn client(
    table: &mut Table<'_>,
    field: &'static str,
    clients: &Clients,
    problems: &mut Problems,
) -> Option<Placed<String>> {
    let found = table.need::<String>(field, problems)?;
    clients.find(found, problems)
}

/// The user to whom something is said, as one of the user's clients.
fn recipient(
    table: &mut Table<'_>,
    clients: &Clients,
    overrides: &[Override],
    problems: &mut Problems,
) -> Option<Placed<String>> {
    let found = table.need::<String>("to", problems)?;
    let mut devices = overrides.iter().filter(|own| own.user.is_some());
    match devices.find(|own| own.user.as_ref() == Some(&found.value)) {
        Some(device) => Some(Placed {
            value: device.client.clone(),
            at: found.at,
        }),
        None => clients.find(found, problems),
    }
}

/// A room that a client is in.
fn room(table: &mut Table<'_>, someones: &[&str], problems: &mut Problems) -> Option<String> {
    let found = table.need::<String>("to", problems)?;
    let rooms = someones.iter().copied();
    if !someones.contains(&found.value.as_str()) {
        let what = format!("no client is in the room `{}`", found.value);
        problems.add(found.at, what, choose_from(&found.value, rooms));
        return None;
    }
    Some(found.value)
}

fn message(act: Act, to: String, content: String) -> Message {
    let (to, kind) = match act {
        Act::All => (To::All, MessageKind::Message),
        Act::Others => (To::Others, MessageKind::Message),
        Act::Private => (To::User(to), MessageKind::Message),
        Act::Typing => (To::Room(to), MessageKind::Typing),
        Act::Join => (To::Room(to), MessageKind::Join),
        Act::Leave => (To::Room(to), MessageKind::Leave),
        _ => (To::Room(to), MessageKind::Message),
    };
    Message {
        to,
        kind,
        nickname: None,
        content: Content::Text(content),
    }
}

/// What this client says of a script, merged with what it says otherwise, in the order of time.
pub(crate) fn add(
    script: &[Scripted],
    client: &str,
    messages: &mut Vec<PlannedMessage>,
    draw: &mut Draw,
) {
    for (line, number) in script.iter().zip(1..) {
        if line.from == client {
            messages.push(PlannedMessage {
                at: draw.value(&format!("message {number}: at"), line.at),
                message: line.message.clone(),
            });
        }
    }
    messages.sort_by_key(|message| message.at);
}

#[cfg(test)]
mod tests {
    use crate::testing::plan;
    use std::time::Duration;

    #[test]
    fn a_client_says_its_lines_between_what_it_says_otherwise() {
        let plan = plan(
            "workload = { messages = 2, start = '1s', interval = '4s' }\n\
             [[message]]\nfrom = 'bob'\nat = '3s'\nto = 'lobby'\nsays = 'hello'\n\
             [[message]]\nfrom = 'bob'\nat = '9s'\ndoes = 'private'\nto = 'alice'",
        );
        let said = |client: usize| {
            let messages = plan.clients[client].messages.iter();
            let said = messages.map(|it| (it.at, it.message.content.clone()));
            said.map(|(at, content)| (at, format!("{content:?}")))
                .collect::<Vec<_>>()
        };
        let at = [1, 3, 5, 9].map(Duration::from_secs);
        let contents = ["bob 1", "hello", "bob 2", "bob says 2"];
        let contents = contents.map(|it| format!("Text({it:?})"));
        assert_eq!(said(1), at.into_iter().zip(contents).collect::<Vec<_>>());
        assert_eq!(said(0).len(), 2);
    }
}
