//! The behaviours of the simulated kernel, each next to the real one's: text and JSON.

use crate::Styles;
use crate::document;
use crate::text::{line, styled};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Behaviours that were seen on both kernels; those of a group are adjacent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Parity(pub Vec<Behaviour>);

/// One behaviour, on both kernels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Behaviour {
    /// What it is about.
    pub group: String,
    /// What it does, with `_` for spaces.
    pub name: String,
    /// How the kernels compare.
    pub outcome: Agreement,
    /// Why they may differ; none if they may not.
    pub explanation: Option<String>,
    /// What was seen on the real kernel.
    pub real: Vec<String>,
    /// What was seen on the simulated one.
    pub simulated: Vec<String>,
}

/// How two kernels compare in one behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// Both show the same.
    Same,
    /// They differ, and it is explained.
    Explained,
    /// They differ.
    Different,
    /// It is explained why they differ, and they do not.
    Overexplained,
    /// The real kernel here cannot show it.
    NotAvailable,
}

impl Agreement {
    /// Whether this is acceptable.
    pub fn is_fine(self) -> bool {
        !matches!(self, Agreement::Different | Agreement::Overexplained)
    }

    fn word(self) -> &'static str {
        match self {
            Agreement::Same => "same",
            Agreement::Explained => "explained",
            Agreement::Different => "different",
            Agreement::Overexplained => "explained, but the same",
            Agreement::NotAvailable => "not available here",
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    parity: &'a Parity,
}

impl Parity {
    /// For the terminal: observations are shown where they differ.
    pub fn text(&self, styles: &Styles) -> String {
        let mut text = String::new();
        for group in self.0.chunk_by(|a, b| a.group == b.group) {
            line(
                &mut text,
                format_args!("{}", styled(styles.heading, &group[0].group)),
            );
            group
                .iter()
                .for_each(|behaviour| behaviour.tell(&mut text, styles));
            text.push('\n');
        }
        let count = |agreement| self.0.iter().filter(|it| it.outcome == agreement).count();
        line(
            &mut text,
            format_args!(
                "{} behaviours: {} same, {} explained, {} not available here, {} different.",
                self.0.len(),
                count(Agreement::Same),
                count(Agreement::Explained),
                count(Agreement::NotAvailable),
                count(Agreement::Different) + count(Agreement::Overexplained),
            ),
        );
        text
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(Document { parity: self })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall parity --format json` prints: the simulated kernel beside the real one.",
        )
    }

    /// Whether all of them are acceptable.
    pub fn is_fine(&self) -> bool {
        self.0.iter().all(|behaviour| behaviour.outcome.is_fine())
    }
}

impl Behaviour {
    fn tell(&self, text: &mut String, styles: &Styles) {
        let name = self.name.replace('_', " ");
        let style = match self.outcome {
            Agreement::Same => styles.good,
            Agreement::Explained | Agreement::NotAvailable => styles.unsure,
            Agreement::Different | Agreement::Overexplained => styles.bad,
        };
        let word = styled(style, self.outcome.word());
        line(text, format_args!("  {name:<66}{word}"));
        if let Some(explanation) = &self.explanation {
            line(text, format_args!("      {explanation}"));
        }
        if matches!(self.outcome, Agreement::Explained | Agreement::Different) {
            line(text, format_args!("      real: {}", self.real.join("; ")));
            line(
                text,
                format_args!("      simulated: {}", self.simulated.join("; ")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parity() -> Parity {
        let behaviour = |name: &str, outcome, explanation: Option<&str>| Behaviour {
            group: "closing".to_owned(),
            name: name.to_owned(),
            outcome,
            explanation: explanation.map(str::to_owned),
            real: vec!["reads 3".to_owned(), "end".to_owned()],
            simulated: vec!["reads 3".to_owned()],
        };
        Parity(vec![
            behaviour("a_close_is_read", Agreement::Same, None),
            behaviour(
                "what_is_left_is_lost",
                Agreement::Explained,
                Some("Linux keeps it."),
            ),
            behaviour("both_close", Agreement::Different, None),
            behaviour("of_ipv6", Agreement::NotAvailable, None),
        ])
    }

    #[test]
    fn what_was_seen_is_told_where_it_differs() {
        insta::assert_snapshot!(parity().text(&Styles::plain()), @r"
        closing
          a close is read                                                   same
          what is left is lost                                              explained
              Linux keeps it.
              real: reads 3; end
              simulated: reads 3
          both close                                                        different
              real: reads 3; end
              simulated: reads 3
          of ipv6                                                           not available here

        4 behaviours: 1 same, 1 explained, 1 not available here, 1 different.
        ");
        assert!(!parity().is_fine());
    }

    #[test]
    fn programs_get_all_of_it() {
        crate::testing::assert_is(&parity().json(), Parity::schema());
        let json: serde_json::Value = serde_json::from_str(&parity().json()).expect("JSON");
        assert_eq!(json["parity"][1]["outcome"], "explained");
        assert_eq!(json["parity"][3]["outcome"], "not-available");
        assert_eq!(json["parity"][0]["real"][1], "end");
    }
}
