//! Evidence for programs that read it: whichever guarantee was violated, the fields of every kind,
//! and those of one kind.

use crate::Guarantee;
use crate::evidence::{Evidence, EvidenceKind, Moment};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

impl JsonSchema for Evidence {
    fn schema_name() -> Cow<'static, str> {
        "Evidence".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let alternatives: Vec<Value> = kinds().map(|kind| alternative(kind, generator)).collect();
        json_schema!({
            "description": "What shows that a guarantee was violated: fields of every kind, and those of its own kind.",
            "type": "object",
            "properties": {
                "mechanism": {
                    "description": "The kind and its variety: the same in other runs in which the same thing is wrong.",
                    "type": "string",
                },
                "moment": generator.subschema_for::<Moment>(),
                "contents": {
                    "description": "The contents of the messages involved, beginning with the one that went wrong.",
                    "type": "array",
                    "items": { "type": "string" },
                },
                "text": { "description": "The whole evidence in a paragraph.", "type": "string" },
            },
            "required": ["mechanism", "moment", "contents", "text"],
            "oneOf": alternatives,
        })
    }
}

/// Every kind of evidence, once.
fn kinds() -> impl Iterator<Item = &'static EvidenceKind> {
    let all = || Guarantee::ALL.into_iter().flat_map(Guarantee::evidence);
    let is_new = move |&(place, kind): &(usize, &EvidenceKind)| {
        all().take(place).all(|before| before.name != kind.name)
    };
    all().enumerate().filter(is_new).map(|(_, kind)| kind)
}

/// The fields of one kind, beginning with the one that says which it is.
fn alternative(kind: &EvidenceKind, generator: &mut SchemaGenerator) -> Value {
    let mut own = (kind.schema)(generator).to_value();
    own["properties"]["kind"] = json!({ "const": kind.name });
    match &mut own["required"] {
        Value::Array(required) => required.insert(0, "kind".into()),
        none => *none = json!(["kind"]),
    }
    own
}
