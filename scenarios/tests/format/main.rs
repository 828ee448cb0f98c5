//! The format of scenario files, as the code reads it: the schema and the documentation say the
//! same.

mod allowed;
mod documentation;
mod log;
mod ordered;
mod printed;
mod schema;
