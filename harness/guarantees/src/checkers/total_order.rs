//! Total order: there is one order of a room's messages that every receiver's order agrees with.
//!
//! Each incarnation's sequence of first handlings is a chain; the chains together are a graph, and
//! a common order exists if the graph has no cycle. Edges between successive messages suffice,
//! because order is transitive: the cost is that of a topological sort. Does not look at which
//! order it is (the database's or another), at gaps, at repeats, nor at a message that is stored
//! more than once: it has a place for each of its rows. With only one sender, agreement says no
//! more than ordering does, and with one receiver it says nothing: neither counts as exercised.

mod evidence;

pub use evidence::{NoCommonOrder, Order};

use crate::evidence::Evidence;
use crate::index::{Content, ContentId, Delivery, Incarnation, Index, Invocation};
use crate::{Asked, ClientId, Excuse, Exercise, Verdict, Violation, counted};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let graph = Graph::new(index);
    let disordered = graph.nodes_without_an_order();
    let Some(&start) = disordered.first() else {
        return match shared_messages(index) {
            0 => Verdict::NotExercised(Asked::default()),
            count => Verdict::Held(Exercise {
                count,
                what: format!(
                    "{} of two senders or more",
                    counted(count, "shared message")
                ),
                asked: asked(index, count),
            }),
        };
    };
    let rooms: BTreeSet<&str> = disordered
        .iter()
        .filter_map(|&id| room_of(index, id))
        .collect();
    let circle = graph.circle(start, &disordered);
    Verdict::Violated(Box::new(Violation {
        count: rooms.len() as u64,
        evidence: Evidence::from(NoCommonOrder {
            room: room_of(index, circle[0].from)
                .unwrap_or_default()
                .to_owned(),
            orders: smallest_contradiction(index, &circle),
        }),
        further: Vec::new(),
        asked: asked(index, rooms.len() as u64),
    }))
}

fn asked(index: &Index<'_>, judged: u64) -> Asked {
    let mut asked = Asked {
        judged,
        ..Asked::default()
    };
    let lasting = index
        .contents
        .iter()
        .filter(|it| it.lasting_invocation().is_some());
    for _ in lasting.filter(|content| content.rows.len() > 1) {
        asked.excuse(Excuse::StoredAgain);
    }
    asked
}

/// The message with a single place in its room's order, if the content has one.
fn ordered<'i, 'h>(content: &'i Content<'h>) -> Option<&'i Invocation<'h>> {
    let sent = content.lasting_invocation();
    sent.filter(|_| content.rows.len() < 2)
}

fn room_of<'h>(index: &Index<'h>, id: ContentId) -> Option<&'h str> {
    ordered(index.content(id)).map(|sent| sent.room)
}

/// How many messages more than one receiver handled, in rooms where two of these receivers handled
/// two of these messages, and two senders had sent them.
fn shared_messages(index: &Index<'_>) -> u64 {
    #[derive(Default)]
    struct Shared {
        messages: u64,
        senders: BTreeSet<ClientId>,
        receivers_of_two: u32,
    }
    let mut receivers = vec![0_u32; index.contents.len()];
    for delivery in index
        .incarnations
        .iter()
        .flat_map(Incarnation::first_deliveries)
    {
        receivers[delivery.content as usize] += 1;
    }
    let shared = |id: ContentId| receivers[id as usize] > 1;
    let mut rooms: BTreeMap<&str, Shared> = BTreeMap::new();
    for (id, content) in (0..).zip(&index.contents) {
        if let (Some(sent), true) = (ordered(content), shared(id)) {
            let room = rooms.entry(sent.room).or_default();
            room.messages += 1;
            room.senders.insert(sent.sender);
        }
    }
    for incarnation in &index.incarnations {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for delivery in incarnation
            .first_deliveries()
            .filter(|delivery| shared(delivery.content))
        {
            if let Some(room) = room_of(index, delivery.content) {
                *counts.entry(room).or_default() += 1;
            }
        }
        for (room, _) in counts.into_iter().filter(|&(_, count)| count > 1) {
            rooms.entry(room).or_default().receivers_of_two += 1;
        }
    }
    let tested = |room: &&Shared| room.senders.len() > 1 && room.receivers_of_two > 1;
    rooms
        .values()
        .filter(tested)
        .map(|room| room.messages)
        .sum()
}

