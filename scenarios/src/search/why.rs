//! Why a run went wrong: the same plan is played again without each of its parts, with the same
//! dice and with others.
//!
//! A part is anything that a plan could do without: a fault, a hostile peer, a middlebox, a
//! wrong clock, a trait of the links, and finally single packets lost on a link. The causes of a
//! violation are the parts without which it does not happen. Leaving a part out moves the dice of
//! everything after it, so a race may be gone by chance: other dice reveal that.
//!
//! A violation may need circumstances, too, with which nothing is wrong: an option, a transport, a
//! kind of message. Without one of those the guarantee must hold; that it cannot be judged any more
//! says nothing.

use super::parts::{Part, circumstances, disturbances};
use crate::process::{How, Process};
use squall::parallel::{Effort, parallel};
use squall::{Futures, Plan, RunError, futures};
use squall_guarantees::{EventKind, Guarantee, Time, Verdict, check, seconds};
use squall_reports::{
    Answer, Answers, Curve, Judged, Nearest, PacketEnd, Point, Record, Why, Without, most_telling,
};
use std::sync::atomic::Ordering;

/// How many lost packets are tried, starting with those nearest to the violation.
const PACKETS_MAX: usize = 100;

/// The number of moments on the way to a violation at which we estimate how probable it is; as many
/// again are placed where that rises most.
const MOMENTS: u32 = 25;

/// How many events at the decisive moment are reported.
const TOLD: usize = 6;

/// A cause, when left out, makes a violation at least this many times rarer.
const RARER: u64 = 4;

/// How many runs `why` is going to play, as far as is known, and how many it has played.
type Progress<'p> = &'p mut (dyn FnMut(u64, u64) + Send);

/// What to find out, and how hard to try.
pub struct Question<'q> {
    /// The guarantee that was violated; none: the one whose violation says most.
    pub guarantee: Option<Guarantee>,
    /// How many other dice each is played with.
    pub dice: u64,
    /// Whether single packets are tried.
    pub packets: bool,
    /// How many futures each of fifty moments has; 0: none are examined.
    pub futures: u64,
    /// The process in which each run is played.
    pub process: Process,
    /// How many runs at a time, and until when.
    pub effort: &'q Effort,
}

/// Finds the cause of a violation in the run of a plan; returns that run's record including it, or
/// none if nothing was violated.
///
/// # Errors
/// If the plan cannot be played to its end.
pub fn why(
    plan: &Plan,
    question: &Question<'_>,
    progress: Progress<'_>,
) -> Result<Option<Record>, RunError> {
    let judged = Judged::new(question.process.play(plan, How::InDetail)?);
    let Some(violation) = Violated::of(&judged, question.guarantee) else {
        return Ok(None);
    };
    let mut asking = Asking {
        plan,
        record: &judged.record,
        violation,
        question,
        runs: 1,
        due: 1,
        progress,
    };
    let why = asking.ask();
    let mut record = judged.record;
    record.why = Some(why);
    Ok(Some(record))
}

/// What we look for in other runs.
struct Violated {
    guarantee: Guarantee,
    mechanism: String,
    /// The clients involved: who did it or was wronged, and whose message it is.
    who: Vec<String>,
    at: Time,
    /// Whether it only shows in what is stored at the end: then `at` is the time of another event.
    only_at_the_end: bool,
}

impl Violated {
    fn of(judged: &Judged, wanted: Option<Guarantee>) -> Option<Self> {
        let (judgement, violation) = most_telling(judged, wanted)?;
        let evidence = &violation.evidence;
        let moment = evidence.moment();
        let history = &judged.record.history;
        let contents = evidence.contents();
        let given = history.events.iter().filter(|event| {
            matches!(&event.kind, EventKind::Invoked { content, .. } if contents.contains(content))
        });
        let senders = given.map(|event| &history.clients[event.client.0 as usize].name);
        let mut who = moment.who.clone();
        senders.for_each(|name| {
            if !who.contains(name) {
                who.push(name.clone());
            }
        });
        Some(Violated {
            guarantee: judgement.guarantee,
            mechanism: evidence.mechanism().to_owned(),
            only_at_the_end: moment.who == ["database"],
            who,
            at: moment.at.unwrap_or(history.ended_at),
        })
    }

    /// Whether a run shows the same.
    fn answer(&self, record: &Record) -> Answer {
        let verdicts = check(&record.history).into_iter();
        let mut verdicts = verdicts.filter(|(guarantee, _)| *guarantee == self.guarantee);
        match verdicts.next() {
            Some((_, Verdict::Held(_))) => Answer::Held,
            Some((_, Verdict::Violated(violation)))
                if violation.evidence.mechanism() == self.mechanism =>
            {
                Answer::Violated
            }
            _ => Answer::Otherwise,
        }
    }
}

