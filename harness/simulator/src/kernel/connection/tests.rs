//! Two connections and a path between them: what they say to each other, and when.

use super::congestion::Algorithm;
use super::segment::HEADER;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::fmt::Write as _;

const SEGMENT: u16 = 1460;
const DELAY: u64 = millis(10);

/// Segments that were sent, as bytes.
#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Outlet for Sent {
    fn send(&mut self, header: &Header, length: usize, fill: impl FnOnce(&mut [u8])) {
        let mut bytes = vec![0; header.length() + length];
        // The network drops larger packets, however often they are sent.
        let most = HEADER + usize::from(SEGMENT);
        assert!(length == 0 || bytes.len() <= most, "{} bytes", bytes.len());
        header.write(1, 2, &mut bytes);
        fill(&mut bytes[header.length()..]);
        self.0.push(bytes);
    }
}

/// A segment in flight: when it arrives, and at which end.
struct UnderWay {
    at: u64,
    to: usize,
    bytes: Vec<u8>,
}

/// What the path does to the n-th segment from an end, counted from 0, given its bytes of data: how
/// much later than others it arrives; never, if none.
type Fate = Box<dyn FnMut(usize, usize, usize) -> Option<u64>>;

struct Pair {
    ends: [Connection; 2],
    now: u64,
    under_way: Vec<UnderWay>,
    count: usize,
    fate: Fate,
    log: String,
}

fn setup(first: u32) -> Setup {
    Setup {
        first: Seq(first),
        segment: SEGMENT,
        segment_out: SEGMENT,
        receive_buffer: None,
        send_buffer: None,
        algorithm: Algorithm::Cubic,
    }
}

impl Pair {
    /// The first end calls the second, which answers the SYN it receives.
    fn new(fate: impl FnMut(usize, usize, usize) -> Option<u64> + 'static) -> Self {
        let [a, b] = [setup(1000), setup(u32::MAX - 1999)];
        let mut pair = Self {
            ends: [Connection::connect(a), Connection::connect(b)],
            now: 0,
            under_way: Vec::new(),
            count: 0,
            fate: Box::new(fate),
            log: String::new(),
        };
        pair.act(0, |end, now, sent| end.work(now, sent));
        let syn = pair.under_way.pop().expect("a SYN").bytes;
        pair.now = DELAY;
        let syn = Segment::read(&syn).expect("a segment").header;
        pair.ends[1] = Connection::answer(b, DELAY, &syn);
        pair.act(1, |end, now, sent| end.work(now, sent));
        pair
    }

    /// A pair whose handshake is complete, with 10 ms each way and no losses so far.
    fn connected() -> Self {
        let mut pair = Self::new(|_, _, _| Some(0));
        pair.run(millis(100));
        assert!(pair.ends.iter().all(|end| end.state == State::Established));
        pair.log.clear();
        pair.count = 0;
        pair
    }

    fn losing(mut self, fate: impl FnMut(usize, usize, usize) -> Option<u64> + 'static) -> Self {
        self.fate = Box::new(fate);
        self
    }

    /// Lets one end do something, and sends its segments on their way.
    fn act<T>(&mut self, end: usize, act: impl FnOnce(&mut Connection, u64, &mut Sent) -> T) -> T {
        let mut sent = Sent::default();
        let result = act(&mut self.ends[end], self.now, &mut sent);
        for bytes in sent.0 {
            let segment = Segment::read(&bytes).expect("a segment");
            let fate = (self.fate)(self.count, end, segment.payload.len());
            self.count += 1;
            let lost = if fate.is_none() { " lost" } else { "" };
            let _ = writeln!(self.log, "{}{lost}", told(self.now, end, &segment));
            if let Some(later) = fate {
                let at = self.now + DELAY + later;
                let place = self.under_way.partition_point(|other| other.at <= at);
                let to = 1 - end;
                self.under_way.insert(place, UnderWay { at, to, bytes });
            }
        }
        result
    }

