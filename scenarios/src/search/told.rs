//! An exploration in words, for people.

use super::exploration::{Exploration, Told};
use super::reached::Limit;
use squall_guarantees::{Guarantee, counted};
use squall_reports::{Case, html};
use std::fmt::Write;

/// What test runners call an exploration.
const SUITE: &str = "explore";

/// How many seeds of a story are listed; all of them are in the file.
const SEEDS: usize = 5;

impl Exploration {
    /// What was found, story by story, and what was never put to the test.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let stories = match self.stories.len() {
            0 => "nothing is wrong".to_owned(),
            count => counted(count as u64, "story"),
        };
        let worlds = counted(self.worlds, "world");
        let _ = writeln!(text, "{worlds}: {stories}");
        for told in &self.stories {
            let _ = write!(text, "\n{}", told.text(self.worlds));
        }
        let never: Vec<String> = self.unexercised().map(|it| it.to_string()).collect();
        if !never.is_empty() {
            let _ = writeln!(text, "\nNever put to the test: {}", never.join(", "));
        }
        let never: Vec<&str> = self.unreached().map(Limit::words).collect();
        if !never.is_empty() {
            let _ = writeln!(text, "\nNo world had: {}", never.join(", "));
        }
        let told = self.completeness();
        let _ = write!(
            text,
            "\nGuarantees under kinds of faults: {} pairs seen",
            told.seen
        );
        if let Some(seed) = told.last_new {
            let _ = write!(
                text,
                ", the last new one with seed {seed}; about {:.0} unseen, {:.2} % of what a further world shows",
                told.unseen,
                100.0 * told.new
            );
        }
        text
    }

    /// For test runners: a case for each guarantee, and for whatever else was found.
    pub fn cases(&self) -> Vec<Case> {
        let told = |it: &Told| {
            let file = it.file_name();
            let command = format!("squall shrink --seed {} --out {file}.toml", it.seed);
            let worlds = counted(it.seeds.len() as u64, "world");
            let case = Case::passed(SUITE, &*it.story.subject);
            case.failed(
                format!("{} in {worlds}", it.story.mechanism),
                format!("{}\n{command}", it.evidence),
            )
        };
        let is_told = |it: &Guarantee| {
            let mut stories = self.stories.iter();
            stories.any(|told| told.story.subject == it.name())
        };
        let others = Guarantee::ALL.into_iter().filter(|it| !is_told(it));
        let others = others.map(|it| {
            let case = Case::passed(SUITE, it.name());
            match self.exercised.contains_key(it.name()) {
                true => case,
                false => case.skipped("never put to the test"),
            }
        });
        self.stories.iter().map(told).chain(others).collect()
    }

    /// The same as a page, to go beside the files of its stories.
    pub fn page(&self) -> String {
        let kinds: Vec<&str> = self.kinds().into_iter().collect();
        let matrix = Guarantee::ALL.map(|guarantee| {
            let counts = kinds.iter().map(|kind| self.asked_under(guarantee, kind));
            (guarantee.to_string(), counts.collect())
        });
        html::stories(&html::Stories {
            worlds: self.worlds,
            stories: self.stories.iter().map(Told::on_page).collect(),
            unexercised: self.unexercised().map(|it| it.to_string()).collect(),
            unreached: self.unreached().map(Limit::words).collect(),
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            matrix: matrix.to_vec(),
            unseen: self.completeness().new,
        })
    }
}

impl Told {
    fn text(&self, worlds: u64) -> String {
        let mut seeds: Vec<String> = self.seeds.iter().take(SEEDS).map(u64::to_string).collect();
        if self.seeds.len() > SEEDS {
            seeds.push("…".to_owned());
        }
        let always = match self.always.as_slice() {
            [] => "no kind of fault".to_owned(),
            kinds => kinds.join(", "),
        };
        format!(
            "{}\n  {}: seed {}\n  fixed? With 99 % certainty after {} without it\n  struck in all of them: {always}\n  \
             smallest: seed {}, {}\n  {}\n",
            self.story,
            counted(self.seeds.len() as u64, "world"),
            seeds.join(", "),
            counted(self.worlds_to_be_sure(worlds), "further world"),
            self.seed,
            self.size,
            self.evidence.replace('\n', "\n  "),
        )
    }

    fn on_page(&self) -> html::Told {
        html::Told {
            story: self.story.to_string(),
            seeds: self.seeds.clone(),
            always: self.always.clone(),
            seed: self.seed,
            size: self.size.to_string(),
            evidence: self.evidence.clone(),
            command: format!(
                "squall shrink {}.toml --seed {}",
                self.file_name(),
                self.seed
            ),
        }
    }

    /// A name for a file about it.
    pub fn file_name(&self) -> String {
        let story = self.story.to_string().to_lowercase();
        let words = story.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(8).collect();
        words.join("-")
    }
}