struct Asking<'a> {
    plan: &'a Plan,
    record: &'a Record,
    violation: Violated,
    question: &'a Question<'a>,
    runs: u64,
    due: u64,
    progress: Progress<'a>,
}

/// One run to play.
struct Job {
    /// Which part is left out; none for the plan as it is.
    part: Option<usize>,
    /// Its dice; none for the plan's own.
    seed: Option<u64>,
}

impl Asking<'_> {
    fn ask(&mut self) -> Why {
        let mut parts = disturbances(self.plan);
        let disturbing = parts.len();
        parts.extend(circumstances(self.plan));
        let (mut same, mut fresh) = (
            vec![None; parts.len()],
            vec![Answers::default(); parts.len()],
        );
        let mut as_it_was = Answers::default();
        let mut nearest: Option<Nearest> = None;
        // The same dice come first: they say most if it is ended early.
        let seeds: Vec<u64> = (1..)
            .filter(|seed| *seed != self.plan.seed)
            .take(self.question.dice as usize)
            .collect();
        let all = || std::iter::once(None).chain((0..parts.len()).map(Some));
        let jobs = (0..parts.len()).map(|part| Job {
            part: Some(part),
            seed: None,
        });
        let others = seeds.iter().flat_map(|&seed| {
            let seed = Some(seed);
            all().map(move |part| Job { part, seed })
        });
        let jobs: Vec<Job> = jobs.chain(others).collect();
        let wanted = jobs.len() as u64;
        let (plan, violation, record) = (self.plan, &self.violation, self.record);
        let process = self.question.process;
        let work = |job: &Job| {
            let mut plan = match job.part {
                Some(part) => parts[part].left_out(plan),
                None => plan.clone(),
            };
            plan.seed = job.seed.unwrap_or(plan.seed);
            let Ok(other) = process.play(&plan, How::Plain) else {
                return (Answer::Otherwise, None);
            };
            let answer = violation.answer(&other);
            let is_near = answer == Answer::Held && job.part.is_none();
            let near = is_near.then(|| parting(record, &other, &violation.who));
            (answer, near.flatten())
        };
        self.due += wanted;
        let (runs, due, progress) = (&mut self.runs, self.due, &mut self.progress);
        let played = parallel(jobs, self.question.effort, work, |job, (answer, near)| {
            *runs += 1;
            progress(*runs, due);
            match (job.part, job.seed) {
                (Some(part), None) => same[part] = Some(answer),
                (Some(part), Some(_)) => fresh[part].add(answer),
                (None, _) => as_it_was.add(answer),
            }
            if let (Some(near), Some(seed)) = (near, job.seed) {
                let later = |known: &Nearest| known.alike_until < near.alike_until;
                if nearest.as_ref().is_none_or(later) {
                    nearest = Some(Nearest { seed, ..near });
                }
            }
        });
        let without = parts.iter().zip(same).zip(fresh);
        let mut without: Vec<Without> = without
            .map(|((part, same_dice), fresh)| Without {
                label: part.label.clone(),
                what: part.what.clone(),
                same_dice,
                fresh,
            })
            .collect();
        let (disturbances, circumstances) = without.split_at(disturbing);
        let labels = |them: &[Without], wanted: fn(&Without, Answers) -> bool| -> Vec<String> {
            let wanted = them.iter().filter(|part| wanted(part, as_it_was));
            wanted.map(|part| part.label.clone()).collect()
        };
        let mut causes = labels(disturbances, is_cause);
        let needs = labels(circumstances, is_needed);
        let together = causes.is_empty() && disturbing > 0;
        if together {
            causes = self.enough(&parts[..disturbing]);
        }
        let together = together && !causes.is_empty();
        if self.question.packets && !self.is_over() {
            let packets = self.packets();
            let saving = packets
                .iter()
                .filter(|it| it.same_dice != Some(Answer::Violated));
            causes.extend(saving.map(|part| part.label.clone()));
            without.extend(packets);
        }
        let curve = match self.question.futures {
            0 => None,
            _ if self.is_over() => None,
            _ => self.curve(),
        };
        Why {
            guarantee: Some(self.violation.guarantee),
            mechanism: self.violation.mechanism.clone(),
            as_it_was,
            together,
            without,
            causes,
            needs,
            nearest,
            curve,
            runs: self.runs,
            done: played == wanted && !self.is_over(),
        }
    }

    /// How probable it was at each moment until it happened, and in more detail where that rises
    /// most.
    fn curve(&mut self) -> Option<Curve> {
        let end = match self.violation.only_at_the_end {
            true => self.record.history.ended_at,
            false => self.violation.at,
        };
        let points = self.points([Time::ZERO, end])?;
        let mut curve = Curve {
            points,
            ..Curve::default()
        };
        if let Some(turn) = curve.turn()
            && !self.is_over()
        {
            curve.closer = self.points(turn.map(|it| it.at))?;
        }
        if let Some(turn) = curve.turn() {
            curve.between = self.between(turn.map(|it| it.at));
        }
        Some(curve)
    }

    /// What becomes of the futures of the moments between these two. None if a run does not get
    /// that far.
    fn points(&mut self, [from, until]: [Time; 2]) -> Option<Vec<Point>> {
        let each = self.question.futures;
        let place = |place| from + (until - from) * place / (MOMENTS - 1);
        let moments: Vec<Time> = (0..MOMENTS).map(place).collect();
        self.due += moments.len() as u64 * each;
        let violation = &self.violation;
        let judge = |record: &Record| violation.answer(record) as u8;
        let (runs, due, progress) = (&mut self.runs, self.due, &mut self.progress);
        let mut points = Vec::new();
        let told = |at, answers: Vec<Option<u8>>| {
            let mut futures = Answers::default();
            for answer in answers.into_iter().flatten() {
                futures.add(match answer {
                    number if number == Answer::Violated as u8 => Answer::Violated,
                    number if number == Answer::Held as u8 => Answer::Held,
                    _ => Answer::Otherwise,
                });
            }
            *runs += each;
            progress(*runs, due);
            points.push(Point { at, futures });
        };
        let question = Futures {
            moments: &moments,
            each,
            effort: self.question.effort,
        };
        // Twice at most, and with other dice: it does not matter what `select!` has done before.
        squall_simulator::plays_one_world();
        futures(self.plan, question, judge, told).ok()?;
        Some(points)
    }

    /// What happened after one moment, and up to another: faults that began or ended, and what the
    /// clients involved saw.
    fn between(&self, [after, until]: [Time; 2]) -> Vec<String> {
        let is_then = |at: &Time| (after..=until).contains(at) && *at > after;
        let mut told: Vec<(Time, String)> = Vec::new();
        for fault in &self.record.faults {
            if is_then(&fault.from) {
                told.push((fault.from, format!("{} begins", fault.what)));
            }
            if let Some(end) = fault.until.filter(is_then) {
                told.push((end, format!("{} ends", fault.what)));
            }
        }
        let history = &self.record.history;
        for event in history.events.iter().filter(|event| is_then(&event.at)) {
            let name = &history.clients[event.client.0 as usize].name;
            if let Some(step) = step(&event.kind).filter(|_| self.violation.who.contains(name)) {
                told.push((event.at, format!("{name} {step}")));
            }
        }
        told.sort_by_key(|(at, _)| *at);
        let more = told.len().saturating_sub(TOLD);
        let first = told.into_iter().take(TOLD);
        let first = first.map(|(at, what)| format!("{what} at {}", seconds(at)));
        let rest = (more > 0).then(|| format!("and {more} more"));
        first.chain(rest).collect()
    }

    fn is_over(&self) -> bool {
        self.question.effort.stop.load(Ordering::Relaxed)
    }

    /// A minimal set of parts that is enough, if no single one is necessary: parts are left out one
    /// by one for as long as the violation happens. Empty if it happens without any of them.
    fn enough(&mut self, parts: &[Part]) -> Vec<String> {
        let mut kept: Vec<usize> = (0..parts.len()).collect();
        let happens = |this: &mut Self, kept: &[usize]| {
            let gone = (0..parts.len()).filter(|part| !kept.contains(part));
            let plan = gone.fold(this.plan.clone(), |plan, part| parts[part].left_out(&plan));
            this.runs += 1;
            (this.progress)(this.runs, this.due.max(this.runs));
            let record = this.question.process.play(&plan, How::Plain);
            record.is_ok_and(|record| this.violation.answer(&record) == Answer::Violated)
        };
        if happens(self, &[]) {
            return Vec::new();
        }
        for part in 0..parts.len() {
            let fewer: Vec<usize> = kept.iter().copied().filter(|it| *it != part).collect();
            if self.is_over() {
                break;
            }
            if happens(self, &fewer) {
                kept = fewer;
            }
        }
        kept.iter().map(|&part| parts[part].label.clone()).collect()
    }

    /// Single packets that a link lost before the violation: each is let through.
    fn packets(&mut self) -> Vec<Without> {
        let traffic = self.record.traffic.iter().flat_map(|it| &it.packets);
        let mut lost: Vec<_> = traffic
            .filter(|packet| packet.end == PacketEnd::Lost && packet.sent_at <= self.violation.at)
            .collect();
        let machine = |place: u32| self.record.machines.get(place as usize);
        let concerns = |place: u32| {
            machine(place).is_some_and(|machine| self.violation.who.contains(&machine.name))
        };
        lost.sort_by_key(|packet| {
            let concerned = concerns(packet.from) || packet.to.is_some_and(concerns);
            (!concerned, self.violation.at - packet.sent_at)
        });
        lost.truncate(PACKETS_MAX);
        self.due += lost.len() as u64;
        let (plan, violation) = (self.plan, &self.violation);
        let process = self.question.process;
        let work = |number: &u64| {
            let record = process.play(plan, How::Sparing(*number));
            record.map_or(Answer::Otherwise, |record| violation.answer(&record))
        };
        let mut answers = Vec::new();
        let numbers: Vec<u64> = lost.iter().map(|packet| packet.number).collect();
        let (runs, due, progress) = (&mut self.runs, self.due, &mut self.progress);
        parallel(numbers, self.question.effort, work, |_, answer| {
            *runs += 1;
            progress(*runs, due);
            answers.push(answer);
        });
        let name = |place: u32| machine(place).map_or("nobody", |machine| &machine.name);
        let told = lost.iter().zip(answers).map(|(packet, answer)| Without {
            label: format!("packet {}", packet.number),
            what: format!(
                "lost from {} to {} at {}",
                name(packet.from),
                packet.to.map_or("nobody", name),
                seconds(packet.sent_at)
            ),
            same_dice: Some(answer),
            fresh: Answers::default(),
        });
        // Those that change nothing are many, and uninteresting.
        told.filter(|it| it.same_dice == Some(Answer::Held))
            .collect()
    }
}

