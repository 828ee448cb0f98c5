//! What a program receives when it starts: variables and arguments, those of its machine and not
//! those of the host.

use squall_simulator::{Intervention, ProcessLimits, TraceEvent, World, isolated, note, simulate};
use std::env;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What the programs of a run have noted, each with its second.
fn notes(world: &World) -> Vec<String> {
    let noted = |event: &TraceEvent| {
        let what = event.what.strip_prefix("sees ")?;
        Some(format!("{} {what}", event.at.as_secs()))
    };
    world.trace().iter().filter_map(noted).collect()
}

fn see(what: impl std::fmt::Debug) {
    note(&format!("sees {what:?}"));
}

fn set_var(name: &str, value: &str) {
    // SAFETY: the other threads of a machine's process do not exist or are waiting.
    unsafe { env::set_var(name, value) };
}

#[test]
fn a_variable_is_that_of_its_machine() {
    simulate(1, |world| {
        world.record_trace();
        let program = || see(env::var("PORT").ok());
        let [one, other] = ["one", "other"].map(|name| world.machine(name, program));
        world.machine("third", program);
        world.set_variable(one, "PORT", "80");
        world.set_variable(other, "PORT", "3000");
        // For the next start.
        world.run_until(SECOND).unwrap();
        world.set_variable(one, "PORT", "8080");
        world.at(2 * SECOND, Intervention::Boot(one));
        world.run_until(3 * SECOND).unwrap();
        let seen = [
            r#"0 Some("80")"#,
            r#"0 Some("3000")"#,
            "0 None",
            r#"2 Some("8080")"#,
        ];
        assert_eq!(notes(world), seen);
    });
}

#[test]
fn what_a_program_sets_for_itself_is_gone_with_its_process() {
    simulate(1, |world| {
        world.record_trace();
        let machine = world.machine("machine", || {
            see(env::var("COLOUR").ok());
            set_var("COLOUR", "red");
            see(env::var("COLOUR").ok());
            set_var("COLOUR", "green");
            see(env::var("COLOUR").ok());
            // SAFETY: as for `set_var`.
            unsafe { env::remove_var("COLOUR") };
            see(env::var("COLOUR").ok());
            set_var("COLOUR", "blue");
        });
        world.at(SECOND, Intervention::Boot(machine));
        world.run_until(2 * SECOND).unwrap();
        let seen = |second: u64| {
            let values = ["None", r#"Some("red")"#, r#"Some("green")"#, "None"];
            values.map(|value| format!("{second} {value}"))
        };
        assert_eq!(notes(world), [seen(0), seen(1)].concat());
        assert!(env::var("COLOUR").is_err(), "the host's is another");
    });
}

/// Regression: `std::env::vars` showed the host's environment, and `args` its arguments.
#[test]
fn a_program_sees_all_that_it_was_given_and_nothing_of_the_host() {
    let told = isolated(given, &[], ProcessLimits::default()).unwrap();
    let told = String::from_utf8(told).unwrap();
    let variables = |own: &str| {
        let null = "/dev/null";
        format!(
            r#"{{"OPENSSL_CONF": "{null}", {own}"SSL_CERT_DIR": "{null}", "SSL_CERT_FILE": "{null}"}}"#
        )
    };
    let expected = [
        format!("0 {}", variables(r#""PORT": "80", "#)),
        r#"0 ["one", "serve", "--fast"]"#.to_owned(),
        format!("0 {}", variables(r#""PORT": "81", "#)),
        format!("1 {}", variables("")),
        r#"1 ["other"]"#.to_owned(),
        format!("1 {}", variables(r#""PORT": "81", "#)),
        format!("2 {}", variables(r#""PORT": "81", "#)),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

fn given(_: &[u8]) -> Vec<u8> {
    fn variables() -> std::collections::BTreeMap<String, String> {
        env::vars().collect()
    }
    let of_host = variables();
    let told = simulate(1, |world| {
        world.record_trace();
        let program = |delay: Duration| {
            move || {
                std::thread::sleep(delay);
                see(variables());
                see(env::args().collect::<Vec<_>>());
                set_var("PORT", "81");
                see(variables());
                std::thread::sleep(2 * (SECOND - delay));
                if delay.is_zero() {
                    see(variables());
                }
            }
        };
        let one = world.machine("one", program(Duration::ZERO));
        world.machine("other", program(SECOND));
        world.set_variable(one, "PORT", "80");
        world.set_arguments(one, &["serve", "--fast"]);
        world.run_until(5 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        notes(world).join("\n").into_bytes()
    });
    assert_eq!(variables(), of_host);
    told
}

#[test]
#[should_panic(expected = "\"A=B\" cannot be the name of a variable")]
fn a_variable_needs_a_name() {
    simulate(1, |world| {
        let machine = world.machine("machine", || {});
        world.set_variable(machine, "A=B", "C");
    });
}
