//! What surrounds every page: the head of the document, its style and its script.

use crate::Outcome;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The colours of everything.
pub(super) const COLOURS: &str = include_str!("colours.css");
/// How diagrams look.
pub(super) const DRAWING: &str = include_str!("drawing.css");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A whole document around a body.
pub(super) fn page(title: &str, body: Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                // Nothing is loaded, whatever gets into the page.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(COLOURS)) (PreEscaped(DRAWING)) (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut text = document.into_string();
    text.push('\n');
    text
}

/// The class for this outcome.
pub(super) fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::AsExpected => "good",
        Outcome::NothingExpected | Outcome::NotExercised => "unsure",
        Outcome::NotAsExpected => "bad",
    }
}
