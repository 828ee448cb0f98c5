//! Planted bugs, and how each was caught: text and JSON.

use crate::document;
use crate::text::line;
use crate::{Case, Why};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use squall_guarantees::{Guarantee, counted};

/// The outcome of the hunt for each planted bug.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Bugs {
    /// After how many seeds a bug was given up.
    pub seeds: u64,
    /// The bugs.
    pub bugs: Vec<Bug>,
    /// The causes of those that were caught, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<Vec<Explained>>,
}

/// A planted bug, and the outcome of the hunt for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bug {
    /// Its name.
    pub bug: String,
    /// The scenario that should expose it.
    pub scenario: String,
    /// The guarantee that it breaks.
    pub guarantee: Guarantee,
    /// The first seed with which it was caught; none if it never was.
    pub seed: Option<u64>,
    /// How its guarantee was violated in that run, in words.
    pub evidence: Option<String>,
    /// How often the chat reached the place where it makes the mistake.
    pub reached: u64,
    /// What the correct chat violated with the same seeds: this should be empty.
    pub false_alarms: Vec<FalseAlarm>,
}

/// A violation of something that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FalseAlarm {
    /// The seed.
    pub seed: u64,
    /// The guarantee.
    pub guarantee: Guarantee,
}

/// What a planted bug looks like once its run was made small, and what causes it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Explained {
    /// Its name.
    pub bug: String,
    /// Its scenario.
    pub scenario: String,
    /// The guarantee that it breaks.
    pub guarantee: Guarantee,
    /// The first seed with which it was caught.
    pub seed: u64,
    /// How large the run is.
    pub before: WorldSize,
    /// How large the smallest run found is, with the same story; none if nothing could be made
    /// smaller.
    pub after: Option<WorldSize>,
    /// How many runs were played to make it small.
    pub runs: u64,
    /// How long that took.
    pub seconds: f64,
    /// Whether nothing was left to try.
    pub done: bool,
    /// Whether what brings the bug to light is among the causes, or in what it needs; for a bug
    /// that needs nothing, whether no cause is named.
    pub names_trigger: bool,
    /// What its violation depends on.
    pub why: Why,
    /// How long it took to find that out.
    pub why_seconds: f64,
}

/// How large a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorldSize {
    /// Faults, hostile peers, and a middlebox.
    pub faults: usize,
    /// Clients.
    pub clients: usize,
    /// Messages of all clients together.
    pub messages: usize,
    /// Bytes of its text: everything else that it says.
    pub text: usize,
}

impl WorldSize {
    fn words(&self) -> String {
        format!("{}/{}/{}", self.clients, self.messages, self.faults)
    }
}

impl Bugs {
    /// For the terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:32}{:>6}  {:24}{}\n",
            "bug", "seed", "guarantee", "scenario"
        );
        self.bugs.iter().for_each(|bug| bug.tell(&mut text));
        let caught = self.bugs.iter().filter(|bug| bug.seed.is_some()).count();
        let (all, seeds) = (self.bugs.len(), counted(self.seeds, "seed"));
        line(
            &mut text,
            format_args!("\n{caught} of {all} caught within {seeds}"),
        );
        if let Some(explained) = &self.explained {
            text.push_str(&explanations(explained));
        }
        text
    }

    /// For test runners: a case for each bug, which is to be caught, and nothing else.
    pub fn cases(&self) -> Vec<Case> {
        let case = |bug: &Bug| {
            let case = Case::passed("planted bugs", &*bug.bug);
            let alarms = bug.false_alarms.iter();
            let alarms = alarms.map(|it| format!("{} with seed {}", it.guarantee, it.seed));
            let alarms: Vec<String> = alarms.collect();
            let where_to_look = format!("{} in {}", bug.guarantee, bug.scenario);
            match (bug.seed, alarms.is_empty()) {
                (Some(_), true) => case,
                (None, true) => case.failed("not caught", where_to_look),
                (_, false) => case.failed("the correct chat was caught", alarms.join("\n")),
            }
        };
        self.bugs.iter().map(case).collect()
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(self)
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Self>(
            "What `squall bugs --format json` prints: the planted bugs, and how each was caught.",
        )
    }
}

impl Bug {
    fn tell(&self, text: &mut String) {
        let Bug {
            bug,
            scenario,
            guarantee,
            ..
        } = self;
        let seed = self.seed.map(|seed| seed.to_string());
        let seed = seed.unwrap_or_else(|| "never".to_owned());
        line(
            text,
            format_args!("{bug:32}{seed:>6}  {guarantee:24}{scenario}"),
        );
        match (self.seed, self.reached) {
            (Some(_), _) => {}
            (None, 0) => line(
                text,
                format_args!("! never reached: no run came to where the chat makes this mistake"),
            ),
            (None, reached) => {
                let reached = counted(reached, "time");
                line(text, format_args!("! reached {reached}, and not noticed"));
            }
        }
        for FalseAlarm { seed, guarantee } in &self.false_alarms {
            line(
                text,
                format_args!("! the correct chat violates {guarantee} with seed {seed}"),
            );
        }
    }
}

