//! Host files, copied to where a test wants them.

use super::tree::{New, Number, Place, ROOT, Tree};
use crate::kernel::errno::{Errno, Result};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// A host file, or a directory with everything in it.
pub(crate) enum Copied {
    File {
        bytes: Vec<u8>,
        mode: u32,
    },
    /// The names and what they lead to, sorted by name.
    Directory(Vec<(Vec<u8>, Copied)>),
}

impl Copied {
    /// Reads it, through symbolic links.
    pub(crate) fn read(host: &Path) -> io::Result<Self> {
        let about = fs::metadata(host)?;
        if !about.is_dir() {
            let mode = about.permissions().mode() & 0o555;
            return fs::read(host).map(|bytes| Self::File { bytes, mode });
        }
        let entries = fs::read_dir(host)?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().into_vec(), Self::read(&entry.path())?))
        });
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(Self::Directory(entries))
    }
}

impl Tree {
    /// Puts a read-only copy at a path.
    pub(crate) fn mount(&mut self, copied: Copied, path: &[u8]) -> Result<()> {
        let mut place = self.look_up(ROOT, b"/", false)?;
        let mut parts = path
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty());
        let mut directory = ROOT;
        let mut part = parts.next();
        while let Some(name) = part {
            place = self.look_up(directory, name, true)?;
            part = parts.next();
            directory = match (place.node, part) {
                (_, None) => break,
                (Some(node), Some(_)) => node,
                (None, Some(_)) => self.create(&place, New::Directory, 0o755, Duration::ZERO)?,
            };
        }
        if place.node.is_some() {
            return Err(Errno(libc::EEXIST));
        }
        self.put(copied, &place)?;
        self.settle();
        Ok(())
    }

    fn put(&mut self, copied: Copied, place: &Place) -> Result<Number> {
        let now = Duration::ZERO;
        let node = match copied {
            Copied::File { bytes, mode } => {
                let node = self.create(place, New::File, mode, now)?;
                self.write(node, 0, &bytes, now)?;
                node
            }
            Copied::Directory(entries) => {
                let node = self.create(place, New::Directory, 0o755, now)?;
                for (name, copied) in entries {
                    let place = self.look_up(node, &name, false)?;
                    self.put(copied, &place)?;
                }
                node
            }
        };
        self.seal(node);
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_may_be_read_and_executed_by_whom_the_original_may_and_written_by_nobody() {
        let path = std::env::temp_dir().join(format!("squall-mount-{}", std::process::id()));
        fs::write(&path, b"bytes").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let copied = Copied::read(&path);
        fs::remove_file(&path).unwrap();
        let Copied::File { bytes, mode } = copied.unwrap() else {
            panic!("it is a file");
        };
        assert_eq!((&bytes[..], mode), (&b"bytes"[..], 0o550));
    }
}