    fn write(&mut self, end: usize, bytes: &[u8]) -> usize {
        self.act(end, |end, now, sent| end.write(now, bytes, sent))
    }

    fn read(&mut self, end: usize) -> Vec<u8> {
        let waiting = self.ends[end].waiting();
        let mut copy = vec![0; waiting];
        self.ends[end].receiver.copy(&mut copy);
        let mut room = vec![MaybeUninit::uninit(); waiting];
        self.act(end, |end, now, sent| end.read(now, &mut room, sent));
        copy
    }

    /// Lets time pass, and whatever is due happen.
    fn run(&mut self, until: u64) {
        while let Some((at, what)) = self.next().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            match what {
                None => {
                    let UnderWay { to, bytes, .. } = self.under_way.remove(0);
                    let segment = Segment::read(&bytes).expect("a segment");
                    self.act(to, |end, now, sent| {
                        if end.state == State::Closed {
                            refuse(&segment, sent);
                        } else {
                            end.take(now, &segment, sent);
                        }
                    });
                }
                Some(end) => self.act(end, |end, now, sent| end.work(now, sent)),
            }
        }
        self.now = until;
    }

    /// What happens next: an arrival, or the timer of an end.
    fn next(&self) -> Option<(u64, Option<usize>)> {
        let arrival = self.under_way.first().map(|first| (first.at, None));
        let timers = [0, 1].map(|end| self.ends[end].next().map(|at| (at, Some(end))));
        let all = [arrival, timers[0], timers[1]];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log)
    }
}

/// A host's answer for a connection it no longer knows. (RFC 9293, section 3.10.7.1)
fn refuse(segment: &Segment<'_>, sent: &mut Sent) {
    if !segment.header.has(flag::RST) {
        let header = Header {
            seq: segment.header.ack,
            flags: flag::RST,
            ..Header::default()
        };
        sent.send(&header, 0, |_| {});
    }
}

/// A segment in one line: when, which end, which flags, and numbers relative to the initial ones.
fn told(now: u64, end: usize, segment: &Segment<'_>) -> String {
    let first = [setup(1000), setup(u32::MAX - 1999)].map(|setup| setup.first);
    let header = &segment.header;
    let names = [
        (flag::SYN, 'S'),
        (flag::FIN, 'F'),
        (flag::RST, 'R'),
        (flag::PSH, 'P'),
    ];
    let names = names.into_iter().filter(|(flag, _)| header.has(*flag));
    let mut flags: String = names.map(|(_, name)| name).collect();
    if header.has(flag::ACK) {
        let _ = write!(flags, ".{}", header.ack - first[1 - end]);
    }
    let mut line = format!(
        "{:>6} {} {}",
        now / 1_000_000,
        ["a", "b"][end],
        header.seq - first[end]
    );
    if !segment.payload.is_empty() {
        let _ = write!(line, "+{}", segment.payload.len());
    }
    let _ = write!(line, " {flags}");
    for (from, to) in header.sacks.iter() {
        let first = first[1 - end];
        let _ = write!(line, " sack {}-{}", *from - first, *to - first);
    }
    line
}

