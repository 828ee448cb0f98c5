//! The disk of one machine: its files, which processes have them open, and what is certainly on the
//! platter.
//!
//! It models what matters to a database about a disk. A write is visible at once to every process
//! of the machine, but is *written back* only when the file is synced: a killed process loses
//! nothing, a power loss destroys whatever was not synced. The disk belongs to the machine and
//! outlives its processes; open files and locks belong to the process and end with it.
//!
//! SQLite's files are here, and only by name; all others are in the machine's file system
//! ([`tree`]).
//!
//! What SQLite's files lack, and why:
//! - **Directories.** A path is only a name, and every parent exists. Creating and deleting a file
//!   is durable at once, as if each were followed by a sync of the directory; its *content* is not.
//!   SQLite syncs the directory after it has created a journal, but (unless `synchronous=EXTRA`)
//!   not after it has deleted one, so committing a rollback journal is a little safer here than on
//!   ext4.
//! - **Permissions, links and memory maps.** SQLite's own files need none of them.
//!
//! How a disk can fail its owner (full, slow, errors, lying syncs, writes torn by a power loss) is
//! described in [`hardships`] and [`tear`].
//!
//! The cost depends on what is written, not on the size of a file: the content is kept once, as
//! processes see it, with an undo log of the bytes that were overwritten since the last sync.

mod content;
pub(crate) mod error;
mod hardships;
pub(crate) mod mount;
mod nodes;
mod tear;
pub(crate) mod tree;

use content::Content;
pub(crate) use error::DiskError;
pub(crate) use hardships::Troubles;
pub use hardships::{DiskChange, DiskErrors, DiskLatency};
use hardships::{Hardships, Operation};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tree::Tree;

/// The files of one machine.
#[derive(Default)]
pub(crate) struct Disk {
    names: BTreeMap<PathBuf, FileNumber>,
    files: BTreeMap<FileNumber, File>,
    handles: BTreeMap<Handle, FileNumber>,
    files_created: FileNumber,
    /// Everything else: the machine's file system.
    pub(crate) tree: Tree,
    /// None for a disk that never had a problem.
    hardships: Option<Box<Hardships>>,
}

/// An inode number: a file keeps it when its name is deleted or reused for another file.
type FileNumber = u64;

/// A file opened by a process.
///
/// No two handles are ever equal, not even from different disks: one that is still held after its
/// process is gone, or is carried to another machine, yields [`DiskError::Stale`] and never another
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(u64);

/// What [`Disk::open`] does if a file exists, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// The file must exist.
    Existing,
    /// The file is created when it does not exist.
    Create,
    /// The file must not exist, and is created.
    CreateNew,
}

/// How much of a file a handle has locked: the levels of SQLite's rollback locking
/// (<https://sqlite.org/lockingv3.html>, section 3), each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    /// No lock.
    None,
    /// May read, along with other readers and one writer that has not begun to write the file.
    Shared,
    /// Intends to write: only one at a time, along with readers.
    Reserved,
    /// Waits for the readers to leave; admits no new ones.
    Pending,
    /// Writes, alone.
    Exclusive,
}

struct File {
    content: Content,
    /// Which handles have the file open, and the lock of each.
    locks: BTreeMap<Handle, Lock>,
}

impl File {
    /// Whether a name leads to the file. A nameless file dies with its last handle and has nothing
    /// to lose in a power loss, so its writes need not be logged.
    fn is_named(&self) -> bool {
        self.content.is_logged
    }
}

impl Disk {
    /// Opens the file called `path`.
    pub(crate) fn open(&mut self, path: &Path, mode: OpenMode) -> Result<Handle, DiskError> {
        let number = match (self.names.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(DiskError::Exists),
            (Some(&number), _) => number,
            (None, OpenMode::Existing) => return Err(DiskError::NotFound),
            (None, _) => {
                let number = self.create_file(true);
                self.names.insert(path.to_owned(), number);
                number
            }
        };
        Ok(self.add_handle(number))
    }

    /// Opens a new nameless file, which is deleted when it is closed.
    pub(crate) fn open_temporary(&mut self) -> Handle {
        let number = self.create_file(false);
        self.add_handle(number)
    }

    /// Closes a handle and releases its lock. A stale handle is closed already.
    pub(crate) fn close(&mut self, handle: Handle) {
        if let Some(number) = self.handles.remove(&handle) {
            if let Some(file) = self.files.get_mut(&number) {
                file.locks.remove(&handle);
            }
            self.forget_if_unreachable(number);
        }
    }

