//! The format of scenario files, as the code reads it, and of documents, as it writes them: the
//! schemas and the documentation say the same.

mod allowed;
mod documentation;
mod documents;
mod log;
mod ordered;
mod printed;
#[path = "../documents/mod.rs"]
mod published;
mod schema;
