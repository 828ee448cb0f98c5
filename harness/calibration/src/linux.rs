//! Conversations on the Linux kernel of this computer.
//!
//! Each program has a thread in its own network namespace, which contains a TUN device. Between the
//! two devices an [emulator] forwards packets after a delay, through a queue with a rate, and drops
//! packets or cuts the path as instructed. All three threads have real-time priority, so this needs
//! root. Nothing outside the namespaces is changed, and they end with their threads, so what Linux
//! remembers about destinations (`tcp_metrics`) is forgotten each time.

mod emulator;
mod namespace;

use crate::stage::{Clock, Conversation, Here, Observed, PORT, Program, Stage};
use emulator::Emulator;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 2);

/// How long all the setup may take before the client starts.
const HEAD_START: Duration = Duration::from_millis(300);

/// Two namespaces and an emulator between them.
pub(crate) struct OnLinux;

impl OnLinux {
    /// Checks whether this computer lets us create namespaces and devices.
    pub(crate) fn is_possible() -> nix::Result<()> {
        let tried = thread::spawn(|| namespace::enter(CLIENT).map(drop));
        tried.join().expect("it does not panic")
    }
}

impl Stage for OnLinux {
    fn play(&self, conversation: Conversation) -> Observed {
        let start = Instant::now() + HEAD_START;
        let (tell, told) = channel();
        let here =
            |server: Ipv4Addr| Here::new((server, PORT).into(), Clock::Real(start), tell.clone());
        let (at_server, at_client) = (here(Ipv4Addr::UNSPECIFIED), here(SERVER));
        let (end, ended) = oneshot::channel::<()>();
        let (of_server, of_client) = (channel(), channel());
        let segments = thread::scope(|scope| {
            let Conversation { server, client, .. } = &conversation;
            let until = conversation.until;
            scope.spawn(move || {
                run(SERVER, of_server.0, server, at_server, async {
                    let _ = ended.await;
                });
            });
            let client = scope.spawn(move || {
                run(CLIENT, of_client.0, client, at_client.clone(), async move {
                    at_client.until(until).await;
                });
            });
            let tuns = [of_client.1, of_server.1]
                .map(|device| device.recv().expect("it was possible before"));
            let emulator = Emulator::start(tuns, &conversation, start);
            client.join().expect("the client does not panic");
            let segments = emulator.stop();
            let _ = end.send(());
            segments
        });
        Observed {
            segments,
            told: told.try_iter().collect(),
        }
    }
}

/// Runs a program in its own namespace until it finishes or time runs out. The client waits for its
/// start time.
fn run(
    address: Ipv4Addr,
    device: Sender<namespace::Tun>,
    program: &Program,
    here: Here,
    over: impl Future<Output = ()>,
) {
    let Ok(tun) = namespace::enter(address) else {
        return;
    };
    let _ = device.send(tun);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there are descriptors");
    if let Clock::Real(start) = here.clock
        && address == CLIENT
    {
        thread::sleep(start.saturating_duration_since(Instant::now()));
    }
    runtime.block_on(async {
        tokio::select! {
            () = program(here) => {}
            () = over => {}
        }
    });
}