#[test]
fn a_connection_from_its_beginning_to_its_end() {
    let mut pair = Pair::new(|_, _, _| Some(0));
    pair.run(millis(50));
    pair.write(0, b"hello");
    pair.run(millis(80));
    assert_eq!(pair.read(1), b"hello");
    pair.act(0, |end, now, sent| end.finish(now, sent));
    pair.run(millis(120));
    pair.write(1, b"bye");
    pair.act(1, |end, now, sent| end.finish(now, sent));
    pair.run(millis(200));
    assert_eq!(pair.read(0), b"bye");
    assert_eq!(pair.ends[1].state, State::Closed);
    assert_eq!(pair.ends[0].state, State::TimeWait);
    insta::assert_snapshot!(pair.log, @r"
      0 a 0 S
     10 b 0 S.1
     20 a 1 .1
     50 a 1+5 P.1
     60 b 1 .6
     80 a 6 F.1
    120 b 1+3 P.7
    120 b 4 F.7
    130 a 7 .4
    130 a 7 .5
    ");
    pair.run(millis(61_000));
    assert_eq!(pair.ends[0].state, State::Closed);
}

#[test]
fn both_may_call_at_the_same_time() {
    let mut pair = Pair::new(|_, _, _| Some(0));
    pair.under_way.clear();
    pair.log.clear();
    pair.ends = [setup(1000), setup(u32::MAX - 1999)].map(Connection::connect);
    (0..2).for_each(|end| pair.act(end, |end, now, sent| end.work(now, sent)));
    pair.run(millis(100));
    assert!(pair.ends.iter().all(|end| end.state == State::Established));
    insta::assert_snapshot!(pair.log, @r"
    10 a 0 S
    10 b 0 S
    20 b 0 S.1
    20 a 0 S.1
    ");
}

#[test]
fn both_may_close_at_the_same_time() {
    let mut pair = Pair::connected();
    (0..2).for_each(|end| pair.act(end, |end, now, sent| end.finish(now, sent)));
    pair.run(millis(200));
    assert!(pair.ends.iter().all(|end| end.state == State::TimeWait));
    pair.run(millis(61_000));
    assert!(pair.ends.iter().all(|end| end.state == State::Closed));
}

#[test]
fn a_syn_without_an_answer_is_sent_five_times_a_second_apart_and_then_ever_more_seldom() {
    let mut pair = Pair::new(|_, end, _| (end == 0).then_some(0));
    pair.ends[1].state = State::Closed;
    pair.run(millis(200_000));
    let times: Vec<u64> = pair
        .log
        .lines()
        .filter(|line| line.contains(" a "))
        .map(|line| line[..6].trim().parse::<u64>().unwrap() / 1000)
        .collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
    assert_eq!(pair.ends[0].failure, Some(Failure::TimedOut));
}

#[test]
fn a_small_write_waits_for_the_acknowledgement_of_the_one_before() {
    for (wishes, sent_at_once) in [
        (Wishes::default(), vec![50]),
        (
            Wishes {
                no_delay: true,
                ..Wishes::default()
            },
            vec![50, 50, 50],
        ),
        (
            Wishes {
                cork: true,
                ..Wishes::default()
            },
            vec![],
        ),
    ] {
        let mut pair = Pair::connected();
        pair.act(0, |end, now, sent| end.set_wishes(now, wishes, sent));
        (0..3).for_each(|_| {
            pair.write(0, &[1; 50]);
        });
        let lengths: Vec<usize> = pair
            .under_way
            .iter()
            .map(|it| Segment::read(&it.bytes).unwrap().payload.len())
            .collect();
        assert_eq!(lengths, sent_at_once, "{wishes:?}");
        pair.run(millis(500));
        assert_eq!(pair.read(1).len(), 150);
    }
}

#[test]
fn a_lost_last_segment_is_sent_again_after_200_ms_and_a_round_trip() {
    let mut pair = Pair::connected().losing(|number, _, _| (number != 0).then_some(0));
    pair.write(0, b"lost");
    pair.run(millis(1000));
    insta::assert_snapshot!(pair.take_log(), @r"
    100 a 1+4 P.1 lost
    320 a 1+4 P.1
    330 b 1 .5
    ");
}

#[test]
fn of_several_segments_the_last_lost_one_is_found_after_two_round_trips() {
    let mut pair = Pair::connected().losing(|number, _, _| (number != 4).then_some(0));
    pair.write(0, &[1; 5 * 1448]);
    pair.run(millis(1000));
    insta::assert_snapshot!(pair.take_log(), @r"
    100 a 1+1448 .1
    100 a 1449+1448 .1
    100 a 2897+1448 .1
    100 a 4345+1448 .1
    100 a 5793+1448 P.1 lost
    110 b 1 .1449
    110 b 1 .2897
    110 b 1 .4345
    110 b 1 .5793
    340 a 5793+1448 P.1
    350 b 1 .7241
    ");
}

#[test]
fn a_gap_is_filled_a_round_trip_after_what_lies_behind_it() {
    let mut pair = Pair::connected().losing(|number, _, _| (number != 1).then_some(0));
    pair.write(0, &[1; 6 * 1448]);
    pair.run(millis(1000));
    assert_eq!(pair.ends[1].waiting(), 6 * 1448);
    insta::assert_snapshot!(pair.take_log(), @r"
    100 a 1+1448 .1
    100 a 1449+1448 .1 lost
    100 a 2897+1448 .1
    100 a 4345+1448 .1
    100 a 5793+1448 .1
    100 a 7241+1448 P.1
    110 b 1 .1449
    110 b 1 .1449 sack 2897-4345
    110 b 1 .1449 sack 2897-5793
    110 b 1 .1449 sack 2897-7241
    110 b 1 .1449 sack 2897-8689
    120 a 1449+1448 .1
    130 b 1 .8689
    ");
}

#[test]
fn who_never_answers_is_given_up_after_fifteen_minutes_or_as_long_as_the_program_likes() {
    for (patience, expected) in [(0, 945), (millis(5000), 5)] {
        let mut pair = Pair::connected().losing(|_, _, _| None);
        let wishes = Wishes {
            patience,
            ..Wishes::default()
        };
        pair.act(0, |end, now, sent| end.set_wishes(now, wishes, sent));
        pair.write(0, b"anybody?");
        let began = pair.now;
        while pair.ends[0].state != State::Closed {
            let (at, _) = pair.next().expect("it is waiting");
            pair.run(at);
        }
        assert_eq!((pair.now - began) / 1_000_000_000, expected);
        assert_eq!(pair.ends[0].failure, Some(Failure::TimedOut));
    }
}

#[test]
fn a_time_out_that_came_too_early_costs_nothing() {
    // Everything is late by half a second once: the acknowledgements of the first transmission
    // arrive after the time-out.
    let mut pair =
        Pair::connected().losing(|number, _, _| Some(if number < 4 { millis(500) } else { 0 }));
    pair.write(0, &[1; 4 * 1448]);
    pair.run(millis(700));
    let window = pair.ends[0].sender.congestion.window;
    assert!(window >= congestion::FIRST_WINDOW, "{window}");
    pair.run(millis(2000));
    assert_eq!(pair.ends[1].waiting(), 4 * 1448);
}

#[test]
fn a_full_receiver_is_asked_until_it_has_room() {
    let mut pair = Pair::connected();
    let mut written = pair.write(0, &[7; 200_000]);
    pair.run(millis(2000));
    written += pair.write(0, &[7; 200_000]);
    pair.run(millis(5000));
    let full = pair.ends[1].waiting();
    // A window that is rounded up may be that much larger (`tcp_rmem`, shift 10).
    assert!(
        full < 65_535 + 1024 && full < written,
        "{full} of {written}"
    );
    pair.take_log();
    pair.run(millis(20_000));
    let probes = pair
        .take_log()
        .lines()
        .filter(|line| line.contains(" a "))
        .count();
    assert!((3..10).contains(&probes), "{probes}");
    let mut total = 0;
    for second in 21..60 {
        total += pair.read(1).len();
        pair.run(millis(second * 1000));
    }
    assert_eq!(total, written);
}

/// Regression: the room shrank with the congestion window, so a writer that had been told of room
/// found none, and was never told again.
#[test]
fn room_to_write_does_not_become_less() {
    let mut pair = Pair::connected();
    for _ in 0..100 {
        pair.write(0, &[7; 100_000]);
        pair.run(pair.now + millis(20));
        pair.read(1);
    }
    pair.fate = Box::new(|_, _, _| None);
    let room = pair.write(0, &[7; 5 << 20]);
    assert!(room > 200_000, "{room}");
    pair.run(pair.now + millis(5000));
    assert_eq!(pair.ends[0].sender.congestion.window, 1);
    pair.fate = Box::new(|_, _, _| Some(0));
    let mut arrived = 0;
    while arrived < room {
        pair.run(pair.now + millis(100));
        arrived += pair.read(1).len();
    }
    pair.run(pair.now + millis(100));
    assert!(pair.write(0, &[7; 5 << 20]) >= room);
}

#[test]
fn keep_alive_gives_a_silent_peer_up() {
    let mut pair = Pair::connected().losing(|_, end, _| (end == 0).then_some(0));
    let keep_alive = KeepAlive {
        idle: millis(10_000),
        interval: millis(5000),
        count: 3,
    };
    pair.act(0, |end, now, _| end.set_keep_alive(now, Some(keep_alive)));
    let began = pair.now;
    pair.run(began + millis(24_900));
    assert_eq!(pair.ends[0].state, State::Established);
    pair.run(began + millis(25_100));
    assert_eq!(pair.ends[0].failure, Some(Failure::TimedOut));
}

#[test]
fn what_has_become_too_large_is_sent_again_at_once() {
    let mut pair =
        Pair::connected().losing(|_, end, length| (end == 1 || length < 1000).then_some(0));
    pair.write(0, &[1; 3 * 1448]);
    pair.run(pair.now + millis(5));
    pair.act(0, |end, now, sent| end.shrink(now, 900, sent));
    pair.run(pair.now + millis(50));
    assert_eq!(pair.ends[1].waiting(), 3 * 1448);
}

/// An unsolicited segment from the first end to the second.
fn forged(pair: &mut Pair, change: impl FnOnce(&mut Header, Seq)) -> Vec<Vec<u8>> {
    forged_with(pair, b"", change)
}

/// The same with data.
fn forged_with(
    pair: &mut Pair,
    payload: &[u8],
    change: impl FnOnce(&mut Header, Seq),
) -> Vec<Vec<u8>> {
    let end = &pair.ends[1];
    let mut header = Header {
        seq: end.receiver.next(),
        ack: end.sender.una(),
        flags: flag::ACK,
        window: 500,
        stamps: Some((stamp(pair.now), 0)),
        ..Header::default()
    };
    change(&mut header, end.receiver.edge());
    let mut sent = Sent::default();
    let segment = Segment { header, payload };
    pair.ends[1].take(pair.now, &segment, &mut sent);
    sent.0
}

#[test]
fn only_a_reset_with_the_expected_number_ends_a_connection() {
    for (offset, ends, answers) in [
        (0, true, 0),
        (1, false, 1),
        (60_000, false, 1),
        (1 << 20, false, 0),
    ] {
        let mut pair = Pair::connected();
        let sent = forged(&mut pair, |header, _| {
            header.flags = flag::RST;
            header.seq += offset;
        });
        assert_eq!(pair.ends[1].state == State::Closed, ends, "{offset}");
        assert_eq!(sent.len(), answers, "{offset}");
    }
}

#[test]
fn a_syn_within_a_connection_is_answered_with_where_it_stands() {
    let mut pair = Pair::connected();
    let sent = forged(&mut pair, |header, _| header.flags = flag::SYN);
    assert_eq!(pair.ends[1].state, State::Established);
    let answer = Segment::read(&sent[0]).unwrap().header;
    assert_eq!(
        (answer.flags, answer.ack),
        (flag::ACK, pair.ends[1].receiver.next())
    );
    // But not every one.
    assert!(forged(&mut pair, |header, _| header.flags = flag::SYN).is_empty());
}

#[test]
fn what_was_sent_long_ago_is_not_taken() {
    let mut pair = Pair::connected();
    pair.write(0, b"x");
    pair.run(millis(60_000));
    let sent = forged(&mut pair, |header, _| header.stamps = Some((1, 0)));
    assert_eq!(sent.len(), 1);
    // Nor an acknowledgement of something that was never sent.
    assert_eq!(forged(&mut pair, |header, _| header.ack += 1000).len(), 0);
}

#[test]
fn data_of_a_segment_that_makes_no_sense_is_not_read() {
    let refused = |change: fn(&mut Header)| {
        let mut pair = Pair::connected();
        pair.write(0, b"x");
        pair.run(millis(60_000));
        let next = pair.ends[1].receiver.next();
        let sent = forged_with(&mut pair, b"forged", |header, _| change(header));
        assert_eq!(sent.len(), 1, "it is answered");
        let end = &pair.ends[1];
        end.waiting() == 1 && end.receiver.next() == next && !end.receiver.has_gap()
    };
    assert!(refused(|header| header.stamps = Some((1, 0))), "it is old");
    assert!(
        refused(|header| header.ack += 1000),
        "nobody sent what it acknowledges"
    );
    assert!(refused(|header| header.ack += 1 << 31));
    assert!(
        refused(|header| header.seq += 1 << 20),
        "it is beyond the window"
    );
}

#[test]
fn a_segment_from_half_of_the_numbers_away_does_no_harm() {
    let space = 1_u32 << 31;
    for offset in [0, 1, 40, 83, 84, 65_535, 65_536, 1 << 20] {
        for seq in [space - offset, space + offset] {
            for stale in [false, true] {
                let mut pair = Pair::connected();
                forged_with(&mut pair, &[9; 83], |header, _| {
                    header.seq += seq;
                    if stale {
                        header.stamps = Some((stamp(0).wrapping_sub(9), 0));
                    }
                });
                assert_eq!(pair.ends[1].waiting(), 0, "{seq}");
            }
        }
    }
}

#[test]
fn reno_is_a_choice() {
    let mut pair = Pair::connected();
    pair.ends[0].set_algorithm(Algorithm::Reno);
    let pattern = |number: usize, _, length: usize| (length == 0 || number != 3).then_some(0);
    let mut pair = pair.losing(pattern);
    pair.write(0, &[1; 10 * 1448]);
    pair.run(millis(1000));
    assert_eq!(pair.ends[1].waiting(), 10 * 1448);
    // Two segments more than initially, halved. CUBIC would keep seven tenths.
    assert_eq!(pair.ends[0].sender.congestion.threshold, 6);
}

/// What a path does: it loses and delays (which reorders), and duplicates nothing.
fn any_fate() -> impl Strategy<Value = Vec<Option<u64>>> {
    let one = prop_oneof![
        6 => Just(Some(0)),
        1 => Just(None),
        1 => (1..50_u64).prop_map(|late| Some(millis(late))),
    ];
    proptest::collection::vec(one, 1..100)
}

/// The same cases in every run of the tests: 400, or as many more as `PROPTEST_CASES` asks for.
fn always_the_same() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(400),
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(always_the_same())]

    /// Whatever a path loses or reorders, the bytes arrive exactly once and in order, both ways.
    #[test]
    fn a_stream_survives_its_path(fates in any_fate(), sizes in proptest::collection::vec(1..9000_usize, 1..12)) {
        let mut pair = Pair::connected().losing(move |number, _, _| {
            // In the end, the path becomes a good one.
            fates.get(number).copied().unwrap_or(Some(0))
        });
        let mut expected = [Vec::new(), Vec::new()];
        let mut arrived = [Vec::new(), Vec::new()];
        for (number, size) in sizes.into_iter().enumerate() {
            let end = number % 2;
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + number) as u8).collect();
            let taken = pair.write(end, &bytes);
            expected[1 - end].extend_from_slice(&bytes[..taken]);
            pair.run(pair.now + millis(37));
            (0..2).for_each(|end| arrived[end].extend(pair.read(end)));
        }
        (0..2).for_each(|end| pair.act(end, |end, now, sent| end.finish(now, sent)));
        for _ in 0..600 {
            pair.run(pair.now + millis(1000));
            (0..2).for_each(|end| arrived[end].extend(pair.read(end)));
            if arrived[0].len() == expected[0].len() && arrived[1].len() == expected[1].len() {
                break;
            }
        }
        prop_assert!(arrived == expected, "{}", pair.log);
        // And nothing is left of it. A late end may find that the other has forgotten it.
        pair.run(pair.now + millis(200_000));
        let refused = pair.log.lines().any(|line| line.contains(" R"));
        for end in &pair.ends {
            prop_assert_eq!(end.state, State::Closed, "{}", pair.log);
            prop_assert!(end.failure.is_none() || refused, "{}", pair.log);
            prop_assert!(end.sender.board().is_empty() && !end.sender.has_unfinished());
            prop_assert_eq!(end.sender.board().in_flight(), 0);
        }
    }

    /// Whatever is sent, in whatever state: nothing panics, and no more is kept than there is room
    /// for.
    #[test]
    fn hostile_segments_do_no_harm(segments in proptest::collection::vec(hostile(), 1..60), finishes in any::<bool>()) {
        let mut pair = Pair::connected();
        pair.write(1, &[1; 20_000]);
        if finishes {
            pair.act(1, |end, now, sent| end.finish(now, sent));
        }
        for (later, forged) in segments {
            pair.now += later;
            let end = &pair.ends[1];
            let mut header = forged.header;
            if forged.is_close {
                header.seq = Seq(header.seq.0 % 100_000) + end.receiver.next().0 - 50_000;
                header.ack = Seq(header.ack.0 % 40_000) + end.sender.una().0 - 10_000;
                let near = |seq: Seq| Seq(seq.0 % 40_000) + end.sender.una().0 - 10_000;
                let mut blocks = segment::Blocks::default();
                header.sacks.iter().for_each(|&(from, to)| blocks.push((near(from), near(to))));
                header.sacks = blocks;
                if forged.is_young {
                    header.stamps = Some((stamp(pair.now), stamp(pair.now)));
                }
            }
            let payload = vec![9; forged.length];
            let mut sent = Sent::default();
            let end = &mut pair.ends[1];
            end.take(pair.now, &Segment { header, payload: &payload }, &mut sent);
            if end.next().is_some_and(|at| at <= pair.now) {
                end.work(pair.now, &mut sent);
            }
            prop_assert!(sent.0.len() < 100, "{} segments for one", sent.0.len());
            prop_assert!(end.waiting() <= 65_535);
            let board = end.sender.board();
            prop_assert!(board.sacked() + board.lost() <= board.len());
            prop_assert!(board.resent() <= board.len());
            if end.state == State::Closed {
                break;
            }
        }
    }

    /// Bytes that are not a segment are not read as one.
    #[test]
    fn reading_a_segment_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(segment) = Segment::read(&bytes) {
            prop_assert!(segment.payload.len() <= bytes.len() - segment::HEADER);
        }
    }
}

