//! A run for programs: everything, in one versioned JSON document. `README.md` next to this crate
//! explains every field.

use crate::{Counts, Engine, Entry, Judged, Judgement, Outcome, Record, tell};
use serde::Serialize;

/// The version of the document: the value of its first field, `squall`. It grows when a field
/// changes its meaning or is removed, not when one is added.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    squall: u32,
    scenario: &'a str,
    seed: u64,
    engine: Engine,
    outcome: Outcome,
    command: &'a str,
    guarantees: &'a [Judgement],
    story: Vec<Entry>,
    counts: Counts,
    record: &'a Record,
}

/// The report of one run, with a line break at the end.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    to_json(&Document {
        squall: VERSION,
        scenario: &record.scenario,
        seed: record.seed,
        engine: record.engine,
        outcome: judged.outcome,
        command: &record.command,
        guarantees: &judged.judgements,
        story: tell(judged),
        counts: Counts::of(record),
        record,
    })
}

/// Our own documents have string keys and no fallible fields, so writing them cannot fail.
pub(crate) fn to_json(document: &impl Serialize) -> String {
    let mut json = serde_json::to_string_pretty(document).expect("our documents are valid JSON");
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{judged, record};

    #[test]
    fn a_run_as_json() {
        insta::assert_snapshot!(render(&judged(record())));
    }

    #[test]
    fn the_record_can_be_read_back() {
        let json: serde_json::Value =
            serde_json::from_str(&render(&Judged::new(record()))).unwrap();
        let read: Record = serde_json::from_value(json["record"].clone()).unwrap();
        assert_eq!(read, record());
    }

    #[test]
    fn a_record_from_before_there_were_two_engines_is_of_the_native_one() {
        let mut json = serde_json::to_value(record()).unwrap();
        json.as_object_mut().unwrap().remove("engine").unwrap();
        let read: Record = serde_json::from_value(json).unwrap();
        assert_eq!(read.engine, Engine::Native);
    }
}
