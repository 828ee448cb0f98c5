//! What users say.

use crate::scenario;
use squall::{Message, To};
use squall_guarantees::MessageKind;

fn said_by_alice(text: &str) -> Vec<Message> {
    let messages = scenario(text).plan(1).clients[0].messages.clone();
    messages
        .into_iter()
        .map(|planned| planned.message)
        .collect()
}

fn room(message: &Message) -> &str {
    match &message.to {
        To::Room(room) => room,
        _ => panic!("{message:?} is for no room"),
    }
}

#[test]
fn messages_go_to_the_senders_rooms_in_turn() {
    let messages = said_by_alice(
        r#"
        clients = { count = 1, rooms = ["kitchen", "lobby", "garden"] }
        workload = { messages = 3, rooms = ["lobby", "garden"] }
        "#,
    );
    let rooms: Vec<_> = messages.iter().map(room).collect();
    assert_eq!(rooms, ["lobby", "garden", "lobby"]);
}

#[test]
fn weights_decide_what_is_said() {
    let messages = said_by_alice("workload = { messages = 200, mix = { all = 3, typing = 1 } }");
    let typing = messages
        .iter()
        .filter(|message| message.kind == MessageKind::Typing);
    let typing = typing.count();
    assert_eq!(messages.len(), 200);
    assert!((30..70).contains(&typing), "{typing}");
}

#[test]
fn nobody_talks_to_rooms_it_is_not_in() {
    let messages = said_by_alice(
        r#"
        client.bob.rooms = ["garden", "kitchen"]
        workload = { messages = 200, mix = { room = 1, join = 1, leave = 1 } }
        "#,
    );
    let mut inside = vec!["lobby".to_owned()];
    for message in messages {
        let room = room(&message).to_owned();
        match message.kind {
            MessageKind::Join => inside.push(room),
            MessageKind::Leave => inside.retain(|left| *left != room),
            _ => assert!(inside.contains(&room), "{message:?} in {inside:?}"),
        }
    }
}
