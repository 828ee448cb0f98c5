//! What a run asked of its simulated systems, and what reached the host: text and JSON.

use crate::document;
use crate::text::{line, styled};
use crate::{Engine, Styles};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use squall_guarantees::counted;

/// Every source of entropy and time of one run, and whatever reached the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Audit {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The engine that simulated the run.
    pub engine: Engine,
    /// The digest of the run, in hexadecimal: the same as without an audit.
    pub digest: String,
    /// Sorted by kind, door, machine and crate.
    pub sources: Vec<Source>,
}

/// All calls of one machine and one crate at one door of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// What was asked for.
    pub kind: SourceKind,
    /// The function: of libc, of SQLite's VFS, or of the machine itself.
    pub door: String,
    /// What distinguishes calls of the same function: the clock, the path, the variable, the
    /// number.
    pub what: Option<String>,
    /// Whether the real host answered. The seed does not decide its answers.
    pub host: bool,
    /// The machine's name; none for what was asked while no machine ran.
    pub machine: Option<String>,
    /// The crate that asked; none if unknown.
    pub by: Option<String>,
    /// The crates that asked on its behalf, starting with the one that called the function.
    pub through: Vec<String>,
    /// How often.
    pub calls: u64,
    /// How many random bytes were given; 0 for other kinds.
    pub bytes: u64,
}

/// What a program asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Random bytes.
    Entropy,
    /// A clock reading.
    Time,
    /// An environment variable.
    Environment,
    /// A file to be opened.
    File,
    /// A system call that is not simulated, by its number.
    SystemCall,
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    audit: &'a Audit,
}

impl Audit {
    /// For the terminal.
    pub fn text(&self, styles: &Styles) -> String {
        let Audit {
            scenario,
            seed,
            engine,
            digest,
            ..
        } = self;
        let mut text = format!(
            "{scenario}, seed {seed}{}: digest {digest}\n",
            engine.aside()
        );
        for (kind, heading) in [
            (SourceKind::Entropy, "Entropy, from the seed"),
            (SourceKind::Time, "Time, from the machines' clocks"),
            (SourceKind::Environment, "Variables, of the machines"),
        ] {
            let wanted = |source: &&Source| source.kind == kind && !source.host;
            self.section(&mut text, heading, wanted, styles);
        }
        let told = text.len();
        self.section(
            &mut text,
            "Answered by the host",
            |source| source.host,
            styles,
        );
        if text.len() == told {
            text.push_str("\nNothing reached the host.\n");
        }
        text
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(Document { audit: self })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall audit-entropy --format json` prints: what a run asked its systems for.",
        )
    }

    /// The selected sources, by door and by crate; nothing if there are none.
    fn section(
        &self,
        text: &mut String,
        heading: &str,
        wanted: impl Fn(&&Source) -> bool,
        styles: &Styles,
    ) {
        let wanted: Vec<&Source> = self.sources.iter().filter(wanted).collect();
        if wanted.is_empty() {
            return;
        }
        line(text, format_args!("\n{}", styled(styles.heading, heading)));
        for of_door in wanted.chunk_by(|a, b| (&a.door, &a.what) == (&b.door, &b.what)) {
            let Source { door, what, .. } = of_door[0];
            match what {
                Some(what) => line(text, format_args!("  {door}({what})")),
                None => line(text, format_args!("  {door}")),
            }
            // Machine by machine, in order.
            let mut of_door = of_door.to_vec();
            of_door.sort_by_key(|source| (&source.by, &source.through));
            for of_crate in of_door.chunk_by(|a, b| (&a.by, &a.through) == (&b.by, &b.through)) {
                line(text, format_args!("    {}", asked(of_crate)));
            }
        }
    }
}

/// How many machines are named, with their calls.
const NAMED: usize = 5;

/// What one crate asked at one door: on all its machines, and on each.
fn asked(sources: &[&Source]) -> String {
    let calls = sources.iter().map(|source| source.calls).sum();
    let bytes = match sources.iter().map(|source| source.bytes).sum() {
        0 => String::new(),
        bytes => format!(", {}", counted(bytes, "byte")),
    };
    let by = sources[0].by.as_deref().unwrap_or("somebody");
    let through = match sources[0].through.join(", ") {
        through if through.is_empty() => through,
        through => format!(" through {through}"),
    };
    let on = |source: &&Source| {
        let machine = source.machine.as_deref().unwrap_or("(no machine)");
        format!("{machine} {}", source.calls)
    };
    let mut machines: Vec<String> = sources.iter().take(NAMED).map(on).collect();
    if sources.len() > NAMED {
        let others = sources.len() - NAMED;
        machines.push(format!("and {}", counted(others as u64, "other")));
    }
    let (calls, machines) = (counted(calls, "call"), machines.join(", "));
    format!("{calls}{bytes}, by {by}{through}: {machines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(kind: SourceKind, machine: &str, host: bool) -> Source {
        Source {
            kind,
            door: "getrandom".to_owned(),
            what: None,
            host,
            machine: Some(machine.to_owned()),
            by: Some("chat".to_owned()),
            through: vec!["rand".to_owned()],
            calls: 2,
            bytes: 32,
        }
    }

    fn audit(sources: Vec<Source>) -> Audit {
        Audit {
            scenario: "example".to_owned(),
            seed: 7,
            engine: Engine::Native,
            digest: "00ff".to_owned(),
            sources,
        }
    }

    #[test]
    fn what_one_crate_asked_is_a_line_for_all_its_machines() {
        let machines = ["server", "alice", "bob", "carol", "dave", "erin"];
        let of = |machine: &&str| source(SourceKind::Entropy, machine, false);
        let text = audit(machines.iter().map(of).collect()).text(&Styles::plain());
        insta::assert_snapshot!(text, @r"
        example, seed 7: digest 00ff

        Entropy, from the seed
          getrandom
            12 calls, 192 bytes, by chat through rand: server 2, alice 2, bob 2, carol 2, dave 2, and 1 other

        Nothing reached the host.
        ");
    }

    #[test]
    fn what_reached_the_host_is_told_apart() {
        let text = audit(vec![source(SourceKind::File, "server", true)]).text(&Styles::plain());
        insta::assert_snapshot!(text, @r"
        example, seed 7: digest 00ff

        Answered by the host
          getrandom
            2 calls, 32 bytes, by chat through rand: server 2
        ");
    }

    #[test]
    fn programs_get_all_of_it() {
        let audit = audit(vec![source(SourceKind::SystemCall, "server", true)]);
        crate::testing::assert_is(&audit.json(), Audit::schema());
        let json: serde_json::Value = serde_json::from_str(&audit.json()).expect("JSON");
        assert_eq!(json["audit"]["engine"], "native");
        assert_eq!(json["audit"]["sources"][0]["kind"], "system-call");
        assert_eq!(json["audit"]["sources"][0]["through"][0], "rand");
    }
}
