//! The calls on files and directories.

use super::{At, FileLock, LOCKS, OpenFile};
use crate::entropy::Door;
use crate::kernel::disk::tree::{Device, New, Number, Place, ROOT, Stat};
use crate::kernel::errno::{Errno, Result};
use crate::kernel::ids::ObjectId;
use crate::kernel::{Kernel, Object};
use std::mem::MaybeUninit;
use std::time::Duration;

/// Names.
impl Kernel {
    fn start(&mut self, directory: i32, path: &[u8]) -> Result<Number> {
        if path.starts_with(b"/") {
            return Ok(ROOT);
        }
        match directory {
            libc::AT_FDCWD => Ok(self.working.directory),
            fd => match self.object_at(fd)? {
                Object::File(file) => Ok(file.node),
                _ => Err(Errno(libc::ENOTDIR)),
            },
        }
    }

    fn look_up_path(&mut self, at: At<'_>, follows: bool) -> Result<Place> {
        let start = self.start(at.directory, at.path)?;
        self.hardware.disk.tree.look_up(start, at.path, follows)
    }

    fn find_file(&mut self, at: At<'_>, follows: bool) -> Result<Number> {
        let place = self.look_up_path(at, follows)?;
        place.node.ok_or(Errno(libc::ENOENT))
    }

    /// The time for what is written to the disk. It does not count as the program reading a clock.
    pub(in crate::kernel) fn file_time(&self) -> Duration {
        let now = self.time_of_process();
        self.hardware.clocks.wall_time(now)
    }

    /// `openat(2)`.
    pub(crate) fn open_file(&mut self, at: At<'_>, flags: i32, mode: u32) -> Result<i32> {
        let (mode, now) = (mode & 0o7777 & !self.working.mask, self.file_time());
        let has = |flag: i32| flags & flag == flag;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY && !has(libc::O_PATH);
        if has(libc::O_TMPFILE) {
            let directory = self.find_file(at, true)?;
            let disk = &mut self.hardware.disk;
            if !disk.tree.is_directory(directory) {
                return Err(Errno(libc::ENOTDIR));
            }
            if !writes {
                return Err(Errno(libc::EINVAL));
            }
            disk.tree.permits(directory, 3)?;
            let node = disk.tree.create_nameless(mode, now);
            return Ok(self.insert_file(node, flags));
        }
        let creates = has(libc::O_CREAT) && !has(libc::O_PATH);
        let exclusive = creates && has(libc::O_EXCL);
        let follows = !exclusive && !has(libc::O_NOFOLLOW);
        let place = self.look_up_path(at, follows)?;
        let disk = &mut self.hardware.disk;
        let node = match place.node {
            None if creates => {
                let node = disk.change_names(|tree| tree.create(&place, New::File, mode, now))?;
                return Ok(self.insert_file(node, flags));
            }
            None => return Err(Errno(libc::ENOENT)),
            Some(_) if exclusive => return Err(Errno(libc::EEXIST)),
            Some(node) => node,
        };
        if disk.tree.target(node).is_some() && !has(libc::O_PATH) {
            return Err(Errno(libc::ELOOP));
        }
        if disk.tree.is_socket(node) && !has(libc::O_PATH) {
            return Err(Errno(libc::ENXIO));
        }
        let is_directory = disk.tree.is_directory(node);
        if has(libc::O_DIRECTORY) && !is_directory {
            return Err(Errno(libc::ENOTDIR));
        }
        if is_directory && (writes || creates) {
            return Err(Errno(libc::EISDIR));
        }
        if !has(libc::O_PATH) {
            let wanted = match flags & libc::O_ACCMODE {
                libc::O_RDONLY => 4,
                libc::O_WRONLY => 2,
                _ => 6,
            };
            disk.tree.permits(node, wanted)?;
        }
        if has(libc::O_TRUNC) && writes && disk.tree.bytes(node).is_ok() {
            self.truncate_node(node, 0, now)?;
        }
        Ok(self.insert_file(node, flags))
    }

    fn insert_file(&mut self, node: Number, flags: i32) -> i32 {
        self.hardware.disk.tree.opened(node);
        self.insert(Object::File(OpenFile {
            node,
            offset: 0,
            flags,
            lock: FileLock::None,
        }))
    }

