//! Does to a chat's server what one bad client can do, and measures how much the others notice:
//!
//! ```sh
//! cargo bench -p squall-chat --bench abuse              # every case
//! cargo bench -p squall-chat --bench abuse -- floods    # those whose names begin like this
//! ```
//!
//! For a few seconds ten users each send ten messages a second, while an attacker in the same room
//! does the worst that the case is about. The report says how long the users' acknowledgements
//! took, also as a multiple of a quiet server's, and how much memory the server took on top of what
//! it had. Each case has a server of its own, in a process of its own: this program, started with
//! `serve`. The load is bounded.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod attacks;
mod clients;
mod server;
mod unfinished;
mod users;

use attacks::{CASES, Case, attack};
use clients::Anything;
use server::{Server, serve_here};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use users::{BETWEEN, User};

/// How long the attack lasts.
const ATTACK: Duration = Duration::from_secs(5);
const USERS: usize = 10;

#[tokio::main]
async fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let mut wanted = Vec::new();
    let mut recovery = "off".to_owned();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "serve" => return serve_here(arguments).await,
            "--recovery" => recovery = arguments.next().ok_or("where?")?,
            _ => wanted.push(argument),
        }
    }
    println!("| case | acknowledged | median | 99 % | of quiet | longest | unanswered | memory |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut quiet = None;
    for (name, case) in CASES {
        let asked = wanted.is_empty() || wanted.iter().any(|wanted| name.starts_with(wanted));
        if asked || case == Case::Nothing {
            let ninety_nine = measure(name, case, &recovery, quiet).await?;
            quiet = quiet.or(ninety_nine);
        }
    }
    Ok(())
}
/// Returns how long the users waited at most, but for one in a hundred.
async fn measure(
    name: &str,
    case: Case,
    recovery: &str,
    quiet: Option<Duration>,
) -> Anything<Option<Duration>> {
    let server = Server::start(recovery).await?;
    let (address, process) = (server.address.clone(), server.process());
    let over = Arc::new(AtomicBool::new(false));
    let mut users = JoinSet::new();
    for number in 0..USERS {
        let user = User::enter(&address, &format!("user-{number}")).await?;
        users.spawn(user.talk(over.clone()));
    }
    // What every server takes is there now.
    sleep(BETWEEN).await;
    let before = resident(process);
    let most = tokio::spawn(highest(process, over.clone()));
    let until = Instant::now() + ATTACK;
    let told = attack(&address, case, until)
        .await
        .unwrap_or_else(|error| format!("ended: {error}"));
    sleep_until(until.into()).await;
    over.store(true, Ordering::Relaxed);
    let (mut waits, mut unanswered) = (Vec::new(), 0);
    while let Some(user) = users.join_next().await {
        let (of_user, lost) = user?;
        waits.extend(of_user);
        unanswered += lost;
    }
    waits.sort();
    let of = |part: f64| {
        waits.get(((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1)))
    };
    let time = |wait: Option<&Duration>| {
        wait.map_or("none".into(), |wait| {
            format!("{:.1} ms", wait.as_secs_f64() * 1e3)
        })
    };
    let ninety_nine = of(0.99).copied();
    let times = ninety_nine.zip(quiet).map_or("1".into(), |(now, quiet)| {
        format!("{:.1}", now.as_secs_f64() / quiet.as_secs_f64())
    });
    let memory = before
        .zip(most.await?)
        .map_or("?".into(), |(before, most)| {
            format!("{} MB", most.saturating_sub(before) / 1_000_000)
        });
    println!(
        "| {name} | {} | {} | {} | {times} | {} | {unanswered} | {memory} |{told}",
        waits.len(),
        time(of(0.5)),
        time(of(0.99)),
        time(waits.last()),
    );
    Ok(ninety_nine)
}

/// The resident memory of a process, in bytes.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

async fn highest(process: u32, over: Arc<AtomicBool>) -> Option<u64> {
    let mut most = None;
    while !over.load(Ordering::Relaxed) {
        most = most.max(resident(process));
        sleep(Duration::from_millis(20)).await;
    }
    most
}
