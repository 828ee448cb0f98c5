//! A world with several continuations.

use squall_simulator::{
    Crash, Intervention, Link, Loss, MachineId, ProcessLimits, World, isolated, simulate,
};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::UdpSocket;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine counts what another one sends it: one datagram per second, half of which are lost.
fn counting(world: &mut World) -> MachineId {
    let counter = world.machine("counter", async || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 7)).await.unwrap();
        let mut heard = String::new();
        let mut buffer = [0; 8];
        loop {
            let length = socket.recv(&mut buffer).await.unwrap();
            heard.push_str(str::from_utf8(&buffer[..length]).unwrap());
            std::fs::write("/heard", &heard).unwrap();
        }
    });
    let to = world.address(counter);
    let teller = world.machine("teller", move || async move {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        for letter in ('a'..='z').cycle() {
            tokio::time::sleep(seconds(1)).await;
            let said = letter.to_string();
            socket.send_to(said.as_bytes(), (to, 7)).await.unwrap();
        }
    });
    let link = Link {
        loss: Loss::Random(0.5.into()),
        ..Link::default()
    };
    world.set_link(counter, teller, link);
    counter
}

fn heard(world: &mut World, counter: MachineId) -> String {
    let heard = world.read_file(counter, "/heard").unwrap_or_default();
    String::from_utf8(heard).unwrap()
}

fn futures(
    world: &mut World,
    counter: MachineId,
    dice: impl IntoIterator<Item = u64>,
) -> Vec<String> {
    let told = world.fork(dice, ProcessLimits::default(), |world, _| {
        world.run_until(seconds(20)).unwrap();
        heard(world, counter).into_bytes()
    });
    let told = told
        .into_iter()
        .map(|told| String::from_utf8(told.unwrap()));
    told.collect::<Result<_, _>>().unwrap()
}

fn fork_at_ten(_: &[u8]) -> Vec<u8> {
    simulate(3, |world| {
        let counter = counting(world);
        world.run_until(seconds(10)).unwrap();
        let before = heard(world, counter);
        let once = futures(world, counter, [1, 2, 3, 1]);
        let again = futures(world, counter, [3, 2]);
        world.run_until(seconds(20)).unwrap();
        let own = heard(world, counter);
        [vec![before, own], once, again]
            .concat()
            .join("\n")
            .into_bytes()
    })
}

#[test]
fn copies_of_a_world_share_its_past_and_the_dice_decide_about_their_futures() {
    let told = isolated(fork_at_ten, &[], ProcessLimits::default()).unwrap();
    let told = String::from_utf8(told).unwrap();
    let told: Vec<&str> = told.lines().collect();
    let [
        before,
        own,
        one,
        two,
        three,
        one_again,
        three_again,
        two_again,
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert!(!before.is_empty());
    for future in [own, one, two, three] {
        assert!(future.starts_with(before) && future.len() > before.len());
    }
    assert_eq!((one, two, three), (one_again, two_again, three_again));
    assert_ne!(one, two);
    assert_ne!(two, three);
    let undisturbed = simulate(3, |world| {
        let counter = counting(world);
        world.run_until(seconds(20)).unwrap();
        heard(world, counter)
    });
    assert_eq!(own, undisturbed);
}

fn end_differently(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        counting(world);
        world.run_until(seconds(2)).unwrap();
        let ends = world.fork(0..4, ProcessLimits::default(), |_, dice| match dice {
            0 => vec![7],
            1 => panic!("as it was to be"),
            2 => std::process::abort(),
            _ => vec![8],
        });
        let words = ends.into_iter().map(|end| match end {
            Ok(answer) => format!("{answer:?}"),
            Err(Crash::Exited { code, told }) => {
                format!("{code} {}", told.contains("as it was to be"))
            }
            Err(other) => other.to_string().lines().next().unwrap().to_owned(),
        });
        words.collect::<Vec<_>>().join(", ").into_bytes()
    })
}

#[test]
fn what_ends_a_copy_ends_neither_the_world_nor_the_other_copies() {
    let told = isolated(end_differently, &[], ProcessLimits::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(told).unwrap(), @"[7], 101 true, it was ended by signal 6, [8]");
}