/// One receiver handled `from`, and then `to` as the next one of the same room.
#[derive(Clone, Copy)]
struct Edge {
    from: ContentId,
    to: ContentId,
    /// An index into [`Index::incarnations`].
    receiver: u32,
}

/// All receivers' chains. A content belongs to one room, so one graph covers all rooms.
struct Graph {
    nodes: usize,
    /// Ordered by `from`, without repeated pairs of `from` and `to`.
    edges: Vec<Edge>,
    /// Where each node's edges begin, followed by the number of edges.
    starts: Vec<usize>,
}

impl Graph {
    fn new(index: &Index<'_>) -> Self {
        let mut edges = Vec::new();
        for (receiver, incarnation) in (0..).zip(&index.incarnations) {
            let mut last: FxHashMap<&str, ContentId> = FxHashMap::default();
            for &Delivery { content: to, .. } in incarnation.first_deliveries() {
                let Some(room) = room_of(index, to) else {
                    continue;
                };
                if let Some(from) = last.insert(room, to) {
                    edges.push(Edge { from, to, receiver });
                }
            }
        }
        Graph::of(index.contents.len(), edges)
    }

    fn of(nodes: usize, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.receiver));
        edges.dedup_by_key(|edge| (edge.from, edge.to));
        let mut starts = vec![0; nodes + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        Graph {
            nodes,
            edges,
            starts,
        }
    }

    fn edges_of(&self, node: ContentId) -> &[Edge] {
        &self.edges[self.starts[node as usize]..self.starts[node as usize + 1]]
    }

    /// The nodes on cycles and between them, ascending; none if there is a common order.
    fn nodes_without_an_order(&self) -> Vec<ContentId> {
        let mut disordered = vec![true; self.nodes];
        self.remove_sources(&mut disordered);
        if disordered.contains(&true) {
            let turn = |edge: &Edge| Edge {
                from: edge.to,
                to: edge.from,
                ..*edge
            };
            let reversed = Graph::of(self.nodes, self.edges.iter().map(turn).collect());
            reversed.remove_sources(&mut disordered);
        }
        (0..)
            .zip(disordered)
            .filter_map(|(id, remains)| remains.then_some(id))
            .collect()
    }

    /// Kahn's algorithm: removes nodes that no remaining node points to, until none are left to
    /// remove.
    fn remove_sources(&self, remaining: &mut [bool]) {
        let mut incoming = vec![0_u32; self.nodes];
        for edge in self
            .edges
            .iter()
            .filter(|edge| remaining[edge.from as usize])
        {
            incoming[edge.to as usize] += 1;
        }
        let is_source =
            |&node: &ContentId| remaining[node as usize] && incoming[node as usize] == 0;
        let mut sources: Vec<ContentId> = (0..self.nodes as u32).filter(is_source).collect();
        while let Some(source) = sources.pop() {
            remaining[source as usize] = false;
            for edge in self.edges_of(source) {
                incoming[edge.to as usize] -= 1;
                if incoming[edge.to as usize] == 0 && remaining[edge.to as usize] {
                    sources.push(edge.to);
                }
            }
        }
    }

    /// A cycle near `start`, the shortest through its first node. Every disordered node has a
    /// disordered successor, so a walk along them must come back to where it was.
    fn circle(&self, start: ContentId, disordered: &[ContentId]) -> Vec<Edge> {
        let next = |node| {
            let mut edges = self.edges_of(node).iter();
            edges
                .find(|edge| disordered.binary_search(&edge.to).is_ok())
                .map(|edge| edge.to)
        };
        let mut visited = BTreeSet::new();
        let mut node = start;
        while visited.insert(node) {
            node = next(node).expect("a disordered node has a disordered successor");
        }
        self.shortest_way_back(node)
    }

    /// Breadth-first from a node on a cycle, until an edge leads back to it.
    fn shortest_way_back(&self, home: ContentId) -> Vec<Edge> {
        let mut came_by: FxHashMap<ContentId, Edge> = FxHashMap::default();
        let mut queue = VecDeque::from([home]);
        while let Some(node) = queue.pop_front() {
            for &edge in self.edges_of(node) {
                if came_by.contains_key(&edge.to) {
                    continue;
                }
                came_by.insert(edge.to, edge);
                queue.push_back(edge.to);
            }
            if came_by.contains_key(&home) {
                break;
            }
        }
        let mut way = vec![came_by[&home]];
        while way[way.len() - 1].from != home {
            way.push(came_by[&way[way.len() - 1].from]);
        }
        way.reverse();
        way
    }
}

