//! The second engine: each machine is a host of [turmoil](https://docs.rs/turmoil)'s simulation.
//!
//! Turmoil schedules the hosts, keeps the time, and carries IP packets between them as datagrams of
//! its UDP. A host's software is the machine's network card: it takes what turmoil delivers to the
//! machine, makes the machine do what is due, and sends what the machine sends. Turmoil provides a
//! link's minimum latency, and partitions; what turmoil lacks (loss, jitter, rates, one-way holds,
//! …) is done at the card. A machine without power keeps its card: what has left the machine
//! arrives.
//!
//! Turmoil's simulation runs inside tokio runtimes, and a machine's process has its own runtime;
//! tokio does not allow a runtime inside another. So turmoil has a thread beside the world's. The
//! two never run at the same time: a card asks and waits for the answer, and the world waits until
//! it is asked.
//!
//! Time advances in ticks of one millisecond. Whatever happens within a tick gets the time of its
//! end.

mod card;
mod line;
mod names;

use super::driver::Driver;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::ids::MachineId;
use crate::machines::Machines;
use crate::sys;
use crate::time::nanos;
use card::{Card, run_card};
use line::{Answer, Leaving, Line, Report};
use names::{Addresses, name};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);

/// Turmoil wants to know how long a simulation may last. This is longer than any run.
const LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// More datagrams than can be in flight to one machine: a network drops packets, a card does not.
const DATAGRAMS: usize = 1 << 20;

/// What the world tells turmoil's thread.
enum Order {
    Add(MachineId),
    SetCut {
        from: MachineId,
        to: MachineId,
        cut: bool,
    },
    SetHeld {
        from: MachineId,
        to: MachineId,
        held: bool,
    },
    Attend(MachineId, Answer),
    RunUntil(u64),
}

/// The world's side.
pub(super) struct Turmoil {
    /// None only while the engine is being dropped: turmoil's thread ends with these.
    ends: Option<Ends>,
    thread: Option<JoinHandle<()>>,
}

/// The world's ends of the channels.
struct Ends {
    orders: Sender<Order>,
    reports: Receiver<Report>,
    answers: Sender<Answer>,
}

impl Turmoil {
    pub(super) fn new() -> Self {
        let (orders, ordered) = channel();
        let (reporting, reports) = channel();
        let (answers, answered) = channel();
        let thread = std::thread::Builder::new()
            .name("turmoil".to_owned())
            .spawn(move || {
                let _thread = sys::enter_world(Entropy::new(0, "turmoil"));
                simulate(&ordered, Line::new(reporting, answered));
            });
        let thread = thread.expect("the operating system gives a thread for turmoil");
        Self {
            ends: Some(Ends {
                orders,
                reports,
                answers,
            }),
            thread: Some(thread),
        }
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("the engine has not ended")
    }

    fn order(&self, order: Order) {
        self.ends()
            .orders
            .send(order)
            .expect("turmoil's thread lives as long as the engine");
    }
}

/// Makes a machine do what is due, and returns what it did.
fn attend(machine: MachineId, machines: &mut Machines) -> (Answer, Result<(), Error>) {
    let result = machines.run(machine);
    let now = machines.now();
    let carried = nanos(TICK);
    let mut departures = Vec::new();
    machines.departures(machine, |departure| {
        let at = departure.arrives.saturating_sub(carried).max(now);
        let (to, packet) = (departure.to, departure.packet);
        departures.push(Leaving { to, packet, at });
    });
    let wake = machines[machine].next_wake();
    (
        Answer {
            departures,
            wake,
            stop: result.is_err(),
        },
        result,
    )
}

impl Driver for Turmoil {
    fn no_fork(&self) -> Option<&'static str> {
        Some("turmoil's engine runs in a thread of its own, which a copy does not have")
    }

    fn add(&mut self, machine: MachineId) {
        self.order(Order::Add(machine));
    }

    fn set_cut(&mut self, from: MachineId, to: MachineId, cut: bool) {
        self.order(Order::SetCut { from, to, cut });
    }

    fn set_held(&mut self, from: MachineId, to: MachineId, held: bool, _: u64) {
        self.order(Order::SetHeld { from, to, held });
    }

    fn attend(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error> {
        let (answer, result) = attend(machine, machines);
        self.order(Order::Attend(machine, answer));
        result
    }

    fn run_until(&mut self, limit: u64, machines: &mut Machines) -> Result<(), Error> {
        self.order(Order::RunUntil(limit));
        let mut result = Ok(());
        loop {
            match self
                .ends()
                .reports
                .recv()
                .expect("turmoil's thread answers every order")
            {
                Report::Done => return result,
                Report::Ask {
                    machine,
                    now,
                    arrived,
                } => {
                    machines.set_now(now);
                    for (from, packet) in arrived {
                        machines.receive(from, machine, packet);
                    }
                    let (answer, done) = attend(machine, machines);
                    result = result.and(done);
                    self.ends()
                        .answers
                        .send(answer)
                        .expect("a card waits for its answer");
                }
            }
        }
    }
}

impl Drop for Turmoil {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("turmoil's thread has panicked");
        }
    }
}

/// The main function of turmoil's thread.
fn simulate(orders: &Receiver<Order>, line: Rc<Line>) {
    let mut simulation = turmoil::Builder::new()
        .rng_seed(0)
        .tick_duration(TICK)
        .simulation_duration(LIFETIME)
        .min_message_latency(TICK)
        .max_message_latency(TICK)
        .udp_capacity(DATAGRAMS)
        .build();
    let mut hosts = Hosts::default();
    for order in orders {
        match order {
            Order::Add(machine) => hosts.add(machine, &mut simulation, &line),
            Order::SetCut { from, to, cut } => match cut {
                true => {
                    hosts.cards[to.0 as usize].forget(from);
                    simulation.partition_oneway(name(from), name(to));
                }
                false => simulation.repair_oneway(name(from), name(to)),
            },
            Order::SetHeld { from, to, held } => hosts.cards[to.0 as usize].set_held(from, held),
            Order::Attend(machine, answer) => hosts.cards[machine.0 as usize].put(answer),
            Order::RunUntil(limit) => {
                while nanos(simulation.elapsed() + TICK) <= limit && !line.stopped.get() {
                    line.now.set(nanos(simulation.elapsed() + TICK));
                    simulation.step().expect("a card never fails");
                }
                // A world that is gone does not listen; there are no more orders then.
                let _ = line.reports.send(Report::Done);
            }
        }
    }
}

#[derive(Default)]
struct Hosts {
    cards: Vec<Rc<Card>>,
    addresses: Rc<RefCell<Addresses>>,
}

impl Hosts {
    fn add(&mut self, machine: MachineId, simulation: &mut turmoil::Sim<'_>, line: &Rc<Line>) {
        let card = Rc::new(Card::new(
            machine,
            Rc::clone(line),
            Rc::clone(&self.addresses),
        ));
        self.cards.push(Rc::clone(&card));
        simulation.host(name(machine), move || run_card(Rc::clone(&card)));
        let address = simulation.lookup(name(machine));
        let mut addresses = self.addresses.borrow_mut();
        addresses.of.push(address);
        addresses.whose.insert(address, machine);
    }
}
