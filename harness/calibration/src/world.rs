//! Conversations in the simulated world.

use crate::segment::Segment;
use crate::stage::{Clock, Conversation, Here, MS, Observed, PORT, Path, QUEUE, Stage, Strike};
use squall_simulator::{Intervention, Latency, Link, Loss, MachineId, Rate, World, simulate};
use std::sync::mpsc::channel;

/// Two machines and a link between them.
pub(crate) struct InTheWorld;

impl Stage for InTheWorld {
    fn play(&self, conversation: Conversation) -> Observed {
        simulate(conversation.seed, move |world| {
            let link = link(&conversation.path);
            world.set_default_link(link.clone());
            if conversation.keep_packets {
                world.keep_packets();
            }
            let (tell, told) = channel();
            let here = |address| Here::new((address, PORT).into(), Clock::World, tell.clone());
            let (program, there) = (conversation.server, here([0; 4]));
            let server = world.machine("server", move || program(there.clone()));
            let (program, there) = (conversation.client, here(world.address(server).octets()));
            let client = world.machine("client", move || program(there.clone()));
            for strike in &conversation.strikes {
                schedule(world, strike, &link, (client, server));
            }
            world
                .run_until(conversation.until)
                .expect("these programs ask for nothing that is not simulated");
            let (passages, left_out) = world.packets();
            assert_eq!(
                left_out, 0,
                "there is room for the packets of a conversation"
            );
            let segments = passages.iter().filter_map(|passage| {
                Segment::read(&passage.bytes, passage.sent_at, passage.from == client)
            });
            Observed {
                segments: segments.collect(),
                told: told.try_iter().collect(),
            }
        })
    }
}

fn link(path: &Path) -> Link {
    Link {
        latency: Latency::Fixed(path.round_trip / 2),
        loss: Loss::from(path.loss),
        rate: path.bits_per_second.map(|bits_per_second| Rate {
            bits_per_second,
            queue_bytes: QUEUE,
        }),
        ..Link::default()
    }
}

fn schedule(
    world: &mut World,
    strike: &Strike,
    link: &Link,
    (client, server): (MachineId, MachineId),
) {
    let both = [(client, server), (server, client)].map(|(from, to)| (vec![from], vec![to]));
    match *strike {
        Strike::Lose { at, count, apart } => {
            // Not a partition: that would also drop packets in flight.
            let last = at + apart * (count - 1);
            let margin = MS * 2 / 5;
            for (at, loss) in [(at - margin, 1.0), (last + margin, 0.0)] {
                let (from, to) = both[0].clone();
                let link = Box::new(Link {
                    loss: Loss::from(loss),
                    ..link.clone()
                });
                world.at(at, Intervention::Link { from, to, link });
            }
        }
        Strike::Cut { at } => {
            for (from, to) in both {
                world.at(at, Intervention::Cut { from, to });
            }
        }
        Strike::Mend { at } => {
            for (from, to) in both {
                world.at(at, Intervention::Mend { from, to });
            }
        }
    }
}
