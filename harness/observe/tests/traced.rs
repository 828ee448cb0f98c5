//! What a program's events tell whoever watches.
#![cfg(feature = "tracing")]

use squall_observe::{Meaning, Told, event, explain, layer, watch};
use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current};
use tracing::subscriber::with_default;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

static HEARD: Mutex<Vec<(ThreadId, Told)>> = Mutex::new(Vec::new());

/// What a program tells on this thread, explained by these meanings.
fn told(meanings: &[Arc<Meaning>], program: impl FnOnce()) -> Vec<String> {
    watch(|told| HEARD.lock().unwrap().push((current().id(), told)));
    // One at a time: what events mean is said for the whole process.
    static EXPLAINED: Mutex<()> = Mutex::new(());
    let explained = EXPLAINED.lock().unwrap();
    explain(meanings.to_vec());
    let subscriber = registry().with(layer());
    drop(explained);
    with_default(subscriber, program);
    let heard = HEARD.lock().unwrap();
    let heard = heard.iter().filter(|it| it.0 == current().id());
    heard.map(|it| format!("{:?}", it.1)).collect()
}

fn thing(kind: &str, topic: &str, id: &str) -> String {
    format!("{kind}(Thing {{ topic: \"{topic}\", id: \"{id}\" }})")
}

#[test]
fn an_event_that_explains_itself_is_told() {
    let told = told(&[], || {
        info!(squall.sent = "order", id = 7, "off it goes");
        info!(id = 8, "nothing of that kind");
        info!(squall.acknowledged = "order", id = %"seven");
    });
    let expected = [
        thing("Sent", "order", "7"),
        thing("Acknowledged", "order", "seven"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_event_means_what_the_test_says_and_no_other_does() {
    let stored = Arc::new(event("order stored").received("order", "order_id"));
    let told = told(&[stored], || {
        info!(order_id = 7, "order stored");
        info!(order_id = 8, "order stored again");
        info!(order_id = "9", "{} stored", "order");
    });
    let expected = ["7", "9"].map(|id| thing("Received", "order", id));
    assert_eq!(told, expected);
}

#[test]
fn the_id_comes_from_the_innermost_span_that_has_it() {
    let stored = Arc::new(event("stored").received("order", "order"));
    let told = told(&[stored], || {
        let _outer = info_span!("request", order = 1, peer = 2).entered();
        info!("stored");
        let inner = info_span!("storing", order = tracing::field::Empty).entered();
        info!("stored");
        inner.record("order", 3);
        info!("stored");
        info!(order = 4, "stored");
    });
    let expected = ["1", "1", "3", "4"].map(|id| thing("Received", "order", id));
    assert_eq!(told, expected);
}

#[test]
fn a_meaning_says_why_nothing_was_told_with_it() {
    let [never, lacks, says] =
        ["never", "lacks", "says"].map(|message| Arc::new(event(message).sent("order", "order")));
    assert_eq!(
        told(&[never.clone(), lacks.clone(), says.clone()], || {
            info!(id = 7, order_id = 8, "lacks");
            info!(order = 7, "says");
        }),
        [thing("Sent", "order", "7")]
    );
    assert_eq!(never.why_nothing().unwrap(), "no program has said it");
    assert_eq!(
        lacks.why_nothing().unwrap(),
        "neither it nor a span around it has a field `order`, but `id`, `order_id`"
    );
    assert_eq!(says.why_nothing(), None);
}
