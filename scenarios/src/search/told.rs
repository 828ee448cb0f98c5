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
            let _ = write!(text, "\n{}", told.text());
        }
        let never: Vec<String> = self.unexercised().map(|it| it.to_string()).collect();
        if !never.is_empty() {
            let _ = writeln!(text, "\nNever put to the test: {}", never.join(", "));
        }
        let percent = 100.0 * self.unseen();
        let _ = write!(
            text,
            "\nA guarantee under a kind of fault that no world has shown: {percent:.2} % of what a further one shows"
        );
        text
    }
}

impl Told {
    fn text(&self) -> String {
        let mut seeds: Vec<String> = self.seeds.iter().take(SEEDS).map(u64::to_string).collect();
        if self.seeds.len() > SEEDS {
            seeds.push("…".to_owned());
        }
        let always = match self.always.as_slice() {
            [] => "no kind of fault".to_owned(),
            kinds => kinds.join(", "),
        };
        format!(
            "{}\n  {}: seed {}\n  struck in all of them: {always}\n  smallest: seed {}, {}\n  {}\n",
            self.story,
            counted(self.seeds.len() as u64, "world"),
            seeds.join(", "),
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