/// Two messages that two receivers of the cycle handled in different orders, or the whole cycle if
/// no two of them disagree directly.
fn smallest_contradiction(index: &Index<'_>, circle: &[Edge]) -> Vec<Order> {
    let receivers: BTreeSet<u32> = circle.iter().map(|edge| edge.receiver).collect();
    for &one in &receivers {
        for &other in receivers.range(one + 1..) {
            if let Some((first, second)) = disagreement(index, one, other, circle[0].from) {
                return vec![
                    order(index, one, first, second),
                    order(index, other, second, first),
                ];
            }
        }
    }
    circle
        .iter()
        .map(|edge| order(index, edge.receiver, edge.from, edge.to))
        .collect()
}

/// Two messages of this one's room that `one` handled in this order and `other` the other way
/// round. If there are two such messages at all, then there are two that follow each other among
/// those that both handled.
fn disagreement(
    index: &Index<'_>,
    one: u32,
    other: u32,
    of_room: ContentId,
) -> Option<(ContentId, ContentId)> {
    let mut last: Option<(u32, ContentId)> = None;
    for delivery in index.incarnations[one as usize].first_deliveries() {
        if room_of(index, delivery.content) != room_of(index, of_room) {
            continue;
        }
        let other = &index.incarnations[other as usize];
        let Some(there) = other.deliveries_of(delivery.content).next() else {
            continue;
        };
        if let Some((position, content)) = last
            && position > there.position
        {
            return Some((content, delivery.content));
        }
        last = Some((there.position, delivery.content));
    }
    None
}

fn order(index: &Index<'_>, receiver: u32, first: ContentId, second: ContentId) -> Order {
    let incarnation = &index.incarnations[receiver as usize];
    let at = |content| {
        let delivery = incarnation.deliveries_of(content).next();
        delivery
            .expect("an order is made of what the receiver handled")
            .at
    };
    Order {
        receiver: index.name(incarnation.client),
        first: index.content(first).content.to_owned(),
        first_at: at(first),
        second: index.content(second).content.to_owned(),
        second_at: at(second),
    }
}

#[cfg(test)]
mod tests {
    use super::NoCommonOrder;
    use crate::Guarantee::TotalOrder;
    use crate::Verdict;
    use crate::evidence::Evidence;
    use crate::index::Index;
    use crate::testing::{Chat, chat};

    fn three_messages() -> Chat {
        chat(["alice", "bob", "carol"])
            .sent(10, "alice", ["m1"])
            .sent(11, "bob", ["m2"])
            .sent(12, "carol", ["m3"])
    }

    #[test]
    fn what_is_stored_again_has_two_places_and_hides_no_disorder_of_the_rest() {
        let disordered = |again: &[&str]| {
            let mut chat = three_messages()
                .handled(20, "alice", ["m1", "m2", "m3"])
                .handled(30, "bob", ["m2", "m1", "m3"])
                .stored(["m1", "m2", "m3"]);
            for content in again {
                chat = chat.stored([content]);
            }
            chat.verdict(TotalOrder)
        };
        assert!(disordered(&[]).starts_with("violated"));
        assert!(disordered(&["m3"]).contains("(1 excused: stored again)"));
        assert!(disordered(&["m3"]).starts_with("violated"));
        insta::assert_snapshot!(disordered(&["m1"]), @"held: 2 shared messages of two senders or more (1 excused: stored again)");
    }

