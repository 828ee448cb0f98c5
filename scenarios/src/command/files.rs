//! Files that people name: read to a limit, and written as a whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The largest document of ours that is read, in bytes.
pub(super) const DOCUMENT_MAX: u64 = 1 << 30;

/// The longest file that a person writes and we read, in bytes. A scenario is a page or two; the
/// plan of a crowd is longer.
pub(super) const TEXT_MAX: u64 = 16 << 20;

/// Held while a file is being written.
static WRITING: Mutex<()> = Mutex::new(());

/// Reads a file: not one without an end, such as a device.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match length as u64 > most {
        true => Err(io::Error::other(format!(
            "it is longer than {most} bytes, which it has no need of"
        ))),
        false => Ok(bytes),
    }
}

/// [`read`] for a text.
pub(super) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..valid].iter().filter(|it| **it == b'\n');
        io::Error::other(format!("line {} of it is not UTF-8", lines.count() + 1))
    })
}

/// Writes a file under another name first: a reader finds it complete, or not at all. What is no
/// file, such as a pipe or a link, is written to.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if fs::symlink_metadata(path).is_ok_and(|it| !it.is_file()) {
        return fs::write(path, bytes);
    }
    // Another command may write to the same place.
    let unfinished = path.with_added_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&unfinished, bytes);
    let written = written.and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Ends the program, between two files.
pub(super) fn exit_when_written(code: i32) -> ! {
    let _until_written = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    std::process::exit(code)
}
