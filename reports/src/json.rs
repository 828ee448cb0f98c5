//! A run for programs: everything, or everything but the history, in one versioned JSON document.
//! `README.md` next to this crate explains every field.

use crate::{
    Counts, Engine, Entry, InjectedFault, Judged, Judgement, Outcome, Panic, Record, document, tell,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize, JsonSchema)]
struct Document<'a, R> {
    /// The scenario's name.
    scenario: &'a str,
    /// The seed that decided everything the scenario left open.
    seed: u64,
    engine: Engine,
    outcome: Outcome,
    /// The command that repeats the run.
    command: &'a str,
    /// Every guarantee, in a fixed order.
    guarantees: &'a [Judgement],
    /// What happened, in sentences in order of time.
    story: Vec<Entry>,
    counts: Counts,
    #[serde(flatten)]
    rest: R,
}

/// Everything that the run left behind.
#[derive(Serialize, JsonSchema)]
struct Whole<'a> {
    record: &'a Record,
}

/// What the record says besides the history and the packets.
#[derive(Serialize, JsonSchema)]
struct Brief<'a> {
    /// The rolling hash over every packet, wake-up and operation, in hexadecimal.
    digest: &'a str,
    /// What the seed drew where the scenario left a range, as pairs of what and value.
    drawn: &'a [(String, String)],
    /// What the scenario did to the world, in the order in which it began.
    faults: &'a [InjectedFault],
    /// Machines that panicked.
    panics: &'a [Panic],
}

/// The report of one run, with a line break at the end.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    document(judged, Whole { record })
}

/// The same without the history and the packets.
pub fn brief(judged: &Judged) -> String {
    let record = &judged.record;
    let brief = Brief {
        digest: &record.digest,
        drawn: &record.drawn,
        faults: &record.faults,
        panics: &record.panics,
    };
    document(judged, brief)
}

fn document(judged: &Judged, rest: impl Serialize) -> String {
    let record = &judged.record;
    document::write(Document {
        scenario: &record.scenario,
        seed: record.seed,
        engine: record.engine,
        outcome: judged.outcome,
        command: &record.command,
        guarantees: &judged.judgements,
        story: tell(judged),
        counts: Counts::of(record),
        rest,
    })
}

/// The JSON Schema of the report of one run.
pub fn schema() -> Value {
    document::schema::<Document<'_, Whole<'_>>>(
        "What `squall run --format json` prints for each run, and `--out` writes: the verdicts, and the whole record.",
    )
}

/// The JSON Schema of the report without the history.
pub fn brief_schema() -> Value {
    document::schema::<Document<'_, Brief<'_>>>(
        "What `squall run --format brief` prints for each run: the verdicts without the history.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_is, judged, record, with_traffic};

    #[test]
    fn a_run_as_json() {
        insta::assert_snapshot!(render(&judged(record())));
    }

    #[test]
    fn a_run_is_what_its_schema_says_with_and_without_its_packets() {
        for record in [record(), with_traffic()] {
            let judged = judged(record);
            assert_is(&render(&judged), schema());
            assert_is(&brief(&judged), brief_schema());
        }
    }

    #[test]
    #[should_panic(expected = "unevaluated")]
    fn a_field_that_the_schema_does_not_have_is_noticed() {
        let run = render(&judged(record()));
        let more = run.replacen("\"story\": [", "\"moral\": \"none\", \"story\": [", 1);
        assert_ne!(run, more);
        assert_is(&more, schema());
    }

    #[test]
    fn a_run_without_its_history_says_the_same_of_everything_else() {
        let judged = judged(record());
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        let (whole, mut brief) = (read(render(&judged)), read(super::brief(&judged)));
        let fields = brief.as_object_mut().unwrap();
        for field in ["digest", "drawn", "faults", "panics"] {
            assert_eq!(fields.remove(field).as_ref(), Some(&whole["record"][field]));
        }
        let mut whole = whole;
        whole.as_object_mut().unwrap().remove("record");
        assert_eq!(brief, whole);
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