    #[test]
    fn holds_when_receivers_agree() {
        let chat = three_messages()
            .handled(20, "alice", ["m2", "m1", "m3"])
            .handled(30, "bob", ["m2", "m3"])
            .handled(40, "carol", ["m2", "m1"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"held: 3 shared messages of two senders or more");
    }

    #[test]
    fn is_violated_by_two_receivers_that_disagree() {
        let chat = three_messages()
            .handled(20, "alice", ["m1", "m3", "m2"])
            .handled(30, "bob", ["m2", "m1"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"violated: In room lobby, alice handled `m1` at 0.020 s and `m2` at 0.022 s; bob handled `m2` at 0.030 s and `m1` at 0.031 s: no order fits them all.");
    }

    #[test]
    fn is_violated_by_a_circle_of_receivers_of_whom_no_two_disagree() {
        let chat = three_messages()
            .handled(20, "alice", ["m1", "m2"])
            .handled(30, "bob", ["m2", "m3"])
            .handled(40, "carol", ["m3", "m1"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"violated: In room lobby, alice handled `m1` at 0.020 s and `m2` at 0.021 s; bob handled `m2` at 0.030 s and `m3` at 0.031 s; carol handled `m3` at 0.040 s and `m1` at 0.041 s: no order fits them all.");
    }

    #[test]
    fn keeps_rooms_apart() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent_to("garden", 11, "bob", ["m2"])
            .handled(20, "alice", ["m1", "m2"])
            .handled(30, "bob", ["m2", "m1"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"not exercised");
    }

    #[test]
    fn is_not_exercised_by_one_sender() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .handled(20, "alice", ["m1", "m2"])
            .handled(30, "bob", ["m1", "m2"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"not exercised");
    }

    #[test]
    fn asks_every_incarnation_on_its_own() {
        let chat = three_messages()
            .handled(20, "alice", ["m1", "m2"])
            .handled(30, "bob", ["m2"])
            .restarted(40, "bob")
            .handled(50, "bob", ["m1", "m2"]);
        insta::assert_snapshot!(chat.verdict(TotalOrder), @"held: 2 shared messages of two senders or more");
    }

    #[test]
    fn judges_the_shared_messages_if_it_holds_and_the_rooms_if_it_does_not() {
        let agree = three_messages()
            .handled(20, "alice", ["m2", "m1", "m3"])
            .handled(30, "bob", ["m2", "m3"]);
        assert_eq!(agree.asked(TotalOrder), "2 judged");
        let mut chat = chat(["alice", "bob"]).room("den", ["alice", "bob"]);
        for room in ["lobby", "den"] {
            let [one, other] = [format!("{room} 1"), format!("{room} 2")];
            chat = chat
                .sent_to(room, 10, "alice", [&one])
                .sent_to(room, 11, "bob", [&other])
                .handled(20, "alice", [&one, &other])
                .handled(20, "bob", [&other, &one]);
        }
        insta::assert_snapshot!(chat.clone().verdict(TotalOrder), @"violated: In room lobby, alice handled `lobby 1` at 0.020 s and `lobby 2` at 0.021 s; bob handled `lobby 2` at 0.020 s and `lobby 1` at 0.021 s: no order fits them all. And 1 more violation.");
        assert_eq!(chat.asked(TotalOrder), "2 judged");
    }

    /// Every way in which a receiver can handle some of these, in some order.
    fn sequences<'m>(messages: &[&'m str]) -> Vec<Vec<&'m str>> {
        let mut all = vec![Vec::new()];
        for (place, &first) in messages.iter().enumerate() {
            let others = [&messages[..place], &messages[place + 1..]].concat();
            all.extend(sequences(&others).into_iter().map(|mut rest| {
                rest.insert(0, first);
                rest
            }));
        }
        all
    }

    /// Whether one of these orders of all messages agrees with all that was seen.
    fn some_order_fits(seen: &[&Vec<&str>], orders: &[&Vec<&str>]) -> bool {
        orders.iter().any(|order| {
            let place = |message: &str| order.iter().position(|other| *other == message);
            let mut pairs = seen.iter().flat_map(|seen| seen.windows(2));
            pairs.all(|pair| place(pair[0]) < place(pair[1]))
        })
    }

