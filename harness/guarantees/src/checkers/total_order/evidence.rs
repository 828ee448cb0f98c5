//! What shows that receivers do not agree on an order.

use crate::evidence::{Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// No order of the room's messages agrees with what these receivers saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoCommonOrder {
    /// The room.
    pub room: String,
    /// Two contradicting orders if two receivers disagree; otherwise a cycle of them.
    pub orders: Vec<Order>,
}

/// One receiver's order of two messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Who saw this order.
    pub receiver: String,
    /// The message handled first.
    pub first: String,
    /// When.
    #[serde(with = "Nanoseconds")]
    pub first_at: Time,
    /// The message handled second.
    pub second: String,
    /// When.
    #[serde(with = "Nanoseconds")]
    pub second_at: Time,
}

impl Proof for NoCommonOrder {
    const KIND: &'static str = "no-common-order";
    const FIELDS: &'static str = "`room`; `orders`: `receiver`, `first`, `first_at`, `second`, `second_at`; two that disagree, or a cycle";

    fn moment(&self) -> Moment {
        let receivers = self.orders.iter().map(|order| &*order.receiver);
        let room = &self.room;
        Moment {
            at: self.orders.iter().map(|order| order.second_at).max(),
            who: each_once(receivers)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            what: match &self.orders[..] {
                [order, _] => format!(
                    "disagree on the order of `{}` and `{}` in room {room}",
                    order.first, order.second
                ),
                _ => format!("handled messages of room {room} in orders that contradict"),
            },
            since: None,
        }
    }

    fn contents(&self) -> Vec<&str> {
        let orders = self.orders.iter();
        each_once(orders.flat_map(|order| [&*order.first, &*order.second]))
    }
}

fn each_once<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

impl fmt::Display for NoCommonOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders: Vec<String> = self.orders.iter().map(Order::to_string).collect();
        let (room, orders) = (&self.room, orders.join("; "));
        write!(f, "In room {room}, {orders}: no order fits them all.")
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order {
            receiver,
            first,
            second,
            ..
        } = self;
        let (first_at, second_at) = (seconds(self.first_at), seconds(self.second_at));
        write!(
            f,
            "{receiver} handled `{first}` at {first_at} and `{second}` at {second_at}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    fn order(receiver: &str, first: &str, second: &str) -> Order {
        Order {
            receiver: receiver.to_owned(),
            first: first.to_owned(),
            first_at: Time::from_secs(2),
            second: second.to_owned(),
            second_at: Time::from_secs(3),
        }
    }

    #[test]
    fn the_moment_is_of_all_who_disagree_and_the_messages_are_each_told_once() {
        let two = NoCommonOrder {
            room: "den".to_owned(),
            orders: vec![order("bob", "m1", "m2"), order("carol", "m2", "m1")],
        };
        assert_eq!(two.contents(), ["m1", "m2"]);
        insta::assert_snapshot!(moment(two), @"3.000 s bob, carol: disagree on the order of `m1` and `m2` in room den");
        let circle = [
            ("bob", "m1", "m2"),
            ("carol", "m2", "m3"),
            ("bob", "m3", "m1"),
        ];
        let circle = NoCommonOrder {
            room: "den".to_owned(),
            orders: circle
                .map(|(who, first, second)| order(who, first, second))
                .to_vec(),
        };
        assert_eq!(circle.contents(), ["m1", "m2", "m3"]);
        insta::assert_snapshot!(moment(circle), @"3.000 s bob, carol: handled messages of room den in orders that contradict");
    }
}