    /// Deletes the name `path`. Handles of the file keep it until they are closed.
    pub(crate) fn delete(&mut self, path: &Path) -> Result<(), DiskError> {
        let number = self.names.remove(path).ok_or(DiskError::NotFound)?;
        if let Some(file) = self.files.get_mut(&number) {
            file.content.is_logged = false;
            file.content.unsynced = Vec::new();
        }
        self.forget_if_unreachable(number);
        Ok(())
    }

    /// The size in bytes of the file called `path`, or `None` if there is none.
    pub(crate) fn find(&self, path: &Path) -> Option<u64> {
        self.files
            .get(self.names.get(path)?)
            .map(|file| file.content.bytes.len() as u64)
    }

    /// Reads at `offset` into `buffer` and returns how many bytes there were before the end of the
    /// file.
    pub(crate) fn read_at(
        &mut self,
        handle: Handle,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        self.meet_hardships(Operation::Read)?;
        Ok(self.file(handle)?.content.read(offset, buffer))
    }

    /// Writes all of `bytes` at `offset`. A gap after the old end is filled with zeros.
    pub(crate) fn write_at(
        &mut self,
        handle: Handle,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let start = usize::try_from(offset).map_err(|_| DiskError::NoSpace)?;
        let end = start.checked_add(bytes.len()).ok_or(DiskError::NoSpace)?;
        self.meet_hardships(Operation::Write)?;
        self.check_room(handle, end)?;
        self.file(handle)?.content.write(start, bytes)
    }

    /// Makes the file `size` bytes long, filling any extension with zeros.
    pub(crate) fn truncate(&mut self, handle: Handle, size: u64) -> Result<(), DiskError> {
        let size = usize::try_from(size).map_err(|_| DiskError::NoSpace)?;
        self.meet_hardships(Operation::Write)?;
        self.check_room(handle, size)?;
        self.file(handle)?.content.truncate(size)
    }

    /// Writes back everything written to the file, through any handle.
    pub(crate) fn sync(&mut self, handle: Handle) -> Result<(), DiskError> {
        self.meet_hardships(Operation::Sync)?;
        let lies = self.lies();
        let file = self.file(handle)?;
        if !lies {
            file.content.unsynced.clear();
        }
        Ok(())
    }

    /// How many writes are not yet on the platter.
    pub(crate) fn unsynced(&self) -> usize {
        let files = self.files.values().map(|file| file.content.unsynced.len());
        files.sum::<usize>() + self.tree.unsynced()
    }

    /// All files with a name, and their sizes in bytes; sorted by name.
    pub(crate) fn list(&self) -> Vec<(PathBuf, u64)> {
        let size = |number| {
            self.files
                .get(number)
                .map(|file| file.content.bytes.len() as u64)
        };
        let named = self.names.iter();
        let named = named.filter_map(|(path, number)| Some((path.clone(), size(number)?)));
        let others = self.tree.files().into_iter();
        let others = others.map(|(path, size)| (OsString::from_vec(path).into(), size));
        let mut all: Vec<_> = named.chain(others).collect();
        all.sort();
        all
    }

    /// The size of an open file in bytes.
    pub(crate) fn size(&mut self, handle: Handle) -> Result<u64, DiskError> {
        Ok(self.file(handle)?.content.bytes.len() as u64)
    }

    /// Raises the lock of `handle` to `wanted`, if the locks of the other handles allow it, and
    /// returns whether it is now at least that. It never waits.
    ///
    /// A handle that wants [`Lock::Exclusive`] while others still read gets [`Lock::Pending`] and
    /// `false`.
    pub(crate) fn lock(&mut self, handle: Handle, wanted: Lock) -> Result<bool, DiskError> {
        let locks = &mut self.file(handle)?.locks;
        let others = locks
            .iter()
            .filter(|(other, _)| **other != handle)
            .map(|(_, lock)| *lock);
        let others = others.max().unwrap_or(Lock::None);
        let grantable = match wanted {
            Lock::Shared if others < Lock::Pending => wanted,
            Lock::Reserved | Lock::Pending if others < Lock::Reserved => wanted,
            Lock::Exclusive if others == Lock::None => wanted,
            Lock::Exclusive if others < Lock::Reserved => Lock::Pending,
            _ => Lock::None,
        };
        let held = locks.entry(handle).or_insert(Lock::None);
        *held = grantable.max(*held);
        Ok(*held >= wanted)
    }

    /// Lowers the lock of `handle` to `kept`.
    pub(crate) fn unlock(&mut self, handle: Handle, kept: Lock) -> Result<(), DiskError> {
        let held = self.file(handle)?.locks.entry(handle).or_insert(Lock::None);
        *held = kept.min(*held);
        Ok(())
    }