    /// How many messages are shared in a way that says something, counted as the definition has it.
    fn shared(seen: &[&Vec<&str>], senders: &[(&str, &str)]) -> usize {
        let by_two = |message: &&str| seen.iter().filter(|seen| seen.contains(message)).count() > 1;
        let messages: Vec<_> = senders
            .iter()
            .filter(|(_, message)| by_two(message))
            .collect();
        let two_senders = messages.iter().any(|(sender, _)| *sender != messages[0].0);
        let of_two = seen.iter().filter(|seen| {
            let shared = seen.iter().filter(|message| by_two(message));
            shared.count() > 1
        });
        match two_senders && of_two.count() > 1 {
            true => messages.len(),
            false => 0,
        }
    }

    /// Plays every combination of what these receivers can handle of these messages, and compares
    /// each verdict with what follows from the definition, and each piece of evidence with what was
    /// handled.
    fn every_combination<const N: usize>(receivers: [&str; N], senders: &[(&str, &str)]) {
        let messages: Vec<&str> = senders.iter().map(|&(_, message)| message).collect();
        let sequences = sequences(&messages);
        let whole = sequences
            .iter()
            .filter(|order| order.len() == messages.len());
        let whole: Vec<_> = whole.collect();
        let mut sent = chat(receivers);
        for &(sender, message) in senders {
            sent = sent.sent(10, sender, [message]);
        }
        for combination in 0..sequences.len().pow(N as u32) {
            let digit = |place| combination / sequences.len().pow(place) % sequences.len();
            let seen: Vec<&Vec<&str>> = (0..N as u32)
                .map(|place| &sequences[digit(place)])
                .collect();
            let mut chat = sent.clone();
            for (who, seen) in receivers.iter().zip(&seen) {
                for (at, message) in (20..).zip(*seen) {
                    chat = chat.handled(at, who, [message]);
                }
            }
            let history = chat.history();
            let verdict = TotalOrder.check(&Index::new(&history));
            match &verdict {
                Verdict::Violated(violation) => {
                    assert!(!some_order_fits(&seen, &whole), "{seen:?}: {violation}");
                    proves(&violation.evidence, &receivers, &seen);
                }
                other => {
                    assert!(some_order_fits(&seen, &whole), "{seen:?}: {}", other.word());
                    let expected = shared(&seen, senders);
                    assert_eq!(other.asked().judged, expected as u64, "{seen:?}");
                    assert_eq!(other.is_exercised(), expected > 0, "{seen:?}");
                }
            }
        }
    }

    /// Panics unless each receiver saw the order that it is said to have seen, and these orders
    /// contradict: two of them directly, if any two do, otherwise all of them in a cycle.
    fn proves(evidence: &Evidence, receivers: &[&str], seen: &[&Vec<&str>]) {
        let orders = evidence.proof::<NoCommonOrder>();
        let orders = orders.expect("of that kind").orders;
        for order in &orders {
            let who = receivers.iter().position(|who| *who == order.receiver);
            let seen = seen[who.expect("a receiver")];
            let place = |message: &str| seen.iter().position(|other| *other == message);
            let (first, second) = (place(&order.first), place(&order.second));
            assert!(first.is_some() && first < second, "{evidence} of {seen:?}");
        }
        let next = orders.iter().cycle().skip(1);
        assert!(
            orders
                .iter()
                .zip(next)
                .all(|(one, next)| one.second == next.first),
            "{evidence}"
        );
        let disagree = |one: &Vec<&str>, other: &Vec<&str>| {
            let place = |message: &str| other.iter().position(|there| *there == message);
            let both: Vec<_> = one.iter().filter_map(|message| place(message)).collect();
            !both.is_sorted()
        };
        let mut pairs = seen
            .iter()
            .flat_map(|one| seen.iter().map(move |other| (one, other)));
        let directly = pairs.any(|(one, other)| disagree(one, other));
        assert_eq!(directly, orders.len() == 2, "{evidence} of {seen:?}");
    }

    #[test]
    fn agrees_with_its_words_on_all_that_three_receivers_can_see_of_three_messages() {
        let senders = [("alice", "m1"), ("bob", "m2"), ("alice", "m3")];
        every_combination(["alice", "bob", "carol"], &senders);
    }

    #[test]
    fn agrees_with_its_words_on_all_that_two_receivers_can_see_of_four_messages() {
        let senders = [
            ("alice", "m1"),
            ("bob", "m2"),
            ("alice", "m3"),
            ("bob", "m4"),
        ];
        every_combination(["alice", "bob"], &senders);
    }
}
