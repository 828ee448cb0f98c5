//! Witnesses: a story's world as a scenario file that anyone can run, with what goes wrong in it as
//! a comment; and as a Rust test.

use super::document::Document;
use super::story::Story;
use super::yardstick::Yardstick;
use squall_guarantees::Guarantee;

/// How wide comments are.
const WIDTH: usize = 100;

/// The scenario file of a world that tells a story with this seed. It expects what the yardstick
/// asks, so `squall run` says "not as expected" for as long as the defect is there.
pub fn witness(
    world: &Document,
    seed: u64,
    story: &Story,
    evidence: &str,
    yardstick: &Yardstick,
) -> String {
    let open = yardstick.leaves_open(world);
    let mut world = world.clone();
    world.put("shows", format!("{story}."));
    world.remove("expect");
    for guarantee in open {
        world.put(&format!("expect.{guarantee}"), "either");
    }
    if Guarantee::ALL.iter().any(|it| it.name() == story.subject) {
        world.put(&format!("expect.{}", story.subject), "held");
    }
    let evidence = comment(evidence);
    format!(
        "# {story}\n#\n{evidence}#\n# squall run THIS-FILE --seed {seed}\n{}",
        world.text()
    )
}

fn comment(text: &str) -> String {
    let mut comment = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split_whitespace() {
            if column == 0 || column + word.len() >= WIDTH {
                let before = if column == 0 { "#" } else { "\n#" };
                comment.push_str(before);
                column = 1;
            }
            comment.push(' ');
            comment.push_str(word);
            column += 1 + word.len();
        }
        comment.push('\n');
    }
    comment
}

/// A Rust test that plays a witness with its seed, and fails for as long as something is wrong in
/// it.
pub fn test_of(witness: &str, seed: u64, story: &Story) -> String {
    let name: String = story.to_string().to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut hashes = "#".to_owned();
    while witness.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!(
        "//! Written by `squall shrink --emit-test`.\n\n\
         use squall::{{Scenario, run}};\n\
         use squall_cli::SYSTEMS;\n\
         use squall_reports::{{Judged, Outcome}};\n\n\
         const WITNESS: &str = r{hashes}\"\n{witness}\"{hashes};\n\n\
         #[test]\n\
         fn {}() {{\n    \
             let scenario = Scenario::parse(\"witness\", WITNESS, SYSTEMS).expect(\"a right scenario\");\n    \
             let record = run(&scenario.plan({seed})).expect(\"the run comes to its end\");\n    \
             let judged = Judged::new(record);\n    \
             assert_ne!(judged.outcome, Outcome::NotAsExpected, \"{{:#?}}\", judged.judgements);\n\
         }}\n",
        words.join("_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Story {
        Story {
            subject: "ordering".to_owned(),
            mechanism: "out-of-order".to_owned(),
        }
    }

    #[test]
    fn a_witness_is_a_scenario_that_expects_what_was_broken_to_hold() {
        let world = "shows = '.'\nlink.loss = '1%'\nchat.to-server = 'at-most-once'";
        let world = Document::parse(world).expect("TOML");
        let evidence = "Bob read 2\nbefore 1.";
        let text = witness(&world, 17, &story(), evidence, &Yardstick::of_file(&world));
        let scenario = Document::parse(&text).expect("TOML").scenario();
        assert!(scenario.is_ok(), "{text}");
        insta::assert_snapshot!(text, @r#"
        # ordering: out-of-order
        #
        # Bob read 2
        # before 1.
        #
        # squall run THIS-FILE --seed 17
        shows = "ordering: out-of-order."

        [chat]
        to-server = "at-most-once"

        [expect]
        at-least-once = "either"
        exactly-once = "either"
        ordering = "held"

        [link]
        loss = "1%"
        "#);
    }

    #[test]
    fn a_test_is_named_after_its_story() {
        let test = test_of("shows = '.'\n", 17, &story());
        insta::assert_snapshot!(test, @r##"
        //! Written by `squall shrink --emit-test`.

        use squall::{Scenario, run};
        use squall_cli::SYSTEMS;
        use squall_reports::{Judged, Outcome};

        const WITNESS: &str = r#"
        shows = '.'
        "#;

        #[test]
        fn ordering_out_of_order() {
            let scenario = Scenario::parse("witness", WITNESS, SYSTEMS).expect("a right scenario");
            let record = run(&scenario.plan(17)).expect("the run comes to its end");
            let judged = Judged::new(record);
            assert_ne!(judged.outcome, Outcome::NotAsExpected, "{:#?}", judged.judgements);
        }
        "##);
    }
}