    /// Whether any handle of this file, including this one, has [`Lock::Reserved`] or more.
    pub(crate) fn is_reserved(&mut self, handle: Handle) -> Result<bool, DiskError> {
        Ok(self
            .file(handle)?
            .locks
            .values()
            .any(|lock| *lock >= Lock::Reserved))
    }

    /// The process is gone, for whatever reason: its files are closed and its locks released. What
    /// it wrote stays.
    pub(crate) fn process_gone(&mut self) {
        self.handles.clear();
        self.files.retain(|_, file| file.is_named());
        for file in self.files.values_mut() {
            file.locks.clear();
        }
        self.tree.process_gone();
    }

    /// Power is lost, and with it the process and every unsynced write.
    pub(crate) fn power_loss(&mut self) {
        self.process_gone();
        for file in self.files.values_mut() {
            file.content.lose();
        }
        self.tree.power_loss(None);
    }

    fn create_file(&mut self, named: bool) -> FileNumber {
        self.files_created += 1;
        let file = File {
            content: Content::new(named, false),
            locks: BTreeMap::new(),
        };
        self.files.insert(self.files_created, file);
        self.files_created
    }

    fn add_handle(&mut self, number: FileNumber) -> Handle {
        // Counted over all disks of the operating system process. So the numbers differ from run to
        // run, but nothing in a run can see them, and their order within a disk is the same.
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let handle = Handle(OPENED.fetch_add(1, Ordering::Relaxed));
        self.handles.insert(handle, number);
        if let Some(file) = self.files.get_mut(&number) {
            file.locks.insert(handle, Lock::None);
        }
        handle
    }

    fn file(&mut self, handle: Handle) -> Result<&mut File, DiskError> {
        let number = self.handles.get(&handle).ok_or(DiskError::Stale)?;
        self.files.get_mut(number).ok_or(DiskError::Stale)
    }

    fn forget_if_unreachable(&mut self, number: FileNumber) {
        if self
            .files
            .get(&number)
            .is_some_and(|file| !file.is_named() && file.locks.is_empty())
        {
            self.files.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(disk: &mut Disk, path: &str) -> Handle {
        disk.open(Path::new(path), OpenMode::Create).unwrap()
    }

    /// What a process reads that opens the file now.
    fn content(disk: &mut Disk, path: &str) -> Vec<u8> {
        let handle = disk.open(Path::new(path), OpenMode::Existing).unwrap();
        let mut bytes = vec![0; disk.size(handle).unwrap() as usize];
        assert_eq!(disk.read_at(handle, 0, &mut bytes), Ok(bytes.len()));
        disk.close(handle);
        bytes
    }

    #[test]
    fn a_read_across_the_end_is_short() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"abc").unwrap();
        let mut buffer = *b"......";
        assert_eq!(disk.read_at(file, 1, &mut buffer), Ok(2));
        assert_eq!(&buffer, b"bc....");
        assert_eq!(disk.read_at(file, u64::MAX, &mut buffer), Ok(0));
    }

