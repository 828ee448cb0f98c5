//! A world as a document: the content of a scenario file, as data that can be completed, edited and
//! written.

use crate::systems::{is_our_chat, systems};
use squall::{BadScenario, Scenario};
use toml::{Table, Value};

/// A scenario file as data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(Table);

impl Document {
    /// Reads the text of a scenario file.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        text.parse().map(Document)
    }

    /// The text of an equivalent scenario file.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// The scenario in the file.
    ///
    /// # Errors
    /// All mistakes in the file.
    pub fn scenario(&self) -> Result<Scenario, BadScenario> {
        Scenario::parse("world.toml", &self.text(), systems())
    }

    /// Whether it is about our chat: of other systems, only what is outside of them is known.
    pub(super) fn is_about_our_chat(&self) -> bool {
        is_our_chat(self.word("system"))
    }

    /// The whole table.
    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.0
    }

    /// The value at a path such as `chat.transport`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let first = self.0.get(steps.next()?);
        steps.fold(first, |value, step| value?.get(step))
    }

    /// The text at a path.
    pub fn word(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Whether there is a value at a path.
    pub fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Writes a value to a path, replacing any value there. Missing tables on the way are created.
    ///
    /// # Panics
    /// If something on the way is not a table.
    pub fn put(&mut self, path: &str, value: impl Into<Value>) {
        let (tables, last) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.0;
        for step in tables.split('.').filter(|step| !step.is_empty()) {
            let next = table
                .entry(step)
                .or_insert_with(|| Value::Table(Table::new()));
            table = next
                .as_table_mut()
                .unwrap_or_else(|| panic!("`{step}` in `{path}` is no table"));
        }
        table.insert(last.to_owned(), value.into());
    }

    /// Removes the value at a path.
    pub fn remove(&mut self, path: &str) -> Option<Value> {
        match path.rsplit_once('.') {
            None => self.0.remove(path),
            Some((tables, last)) => {
                let mut steps = tables.split('.');
                let first = self.0.get_mut(steps.next()?);
                let table = steps.fold(first, |value, step| value?.get_mut(step));
                table?.as_table_mut()?.remove(last)
            }
        }
    }

    /// The names of the tables and values below a path; those of the whole document if it is empty.
    pub fn names(&self, path: &str) -> Vec<String> {
        let table = match path {
            "" => Some(&self.0),
            path => self.get(path).and_then(Value::as_table),
        };
        table.map_or_else(Vec::new, |table| table.keys().cloned().collect())
    }

    /// The tables of a list such as `fault`; a single `[middlebox]` is a list of one.
    pub fn list(&self, name: &str) -> Vec<&Table> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_table).collect(),
            Some(Value::Table(single)) => vec![single],
            _ => Vec::new(),
        }
    }

    /// Adds a table to a list.
    pub fn push(&mut self, name: &str, table: Table) {
        let list = self
            .0
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(Value::Table(table));
        }
    }

    /// Replaces a whole list; an empty one is removed.
    pub fn set_list(&mut self, name: &str, tables: Vec<Table>) {
        self.0.remove(name);
        tables.into_iter().for_each(|table| self.push(name, table));
    }
}

/// A duration as written in a scenario file.
pub(super) fn ms(milliseconds: u64) -> Value {
    Value::String(match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    })
}

/// The milliseconds of a duration, or of the longer end of a range; none if it is neither.
pub(super) fn in_ms(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    let text = text.rsplit_once("..").map_or(text, |(_, end)| end).trim();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (text[..unit].parse::<f64>().ok()?, text[unit..].trim());
    let factor = match unit {
        "ns" => 1e-6,
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3_600e3,
        _ => return None,
    };
    Some((number * factor).round() as u64)
}

/// A number as written in a scenario file.
pub(super) fn number(number: u64) -> Value {
    Value::Integer(number as i64)
}

/// For serde: a document as the text of a scenario file.
pub(super) mod as_text {
    use super::Document;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(document: &Document, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&document.text())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Document, D::Error> {
        let text = String::deserialize(from)?;
        Document::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_and_written_and_read_again() {
        let mut document = Document::parse("shows = 'Something.'").expect("TOML");
        document.put("client.alice.link.latency", "20ms");
        document.push(
            "fault",
            Table::from_iter([("kind".to_owned(), "reset".into())]),
        );
        assert_eq!(document.word("client.alice.link.latency"), Some("20ms"));
        assert_eq!(document.list("fault").len(), 1);
        assert_eq!(Document::parse(&document.text()), Ok(document));
    }

    #[test]
    fn what_is_taken_away_is_gone_and_the_rest_stays() {
        let mut document = Document::parse("chat = { a = 1, b = 2 }\nc = 3").expect("TOML");
        assert_eq!(document.remove("chat.a"), Some(Value::Integer(1)));
        assert_eq!(document.remove("chat.a"), None);
        assert_eq!(document.names("chat"), ["b"]);
        assert_eq!(document.names(""), ["c", "chat"]);
    }

    #[test]
    fn durations_are_read_as_scenario_files_write_them() {
        for (text, milliseconds) in [
            ("1500ms", 1500),
            ("1.5 s", 1500),
            ("2min", 120_000),
            ("2s..8s", 8000),
            ("1..3 s", 3000),
        ] {
            assert_eq!(in_ms(&text.into()), Some(milliseconds), "{text}");
        }
        assert_eq!(in_ms(&ms(1234)), Some(1234));
        assert_eq!(in_ms(&ms(3000)), Some(3000));
        assert_eq!(in_ms(&"soon".into()), None);
        assert_eq!(in_ms(&Value::Integer(3)), None);
    }
}
