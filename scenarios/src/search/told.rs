//! An exploration in words, for people.

use super::exploration::{Exploration, Told};
use squall_guarantees::counted;
use std::fmt::Write;

/// How many seeds of a story are told; all of them are in the file.
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
            "{}\n  {}: seed {}\n  mended? With 99 %, if {} without it\n  struck in all of them: {always}\n  \
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

    /// A name for a file about it.
    pub fn file_name(&self) -> String {
        let story = self.story.to_string().to_lowercase();
        let words = story.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(8).collect();
        words.join("-")
    }
}
