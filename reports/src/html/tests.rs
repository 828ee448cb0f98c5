use super::*;
use crate::testing::{crowd, judged, record, with_traffic};
use crate::{Answer, Answers, Curve, Point, Why, Without};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_run_as_a_page() {
    insta::assert_snapshot!(render(&judged(with_traffic())));
}

#[test]
fn the_same_record_gives_the_same_page() {
    let page = || render(&Judged::new(with_traffic()));
    assert_eq!(page(), page());
}

#[test]
fn a_picture_draws_what_the_page_draws_and_nothing_in_it_can_be_asked() {
    let judged = judged(with_traffic());
    let guilt = Guilt::of(&judged);
    let (diagram, _) = Diagram::of(&judged.record, guilt.as_ref()).draw();
    let (diagram, picture) = (diagram.into_string(), picture(&judged));
    let drawn = |text: &str| {
        [
            "class=\"p ",
            "class=\"x ",
            "class=\"m",
            "class=\"fault\"",
            "class=\"lane\"",
        ]
        .map(|element| text.matches(element).count())
    };
    assert!(
        drawn(&diagram).iter().all(|&count| count > 0),
        "{:?}",
        drawn(&diagram)
    );
    assert_eq!(drawn(&picture), drawn(&diagram));
    assert!(!picture.contains("data-") && !picture.contains("<script"));
    assert_eq!(picture.matches("<title>").count(), 1);
    assert!(picture.starts_with("<svg xmlns="));
    assert!(picture.contains("</tspan>  alice: "), "it tells the story");
}

/// What strangers could write to break out of a page.
const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></svg><svg onload=alert(1)>",
    "\u{202e}gnp.exe\u{0}\u{1b}[31m",
    "<!--",
];

#[test]
fn what_strangers_wrote_is_text_wherever_it_stands() {
    for hostile in HOSTILE {
        let long = format!("{hostile}{}", "x".repeat(100_000));
        for text in [hostile, &long] {
            let json = serde_json::to_string(&with_traffic()).expect("a record is JSON");
            let text = serde_json::to_string(text).expect("a text is JSON");
            let text = &text[1..text.len() - 1];
            // Names, contents, rooms, sessions, words, the scenario itself.
            let mut json = json.replace("alice", &format!("alice{text}"));
            for word in [
                "lobby",
                "example",
                "partition",
                "middlebox",
                "m2",
                "42[",
                "heartbeat",
                "cargo",
                "2.000 s",
            ] {
                json = json.replace(word, &format!("{word}{text}"));
            }
            let record: Record = serde_json::from_str(&json).expect("it is a record still");
            let judged = Judged::new(record);
            let picture = picture(&judged);
            let elements = ["<svg", "<title", "<style", "<img", "<script", "<!"];
            let counts = elements.map(|element| picture.matches(element).count());
            assert_eq!(counts, [1, 1, 1, 0, 0, 0], "{hostile}");
            let page = render(&judged);
            assert!(page.len() < 2_000_000, "{} bytes", page.len());
            let (tags, attributes) = tags(&page);
            let known = self::tags(&render(&Judged::new(with_traffic())));
            assert_eq!(&tags - &known.0, BTreeSet::new(), "{hostile}");
            assert_eq!(&attributes - &known.1, BTreeSet::new(), "{hostile}");
            assert_eq!(page.matches("<script").count(), 1, "{hostile}");
            assert_eq!(page.matches("<!").count(), 1, "{hostile}");
            for unseen in ['\u{202e}', '\u{0}', '\u{1b}'] {
                assert!(!page.contains(unseen), "{unseen:?}");
            }
        }
    }
}

/// The names of all tags and attributes of a page, as an HTML parser finds them.
fn tags(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut tags, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    let script = page.find("<script>").expect("there is a script");
    let mut rest = &page[..script];
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '>')
            .unwrap_or(rest.len());
        tags.insert(rest[..end].trim_start_matches('/').to_owned());
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if rest.starts_with('>') || rest.is_empty() {
                break;
            }
            let end = rest.find(['=', '>', ' ']).unwrap_or(rest.len());
            attributes.insert(rest[..end].to_owned());
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                let end = value.find('"').expect("values end");
                rest = &value[end + 1..];
            }
        }
    }
    (tags, attributes)
}

