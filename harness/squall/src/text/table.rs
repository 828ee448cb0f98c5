//! Reads a TOML table field by field, goes on after a mistake, and knows at the end which fields
//! were never asked for.
//!
//! serde would stop at the first mistake; people who write a scenario want to see all of them.

use super::nearest::nearest;
use super::problems::Problems;
use super::values::Value;
use crate::setting::Setting;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table that is being read. [`Table::finish`] must be called at the end.
pub struct Table<'t> {
    /// What messages call it: `[chat]`, `[[fault]] 2`.
    pub title: String,
    /// Its place in the text.
    pub span: Range<usize>,
    fields: Option<&'t DeTable<'t>>,
    asked: Vec<&'static str>,
}

/// A value with its place in the text.
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the text.
    pub at: Range<usize>,
}

impl<'t> Table<'t> {
    /// A table with these fields, all of them unread.
    pub fn new(title: impl Into<String>, fields: &'t DeTable<'t>, span: Range<usize>) -> Self {
        Table {
            title: title.into(),
            span,
            fields: Some(fields),
            asked: Vec::new(),
        }
    }

    /// The field's value, still unread.
    pub fn raw(&mut self, field: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(field);
        self.fields.and_then(|fields| fields.get(field))
    }

    /// The field's value and place, or none if it is missing or wrong.
    pub fn placed<V: Value>(
        &mut self,
        field: &'static str,
        problems: &mut Problems,
    ) -> Option<Placed<V>> {
        let raw = self.raw(field)?;
        match V::read(raw.get_ref()) {
            Ok(value) => Some(Placed {
                value,
                at: raw.span(),
            }),
            Err(wrong) => {
                let what = format!("`{field}` of {} {wrong}", self.title);
                problems.add(raw.span(), what, V::WANTED);
                None
            }
        }
    }

    /// The field's value, or none if it is missing or wrong.
    pub fn get<V: Value>(&mut self, field: &'static str, problems: &mut Problems) -> Option<V> {
        self.placed(field, problems).map(|placed| placed.value)
    }

    /// The field's value; a missing field is a mistake too.
    pub fn need<V: Value>(
        &mut self,
        field: &'static str,
        problems: &mut Problems,
    ) -> Option<Placed<V>> {
        self.require(field, V::WANTED, problems);
        self.placed(field, problems)
    }

    /// Reports a missing field as a mistake.
    pub fn require(&self, field: &str, wanted: &str, problems: &mut Problems) {
        if self
            .fields
            .is_some_and(|fields| !fields.contains_key(field))
        {
            let what = format!("{} has no `{field}`", self.title);
            problems.add(
                self.span.clone(),
                what,
                format!("Add `{field} = …`. {wanted}"),
            );
        }
    }

    /// The field's value as one of the allowed words.
    pub fn word<T: Clone>(
        &mut self,
        field: &'static str,
        allowed: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let found = self.placed::<String>(field, problems)?;
        let meant = allowed.iter().find(|(word, _)| *word == found.value);
        if meant.is_none() {
            let words = allowed.iter().map(|(word, _)| *word);
            let what = format!("`{field}` of {} cannot be `{}`", self.title, found.value);
            problems.add(found.at, what, choose_from(&found.value, words));
        }
        meant.map(|(_, value)| value.clone())
    }

    /// A duration that cannot be zero.
    pub fn positive(
        &mut self,
        field: &'static str,
        problems: &mut Problems,
    ) -> Option<Setting<Duration>> {
        let found = self.placed::<Setting<Duration>>(field, problems)?;
        if found.value.min().is_zero() {
            let what = format!("`{field}` of {} cannot be zero", self.title);
            problems.add(found.at, what, "Write a longer time, as in \"1s\".");
        }
        Some(found.value)
    }

    /// Complains unless at least one of these fields is there.
    pub fn at_least_one(
        &mut self,
        fields: &[&'static str],
        remedy: &str,
        problems: &mut Problems,
    ) -> Option<()> {
        self.asked.extend(fields);
        let there = |field: &&str| self.fields.is_some_and(|all| all.contains_key(*field));
        if fields.iter().any(there) {
            return Some(());
        }
        let what = format!("{} has none of `{}`", self.title, fields.join("`, `"));
        problems.add(self.span.clone(), what, remedy);
        None
    }

    /// The one of these fields that is there; complains if there is none or several.
    pub fn exactly_one(
        &mut self,
        fields: &[&'static str],
        remedy: &str,
        problems: &mut Problems,
    ) -> Option<&'static str> {
        self.asked.extend(fields);
        let there = |field: &&&str| self.fields.is_some_and(|all| all.contains_key(**field));
        let mut found = fields.iter().filter(there);
        if let (Some(one), None) = (found.next(), found.next()) {
            return Some(one);
        }
        let what = format!("{} needs one of `{}`", self.title, fields.join("`, `"));
        problems.add(self.span.clone(), what, remedy);
        None
    }

    /// The table in this field; an empty one if it is missing or wrong.
    pub fn table(&mut self, field: &'static str, problems: &mut Problems) -> Table<'t> {
        let title = format!("[{field}]");
        let wanted = format!("Write `[{field}]` on a line of its own, and its fields below.");
        self.raw(field)
            .and_then(|raw| Table::read(title.clone(), raw, &wanted, problems))
            .unwrap_or(Table {
                title,
                span: 0..0,
                fields: None,
                asked: Vec::new(),
            })
    }

    /// Whether the table is missing, or is not a table.
    pub fn is_missing(&self) -> bool {
        self.fields.is_none()
    }

    /// The value as a table, if it is one.
    pub fn read(
        title: impl Into<String>,
        raw: &'t Spanned<DeValue<'t>>,
        wanted: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let title = title.into();
        let fields = raw.get_ref().as_table();
        if fields.is_none() {
            problems.add(raw.span(), format!("{title} must be a table"), wanted);
        }
        fields.map(|fields| Table::new(title, fields, raw.span()))
    }

    /// All fields with the places of their names, in the order of the text, for a table whose
    /// fields are named by the user.
    pub fn entries(&self) -> Vec<(Placed<&'t str>, &'t Spanned<DeValue<'t>>)> {
        let mut entries: Vec<_> = self
            .fields
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                (
                    Placed {
                        value: key.get_ref().as_ref(),
                        at: key.span(),
                    },
                    value,
                )
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.at.start);
        entries
    }

    /// Reports the fields that were never asked for.
    pub fn finish(self, problems: &mut Problems) {
        for (key, _) in self.entries() {
            if !self.asked.contains(&key.value) {
                let what = format!("{} has no field `{}`", self.title, key.value);
                problems.add(
                    key.at,
                    what,
                    choose_from(key.value, self.asked.iter().copied()),
                );
            }
        }
    }
}

/// The remedy for a word that is not among the allowed ones.
pub fn choose_from<'w>(found: &str, allowed: impl Iterator<Item = &'w str> + Clone) -> String {
    let list = allowed
        .clone()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match nearest(found, allowed) {
        Some(meant) => format!("Did you mean `{meant}`? Allowed are {list}."),
        None => format!("Allowed are {list}."),
    }
}