/// A server with threads, which exist when the world is copied, end with the process, and are then
/// started again.
fn with_threads(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        let server = world.machine("server", || {
            let (tell, told) = std::sync::mpsc::channel();
            let tellers = (1..=8).map(|number| {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    loop {
                        std::thread::sleep(number * seconds(1));
                        tell.send(number).unwrap();
                    }
                })
            });
            let _tellers: Vec<_> = tellers.collect();
            for sum in told.iter().scan(0, |sum, number| {
                *sum += number;
                Some(*sum)
            }) {
                std::fs::write("/sum", format!("{sum}")).unwrap();
            }
        });
        for at in [4, 9, 14] {
            world.at(seconds(at), Intervention::Kill(server));
            world.at(seconds(at), Intervention::Boot(server));
        }
        let mut sums = Vec::new();
        for second in 1..20 {
            let copies = world.fork([1, 2], ProcessLimits::default(), |world, _| {
                world.run_until(seconds(20)).unwrap();
                world.read_file(server, "/sum").unwrap()
            });
            sums.extend(copies.into_iter().map(Result::unwrap));
            world.run_until(seconds(second)).unwrap();
        }
        world.run_until(seconds(20)).unwrap();
        let own = world.read_file(server, "/sum").unwrap();
        vec![u8::from(sums.iter().all(|sum| *sum == own))]
    })
}

#[test]
fn a_copy_has_the_threads_of_its_machines_and_they_end_and_begin_there() {
    let told = isolated(with_threads, &[], ProcessLimits::default());
    assert_eq!(told, Ok(vec![1]));
}

/// A program that maps a file and shares the memory with it.
async fn maps_a_file() {
    let file = std::fs::File::options();
    let file = file
        .clone()
        .create(true)
        .read(true)
        .write(true)
        .open("/mapped")
        .unwrap();
    file.set_len(4096).unwrap();
    // SAFETY: the file is one page long, and nothing else maps it.
    let memory = unsafe { memmap(&file) };
    for second in 1.. {
        tokio::time::sleep(seconds(1)).await;
        memory[0] = second;
    }
}

/// Maps a page of a file.
///
/// # Safety
///
/// The file must have that page, and nothing else may access it in memory.
unsafe fn memmap(file: &std::fs::File) -> &'static mut [u8] {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is that of an open file, the kernel chooses the place, and the mapping
    // is one page long and stays.
    unsafe {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            both,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        std::slice::from_raw_parts_mut(page.cast(), 4096)
    }
}

fn fork_with_a_map(_: &[u8]) -> Vec<u8> {
    simulate(1, |world| {
        let machine = world.machine("machine", maps_a_file);
        world.run_until(seconds(5)).unwrap();
        let copy = world.fork([1], ProcessLimits::default(), |world, _| {
            world.run_until(seconds(50)).unwrap();
            world.at(seconds(50), Intervention::Kill(machine));
            world.run_until(seconds(51)).unwrap();
            vec![world.read_file(machine, "/mapped").unwrap()[0]]
        });
        let copy = copy[0].as_ref().unwrap()[0];
        world.at(seconds(6), Intervention::Kill(machine));
        world.run_until(seconds(7)).unwrap();
        vec![copy, world.read_file(machine, "/mapped").unwrap()[0]]
    })
}

#[test]
fn a_file_in_memory_is_each_copys_own() {
    let told = isolated(fork_with_a_map, &[], ProcessLimits::default()).unwrap();
    assert_eq!(told, [50, 5]);
}

#[test]
#[cfg(feature = "turmoil")]
fn a_world_on_turmoil_cannot_be_forked_and_says_why() {
    let ends = squall_simulator::simulate_on(squall_simulator::Engine::Turmoil, 1, |world| {
        world.fork([1], ProcessLimits::default(), |_, _| Vec::new())
    });
    insta::assert_snapshot!(ends[0].as_ref().unwrap_err(), @"it could not be isolated: turmoil's engine runs in a thread of its own, which a copy does not have");
}
