//! Anything in place of a payload is refused or within the limits, and never causes a panic.

use super::*;
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// The same cases in every run of the tests.
fn always_the_same() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any JSON.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..10).prop_map(Value::from),
            hash_map(".{0,8}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A correct payload in which some fields are replaced or missing.
fn nearly(right: Value) -> impl Strategy<Value = Value> {
    let fields: Vec<String> = right
        .as_object()
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default();
    let change = (
        proptest::sample::select(fields),
        proptest::option::of(json()),
    );
    vec(change, 0..3).prop_map(move |changes| {
        let mut payload = right.clone();
        if let Some(fields) = payload.as_object_mut() {
            for (field, value) in changes {
                match value {
                    Some(value) => fields.insert(field, value),
                    None => fields.remove(&field),
                };
            }
        }
        payload
    })
}

fn login() -> Value {
    serde_json::json!({ "name": "alice", "rooms": ["lobby", "kitchen"], "server_offset": 3 })
}

fn submission() -> Value {
    serde_json::json!({ "tag": "1", "room": "lobby", "content": "hello", "client_offset": "a-1" })
}

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn a_login_that_is_let_in_keeps_to_the_limits(
        payload in prop_oneof![json(), nearly(login())],
        highest in 0..10_i64,
    ) {
        let Ok(login) = serde_json::from_value::<Login>(payload) else { return Ok(()) };
        let limits = Limits::default();
        if login.check(&limits, highest).is_ok() {
            prop_assert!((1..=limits.name).contains(&login.name.len()));
            prop_assert!((1..=limits.rooms).contains(&login.rooms.len()));
            prop_assert!((0..=highest).contains(&login.server_offset));
        }
    }

    #[test]
    fn a_submission_that_is_accepted_keeps_to_the_limits(
        payload in prop_oneof![json(), nearly(submission())],
    ) {
        let Ok(message) = serde_json::from_value::<Submission>(payload) else { return Ok(()) };
        let limits = Limits::default();
        if message.check(&limits).is_ok() {
            prop_assert!(message.content.len() <= limits.content);
            prop_assert!(message.tag.len() <= limits.identity);
        }
    }

    #[test]
    fn a_frame_is_understood_or_refused(bytes in vec(any::<u8>(), 0..64)) {
        let _ = frame::decode::<Submission>(&bytes);
    }

    #[test]
    fn what_a_server_says_is_read_or_refused(payload in json()) {
        let _ = serde_json::from_value::<Ready>(payload.clone());
        let _ = serde_json::from_value::<Delivery>(payload.clone());
        let _ = serde_json::from_value::<Synced>(payload.clone());
        let _ = serde_json::from_value::<Beat>(payload.clone());
        let _ = serde_json::from_value::<Receipt>(payload);
    }
}

#[test]
fn the_payloads_that_the_others_are_made_of_are_right() {
    let login: Login = serde_json::from_value(login()).unwrap();
    assert_eq!(login.check(&Limits::default(), 3), Ok(()));
    let submission: Submission = serde_json::from_value(submission()).unwrap();
    assert_eq!(submission.check(&Limits::default()), Ok(()));
}