/// Whether the violation does not happen without this part, other than by chance.
fn is_cause(part: &Without, as_it_was: Answers) -> bool {
    let gone = !matches!(part.same_dice, None | Some(Answer::Violated));
    // It may be rare with other dice anyway: then they prove nothing.
    let rarer = as_it_was.violated == 0 || part.fresh.violated * RARER <= as_it_was.violated;
    gone && rarer
}

/// Whether the guarantee holds without this circumstance, other than by chance.
fn is_needed(part: &Without, as_it_was: Answers) -> bool {
    part.same_dice == Some(Answer::Held) && is_cause(part, as_it_was)
}

/// Where two runs diverge, as these clients see it; or all clients, if none of them is one. None if
/// they never do.
fn parting(here: &Record, there: &Record, who: &[String]) -> Option<Nearest> {
    let is_client = |name: &String| here.history.clients.iter().any(|it| it.name == *name);
    let wanted: Vec<&String> = who.iter().filter(|name| is_client(name)).collect();
    let clients = here.history.clients.iter().enumerate();
    let clients = clients.filter(|(_, it)| wanted.is_empty() || wanted.contains(&&it.name));
    let steps = |record: &Record, client: usize| -> Vec<(Time, String)> {
        let events = record.history.events.iter();
        let own = events.filter(|event| event.client.0 as usize == client);
        own.filter_map(|event| Some((event.at, step(&event.kind)?)))
            .collect()
    };
    let parted = clients.filter_map(|(client, it)| {
        let (here, there) = (steps(here, client), steps(there, client));
        let alike = here
            .iter()
            .zip(&there)
            .take_while(|(a, b)| a.1 == b.1)
            .count();
        let at = |steps: &[(Time, String)]| steps.get(alike).map(|(at, _)| *at);
        let alike_until = at(&here).into_iter().chain(at(&there)).min()?;
        let told = |steps: &[(Time, String)]| match steps.get(alike) {
            Some((at, what)) => format!("{} {what} at {}", it.name, seconds(*at)),
            None => format!("{} does nothing more", it.name),
        };
        Some(Nearest {
            seed: 0,
            alike_until,
            here: told(&here),
            there: told(&there),
        })
    });
    parted.min_by_key(|it| it.alike_until)
}

