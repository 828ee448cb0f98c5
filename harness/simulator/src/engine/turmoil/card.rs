//! A machine's network card: the software of its host in turmoil.

use super::line::{Answer, Leaving, Line};
use super::names::Addresses;

use crate::ids::MachineId;
use crate::kernel::Packet;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use turmoil::net::UdpSocket;

/// The port of every card.
const PORT: u16 = 1;

/// The largest datagram: an IP packet.
const DATAGRAM: usize = 1 << 16;

pub(super) struct Card {
    machine: MachineId,
    line: Rc<Line>,
    addresses: Rc<RefCell<Addresses>>,
    /// Packets waiting for their time to leave, ordered by that time and then by sending.
    leaving: RefCell<BTreeMap<(u64, u64), (MachineId, Packet)>>,
    sent: Cell<u64>,
    /// The machines whose packets are held.
    held_from: RefCell<BTreeSet<MachineId>>,
    /// What has arrived from them, in order of arrival.
    held: RefCell<Vec<(MachineId, Packet)>>,
    wake: Cell<Option<u64>>,
    /// Something was put on the card from outside its own turn.
    changed: Notify,
}

impl Card {
    pub(super) fn new(
        machine: MachineId,
        line: Rc<Line>,
        addresses: Rc<RefCell<Addresses>>,
    ) -> Self {
        Self {
            machine,
            line,
            addresses,
            leaving: RefCell::default(),
            sent: Cell::default(),
            held_from: RefCell::default(),
            held: RefCell::default(),
            wake: Cell::default(),
            changed: Notify::new(),
        }
    }

    /// Takes over what the machine did.
    fn take(&self, answer: Answer) {
        let mut leaving = self.leaving.borrow_mut();
        for Leaving { to, packet, at } in answer.departures {
            let number = self.sent.replace(self.sent.get() + 1);
            leaving.insert((at, number), (to, packet));
        }
        self.wake.set(answer.wake);
    }

    /// Takes over what the machine did outside its card's turn.
    pub(super) fn put(&self, answer: Answer) {
        self.take(answer);
        self.changed.notify_one();
    }

    /// From now on the packets of a machine are held, or arrive.
    pub(super) fn set_held(&self, from: MachineId, held: bool) {
        let mut held_from = self.held_from.borrow_mut();
        match held {
            true => held_from.insert(from),
            false => held_from.remove(&from),
        };
        self.changed.notify_one();
    }

    /// Loses the held packets of a machine.
    pub(super) fn forget(&self, from: MachineId) {
        self.held.borrow_mut().retain(|&(sender, _)| sender != from);
    }

    /// What the machine receives of all that has arrived.
    fn pass(&self, arrived: Vec<(MachineId, Packet)>) -> Vec<(MachineId, Packet)> {
        let (mut held, held_from) = (self.held.borrow_mut(), self.held_from.borrow());
        if held.is_empty() && held_from.is_empty() {
            return arrived;
        }
        held.extend(arrived);
        held.extract_if(.., |(from, _)| !held_from.contains(from))
            .collect()
    }

    /// Hands what is due to turmoil's network.
    async fn send_due(&self, socket: &UdpSocket) -> turmoil::Result {
        let now = self.line.now.get();
        loop {
            let due = {
                let mut leaving = self.leaving.borrow_mut();
                match leaving.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove(),
                    _ => return Ok(()),
                }
            };
            let (to, packet) = due;
            let address = self.addresses.borrow().of[to.0 as usize];
            let sent = socket.send_to(&packet.0, SocketAddr::new(address, PORT));
            // The card of a peer that has not started refuses: the packet is lost, as on a wire.
            if let Err(error) = sent.await
                && error.kind() != ErrorKind::ConnectionRefused
            {
                return Err(error.into());
            }
        }
    }

    /// When the card next has to act by itself.
    fn next(&self) -> Option<u64> {
        let leaving = self
            .leaving
            .borrow()
            .first_key_value()
            .map(|((at, _), _)| *at);
        [leaving, self.wake.get()].into_iter().flatten().min()
    }

    fn is_wake_due(&self) -> bool {
        self.wake
            .get()
            .is_some_and(|wake| wake <= self.line.now.get())
    }

    /// Everything that has arrived by now, following a first datagram.
    fn drain(
        &self,
        socket: &UdpSocket,
        buffer: &mut [u8],
        first: (usize, SocketAddr),
    ) -> Vec<(MachineId, Packet)> {
        let addresses = self.addresses.borrow();
        let mut arrived = Vec::new();
        let mut next = Some(first);
        while let Some((length, from)) = next {
            if let Some(&from) = addresses.whose.get(&from.ip()) {
                arrived.push((from, Packet(buffer[..length].to_vec())));
            }
            next = socket.try_recv_from(buffer).ok();
        }
        arrived
    }
}

/// The software of a host.
pub(super) async fn run_card(card: Rc<Card>) -> turmoil::Result {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let began = Instant::now() - turmoil::sim_elapsed().unwrap_or_default();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        card.send_due(&socket).await?;
        let next = card.next().map(|at| began + Duration::from_nanos(at));
        let arrived = tokio::select! {
            biased;
            () = card.changed.notified() => Vec::new(),
            first = socket.recv_from(&mut buffer) => card.drain(&socket, &mut buffer, first?),
            () = until(next) => Vec::new(),
        };
        let arrived = card.pass(arrived);
        if !arrived.is_empty() || card.is_wake_due() {
            let answer = card.line.ask(card.machine, arrived);
            card.take(answer);
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