    /// The last descriptor of an open file is closed.
    pub(in crate::kernel) fn close_file(&mut self, file: &OpenFile) {
        self.hardware.disk.tree.closed(file.node);
        if file.lock != FileLock::None {
            self.threads.signal(LOCKS, usize::MAX);
        }
    }

    /// `mkdirat(2)`.
    pub(crate) fn make_directory(&mut self, at: At<'_>, mode: u32) -> Result<()> {
        self.make_node(at, New::Directory, mode).map(drop)
    }

    /// Creates something where nothing exists.
    pub(in crate::kernel) fn make_node(
        &mut self,
        at: At<'_>,
        new: New,
        mode: u32,
    ) -> Result<Number> {
        let (mode, now) = (mode & 0o1777 & !self.working.mask, self.file_time());
        let place = self.look_up_path(at, false)?;
        let disk = &mut self.hardware.disk;
        disk.change_names(|tree| tree.create(&place, new, mode, now))
    }

    /// `unlinkat(2)`.
    pub(crate) fn unlink(&mut self, at: At<'_>, is_directory: bool) -> Result<()> {
        let now = self.file_time();
        if is_directory && at.path.ends_with(b"/..") || at.path == b".." {
            return Err(Errno(if is_directory {
                libc::ENOTEMPTY
            } else {
                libc::EISDIR
            }));
        }
        let place = self.look_up_path(at, false)?;
        let disk = &mut self.hardware.disk;
        disk.change_names(|tree| match is_directory {
            true => tree.remove_directory(&place, now),
            false => tree.unlink(&place, now),
        })
    }

    /// `renameat2(2)`.
    pub(crate) fn rename(&mut self, from: At<'_>, to: At<'_>, flags: u32) -> Result<()> {
        if flags & !libc::RENAME_NOREPLACE != 0 {
            self.refuse(
                "renameat2 with RENAME_EXCHANGE or RENAME_WHITEOUT",
                "rename twice",
            );
            return Err(Errno(libc::EINVAL));
        }
        let now = self.file_time();
        let from = self.look_up_path(from, false)?;
        let to = self.look_up_path(to, false)?;
        let disk = &mut self.hardware.disk;
        disk.change_names(|tree| tree.rename(&from, &to, flags == 0, now))
    }

    /// `linkat(2)`.
    pub(crate) fn link(&mut self, from: At<'_>, to: At<'_>, follows: bool) -> Result<()> {
        let now = self.file_time();
        let node = self.find_file(from, follows)?;
        let to = self.look_up_path(to, false)?;
        let disk = &mut self.hardware.disk;
        disk.change_names(|tree| tree.link(node, &to, now))
    }

    /// `symlinkat(2)`.
    pub(crate) fn make_link(&mut self, target: &[u8], at: At<'_>) -> Result<()> {
        if target.is_empty() {
            return Err(Errno(libc::ENOENT));
        }
        let now = self.file_time();
        let place = self.look_up_path(at, false)?;
        let disk = &mut self.hardware.disk;
        disk.change_names(|tree| tree.create(&place, New::Link(target.to_vec()), 0o777, now))?;
        Ok(())
    }

    /// `readlinkat(2)`.
    pub(crate) fn read_link(&mut self, at: At<'_>) -> Result<Vec<u8>> {
        // The program is in its usual place on the machine.
        if at.path == b"/proc/self/exe" {
            return Ok([b"/bin/", self.name.as_bytes()].concat());
        }
        let node = self.find_file(at, false)?;
        let target = self.hardware.disk.tree.target(node);
        target.map(<[u8]>::to_vec).ok_or(Errno(libc::EINVAL))
    }

    /// `realpath(3)`.
    pub(crate) fn real_path(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        let at = At {
            directory: libc::AT_FDCWD,
            path,
        };
        let place = self.look_up_path(at, true)?;
        if place.node.is_none() {
            return Err(Errno(libc::ENOENT));
        }
        self.hardware.disk.tree.path_of_place(&place)
    }

    /// `faccessat(2)`.
    pub(crate) fn access(&mut self, at: At<'_>, wanted: i32, follows: bool) -> Result<()> {
        let node = self.find_file(at, follows)?;
        self.hardware.disk.tree.permits(node, wanted as u32)
    }

    /// `fchmodat(2)`.
    pub(crate) fn set_mode(&mut self, at: At<'_>, mode: u32) -> Result<()> {
        let now = self.file_time();
        let node = self.find_file(at, true)?;
        self.hardware
            .disk
            .change_names(|tree| tree.set_mode(node, mode, now))
    }

