//! A run in a separate process: whatever ends it is a finding of the run, and ends nothing else.

use squall_simulator::{Crash, ProcessLimits, isolated, note, simulate};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const BOUNDS: ProcessLimits = ProcessLimits {
    time: Duration::from_secs(30),
    memory: 1 << 30,
};

/// Lets a machine run a program for a simulated minute, and returns how that ended.
fn run(program: fn()) -> Vec<u8> {
    simulate(1, |world| {
        world.machine("bystander", std::future::pending::<()>);
        world.machine("server", move || {
            thread::sleep(3 * SECOND / 2);
            program();
        });
        match world.run_until(60 * SECOND) {
            Err(error) => error.to_string(),
            Ok(()) => match world.panics() {
                [] => format!("fine, {:?}", world.digest()),
                [panic, ..] => panic.message.clone(),
            },
        }
        .into_bytes()
    })
}

fn outcome(job: fn(&[u8]) -> Vec<u8>, bounds: ProcessLimits) -> Result<String, Crash> {
    isolated(job, &[], bounds).map(|told| String::from_utf8(told).unwrap())
}

/// What a run that must not finish leaves behind: it names the machine and the time.
fn told_by(job: fn(&[u8]) -> Vec<u8>, bounds: ProcessLimits) -> (Crash, String) {
    let crash = outcome(job, bounds).unwrap_err();
    let told = match &crash {
        Crash::Exited { told, .. }
        | Crash::Signalled { told, .. }
        | Crash::TookTooLong { told }
        | Crash::UsedTooMuchMemory { told } => told.clone(),
        other => panic!("{other}"),
    };
    assert!(told.contains("machine server: "), "{told}");
    assert!(told.contains("at 1.5s"), "{told}");
    (crash, told)
}

#[test]
fn a_job_returns_what_it_returns() {
    let doubled = isolated(|input| input.repeat(2), b"ab", BOUNDS);
    assert_eq!(doubled, Ok(b"abab".to_vec()));
}

#[test]
fn what_is_returned_may_be_large() {
    let long = isolated(|_| vec![7; 3_000_000], &[1; 1_000_000], BOUNDS).unwrap();
    assert_eq!(long.len(), 3_000_000);
}

#[test]
fn a_panic_of_the_job_itself_is_told() {
    let crash = outcome(|_| panic!("a broken invariant"), BOUNDS).unwrap_err();
    let Crash::Exited { code: 101, told } = crash else {
        panic!("{crash}")
    };
    assert!(told.contains("a broken invariant"), "{told}");
}

#[test]
fn an_exit_is_a_finding() {
    let (crash, told) = told_by(|_| run(|| std::process::exit(0)), BOUNDS);
    assert!(matches!(crash, Crash::Exited { code: 0, .. }), "{crash}");
    assert!(told.contains("exit(0)"), "{told}");
}

#[test]
fn an_abort_is_a_finding_with_its_place() {
    fn give_up() {
        std::process::abort()
    }
    let (crash, told) = told_by(|_| run(give_up), BOUNDS);
    assert!(
        matches!(
            crash,
            Crash::Signalled {
                signal: libc::SIGABRT,
                ..
            }
        ),
        "{crash}"
    );
    assert!(
        told.contains("abort()") && told.contains("give_up"),
        "{told}"
    );
}

#[test]
fn a_panic_in_a_destructor_of_a_panic_is_a_finding() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            panic!("once more");
        }
    }
    let (crash, told) = told_by(
        |_| {
            run(|| {
                let _loud = Loud;
                panic!("once");
            })
        },
        BOUNDS,
    );
    assert!(
        matches!(
            crash,
            Crash::Signalled {
                signal: libc::SIGABRT,
                ..
            }
        ),
        "{crash}"
    );
    assert!(told.contains("abort()"), "{told}");
}

#[test]
fn a_null_pointer_is_a_finding() {
    fn read() {
        // SAFETY: it is not; that is the test.
        black_box(unsafe { black_box(std::ptr::null::<u8>()).read_volatile() });
    }
    let (crash, told) = told_by(|_| run(read), BOUNDS);
    assert!(
        matches!(
            crash,
            Crash::Signalled {
                signal: libc::SIGSEGV,
                ..
            }
        ),
        "{crash}"
    );
    assert!(told.contains("a segmentation fault"), "{told}");
}

#[test]
fn a_stack_overflow_is_a_finding_on_every_thread() {
    #[expect(unconditional_recursion, reason = "that is the test")]
    fn deeper(depth: u64) -> u64 {
        black_box(deeper(black_box(depth + 1))) + 1
    }
    let on_main = |_: &[u8]| run(|| assert_ne!(deeper(0), 0));
    let on_thread = |_: &[u8]| {
        run(|| {
            let deep = thread::spawn(|| deeper(0));
            drop(black_box(deep.join()));
        })
    };
    for job in [on_main as fn(&[u8]) -> Vec<u8>, on_thread] {
        let (crash, told) = told_by(job, BOUNDS);
        assert!(
            matches!(
                crash,
                Crash::Signalled {
                    signal: libc::SIGSEGV,
                    ..
                }
            ),
            "{crash}"
        );
        assert!(told.contains("its stack has overflowed"), "{told}");
    }
}