    #[test]
    fn a_gap_before_a_write_reads_as_zeros() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 2, b"x").unwrap();
        assert_eq!(content(&mut disk, "/f"), b"\0\0x");
    }

    #[test]
    fn power_loss_takes_back_every_kind_of_unsynced_change_and_nothing_synced() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"0123456789").unwrap();
        disk.sync(file).unwrap();
        disk.write_at(file, 8, b"abcd").unwrap(); // over the end
        disk.truncate(file, 4).unwrap();
        disk.write_at(file, 2, b"XY").unwrap();
        disk.write_at(file, 6, b"Z").unwrap(); // behind a gap
        disk.truncate(file, 20).unwrap();
        disk.truncate(file, 7).unwrap();
        assert_eq!(content(&mut disk, "/f"), b"01XY\0\0Z");
        disk.power_loss();
        assert_eq!(content(&mut disk, "/f"), b"0123456789");
    }

    #[test]
    fn a_file_that_was_never_synced_is_empty_after_power_loss() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"abc").unwrap();
        disk.power_loss();
        assert_eq!(content(&mut disk, "/f"), b"");
    }

    #[test]
    fn a_killed_process_loses_nothing_it_wrote_but_its_handles_and_locks() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"abc").unwrap();
        assert_eq!(disk.lock(file, Lock::Exclusive), Ok(true));
        disk.process_gone();
        assert_eq!(disk.write_at(file, 0, b"too late"), Err(DiskError::Stale));
        assert_eq!(content(&mut disk, "/f"), b"abc");
        let file = open(&mut disk, "/f");
        assert_eq!(disk.lock(file, Lock::Exclusive), Ok(true));
    }

    #[test]
    fn a_deleted_file_stays_with_those_who_have_it_open() {
        let mut disk = Disk::default();
        let old = open(&mut disk, "/f");
        disk.write_at(old, 0, b"old").unwrap();
        disk.delete(Path::new("/f")).unwrap();
        assert_eq!(disk.find(Path::new("/f")), None);
        let new = open(&mut disk, "/f");
        disk.write_at(new, 0, b"newer").unwrap();
        assert_eq!((disk.size(old), disk.size(new)), (Ok(3), Ok(5)));
        disk.close(old);
        assert_eq!(disk.files.len(), 1);
    }

    #[test]
    fn a_temporary_file_is_gone_when_it_is_closed_and_when_its_process_is() {
        let mut disk = Disk::default();
        let closed = disk.open_temporary();
        disk.write_at(closed, 0, b"abc").unwrap();
        assert_eq!(disk.size(closed), Ok(3));
        disk.close(closed);
        disk.open_temporary();
        disk.process_gone();
        assert!(disk.files.is_empty());
    }

    #[test]
    fn opening_says_what_is_there_and_what_is_not() {
        let mut disk = Disk::default();
        let path = Path::new("/f");
        assert_eq!(
            disk.open(path, OpenMode::Existing),
            Err(DiskError::NotFound)
        );
        assert_eq!(disk.delete(path), Err(DiskError::NotFound));
        assert!(disk.open(path, OpenMode::CreateNew).is_ok());
        assert_eq!(disk.open(path, OpenMode::CreateNew), Err(DiskError::Exists));
    }

    #[test]
    fn a_handle_means_nothing_on_another_disk() {
        let (mut one, mut other) = (Disk::default(), Disk::default());
        let file = open(&mut one, "/f");
        open(&mut other, "/f");
        assert_eq!(other.write_at(file, 0, b"abc"), Err(DiskError::Stale));
    }

    #[test]
    fn an_impossible_size_is_refused_without_a_change() {
        let mut disk = Disk::default();
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"abc").unwrap();
        assert_eq!(disk.write_at(file, u64::MAX, b"x"), Err(DiskError::NoSpace));
        assert_eq!(disk.truncate(file, u64::MAX), Err(DiskError::NoSpace));
        assert_eq!(content(&mut disk, "/f"), b"abc");
    }

    #[test]
    fn readers_share_and_one_writer_reserves_beside_them() {
        let mut disk = Disk::default();
        let (reader, writer) = (open(&mut disk, "/f"), open(&mut disk, "/f"));
        assert_eq!(disk.lock(reader, Lock::Shared), Ok(true));
        assert_eq!(disk.lock(writer, Lock::Shared), Ok(true));
        assert_eq!(disk.is_reserved(reader), Ok(false));
        assert_eq!(disk.lock(writer, Lock::Reserved), Ok(true));
        assert_eq!(disk.is_reserved(reader), Ok(true));
        assert_eq!(disk.lock(reader, Lock::Reserved), Ok(false));
    }

    #[test]
    fn who_cannot_write_because_another_writes_keeps_no_reader_out() {
        let mut disk = Disk::default();
        let [writer, other, reader] = [(); 3].map(|()| open(&mut disk, "/f"));
        assert_eq!(disk.lock(writer, Lock::Reserved), Ok(true));
        assert_eq!(disk.lock(other, Lock::Exclusive), Ok(false));
        assert_eq!(disk.lock(reader, Lock::Shared), Ok(true));
    }

    #[test]
    fn a_writer_waits_pending_for_the_last_reader_and_lets_no_new_one_in() {
        let mut disk = Disk::default();
        let [reader, writer, late] = [(); 3].map(|()| open(&mut disk, "/f"));
        assert_eq!(disk.lock(reader, Lock::Shared), Ok(true));
        assert_eq!(disk.lock(writer, Lock::Reserved), Ok(true));
        assert_eq!(disk.lock(writer, Lock::Exclusive), Ok(false));
        assert_eq!(disk.lock(late, Lock::Shared), Ok(false));
        disk.unlock(reader, Lock::None).unwrap();
        assert_eq!(disk.lock(writer, Lock::Exclusive), Ok(true));
        disk.unlock(writer, Lock::Shared).unwrap();
        assert_eq!(disk.lock(late, Lock::Shared), Ok(true));
    }
}