    /// `fchmod(2)`.
    pub(crate) fn set_mode_of(&mut self, fd: i32, mode: u32) -> Result<()> {
        let now = self.file_time();
        let node = self.node_of(fd)?;
        self.hardware
            .disk
            .change_names(|tree| tree.set_mode(node, mode, now))
    }

    /// `utimensat(2)`: when it was read and written, as far as given; `Err` is now.
    pub(crate) fn set_times(
        &mut self,
        at: At<'_>,
        times: [Option<std::result::Result<Duration, ()>>; 2],
        follows: bool,
    ) -> Result<()> {
        let node = match at.path {
            b"" => self.node_of(at.directory)?,
            _ => self.find_file(at, follows)?,
        };
        let now = self.file_time();
        let times = times.map(|time| time.map(|time| time.unwrap_or(now)));
        self.hardware
            .disk
            .change_names(|tree| tree.set_times(node, times, now))
    }

    /// `umask(2)`.
    pub(crate) fn set_mask(&mut self, mask: u32) -> u32 {
        std::mem::replace(&mut self.working.mask, mask & 0o777)
    }

    /// `chdir(2)`, or `fchdir(2)` with an empty path.
    pub(crate) fn change_directory(&mut self, at: At<'_>) -> Result<()> {
        let node = match at.path {
            b"" if at.directory != libc::AT_FDCWD => self.node_of(at.directory)?,
            _ => self.find_file(at, true)?,
        };
        let tree = &mut self.hardware.disk.tree;
        if !tree.is_directory(node) {
            return Err(Errno(libc::ENOTDIR));
        }
        tree.permits(node, 1)?;
        tree.opened(node);
        let before = std::mem::replace(&mut self.working.directory, node);
        tree.closed(before);
        Ok(())
    }

    /// `getcwd(3)`.
    pub(crate) fn working_directory(&self) -> Result<Vec<u8>> {
        self.hardware.disk.tree.path_of(self.working.directory)
    }

    /// What a path leads to (`fstatat(2)`), or a descriptor if the path is empty and that is
    /// allowed.
    pub(crate) fn stat(&mut self, at: At<'_>, follows: bool, of_fd: bool) -> Result<Stat> {
        if at.path.is_empty() && of_fd && at.directory != libc::AT_FDCWD {
            return self.stat_of(at.directory);
        }
        let node = match at.path {
            b"" if of_fd => self.working.directory,
            _ => self.find_file(at, follows)?,
        };
        self.hardware.disk.tree.stat(node)
    }

    /// `truncate(2)`.
    pub(crate) fn truncate(&mut self, at: At<'_>, size: u64) -> Result<()> {
        let now = self.file_time();
        let node = self.find_file(at, true)?;
        self.hardware.disk.tree.permits(node, 2)?;
        self.truncate_node(node, size, now)
    }
}

/// Descriptors.
impl Kernel {
    fn file(&mut self, fd: i32) -> Result<&mut OpenFile> {
        match self.object_at(fd)? {
            Object::File(file) => Ok(file),
            _ => Err(Errno(libc::ESPIPE)),
        }
    }

    fn node_of(&mut self, fd: i32) -> Result<Number> {
        self.file(fd).map(|file| file.node)
    }

    /// The file of a descriptor to be mapped, and whether it may be read and written.
    pub(in crate::kernel) fn mappable(&mut self, fd: i32) -> Result<(Number, bool, bool)> {
        let file = self.file(fd).map_err(|_| Errno(libc::ENODEV))?;
        Ok((file.node, file.reads(), file.writes()))
    }

    /// Whether a descriptor refers to a file, a directory or a device.
    pub(crate) fn is_file(&mut self, fd: i32) -> bool {
        self.file(fd).is_ok()
    }

    /// The flags with which a file was opened, as `fcntl(2)` reports them.
    pub(in crate::kernel) fn file_flags(file: &OpenFile) -> i32 {
        let told = libc::O_ACCMODE | libc::O_APPEND | libc::O_NONBLOCK | libc::O_PATH;
        file.flags & (told | libc::O_DIRECTORY | libc::O_SYNC)
    }

