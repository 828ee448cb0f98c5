//! A run as one picture, an SVG: the verdict, the story and the diagram of its page, without what a
//! reader of the page can ask for.

use super::diagram::Diagram;
use super::plain::plain;
use super::shell::{COLOURS, DRAWING, class_of};
use crate::Judged;
use crate::brief::brief;
use crate::guilt::Guilt;
use maud::{PreEscaped, html};
use squall_guarantees::seconds;

/// How far apart lines of text are, and how wide the picture is, in its own units.
const LINE: f64 = 20.0;
const WIDTH: f64 = 1200.0;

/// How many characters fit in a line at the size of the text, and in the title.
const CHARACTERS: usize = 165;

/// What a page says with its own style sheet.
const TEXT: &str = "text{fill:var(--ink);font:13px system-ui,sans-serif}.title{font-size:20px;font-weight:600}\
    .good{fill:var(--good)}.bad{fill:var(--bad)}.unsure{fill:var(--unsure)}.faint{fill:var(--faint)}\
    .paper{fill:var(--paper)}";

/// The picture of one run.
pub fn picture(judged: &Judged) -> String {
    let record = &judged.record;
    let guilt = Guilt::of(judged);
    let story = brief(judged, guilt.as_ref());
    let (drawn, height) = Diagram::of(record, guilt.as_ref()).drawn_plainly();
    let top = 78.0 + LINE * story.len() as f64;
    let view = format!("0 0 {WIDTH} {}", top + height);
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(view) width=(WIDTH) height=(top + height) role="img" {
            title { (plain(&record.scenario)) ": " (judged.outcome) ", seed " (record.seed) }
            style { (PreEscaped(COLOURS)) (PreEscaped(TEXT)) (PreEscaped(DRAWING)) }
            rect.paper width="100%" height="100%" {}
            text.title x="16" y="30" {
                (plain(&record.scenario)) ": " tspan class=(class_of(judged.outcome)) { (judged.outcome) } ", seed " (record.seed)
            }
            text.faint x="16" y="54" { (within(&record.description)) }
            @for (entry, number) in story.iter().zip(1..) {
                text x="16" y=(62.0 + LINE * f64::from(number)) class=[(!entry.violates.is_empty()).then_some("bad")] {
                    tspan.faint { (seconds(entry.at)) } "  " (within(&format!("{}: {}", entry.who, entry.words())))
                }
            }
            g transform={ "translate(0 " (top) ")" } { (drawn) }
        }
    };
    let mut text = svg.into_string();
    text.push('\n');
    text
}

/// A text that fits in a line.
fn within(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
