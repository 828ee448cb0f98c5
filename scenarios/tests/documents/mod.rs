//! The schemas of what commands write, as they are published in `scenarios/schemas`. Here they
//! allow no field that they do not know.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use squall_reports::document::strict;
use std::path::{Path, PathBuf};

/// Where they are published.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The file of one of them.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.schema.json"))
}

/// One of them, ready to judge.
pub(crate) struct Documents(Schemas, SchemaIndex);

impl Documents {
    /// Reads what is published under this name.
    pub(crate) fn of(name: &str) -> Self {
        let text = std::fs::read_to_string(file(name)).expect("a published schema");
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("schema.json", strict(schema))
            .expect("a schema");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .expect("a schema of 2020-12");
        Documents(schemas, index)
    }

    /// Panics unless this is such a document, which names its version first of all.
    pub(crate) fn judge(&self, document: &str) {
        let document: Value = serde_json::from_str(document).expect("JSON");
        if let Err(error) = self.0.validate(&document, self.1) {
            panic!("{error:#}");
        }
    }
}
