//! A run's [`Record`] as text, JSON and Markdown.
#![forbid(unsafe_code)]

mod record;

pub use record::*;