/// What a client sees of an event, without what differs in every run; none if no client sees it.
fn step(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::Started => "starts".to_owned(),
        EventKind::Stopped => "ends".to_owned(),
        EventKind::Invoked { content, .. } => format!("is given `{content}`"),
        EventKind::Retried { attempt, .. } => format!("makes attempt {attempt}"),
        EventKind::Ok { operation, .. } => {
            format!("is told that its message {} is sent", operation.0)
        }
        EventKind::Failed { .. } => "is told that a message failed".to_owned(),
        EventKind::Unknown { .. } => "gives a message up".to_owned(),
        EventKind::Delivered { content, .. } => format!("handles `{content}`"),
        EventKind::Connecting { attempt } => format!("begins attempt {attempt} to connect"),
        EventKind::Connected {
            recovered: true, ..
        } => "comes back to its session".to_owned(),
        EventKind::Connected { .. } => "is connected".to_owned(),
        EventKind::Disconnected { .. } => "notices a disconnection".to_owned(),
        EventKind::Online { user } => format!("shows {user} as online"),
        EventKind::Offline { user } => format!("shows {user} as offline"),
        EventKind::Missed { what, .. } => format!("lacks {}", what.words()),
        EventKind::Repeated { content, .. } => format!("is sent `{content}` again"),
        EventKind::SessionOpened { .. } | EventKind::SessionClosed { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    fn ask(text: &str, dice: u64) -> Option<Why> {
        let effort = Effort::default();
        let question = Question {
            guarantee: None,
            dice,
            packets: true,
            futures: 0,
            process: Process::This,
            effort: &effort,
        };
        let record = why(&plan(text, 1), &question, &mut |_, _| ()).expect("it comes to its end");
        record.and_then(|record| record.why)
    }

    #[test]
    fn a_cause_is_what_it_is_gone_without_and_with_other_dice_four_times_as_rare() {
        let tally = |violated, held| Answers {
            violated,
            held,
            otherwise: 0,
        };
        let part = |same_dice, fresh| Without {
            label: "fault 1".to_owned(),
            what: String::new(),
            same_dice,
            fresh,
        };
        let as_it_was = tally(20, 0);
        for (same, violated, expected) in [
            (Some(Answer::Held), 5, true),
            (Some(Answer::Otherwise), 0, true),
            (Some(Answer::Held), 6, false),
            (Some(Answer::Violated), 0, false),
            (None, 0, false),
        ] {
            let part = part(same, tally(violated, 20 - violated));
            assert_eq!(is_cause(&part, as_it_was), expected, "{same:?} {violated}");
        }
        // A race that other dice do not show: only its own dice say anything.
        let rare = part(Some(Answer::Held), tally(0, 20));
        assert!(is_cause(&rare, tally(0, 20)));
    }

    const PARTITIONED: &str = r#"
        [clients]
        names = ["alice", "bob"]
        [chat]
        to-server = "at-most-once"
        to-client = "live-only"
        [workload]
        messages = 6
        interval = "1s"
        [[fault]]
        kind = "partition"
        victims = "alice"
        at = "3s"
        for = "20s"
        [[fault]]
        kind = "pause"
        victims = "bob"
        at = "2s"
        for = "10ms"
    "#;

    #[test]
    fn the_fault_without_which_it_holds_is_the_cause_and_the_other_one_is_not() {
        let why = ask(PARTITIONED, 3).expect("something is violated");
        assert_eq!(why.causes, ["fault 1"], "{}", why.text());
        assert_eq!(why.as_it_was.violated, 3);
        let tried: Vec<&str> = why.without.iter().map(|part| &*part.label).collect();
        let modes = ["option to-client", "option to-server"];
        assert_eq!(tried, ["fault 1", "fault 2", modes[0], modes[1]]);
        assert_eq!(why.without[0].fresh.violated, 0);
        assert!(why.done && !why.together);
    }

    #[test]
    fn of_two_faults_of_which_each_would_do_one_is_enough() {
        let twice = PARTITIONED
            .replace("pause", "partition")
            .replace("bob\"\n        at = \"2s\"", "alice\"\n        at = \"3s\"")
            .replace("10ms", "19s");
        let why = ask(&twice, 0).expect("something is violated");
        assert_eq!(why.causes.len(), 1, "{}", why.text());
        assert!(why.together);
    }

    #[test]
    fn what_happens_without_all_parts_hangs_on_none_of_them() {
        let bug = PARTITIONED.replace(
            "to-server = \"at-most-once\"\n        to-client = \"live-only\"",
            "bug = \"shuffled-broadcast\"",
        );
        let why = ask(&bug, 0).expect("something is violated");
        assert_eq!(why.causes, Vec::<String>::new(), "{}", why.text());
        assert!(why.conclusion().contains("depends on no part"));
    }

    #[test]
    fn of_a_run_in_which_nothing_is_violated_nothing_is_asked() {
        let good = PARTITIONED.replace(
            "to-server = \"at-most-once\"\n        to-client = \"live-only\"",
            "",
        );
        assert_eq!(ask(&good, 0), None);
    }
}