#[test]
fn a_loop_without_end_is_a_finding_with_its_place() {
    // One instruction, with which the function begins and ends.
    #[expect(clippy::empty_loop, reason = "that is the test")]
    #[inline(never)]
    fn turn_round() {
        loop {}
    }
    let bounds = ProcessLimits {
        time: SECOND / 2,
        ..BOUNDS
    };
    let (crash, told) = told_by(|_| run(turn_round), bounds);
    assert!(matches!(crash, Crash::TookTooLong { .. }), "{crash}");
    assert!(
        told.contains("runs without end") && told.contains("turn_round"),
        "{told}"
    );
}

#[test]
fn a_job_that_takes_too_long_outside_of_a_world_is_ended_as_well() {
    let bounds = ProcessLimits {
        time: SECOND / 10,
        ..BOUNDS
    };
    let crash = outcome(
        |_| loop {
            thread::sleep(SECOND)
        },
        bounds,
    )
    .unwrap_err();
    assert!(matches!(crash, Crash::TookTooLong { .. }), "{crash}");
}

#[test]
fn memory_without_end_is_a_finding() {
    let bounds = ProcessLimits {
        memory: 256 << 20,
        ..BOUNDS
    };
    fn eat() {
        let mut all = Vec::new();
        loop {
            all.push(black_box(vec![1_u8; 1 << 20]));
        }
    }
    let (crash, told) = told_by(|_| run(eat), bounds);
    assert!(matches!(crash, Crash::UsedTooMuchMemory { .. }), "{crash}");
    assert!(told.contains("it takes too much memory"), "{told}");
}

#[test]
fn statics_are_as_new_in_every_run() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let count = |_: &[u8]| vec![RUNS.fetch_add(1, Ordering::Relaxed) as u8];
    assert_eq!(count(&[]), [0]);
    for _ in 0..3 {
        assert_eq!(isolated(count, &[], BOUNDS), Ok(vec![0]));
    }
}

/// Regression: a runtime built by a program takes its seeds for `select!` from a process-wide
/// counter.
#[test]
fn what_libraries_count_for_the_whole_process_is_the_same_in_every_run() {
    fn choices() {
        for _ in 0..4 {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let chosen: Vec<u8> = runtime.block_on(async {
                let mut chosen = Vec::new();
                for _ in 0..16 {
                    tokio::select! {
                        () = std::future::ready(()) => chosen.push(0),
                        () = std::future::ready(()) => chosen.push(1),
                    }
                }
                chosen
            });
            note(&format!("{chosen:?} {:?}", thread::current().id()));
        }
    }
    let digests: Vec<_> = (0..10)
        .map(|_| outcome(|_| run(choices), BOUNDS).unwrap())
        .collect();
    assert!(digests[0].starts_with("fine"), "{digests:?}");
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}

#[test]
fn isolated_runs_may_be_beside_one_another() {
    fn sleep() {
        note("awake");
    }
    let run_one = || outcome(|_| run(sleep), BOUNDS).unwrap();
    let outcomes: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run_one)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        outcomes.iter().all(|outcome| *outcome == outcomes[0]),
        "{outcomes:?}"
    );
}

#[test]
fn a_job_of_another_library_is_refused() {
    // SAFETY: the function is never called.
    let foreign = unsafe {
        let abs = libc::dlsym(libc::RTLD_DEFAULT, c"labs".as_ptr());
        std::mem::transmute::<*mut libc::c_void, fn(&[u8]) -> Vec<u8>>(abs)
    };
    let refused = isolated(foreign, &[], BOUNDS).unwrap_err();
    assert!(
        refused.to_string().contains("of the executable itself"),
        "{refused}"
    );
}

/// Sets a hook that writes to a file, which goes with its process, and calls the previous one, as
/// many do.
fn with_a_hook(_: &[u8]) -> Vec<u8> {
    use squall_simulator::Intervention;
    simulate(1, |world| {
        let server = world.machine("server", || {
            if std::fs::exists("/started").unwrap() {
                thread::sleep(SECOND);
                panic!("without a hook");
            }
            std::fs::write("/started", "").unwrap();
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let told = std::fs::read_to_string("/told").unwrap_or_default();
                let message = panic.payload_as_str().unwrap_or_default();
                std::fs::write("/told", format!("{told}{message}; ")).unwrap();
                before(panic);
            }));
            thread::sleep(SECOND);
            let worker = thread::spawn(|| panic!("in a thread"));
            assert!(worker.join().is_err());
            panic!("in the main thread");
        });
        world.machine("other", || {
            thread::sleep(2 * SECOND);
            panic!("of another machine");
        });
        world.at(10 * SECOND, Intervention::Boot(server));
        world.run_until(60 * SECOND).unwrap();
        let told = world.read_file(server, "/told").unwrap();
        let told = String::from_utf8(told).unwrap();
        let panics = world.panics().iter();
        let panics = panics.map(|panic| panic.message.split(" (").next().unwrap());
        let panics = panics.collect::<Vec<_>>().join("; ");
        format!("{panics}\n{told}").into_bytes()
    })
}

#[test]
fn a_hook_of_a_program_hides_no_panic_and_is_called_for_those_of_its_process_alone() {
    let told = outcome(with_a_hook, BOUNDS).unwrap();
    let (panics, of_hook) = told.split_once('\n').unwrap();
    insta::assert_snapshot!(panics, @"in a thread; in the main thread; of another machine; without a hook");
    insta::assert_snapshot!(of_hook, @"in a thread; in the main thread; ");
}
