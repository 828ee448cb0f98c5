//! A scenario that was not run on both engines, and why: a gap in a comparison must be visible.

use crate::Case;
use crate::Styles;
use crate::document;
use crate::text::{line, paragraph, styled};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A scenario with too many machines for the second engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Uncompared {
    /// The scenario's name.
    pub scenario: String,
    /// How many machines it has with some seed.
    pub machines: usize,
    /// How many are compared at most.
    pub most_machines: usize,
    /// Why there is a limit, in words.
    pub reason: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    uncompared: &'a Uncompared,
}

impl Uncompared {
    /// Returns one if the scenario has more machines than are compared.
    pub fn new(scenario: impl Into<String>, machines: usize, most_machines: usize) -> Self {
        Uncompared {
            scenario: scenario.into(),
            machines,
            most_machines,
            reason: "turmoil looks at each pair of machines in each millisecond, so its cost grows with the \
                     square of their number",
        }
    }

    /// For test runners: what was not tried.
    pub fn case(&self) -> Case {
        let most = self.most_machines;
        let message = format!("{} machines are more than {most}", self.machines);
        Case::passed(&*self.scenario, "engines").skipped(message)
    }

    /// For the terminal.
    pub fn text(&self, styles: &Styles) -> String {
        let Uncompared {
            scenario,
            machines,
            most_machines,
            reason,
        } = self;
        let scenario = styled(styles.heading, scenario);
        let verdict = styled(styles.unsure, "not compared");
        let mut text = String::new();
        line(
            &mut text,
            format_args!(
                "{scenario}: {verdict}, {machines} machines are more than {most_machines}"
            ),
        );
        let way_out = format!("{reason}. Compare it all the same with --most-machines {machines}.");
        paragraph(&mut text, &way_out, 6, styles);
        text
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(Document { uncompared: self })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall compare-engines --format json` prints for a scenario that it leaves out.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd() -> Uncompared {
        Uncompared::new("crowd", 301, 50)
    }

    #[test]
    fn the_text_says_why_and_how_to_compare_it_all_the_same() {
        insta::assert_snapshot!(crowd().text(&Styles::plain()), @r"
        crowd: not compared, 301 machines are more than 50
              turmoil looks at each pair of machines in each millisecond, so its cost grows with the square
              of their number. Compare it all the same with --most-machines 301.
        ");
    }

    #[test]
    fn the_document_says_why() {
        crate::testing::assert_is(&crowd().json(), Uncompared::schema());
        insta::assert_snapshot!(crowd().json(), @r#"
        {
          "squall": 1,
          "uncompared": {
            "scenario": "crowd",
            "machines": 301,
            "most_machines": 50,
            "reason": "turmoil looks at each pair of machines in each millisecond, so its cost grows with the square of their number"
          }
        }
        "#);
    }
}