#[derive(Clone, Debug)]
struct Forged {
    header: Header,
    length: usize,
    /// Its numbers and timestamps are near the expected ones.
    is_close: bool,
    is_young: bool,
}

fn hostile() -> impl Strategy<Value = (u64, Forged)> {
    let blocks = proptest::collection::vec((any::<u32>(), any::<u32>()), 0..4);
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>());
    let flags = prop_oneof![3 => Just(flag::ACK), 1 => any::<u8>()];
    let stamps = proptest::option::of((any::<u32>(), any::<u32>()));
    let rest = (
        0..3000_usize,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
    );
    let later = prop_oneof![Just(0), 0..millis(50), 0..millis(5000)];
    (later, numbers, flags, stamps, blocks, rest).prop_map(
        |(later, (seq, ack, window), flags, stamps, sacks, rest)| {
            let mut blocks = segment::Blocks::default();
            sacks
                .into_iter()
                .for_each(|(from, to)| blocks.push((Seq(from), Seq(to))));
            let header = Header {
                seq: Seq(seq),
                ack: Seq(ack),
                flags,
                window,
                stamps,
                sacks: blocks,
                ..Header::default()
            };
            let (length, is_close, is_young) = rest;
            (
                later,
                Forged {
                    header,
                    length,
                    is_close,
                    is_young,
                },
            )
        },
    )
}
