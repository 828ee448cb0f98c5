//! Documents for programs: what all of them begin with, and their JSON Schemas.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

/// The version of all documents: the value of their first field, `squall`. It grows when a field
/// changes its meaning or is removed, not when one is added.
pub const VERSION: u32 = 1;

/// A whole document.
#[derive(Serialize, JsonSchema)]
struct Document<T> {
    /// The version of this format. It grows when a field changes its meaning or is removed, not
    /// when one is added.
    squall: u32,
    #[serde(flatten)]
    content: T,
}

impl<T> Document<T> {
    fn of(content: T) -> Self {
        Document {
            squall: VERSION,
            content,
        }
    }
}

/// A document with this content, in lines, with a line break at its end.
///
/// # Panics
///
/// If the content is no table. Our own documents are, have strings as keys, and no fields that
/// cannot be written.
pub fn write(content: impl Serialize) -> String {
    let document = Document::of(content);
    let mut json = serde_json::to_string_pretty(&document).expect("our documents are valid JSON");
    json.push('\n');
    json
}

/// The same on one line, without a line break at its end.
///
/// # Panics
///
/// As [`write()`].
pub fn write_line(content: impl Serialize) -> String {
    serde_json::to_string(&Document::of(content)).expect("our documents are valid JSON")
}

/// The JSON Schema (2020-12) of documents with this content, which says what they are.
pub fn schema<T: JsonSchema>(description: &str) -> Value {
    schema_of::<Document<T>>(description)
}

/// The JSON Schema of a document that has its version in a field of its own.
pub fn schema_of<T: JsonSchema>(description: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(tidy).transform(&mut schema);
    schema.remove("title");
    schema.insert("description".to_owned(), description.into());
    schema.to_value()
}

/// Documentation of Rust becomes prose: the brackets of its links go. What programs of today know
/// does not keep fields of tomorrow out.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("[`", "`").replace("`]", "`");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
}

/// The same schema, and nothing besides what it says: for those who want to hear of every new
/// field.
pub fn strict(mut schema: Value) -> Value {
    close_within(&mut schema);
    close(&mut schema);
    schema
}

/// Closes what stands in a document at a place of its own. Alternatives and what is referred to say
/// but a part of what may stand there.
fn close_within(schema: &mut Value) {
    let Value::Object(keywords) = schema else {
        return;
    };
    for (keyword, value) in keywords {
        let (inner, is_place): (Vec<&mut Value>, bool) = match (&**keyword, value) {
            ("properties", Value::Object(fields)) => (fields.values_mut().collect(), true),
            ("$defs", Value::Object(types)) => (types.values_mut().collect(), false),
            ("items" | "additionalProperties", item) => (vec![item], true),
            ("prefixItems", Value::Array(items)) => (items.iter_mut().collect(), true),
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => {
                (parts.iter_mut().collect(), false)
            }
            _ => continue,
        };
        for schema in inner {
            close_within(schema);
            if is_place {
                close(schema);
            }
        }
    }
}

fn close(schema: &mut Value) {
    let Value::Object(keywords) = schema else {
        return;
    };
    let says = |keyword: &str| keywords.contains_key(keyword);
    let fields = ["properties", "$ref", "oneOf", "anyOf", "allOf"];
    if fields.into_iter().any(says) && !says("additionalProperties") {
        keywords.insert("unevaluatedProperties".to_owned(), false.into());
    }
}
