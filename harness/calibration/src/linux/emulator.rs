//! A network between two devices: a delay, a rate with a queue, losses, and the strikes on it.

use super::namespace::{Tun, take_priority};
use crate::segment::Segment;
use crate::stage::{Conversation, QUEUE, Strike};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest time between checks of whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// The largest packet of a TUN device.
const PACKET: usize = 1 << 16;

/// A thread that forwards packets.
pub(super) struct Emulator {
    thread: JoinHandle<Vec<Segment>>,
    stop: Arc<AtomicBool>,
}

impl Emulator {
    /// Starts it between the devices of a client and a server. Times are counted from `start`.
    pub(super) fn start(
        [client, server]: [Tun; 2],
        conversation: &Conversation,
        start: Instant,
    ) -> Emulator {
        let path = &conversation.path;
        let direction = |from_client: bool| Direction {
            from_client,
            delay: path.round_trip / 2,
            bits_per_second: path.bits_per_second,
            loss: path.loss,
            dice: ChaCha8Rng::seed_from_u64(conversation.seed * 2 + u64::from(from_client)),
            queue: VecDeque::new(),
            free_at: start,
            to_lose: 0,
            newest: None,
        };
        let mut strikes = conversation.strikes.clone();
        strikes.sort_by_key(Strike::at);
        let stop = Arc::new(AtomicBool::new(false));
        let mut network = Network {
            directions: [direction(true), direction(false)],
            start,
            strikes: strikes.into(),
            is_cut: false,
            segments: conversation.keep_packets.then(Vec::new),
        };
        let told_to_stop = stop.clone();
        let thread = thread::spawn(move || {
            take_priority();
            network.forward(&client, &server, &told_to_stop);
            network.segments.unwrap_or_default()
        });
        Emulator { thread, stop }
    }

    /// What was sent, if it was to be kept. Stops the thread.
    pub(super) fn stop(self) -> Vec<Segment> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the emulator does not panic")
    }
}

struct Network {
    /// From the client and from the server.
    directions: [Direction; 2],
    start: Instant,
    /// The strikes to come, earliest first.
    strikes: VecDeque<Strike>,
    is_cut: bool,
    segments: Option<Vec<Segment>>,
}

struct Direction {
    from_client: bool,
    delay: Duration,
    bits_per_second: Option<u64>,
    loss: f64,
    dice: ChaCha8Rng,
    /// In flight, with the arrival time.
    queue: VecDeque<(Instant, Vec<u8>)>,
    /// When the rate allows the next packet.
    free_at: Instant,
    /// How many packets with new data are to be lost.
    to_lose: u32,
    /// The end of the newest data.
    newest: Option<u32>,
}

impl Network {
    fn forward(&mut self, client: &Tun, server: &Tun, stop: &AtomicBool) {
        let mut buffer = vec![0; PACKET];
        while !stop.load(Ordering::Relaxed) {
            let next = self.deliver([server, client]);
            let next = next.min(self.strike());
            wait(client, server, next);
            for (number, mut from) in [client, server].into_iter().enumerate() {
                while let Ok(length) = from.read(&mut buffer) {
                    self.take(number, &buffer[..length]);
                }
            }
        }
    }

    /// Hands over what has arrived. Returns when the next packet will.
    fn deliver(&mut self, to: [&Tun; 2]) -> Instant {
        let mut next = Instant::now() + PATIENCE;
        for (direction, mut to) in self.directions.iter_mut().zip(to) {
            while let Some((due, packet)) = direction.queue.front() {
                if *due > Instant::now() {
                    next = next.min(*due);
                    break;
                }
                // If the device accepts no more, the packet is lost, as with a network card.
                let _ = to.write(packet);
                direction.queue.pop_front();
            }
        }
        next
    }

    /// Applies the strikes that are due. Returns when the next one is.
    fn strike(&mut self) -> Instant {
        while let Some(strike) = self.strikes.front() {
            // The next packet is the one lost; it may be sent slightly early.
            let early = match strike {
                Strike::Lose { apart, .. } => *apart / 2,
                _ => Duration::ZERO,
            };
            let due = self.start + strike.at().saturating_sub(early);
            if due > Instant::now() {
                return due;
            }
            match *strike {
                Strike::Lose { count, .. } => self.directions[0].to_lose = count,
                Strike::Cut { .. } => {
                    self.is_cut = true;
                    for direction in &mut self.directions {
                        direction.queue.clear();
                    }
                }
                Strike::Mend { .. } => self.is_cut = false,
            }
            self.strikes.pop_front();
        }
        Instant::now() + PATIENCE
    }

    fn take(&mut self, number: usize, packet: &[u8]) {
        let now = Instant::now();
        let at = now.saturating_duration_since(self.start);
        let direction = &mut self.directions[number];
        let Some(segment) = Segment::read(packet, at, direction.from_client) else {
            return;
        };
        let is_lost = direction.loses(&segment);
        if let Some(segments) = &mut self.segments {
            segments.push(segment);
        }
        if !self.is_cut && !is_lost {
            direction.send(packet, now);
        }
    }
}

impl Direction {
    fn loses(&mut self, segment: &Segment) -> bool {
        let is_new = segment.length > 0
            && self
                .newest
                .is_none_or(|newest| segment.end().wrapping_sub(newest) as i32 > 0);
        if is_new {
            self.newest = Some(segment.end());
            if self.to_lose > 0 {
                self.to_lose -= 1;
                return true;
            }
        }
        self.loss > 0.0 && self.dice.random_bool(self.loss)
    }

    /// Queues a packet, if there is room.
    fn send(&mut self, packet: &[u8], now: Instant) {
        let mut due = now;
        if let Some(rate) = self.bits_per_second {
            let begins = self.free_at.max(now);
            let waiting = (begins - now).as_secs_f64() * rate as f64 / 8.0;
            if begins > now && waiting + packet.len() as f64 > QUEUE as f64 {
                return;
            }
            let takes = packet.len() as f64 * 8.0 / rate as f64;
            self.free_at = begins + Duration::from_secs_f64(takes);
            due = self.free_at;
        }
        self.queue.push_back((due + self.delay, packet.to_vec()));
    }
}

/// Waits for a packet, or until this time.
fn wait(client: &Tun, server: &Tun, until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    let mut devices = [client, server].map(|tun| PollFd::new(tun.as_fd(), PollFlags::POLLIN));
    // Whatever goes wrong here is seen when the devices are read.
    let _ = ppoll(&mut devices, Some(TimeSpec::from(left)), None);
}