#[test]
fn a_page_of_a_crowd_stays_small_and_says_what_it_left_out() {
    let page = render(&Judged::new(crowd(1_000, 20)));
    assert!(
        (100_000..2_000_000).contains(&page.len()),
        "{} bytes",
        page.len()
    );
    for left_out in [
        "machines",
        "of what clients did and had",
        "packets beyond what can be drawn",
        "more receivers are not shown",
    ] {
        assert!(page.contains(left_out), "{left_out}");
    }
}

#[test]
fn a_page_asks_nobody_for_anything() {
    let page = render(&Judged::new(with_traffic()));
    for address in ["http:", "https:", "//", "url(", "@import", "src="] {
        let page = page.replace("// ", "");
        assert!(!page.contains(address), "{address}");
    }
}

#[test]
fn what_a_violation_hangs_on_is_told_with_every_part_that_was_left_out() {
    let mut record = with_traffic();
    let part = |label: &str, same_dice| Without {
        label: label.to_owned(),
        what: "partition between server and bob".to_owned(),
        same_dice: Some(same_dice),
        fresh: Answers {
            held: 17,
            violated: 3,
            otherwise: 0,
        },
    };
    record.why = Some(Why {
        without: vec![
            part("fault 1", Answer::Held),
            part("loss", Answer::Violated),
        ],
        causes: vec!["fault 1".to_owned()],
        curve: Some(Curve {
            points: [(0, 10), (1, 90)]
                .map(|(second, violated)| Point {
                    at: Duration::from_secs(second),
                    futures: Answers {
                        violated,
                        held: 100 - violated,
                        otherwise: 0,
                    },
                })
                .to_vec(),
            closer: Vec::new(),
            between: vec!["bob saw <b>".to_owned()],
        }),
        done: true,
        ..Why::default()
    });
    let page = render(&Judged::new(record));
    let hangs =
        "It depends on fault 1 (partition between server and bob): without it, it does not happen.";
    assert!(page.contains(hangs) && page.contains("held 17 of 20, violated 3 of 20"));
    let decided = "It was decided between 0.000 s and 1.000 s: of the futures of the one moment it happens in 10 of 100, of those of the other in 90. In between: bob saw &lt;b&gt;.";
    assert!(page.contains(decided) && page.contains("<title>1.000 s: 90 of 100</title>"));
}

#[test]
fn a_run_in_which_nothing_went_wrong_has_a_page() {
    let mut record = record();
    record.history.events.clear();
    record.history.database.clear();
    record.history.silences.clear();
    let page = render(&Judged::new(record));
    assert!(page.contains("No message went wrong."));
}

#[test]
fn who_joins_and_leaves_is_told_with_the_rows_and_who_never_does_is_not() {
    let mut record = with_traffic();
    assert!(!render(&Judged::new(record.clone())).contains("In and out of rooms"));
    let mut row = record.history.database[0].clone();
    (row.id, row.sender, row.room) = (9, "alice".into(), "den".into());
    (row.content, row.kind) = ("alice joins".into(), squall_guarantees::MessageKind::Join);
    record.history.database.push(row);
    let page = render(&Judged::new(record));
    let told = "In and out of rooms: lobby from the beginning, joins den with row 9.";
    assert!(page.contains(told));
}

#[test]
fn a_violation_without_a_message_marks_its_time_in_the_diagram_and_tells_what_led_to_it() {
    let mut record = with_traffic();
    // Bob, who was lost at 5.9 s, tries again only at 6.5 s.
    record.history.bounds.backoff_max = Duration::from_millis(550);
    record.history.database.pop();
    record.expectations = vec![crate::Expectation {
        guarantee: squall_guarantees::Guarantee::Reconnection,
        expected: crate::Expected::Held,
    }];
    let page = render(&Judged::new(record));
    assert!(page.contains("<strong>reconnection</strong> was violated"));
    let marked = "<line class=\"wrong\"";
    assert_eq!(page.matches(marked).count(), 1);
    assert!(page.contains("data-t=\"5900000000\" data-u=\"6500000000\""));
    assert!(page.contains("It is the time from 5.900 s to 6.500 s of <strong>bob</strong>"));
    assert!(page.contains("tries to connect: attempt 1, 0.600 s after it was lost"));
}