    /// `F_SETFL` of `fcntl(2)`, for files.
    pub(crate) fn set_flags(&mut self, fd: i32, flags: i32) -> Result<()> {
        if let Object::File(file) = self.object_at(fd)? {
            let changeable = libc::O_APPEND | libc::O_NONBLOCK;
            file.flags = file.flags & !changeable | flags & changeable;
        }
        Ok(())
    }

    /// Reads at the descriptor's position, or at an offset.
    pub(crate) fn read_file(
        &mut self,
        fd: i32,
        offset: Option<u64>,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let file = self.file(fd)?;
        if !file.reads() {
            return Err(Errno(libc::EBADF));
        }
        let (node, at) = (file.node, offset.unwrap_or(file.offset));
        if let Some(device) = self.hardware.disk.tree.device(node) {
            return Ok(self.read_device(device, buffer));
        }
        self.find_changes(node)?;
        let read = self.hardware.disk.read_node(node, at, buffer)?;
        if offset.is_none() {
            self.file(fd)?.offset = at + read as u64;
        }
        self.hardware.cpu.charge_bytes(read);
        Ok(read)
    }

    /// The same, into memory that need not be initialised.
    pub(crate) fn read_into(
        &mut self,
        fd: i32,
        offset: Option<u64>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<usize> {
        const AT_ONCE: usize = 1 << 20;
        let (node, here) = self.file(fd).map(|file| (file.node, file.offset))?;
        let tree = &self.hardware.disk.tree;
        let most = match tree.device(node) {
            Some(_) => AT_ONCE,
            None => {
                let rest = tree.size(node).saturating_sub(offset.unwrap_or(here));
                usize::try_from(rest).unwrap_or(usize::MAX)
            }
        };
        let mut bytes = vec![0; buffer.len().min(most)];
        let read = self.read_file(fd, offset, &mut bytes)?;
        buffer[..read].write_copy_of_slice(&bytes[..read]);
        Ok(read)
    }

    fn read_device(&mut self, device: Device, buffer: &mut [u8]) -> usize {
        match device {
            Device::Null => return 0,
            Device::Zero | Device::Full => buffer.fill(0),
            Device::Random => self.entropy.fill(Door::Getrandom, buffer),
        }
        buffer.len()
    }

    /// Writes at the descriptor's position, at an offset, or at the end if it appends.
    pub(crate) fn write_file(
        &mut self,
        fd: i32,
        offset: Option<u64>,
        bytes: &[u8],
    ) -> Result<usize> {
        let now = self.file_time();
        let file = self.file(fd)?;
        if !file.writes() {
            return Err(Errno(libc::EBADF));
        }
        let (node, flags, at) = (file.node, file.flags, offset.unwrap_or(file.offset));
        let disk = &mut self.hardware.disk;
        match disk.tree.device(node) {
            Some(Device::Full) => return Err(Errno(libc::ENOSPC)),
            Some(_) => return Ok(bytes.len()),
            None => {}
        }
        let at = match flags & libc::O_APPEND {
            0 => at,
            _ => disk.tree.size(node),
        };
        if !bytes.is_empty() {
            self.find_changes(node)?;
            self.hardware.disk.write_node(node, at, bytes, now)?;
            self.show_changes(node, at, bytes.len() as u64);
        }
        if flags & libc::O_DSYNC != 0 {
            self.hardware.disk.sync_node(node)?;
        }
        if offset.is_none() {
            self.file(fd)?.offset = at + bytes.len() as u64;
        }
        self.hardware.cpu.charge_bytes(bytes.len());
        Ok(bytes.len())
    }

    /// `lseek(2)`.
    pub(crate) fn seek(&mut self, fd: i32, offset: i64, whence: i32) -> Result<i64> {
        let (node, here) = self.file(fd).map(|file| (file.node, file.offset))?;
        let size = self.hardware.disk.tree.size(node) as i64;
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => here as i64,
            libc::SEEK_END => size,
            // Everything up to the end is data.
            libc::SEEK_DATA | libc::SEEK_HOLE if !(0..size).contains(&offset) => {
                return Err(Errno(libc::ENXIO));
            }
            libc::SEEK_DATA => 0,
            libc::SEEK_HOLE => size - offset,
            _ => return Err(Errno(libc::EINVAL)),
        };
        let there = base.checked_add(offset).filter(|&there| there >= 0);
        let there = there.ok_or(Errno(libc::EINVAL))?;
        self.file(fd)?.offset = there as u64;
        Ok(there)
    }

