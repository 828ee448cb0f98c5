//! JSON that keeps its fields in the order in which they were given, as in the schema.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// A piece of JSON.
pub(crate) enum Json {
    Value(Value),
    List(Vec<Json>),
    Table(Vec<(String, Json)>),
}

impl<V: Into<Value>> From<V> for Json {
    fn from(value: V) -> Self {
        Json::Value(value.into())
    }
}

/// A table of these fields.
pub(crate) fn table<N: ToString>(fields: impl IntoIterator<Item = (N, Json)>) -> Json {
    let fields = fields.into_iter();
    Json::Table(
        fields
            .map(|(name, json)| (name.to_string(), json))
            .collect(),
    )
}

impl Json {
    /// The lines between its first and its last, indented by this many levels.
    pub(crate) fn inside(&self, level: usize) -> String {
        let text = serde_json::to_string_pretty(self).expect("JSON");
        let lines: Vec<&str> = text.lines().collect();
        let inner = lines[1..lines.len() - 1].iter();
        let indent = "  ".repeat(level);
        inner.map(|line| format!("{indent}{line}\n")).collect()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Value(value) => value.serialize(serializer),
            Json::List(list) => list.serialize(serializer),
            Json::Table(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, json) in fields {
                    map.serialize_entry(name, json)?;
                }
                map.end()
            }
        }
    }
}
