//! What many composed worlds brought to light, as a page: the stories, and what was put to the test
//! under which fault.

use super::plain::plain;
use super::shell::page;
use maud::html;
use squall_guarantees::counted;

/// How many seeds of a story are shown.
const SEEDS_MAX: usize = 20;

/// What many worlds brought to light.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stories {
    /// How many worlds were played.
    pub worlds: u64,
    /// The stories, the most frequent first.
    pub stories: Vec<Told>,
    /// The guarantees that were never put to the test.
    pub unexercised: Vec<String>,
    /// What no world had that comes to a limit.
    pub unreached: Vec<&'static str>,
    /// The kinds of faults that struck, the columns of the matrix.
    pub kinds: Vec<String>,
    /// Each guarantee, and in how many worlds it was exercised under each of these kinds.
    pub matrix: Vec<(String, Vec<u64>)>,
    /// How likely another world is to show a guarantee under a kind of fault that none has shown,
    /// from 0 to 1.
    pub unseen: f64,
}

/// A story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What goes wrong.
    pub story: String,
    /// The seeds of all worlds that show it.
    pub seeds: Vec<u64>,
    /// The kinds of faults that struck in all of them.
    pub always: Vec<String>,
    /// The seed of the smallest world.
    pub seed: u64,
    /// How large that world is, in words.
    pub size: String,
    /// The evidence in it.
    pub evidence: String,
    /// The command that makes it small.
    pub command: String,
}

/// The page.
pub fn stories(all: &Stories) -> String {
    let worlds = counted(all.worlds, "world");
    let found = match all.stories.len() {
        0 => "nothing is wrong".to_owned(),
        count => counted(count as u64, "story"),
    };
    let title = format!("{worlds}: {found}");
    let body = html! {
        header {
            h1 { (title) }
            p { "A guarantee under a kind of fault that no world has shown: "
                (format!("{:.2} %", 100.0 * all.unseen)) " of what a further one shows." }
        }
        main {
            section aria-labelledby="stories" {
                h2 id="stories" { "Stories, the most frequent first" }
                @if all.stories.is_empty() { p { "Nothing went wrong." } }
                @for told in &all.stories { article {
                    h3.bad { (plain(&told.story)) }
                    p { (counted(told.seeds.len() as u64, "world")) ": seed "
                        (told.seeds.iter().take(SEEDS_MAX).map(u64::to_string).collect::<Vec<_>>().join(", "))
                        @if told.seeds.len() > SEEDS_MAX { " and " (told.seeds.len() - SEEDS_MAX) " more" } }
                    p { "Struck in all of them: " @if told.always.is_empty() { "no kind of fault" } (told.always.join(", "))
                        ". The smallest: seed " (told.seed) ", " (told.size) "." }
                    p { (plain(&told.evidence)) }
                    pre { code { (plain(&told.command)) } }
                } }
            }
            section aria-labelledby="matrix" {
                h2 id="matrix" { "Put to the test, by kinds of faults that struck" }
                @if !all.unexercised.is_empty() { p.unsure { "Never put to the test: " (all.unexercised.join(", ")) } }
                @if !all.unreached.is_empty() { p.unsure { "No world had: " (all.unreached.join(", ")) } }
                div.wide { table {
                    thead { tr { th scope="col" { "guarantee" } @for kind in &all.kinds { th.n scope="col" { (plain(kind)) } } } }
                    tbody { @for (guarantee, counts) in &all.matrix { tr {
                        th scope="row" { (guarantee) }
                        @for count in counts { td.n class=[(*count == 0).then_some("unsure")] { (count) } }
                    } } }
                } }
            }
        }
    };
    page(&title, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_story_and_how_often_each_guarantee_was_asked() {
        let all = Stories {
            worlds: 40,
            stories: vec![Told {
                story: "recovery: <b>missing".to_owned(),
                seeds: (1..=30).collect(),
                seed: 3,
                size: "1 fault".to_owned(),
                ..Told::default()
            }],
            kinds: vec!["kill".to_owned()],
            matrix: vec![("ordering".to_owned(), vec![0])],
            ..Stories::default()
        };
        let page = stories(&all);
        for told in [
            "40 worlds: 1 story",
            "recovery: &lt;b&gt;missing",
            "and 10 more",
            "no kind of fault",
        ] {
            assert!(page.contains(told), "{told}");
        }
    }
}