    /// `ftruncate(2)`.
    pub(crate) fn truncate_file(&mut self, fd: i32, size: i64) -> Result<()> {
        let now = self.file_time();
        let size = u64::try_from(size).map_err(|_| Errno(libc::EINVAL))?;
        let file = self.file(fd).map_err(|error| match error {
            Errno(libc::ESPIPE) => Errno(libc::EINVAL),
            error => error,
        })?;
        if !file.writes() {
            return Err(Errno(libc::EINVAL));
        }
        let node = file.node;
        self.truncate_node(node, size, now)
    }

    fn truncate_node(&mut self, node: Number, size: u64, now: Duration) -> Result<()> {
        self.find_changes(node)?;
        self.hardware.disk.truncate_node(node, size, now)?;
        self.show_changes(node, size, u64::MAX);
        Ok(())
    }

    /// `posix_fallocate(3)`: ensures that the file is at least this long.
    pub(crate) fn allocate(&mut self, fd: i32, offset: i64, length: i64) -> Result<()> {
        let end = offset
            .checked_add(length)
            .filter(|_| offset >= 0 && length > 0);
        let end = end.ok_or(Errno(libc::EINVAL))?;
        let file = self.file(fd)?;
        if !file.writes() {
            return Err(Errno(libc::EBADF));
        }
        let node = file.node;
        match self.hardware.disk.tree.size(node) < end as u64 {
            true => self.truncate_file(fd, end),
            false => Ok(()),
        }
    }

    /// `fsync(2)`.
    pub(crate) fn sync_file(&mut self, fd: i32) -> Result<()> {
        let node = self.node_of(fd).map_err(|_| Errno(libc::EINVAL))?;
        self.find_changes(node)?;
        self.hardware.disk.sync_node(node)
    }

    /// `sync(2)`.
    pub(crate) fn sync_files(&mut self) -> Result<()> {
        self.hardware.disk.sync_nodes()
    }

    /// `fstat(2)`, of whatever a descriptor refers to.
    pub(crate) fn stat_of(&mut self, fd: i32) -> Result<Stat> {
        let ObjectId(id) = self.find(fd)?;
        let mode = match self.object_at(fd)? {
            Object::File(file) => {
                let node = file.node;
                return self.hardware.disk.tree.stat(node);
            }
            Object::Socket(_) | Object::Unix(_) => libc::S_IFSOCK | 0o777,
            Object::Pipe(end) if end.is_socket() => libc::S_IFSOCK | 0o777,
            Object::Pipe(_) => libc::S_IFIFO | 0o600,
            Object::Event(_) | Object::Signal(_) | Object::Epoll(_) => 0o600,
        };
        Ok(Stat::of_no_file(id as u64, mode))
    }

    /// The names of a directory, each with its inode number and its kind and permissions.
    pub(crate) fn list_directory(&mut self, fd: i32) -> Result<Vec<(Vec<u8>, u64, u32)>> {
        let node = self.node_of(fd).map_err(|_| Errno(libc::ENOTDIR))?;
        self.hardware.disk.list_node(node)
    }

    /// `flock(2)`: returns whether the lock is now held.
    pub(crate) fn lock_file(&mut self, fd: i32, wanted: FileLock) -> Result<bool> {
        let id = self.find(fd)?;
        let node = self.node_of(fd).map_err(|_| Errno(libc::EINVAL))?;
        let others = self.objects.iter().enumerate();
        let mut others = others.filter_map(|(place, slot)| match &slot.as_ref()?.object {
            Object::File(file) if place != id.0 && file.node == node => Some(file.lock),
            _ => None,
        });
        let conflicts = |lock: FileLock| match wanted {
            FileLock::None => false,
            FileLock::Shared => lock == FileLock::Exclusive,
            FileLock::Exclusive => lock != FileLock::None,
        };
        if others.any(conflicts) {
            return Ok(false);
        }
        self.file(fd)?.lock = wanted;
        self.threads.signal(LOCKS, usize::MAX);
        Ok(true)
    }

    /// How many bytes there are between the descriptor's position and the end.
    pub(in crate::kernel) fn rest_of_file(&mut self, fd: i32) -> Result<usize> {
        let (node, here) = self.file(fd).map(|file| (file.node, file.offset))?;
        let size = self.hardware.disk.tree.size(node);
        Ok(size.saturating_sub(here) as usize)
    }
}