fn explanations(all: &[Explained]) -> String {
    let mut text = format!(
        "\n{:32}{:>5}  {:>12}{:>12}{:>6}{:>8}{:>7}  causes\n",
        "bug", "seed", "before", "after", "runs", "time", "why"
    );
    for it in all {
        let (before, after) = (it.before.words(), it.after.as_ref().map(WorldSize::words));
        let after = after.unwrap_or_else(|| "-".to_owned());
        let open = if it.done { ' ' } else { '+' };
        let causes: Vec<&str> = it
            .why
            .causes
            .iter()
            .chain(&it.why.needs)
            .map(|it| &**it)
            .collect();
        let causes = match &causes[..] {
            [] => "none: it happens without all faults".to_owned(),
            causes => causes.join(", "),
        };
        let missed = if it.names_trigger {
            ""
        } else {
            " (not what brings it to light)"
        };
        let Explained {
            bug,
            seed,
            runs,
            seconds,
            why_seconds,
            ..
        } = it;
        line(
            &mut text,
            format_args!(
                "{bug:32}{seed:>5}  {before:>12}{after:>12}{runs:>6}{seconds:>6.1} s{open}{why_seconds:>4.1} s  {causes}{missed}"
            ),
        );
    }
    text.push_str("\nSizes are clients/messages/faults; + ran out of time.\n");
    text.push_str(&summed_up(all));
    text
}

/// The table in a sentence.
fn summed_up(all: &[Explained]) -> String {
    let of = |what: fn(&WorldSize) -> usize| {
        let sizes = all.iter().filter_map(|it| it.after.as_ref());
        median(sizes.map(what).collect())
    };
    let (clients, messages, faults) = (
        of(|it| it.clients),
        of(|it| it.messages),
        of(|it| it.faults),
    );
    let times = all.iter().map(|it| (it.seconds * 1e3) as usize);
    let worst = times.clone().max().unwrap_or_default();
    let time = median(times.collect());
    let right = all.iter().filter(|it| it.names_trigger).count();
    format!(
        "Median after shrinking: {clients} clients, {messages} messages, {faults} faults; {:.1} s, at most {:.1} s.\n\
         Of {}, {right} are explained by what brings them to light.\n",
        time as f64 / 1e3,
        worst as f64 / 1e3,
        counted(all.len() as u64, "bug")
    )
}

fn median(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Answers, Without};

    fn bug(name: &str, seed: Option<u64>, reached: u64) -> Bug {
        Bug {
            bug: name.to_owned(),
            scenario: "lossy-link".to_owned(),
            guarantee: Guarantee::Ordering,
            seed,
            evidence: seed.map(|_| "bob read 2 before 1".to_owned()),
            reached,
            false_alarms: Vec::new(),
        }
    }

    fn explained(causes: &[&str], after: Option<WorldSize>, done: bool) -> Explained {
        let part = Without {
            label: "fault 1".to_owned(),
            what: "kill of server".to_owned(),
            same_dice: Some(Answer::Held),
            fresh: Answers::default(),
        };
        Explained {
            bug: "ack-before-commit".to_owned(),
            scenario: "exactly-once-server-killed".to_owned(),
            guarantee: Guarantee::AcknowledgementTruth,
            seed: 1,
            before: size(3, 60, 1),
            after,
            runs: 23,
            seconds: 19.96,
            done,
            names_trigger: !causes.is_empty(),
            why: Why {
                without: vec![part],
                causes: causes.iter().map(|&cause| cause.to_owned()).collect(),
                ..Why::default()
            },
            why_seconds: 2.0,
        }
    }

    fn size(clients: usize, messages: usize, faults: usize) -> WorldSize {
        WorldSize {
            faults,
            clients,
            messages,
            text: 0,
        }
    }

    fn bugs() -> Bugs {
        let mut alarming = bug("backwards", Some(3), 1);
        alarming.false_alarms.push(FalseAlarm {
            seed: 2,
            guarantee: Guarantee::NoLeak,
        });
        Bugs {
            seeds: 9,
            bugs: vec![alarming, bug("asleep", None, 0), bug("unseen", None, 7)],
            explained: None,
        }
    }

    #[test]
    fn what_was_not_caught_is_told_with_whether_it_was_reached_and_what_was_caught_wrongly() {
        insta::assert_snapshot!(bugs().text(), @r"
        bug                               seed  guarantee               scenario
        backwards                            3  ordering                lossy-link
        ! the correct chat violates no-leak with seed 2
        asleep                           never  ordering                lossy-link
        ! never reached: no run came to where the chat makes this mistake
        unseen                           never  ordering                lossy-link
        ! reached 7 times, and not noticed

        1 of 3 caught within 9 seeds
        ");
    }

    #[test]
    fn a_bug_is_explained_in_a_line_and_all_of_them_are_summed_up() {
        let all = [
            explained(&["fault 1"], Some(size(1, 17, 1)), true),
            explained(&[], None, false),
        ];
        insta::assert_snapshot!(explanations(&all), @r"

        bug                              seed        before       after  runs    time    why  causes
        ack-before-commit                   1        3/60/1      1/17/1    23  20.0 s  2.0 s  fault 1
        ack-before-commit                   1        3/60/1           -    23  20.0 s+ 2.0 s  none: it happens without all faults (not what brings it to light)

        Sizes are clients/messages/faults; + ran out of time.
        Median after shrinking: 1 clients, 17 messages, 1 faults; 20.0 s, at most 20.0 s.
        Of 2 bugs, 1 are explained by what brings them to light.
        ");
    }

    #[test]
    fn programs_get_all_of_it_and_explanations_only_if_there_are_some() {
        let json = |bugs: &Bugs| -> serde_json::Value {
            crate::testing::assert_is(&bugs.json(), Bugs::schema());
            serde_json::from_str(&bugs.json()).expect("JSON")
        };
        let mut bugs = bugs();
        let told = json(&bugs);
        assert_eq!(told["bugs"][0]["false_alarms"][0]["guarantee"], "no-leak");
        assert_eq!(
            (&told["bugs"][1]["seed"], &told["bugs"][2]["reached"]),
            (&serde_json::Value::Null, &7.into())
        );
        assert!(told.get("explained").is_none());
        bugs.explained = Some(vec![explained(&["fault 1"], None, true)]);
        assert_eq!(json(&bugs)["explained"][0]["before"]["messages"], 60);
    }
}
