//! The file system of a machine: directories, files, symbolic links and devices, and what is
//! certainly on the platter.
//!
//! A file's content is on the platter once the file has been synced, and its name once its
//! directory has been, along with the names that lead to that directory. A power loss undoes all
//! other changes of names, each as a whole: a file is renamed or it is not, but a later rename may
//! survive when an earlier one does not, as long as they concern different names. A Linux file
//! system keeps more than that, but promises no more (POSIX does not even promise this much about
//! the names of directories).
//!
//! Not modelled: users (everything belongs to a single user, whose permissions are those of the
//! mode), named pipes, extended attributes, quotas.

use super::content::Content;
use crate::kernel::disk::error::DiskError;
use crate::kernel::errno::{Errno, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// An inode number.
pub(crate) type Number = u64;

/// The root directory.
pub(crate) const ROOT: Number = 1;

const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;

/// How many symbolic links may be followed for one path.
const LINKS_MAX: u32 = 40;

/// After this many changes of names without a sync, the older half is on the platter: the kernel
/// has written it back.
const CHANGES_MAX: usize = 4096;

/// The directories of a new machine, to which its programs can write.
const DIRECTORIES: [&str; 9] = [
    "/dev", "/etc", "/home", "/run", "/srv", "/tmp", "/var", "/var/log", "/var/tmp",
];

const DEVICES: [(&str, Device); 5] = [
    ("/dev/full", Device::Full),
    ("/dev/null", Device::Null),
    ("/dev/random", Device::Random),
    ("/dev/urandom", Device::Random),
    ("/dev/zero", Device::Zero),
];

/// What the name of a device leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Full,
    Null,
    Random,
    Zero,
}

#[derive(Clone)]
pub(crate) struct Node {
    kind: Kind,
    /// Permissions, as `chmod(2)` has them.
    mode: u32,
    /// How many names it has, including those given to a directory by its subdirectories.
    links: u32,
    /// How many descriptors it has.
    opens: u32,
    /// How often it occurs in changes of names that are not on the platter.
    journaled: u32,
    times: Times,
}

/// When something last happened to a node, by the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) accessed: Duration,
    pub(crate) modified: Duration,
    pub(crate) changed: Duration,
    pub(crate) born: Duration,
}

#[derive(Clone)]
enum Kind {
    File(Content),
    Directory {
        entries: BTreeMap<Vec<u8>, Number>,
        parent: Number,
    },
    Link(Vec<u8>),
    Device(Device),
    /// A Unix socket's name.
    Socket,
}

/// What `stat(2)` reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) number: Number,
    /// Kind and permissions.
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) size: u64,
    pub(crate) device: u64,
    pub(crate) times: Times,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    directory: Number,
    /// None if the path ends with `.` or `..`, or is the root.
    name: Option<Vec<u8>>,
    pub(crate) node: Option<Number>,
    /// The path ends with a slash: what is there must be a directory.
    is_directory: bool,
}

/// What to create.
#[derive(Clone, Debug)]
pub(crate) enum New {
    File,
    Directory,
    Link(Vec<u8>),
    Socket,
}

/// A change of names.
#[derive(Clone)]
struct Change {
    parts: Vec<Part>,
}

/// What a name led to before, and leads to after.
#[derive(Clone)]
struct Part {
    directory: Number,
    name: Vec<u8>,
    before: Option<Number>,
    after: Option<Number>,
}

impl Part {
    fn is_about(&self, other: &Part) -> bool {
        self.directory == other.directory && self.name == other.name
    }
}

impl Change {
    fn is_about(&self, other: &Change) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| other.parts.iter().any(|it| it.is_about(part)))
    }
}

/// Everything with a name, and everything that still has a descriptor.
#[derive(Clone)]
pub(crate) struct Tree {
    /// Copied when they first change: in a crowd, most machines have only what all of them have.
    nodes: Rc<BTreeMap<Number, Node>>,
    next: Number,
    /// Changes of names that are not on the platter, oldest first.
    journal: Vec<Change>,
    /// The hash of all changes, and whether there were any since it was last taken.
    hash: (u64, bool),
    /// What is read-only: the host files that were copied here.
    sealed: Vec<Number>,
}

thread_local! {
    /// The tree of a new machine.
    static NEW: Tree = Tree::furnished();
}

impl Default for Tree {
    fn default() -> Self {
        NEW.with(Tree::clone)
    }
}

impl Stat {
    /// For something that is in no file system.
    pub(crate) fn of_no_file(number: u64, mode: u32) -> Self {
        Self {
            number,
            mode,
            links: 1,
            size: 0,
            device: 0,
            times: Times::default(),
        }
    }
}

impl Node {
    fn new(kind: Kind, mode: u32, now: Duration) -> Self {
        let links = match kind {
            Kind::Directory { .. } => 2,
            _ => 1,
        };
        let times = Times {
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        };
        Self {
            kind,
            mode,
            links,
            opens: 0,
            journaled: 0,
            times,
        }
    }

    fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }
}

impl Tree {
    fn furnished() -> Self {
        let entries = BTreeMap::new();
        let root = Kind::Directory {
            entries,
            parent: ROOT,
        };
        let root = Node::new(root, 0o755, Duration::ZERO);
        let mut tree = Self {
            nodes: Rc::new(BTreeMap::from([(ROOT, root)])),
            next: ROOT + 1,
            journal: Vec::new(),
            hash: (0, false),
            sealed: Vec::new(),
        };
        for path in DIRECTORIES {
            let mode = if path.ends_with("tmp") { 0o777 } else { 0o755 };
            tree.furnish(path, New::Directory, mode);
        }
        for (path, device) in DEVICES {
            let number = tree.furnish(path, New::File, 0o666);
            if let Some(node) = number.and_then(|number| tree.nodes_mut().get_mut(&number)) {
                node.kind = Kind::Device(device);
            }
        }
        tree.commit_all();
        tree.hash = (0, false);
        tree
    }

    fn nodes_mut(&mut self) -> &mut BTreeMap<Number, Node> {
        Rc::make_mut(&mut self.nodes)
    }

    /// Creates something that exists from the beginning.
    fn furnish(&mut self, path: &str, new: New, mode: u32) -> Option<Number> {
        let place = self.look_up(ROOT, path.as_bytes(), false).ok()?;
        self.create(&place, new, mode, Duration::ZERO).ok()
    }

    fn node(&self, number: Number) -> Result<&Node> {
        self.nodes.get(&number).ok_or(Errno(libc::ENOENT))
    }

    fn node_mut(&mut self, number: Number) -> Result<&mut Node> {
        self.nodes_mut().get_mut(&number).ok_or(Errno(libc::ENOENT))
    }

    fn entries(&self, number: Number) -> Result<&BTreeMap<Vec<u8>, Number>> {
        match &self.node(number)?.kind {
            Kind::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno(libc::ENOTDIR)),
        }
    }

    fn parent(&self, number: Number) -> Number {
        match self.nodes.get(&number).map(|node| &node.kind) {
            Some(Kind::Directory { parent, .. }) => *parent,
            _ => ROOT,
        }
    }

    /// Where a path leads (`path_resolution(7)`), starting at `start` if it is relative. `follows`
    /// says whether a symbolic link at its end is followed.
    pub(crate) fn look_up(&self, start: Number, path: &[u8], follows: bool) -> Result<Place> {
        if path.is_empty() {
            return Err(Errno(libc::ENOENT));
        }
        if path.len() >= PATH_MAX {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        let mut directory = if path[0] == b'/' { ROOT } else { start };
        let mut rest = parts_of(path);
        let mut is_directory = path.ends_with(b"/");
        let mut links = 0;
        while let Some(name) = rest.pop() {
            let entries = self.entries(directory)?;
            if self.node(directory)?.mode & 0o100 == 0 {
                return Err(Errno(libc::EACCES));
            }
            match &*name {
                b"." => continue,
                b".." => {
                    directory = self.parent(directory);
                    continue;
                }
                name if name.len() > NAME_MAX => return Err(Errno(libc::ENAMETOOLONG)),
                _ => {}
            }
            let is_last = rest.is_empty();
            let Some(&number) = entries.get(&name) else {
                return match is_last {
                    true => Ok(Place {
                        directory,
                        name: Some(name),
                        node: None,
                        is_directory,
                    }),
                    false => Err(Errno(libc::ENOENT)),
                };
            };
            match &self.node(number)?.kind {
                Kind::Link(target) if !is_last || follows || is_directory => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno(libc::ELOOP));
                    }
                    if target.starts_with(b"/") {
                        directory = ROOT;
                    }
                    is_directory |= is_last && target.ends_with(b"/");
                    rest.extend(parts_of(target));
                }
                Kind::Directory { .. } if !is_last => directory = number,
                _ if !is_last => return Err(Errno(libc::ENOTDIR)),
                kind => {
                    if is_directory && !matches!(kind, Kind::Directory { .. }) {
                        return Err(Errno(libc::ENOTDIR));
                    }
                    return Ok(Place {
                        directory,
                        name: Some(name),
                        node: Some(number),
                        is_directory,
                    });
                }
            }
        }
        Ok(Place {
            directory,
            name: None,
            node: Some(directory),
            is_directory: true,
        })
    }

    /// What a path leads to.
    pub(crate) fn find(&self, start: Number, path: &[u8], follows: bool) -> Result<Number> {
        let place = self.look_up(start, path, follows)?;
        place.node.ok_or(Errno(libc::ENOENT))
    }

    /// The path from the root to what is at a place.
    pub(crate) fn path_of_place(&self, place: &Place) -> Result<Vec<u8>> {
        let mut path = self.path_of(place.directory)?;
        if let Some(name) = &place.name {
            if path != b"/" {
                path.push(b'/');
            }
            path.extend(name);
        }
        Ok(path)
    }

    /// The path of a directory from the root.
    pub(crate) fn path_of(&self, directory: Number) -> Result<Vec<u8>> {
        let mut path = Vec::new();
        let mut here = directory;
        while here != ROOT {
            let parent = self.parent(here);
            let mut entries = self.entries(parent)?.iter();
            let found = entries.find(|(_, number)| **number == here);
            let (name, _) = found.ok_or(Errno(libc::ENOENT))?;
            path.splice(0..0, [b"/", &name[..]].concat());
            here = parent;
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    /// Whether the names of a directory may be changed.
    fn may_change(&self, directory: Number) -> Result<()> {
        let node = self.node(directory)?;
        if node.links == 0 {
            return Err(Errno(libc::ENOENT));
        }
        if self.sealed.contains(&directory) {
            return Err(Errno(libc::EROFS));
        }
        match node.mode & 0o300 == 0o300 {
            true => Ok(()),
            false => Err(Errno(libc::EACCES)),
        }
    }

    /// Creates something where nothing exists.
    pub(crate) fn create(
        &mut self,
        place: &Place,
        new: New,
        mode: u32,
        now: Duration,
    ) -> Result<Number> {
        let (Some(name), None) = (&place.name, place.node) else {
            return Err(Errno(libc::EEXIST));
        };
        if place.is_directory && !matches!(new, New::Directory) {
            return Err(Errno(libc::EISDIR));
        }
        self.may_change(place.directory)?;
        let kind = match new {
            New::File => Kind::File(Content::new(true, true)),
            New::Link(target) => Kind::Link(target),
            New::Socket => Kind::Socket,
            New::Directory => Kind::Directory {
                entries: BTreeMap::new(),
                parent: place.directory,
            },
        };
        let number = self.add(Node::new(kind, mode, now));
        let part = Part {
            directory: place.directory,
            name: name.clone(),
            before: None,
            after: Some(number),
        };
        self.apply(vec![part], now);
        Ok(number)
    }

    /// Creates a nameless file.
    pub(crate) fn create_nameless(&mut self, mode: u32, now: Duration) -> Number {
        let mut node = Node::new(Kind::File(Content::new(false, true)), mode, now);
        node.links = 0;
        self.add(node)
    }

    fn add(&mut self, node: Node) -> Number {
        let number = self.next;
        self.next += 1;
        self.nodes_mut().insert(number, node);
        number
    }

    /// Gives something other than a directory another name (`link(2)`).
    pub(crate) fn link(&mut self, number: Number, place: &Place, now: Duration) -> Result<()> {
        let node = self.node(number)?;
        if node.is_directory() {
            return Err(Errno(libc::EPERM));
        }
        let (Some(name), None) = (&place.name, place.node) else {
            return Err(Errno(libc::EEXIST));
        };
        if place.is_directory {
            return Err(Errno(libc::ENOENT));
        }
        self.may_change(place.directory)?;
        let part = Part {
            directory: place.directory,
            name: name.clone(),
            before: None,
            after: Some(number),
        };
        let node = self.node_mut(number)?;
        node.links += 1;
        node.times.changed = now;
        if let Kind::File(content) = &mut node.kind {
            content.is_logged = true;
        }
        self.apply(vec![part], now);
        Ok(())
    }

    /// Removes a name (`unlink(2)`).
    pub(crate) fn unlink(&mut self, place: &Place, now: Duration) -> Result<()> {
        let (Some(name), Some(number)) = (&place.name, place.node) else {
            let is_there = place.node.is_some();
            return Err(Errno(if is_there { libc::EISDIR } else { libc::ENOENT }));
        };
        if self.node(number)?.is_directory() {
            return Err(Errno(libc::EISDIR));
        }
        self.remove(place.directory, name, number, now)
    }

    /// Removes an empty directory (`rmdir(2)`).
    pub(crate) fn remove_directory(&mut self, place: &Place, now: Duration) -> Result<()> {
        let number = place.node.ok_or(Errno(libc::ENOENT))?;
        if !self.entries(number)?.is_empty() {
            return Err(Errno(libc::ENOTEMPTY));
        }
        let Some(name) = &place.name else {
            return Err(Errno(match number {
                ROOT => libc::EBUSY,
                _ => libc::EINVAL,
            }));
        };
        self.remove(place.directory, name, number, now)
    }

    fn remove(
        &mut self,
        directory: Number,
        name: &[u8],
        number: Number,
        now: Duration,
    ) -> Result<()> {
        self.may_change(directory)?;
        let part = Part {
            directory,
            name: name.to_vec(),
            before: Some(number),
            after: None,
        };
        self.apply(vec![part], now);
        self.lose_name(number, now);
        Ok(())
    }

    /// One of its names is gone.
    fn lose_name(&mut self, number: Number, now: Duration) {
        if let Some(node) = self.nodes_mut().get_mut(&number) {
            node.links = match node.is_directory() {
                true => 0,
                false => node.links.saturating_sub(1),
            };
            node.times.changed = now;
        }
        self.forget_if_unreachable(number);
    }

    /// Renames something, replacing what may be there (`rename(2)`).
    pub(crate) fn rename(
        &mut self,
        from: &Place,
        to: &Place,
        replaces: bool,
        now: Duration,
    ) -> Result<()> {
        let number = from.node.ok_or(Errno(libc::ENOENT))?;
        let (Some(old), Some(new)) = (&from.name, &to.name) else {
            return Err(Errno(libc::EBUSY));
        };
        let is_directory = self.node(number)?.is_directory();
        if !is_directory && (to.is_directory || from.is_directory) {
            return Err(Errno(libc::ENOTDIR));
        }
        if is_directory && self.is_within(to.directory, number) {
            return Err(Errno(libc::EINVAL));
        }
        if let Some(there) = to.node {
            if !replaces {
                return Err(Errno(libc::EEXIST));
            }
            if there == number {
                return Ok(());
            }
            match (is_directory, self.node(there)?.is_directory()) {
                (true, false) => return Err(Errno(libc::ENOTDIR)),
                (false, true) => return Err(Errno(libc::EISDIR)),
                (true, true) if !self.entries(there)?.is_empty() => {
                    return Err(Errno(libc::ENOTEMPTY));
                }
                _ => {}
            }
        }
        self.may_change(from.directory)?;
        self.may_change(to.directory)?;
        let part = |place: &Place, name: &Vec<u8>, before, after| Part {
            directory: place.directory,
            name: name.clone(),
            before,
            after,
        };
        self.apply(
            vec![
                part(from, old, Some(number), None),
                part(to, new, to.node, Some(number)),
            ],
            now,
        );
        if let Some(there) = to.node {
            self.lose_name(there, now);
        }
        if let Ok(Node {
            kind: Kind::Directory { parent, .. },
            times,
            ..
        }) = self.node_mut(number)
        {
            *parent = to.directory;
            times.changed = now;
        }
        self.count_directories(from.directory);
        self.count_directories(to.directory);
        Ok(())
    }

    /// Whether a directory is the other one, or somewhere inside it.
    fn is_within(&self, mut directory: Number, other: Number) -> bool {
        loop {
            if directory == other {
                return true;
            }
            if directory == ROOT {
                return false;
            }
            directory = self.parent(directory);
        }
    }

    /// The names of a directory with what they lead to, sorted by name, including itself and its
    /// parent.
    pub(crate) fn list(&self, directory: Number) -> Result<Vec<(Vec<u8>, Number, u32)>> {
        let kind = |number: Number| self.stat(number).map_or(0, |stat| stat.mode);
        let own = [(&b"."[..], directory), (b"..", self.parent(directory))];
        let own = own.map(|(name, number)| (name.to_vec(), number));
        let entries = self.entries(directory)?;
        let entries = entries.iter().map(|(name, &number)| (name.clone(), number));
        let all = own.into_iter().chain(entries);
        Ok(all
            .map(|(name, number)| (name, number, kind(number)))
            .collect())
    }

    pub(crate) fn stat(&self, number: Number) -> Result<Stat> {
        let node = self.node(number)?;
        let (kind, size) = match &node.kind {
            Kind::File(content) => (libc::S_IFREG, content.bytes.len()),
            Kind::Directory { .. } => (libc::S_IFDIR, 4096),
            Kind::Link(target) => (libc::S_IFLNK, target.len()),
            Kind::Device(_) => (libc::S_IFCHR, 0),
            Kind::Socket => (libc::S_IFSOCK, 0),
        };
        let device = match node.kind {
            Kind::Device(device) => 0x0100 | device as u64,
            _ => 0,
        };
        Ok(Stat {
            number,
            mode: kind | node.mode,
            links: node.links,
            size: size as u64,
            device,
            times: node.times,
        })
    }

    pub(crate) fn is_socket(&self, number: Number) -> bool {
        self.node(number)
            .is_ok_and(|node| matches!(node.kind, Kind::Socket))
    }

    pub(crate) fn is_directory(&self, number: Number) -> bool {
        self.node(number).is_ok_and(Node::is_directory)
    }

    /// What a symbolic link leads to; none if it is not a symbolic link.
    pub(crate) fn target(&self, number: Number) -> Option<&[u8]> {
        match &self.node(number).ok()?.kind {
            Kind::Link(target) => Some(target),
            _ => None,
        }
    }

    pub(crate) fn device(&self, number: Number) -> Option<Device> {
        match self.node(number).ok()?.kind {
            Kind::Device(device) => Some(device),
            _ => None,
        }
    }

    /// Whether the user may do this: read (4), write (2), execute (1).
    pub(crate) fn permits(&self, number: Number, wanted: u32) -> Result<()> {
        let mode = self.node(number)?.mode >> 6;
        if wanted & 2 != 0 && self.sealed.contains(&number) {
            return Err(Errno(libc::EROFS));
        }
        match mode & wanted == wanted {
            true => Ok(()),
            false => Err(Errno(libc::EACCES)),
        }
    }

    pub(crate) fn set_mode(&mut self, number: Number, mode: u32, now: Duration) -> Result<()> {
        self.note(3, number, 0, &mode.to_ne_bytes());
        let node = self.node_mut(number)?;
        node.mode = mode & 0o7777;
        node.times.changed = now;
        Ok(())
    }

    /// Sets when it was read and written, as far as given.
    pub(crate) fn set_times(
        &mut self,
        number: Number,
        [accessed, modified]: [Option<Duration>; 2],
        now: Duration,
    ) -> Result<()> {
        let times = &mut self.node_mut(number)?.times;
        times.accessed = accessed.unwrap_or(times.accessed);
        times.modified = modified.unwrap_or(times.modified);
        times.changed = now;
        Ok(())
    }

    fn content(&mut self, number: Number) -> Result<&mut Content> {
        match &mut self.node_mut(number)?.kind {
            Kind::File(content) => Ok(content),
            Kind::Directory { .. } => Err(Errno(libc::EISDIR)),
            _ => Err(Errno(libc::EINVAL)),
        }
    }

    pub(crate) fn size(&self, number: Number) -> u64 {
        self.stat(number).map_or(0, |stat| stat.size)
    }

    /// The content of a file.
    pub(crate) fn bytes(&self, number: Number) -> Result<&[u8]> {
        match &self.node(number)?.kind {
            Kind::File(content) => Ok(&content.bytes),
            Kind::Directory { .. } => Err(Errno(libc::EISDIR)),
            _ => Err(Errno(libc::EINVAL)),
        }
    }

    pub(crate) fn read(&mut self, number: Number, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.content(number)?.read(offset, buffer))
    }

    pub(crate) fn write(
        &mut self,
        number: Number,
        offset: u64,
        bytes: &[u8],
        now: Duration,
    ) -> Result<()> {
        let start = usize::try_from(offset).map_err(|_| Errno(libc::EFBIG))?;
        self.content(number)?
            .write(start, bytes)
            .map_err(no_space)?;
        self.was_written(number, now)?;
        self.note(1, number, offset, bytes);
        Ok(())
    }

    pub(crate) fn truncate(&mut self, number: Number, size: u64, now: Duration) -> Result<()> {
        let length = usize::try_from(size).map_err(|_| Errno(libc::EFBIG))?;
        self.content(number)?.truncate(length).map_err(no_space)?;
        self.was_written(number, now)?;
        self.note(2, number, size, &[]);
        Ok(())
    }

    fn was_written(&mut self, number: Number, now: Duration) -> Result<()> {
        let times = &mut self.node_mut(number)?.times;
        (times.modified, times.changed) = (now, now);
        Ok(())
    }

    /// Makes a file or directory read-only from now on.
    pub(crate) fn seal(&mut self, number: Number) {
        self.sealed.push(number);
    }

    /// Everything done so far is on the platter.
    pub(crate) fn settle(&mut self) {
        self.commit_all();
        for node in self.nodes_mut().values_mut() {
            if let Kind::File(content) = &mut node.kind {
                content.unsynced.clear();
            }
        }
    }

    pub(crate) fn opened(&mut self, number: Number) {
        if let Some(node) = self.nodes_mut().get_mut(&number) {
            node.opens += 1;
        }
    }

    pub(crate) fn closed(&mut self, number: Number) {
        if let Some(node) = self.nodes_mut().get_mut(&number) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.forget_if_unreachable(number);
    }

    fn forget_if_unreachable(&mut self, number: Number) {
        let gone = |node: &Node| node.links == 0 && node.opens == 0 && node.journaled == 0;
        if self.nodes.get(&number).is_some_and(gone) {
            self.nodes_mut().remove(&number);
        }
    }

    /// All files with a name, and their sizes in bytes; sorted by path.
    pub(crate) fn files(&self) -> Vec<(Vec<u8>, u64)> {
        let mut files = Vec::new();
        let mut directories = vec![(Vec::new(), ROOT)];
        while let Some((path, directory)) = directories.pop() {
            for (name, &number) in self.entries(directory).into_iter().flatten() {
                let path = [&path[..], b"/", &name[..]].concat();
                match self.nodes.get(&number).map(|node| &node.kind) {
                    Some(Kind::Directory { .. }) => directories.push((path, number)),
                    Some(Kind::File(content)) => files.push((path, content.bytes.len() as u64)),
                    _ => {}
                }
            }
        }
        files.sort();
        files
    }

    /// The bytes of all files, including nameless ones.
    pub(crate) fn used(&self) -> u64 {
        let size = |node: &Node| match &node.kind {
            Kind::File(content) => content.bytes.len() as u64,
            _ => 0,
        };
        self.nodes.values().map(size).sum()
    }
}

/// The only way in which storing a file's content can fail.
fn no_space(_: DiskError) -> Errno {
    Errno(libc::ENOSPC)
}

/// The parts of a path, last one first.
fn parts_of(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/');
    let parts = parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec);
    parts.rev().collect()
}

/// What is on the platter.
impl Tree {
    /// Changes names, all at once.
    fn apply(&mut self, parts: Vec<Part>, now: Duration) {
        for part in &parts {
            self.note(4, part.directory, part.after.unwrap_or(0), &part.name);
            self.set_entry(part.directory, &part.name, part.after);
            self.count_directories(part.directory);
            if let Some(node) = self.nodes_mut().get_mut(&part.directory) {
                (node.times.modified, node.times.changed) = (now, now);
            }
        }
        let change = Change { parts };
        if !self.cancels(&change) {
            self.mention(&change, true);
            self.journal.push(change);
        }
        if self.journal.len() > CHANGES_MAX {
            let older: Vec<Change> = self.journal.drain(..CHANGES_MAX / 2).collect();
            older.iter().for_each(|change| self.mention(change, false));
        }
    }

    /// A name that was created is removed again before either was on the platter: as if nothing had
    /// happened.
    fn cancels(&mut self, change: &Change) -> bool {
        let [part] = &change.parts[..] else {
            return false;
        };
        let Some(place) = self.journal.iter().rposition(|it| it.is_about(change)) else {
            return false;
        };
        let made = matches!(&self.journal[place].parts[..], [made] if made.before.is_none());
        if part.after.is_some() || !made {
            return false;
        }
        let earlier = self.journal.remove(place);
        self.mention(&earlier, false);
        true
    }

    /// A change mentions nodes, or no longer does.
    fn mention(&mut self, change: &Change, begins: bool) {
        for part in &change.parts {
            for number in [part.before, part.after].into_iter().flatten() {
                if let Some(node) = self.nodes_mut().get_mut(&number) {
                    node.journaled = match begins {
                        true => node.journaled + 1,
                        false => node.journaled.saturating_sub(1),
                    };
                }
                if !begins {
                    self.forget_if_unreachable(number);
                }
            }
        }
    }

    fn set_entry(&mut self, directory: Number, name: &[u8], to: Option<Number>) {
        let Some(Node {
            kind: Kind::Directory { entries, .. },
            ..
        }) = self.nodes_mut().get_mut(&directory)
        else {
            return;
        };
        match to {
            Some(number) => entries.insert(name.to_vec(), number),
            None => entries.remove(name),
        };
    }

    /// A directory has one name for each directory in it, plus its own two; none if it is gone.
    fn count_directories(&mut self, directory: Number) {
        let Ok(entries) = self.entries(directory) else {
            return;
        };
        let numbers = entries.values();
        let inner = numbers.filter(|number| self.is_directory(**number)).count() as u32;
        if let Some(node) = self.nodes_mut().get_mut(&directory)
            && node.links > 0
        {
            node.links = 2 + inner;
        }
    }

    /// Writes back what was done to a node: a file's content, or a directory's names and those that
    /// lead there.
    pub(crate) fn sync(&mut self, number: Number) {
        if let Ok(content) = self.content(number) {
            content.unsynced.clear();
        }
        if self.is_directory(number) {
            self.commit(number);
        }
    }

    fn commit_all(&mut self) {
        for change in std::mem::take(&mut self.journal) {
            self.mention(&change, false);
        }
    }

    fn commit(&mut self, directory: Number) {
        let mut way = Vec::new();
        let mut here = directory;
        while here != ROOT {
            way.push(here);
            here = self.parent(here);
        }
        let is_meant = |part: &Part| {
            let leads_there = part.after.is_some_and(|after| way.contains(&after));
            part.directory == directory || leads_there
        };
        // Of two changes to the same name, the earlier must be written if the later is.
        let mut written = vec![false; self.journal.len()];
        for place in (0..self.journal.len()).rev() {
            let change = &self.journal[place];
            let mut later = (place + 1..self.journal.len()).filter(|&later| written[later]);
            written[place] = change.parts.iter().any(is_meant)
                || later.any(|later| self.journal[later].is_about(change));
        }
        let mut written = written.into_iter();
        let (done, left) = std::mem::take(&mut self.journal)
            .into_iter()
            .partition::<Vec<_>, _>(|_| written.next() == Some(true));
        self.journal = left;
        done.iter().for_each(|change| self.mention(change, false));
    }

    /// How many writes and changes of names are not yet on the platter.
    pub(crate) fn unsynced(&self) -> usize {
        let writes = |node: &Node| match &node.kind {
            Kind::File(content) => content.unsynced.len(),
            _ => 0,
        };
        self.journal.len() + self.nodes.values().map(writes).sum::<usize>()
    }

    /// The process is gone: nothing has descriptors any more.
    pub(crate) fn process_gone(&mut self) {
        for node in self.nodes_mut().values_mut() {
            node.opens = 0;
        }
        let gone = |node: &Node| node.links == 0 && node.journaled == 0;
        self.nodes_mut().retain(|_, node| !gone(node));
        self.check();
    }

    /// Power is lost, and with it everything unsynced; or, with `torn`, the seed decides about each
    /// change of names and each sector of that many bytes.
    pub(crate) fn power_loss(&mut self, mut torn: Option<(usize, &mut ChaCha8Rng)>) {
        if self.unsynced() == 0 {
            return;
        }
        let journal = std::mem::take(&mut self.journal);
        let mut undone: Vec<Change> = Vec::new();
        for change in journal {
            let survives = match &mut torn {
                None => false,
                // Of two changes to the same name, the later is lost if the earlier is.
                Some(_) if undone.iter().any(|lost| lost.is_about(&change)) => false,
                Some((_, rng)) => rng.random_bool(0.5),
            };
            if !survives {
                undone.push(change);
            }
        }
        for change in undone.iter().rev() {
            for part in &change.parts {
                self.set_entry(part.directory, &part.name, part.before);
            }
        }
        self.count_all();
        for node in self.nodes_mut().values_mut() {
            if let Kind::File(content) = &mut node.kind {
                match &mut torn {
                    None => content.lose(),
                    Some((sector, rng)) => content.tear((*sector).max(1), rng),
                }
            }
        }
        self.note(5, 0, 0, &[]);
        self.check();
    }

    /// Asserts that each name leads somewhere, each node has as many names as it counts, each
    /// directory is where it says, and a node with neither name nor descriptor is kept by a change
    /// that mentions it. A mistake here would be a file that comes back, or does not, for no
    /// apparent reason.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let mut names: BTreeMap<Number, u32> = BTreeMap::new();
        for (directory, node) in &*self.nodes {
            let Kind::Directory { entries, .. } = &node.kind else {
                continue;
            };
            for number in entries.values() {
                assert!(self.nodes.contains_key(number), "a name leads somewhere");
                assert!(!self.is_directory(*number) || self.parent(*number) == *directory);
                *names.entry(*number).or_default() += 1;
            }
        }
        let mut journaled: BTreeMap<Number, u32> = BTreeMap::new();
        let parts = self.journal.iter().flat_map(|change| &change.parts);
        for number in parts.flat_map(|part| [part.before, part.after]).flatten() {
            *journaled.entry(number).or_default() += 1;
        }
        for (number, node) in &*self.nodes {
            let names = names.get(number).copied().unwrap_or(0);
            match node.kind {
                Kind::Directory { .. } => assert_eq!(node.links > 0, names > 0 || *number == ROOT),
                _ => assert_eq!(node.links, names, "names of {number}"),
            }
            let mentions = journaled.get(number).copied().unwrap_or(0);
            assert_eq!(node.journaled, mentions, "changes about {number}");
            assert!(
                node.links > 0 || node.opens > 0 || mentions > 0,
                "{number} is reachable"
            );
        }
    }

    /// Recounts which names lead where. Whatever has no name is deleted.
    fn count_all(&mut self) {
        let mut links: BTreeMap<Number, u32> = BTreeMap::from([(ROOT, 1)]);
        let mut directories = vec![ROOT];
        while let Some(directory) = directories.pop() {
            let entries = self.entries(directory).cloned().unwrap_or_default();
            for number in entries.into_values() {
                *links.entry(number).or_default() += 1;
                let kind = self.nodes_mut().get_mut(&number).map(|node| &mut node.kind);
                if let Some(Kind::Directory { parent, .. }) = kind {
                    *parent = directory;
                    directories.push(number);
                }
            }
        }
        self.nodes_mut()
            .retain(|number, _| links.contains_key(number));
        let numbers: Vec<Number> = self.nodes.keys().copied().collect();
        for number in numbers {
            if let Some(node) = self.nodes_mut().get_mut(&number) {
                node.links = links[&number];
                node.journaled = 0;
            }
            self.count_directories(number);
        }
    }

    /// Something changed: it becomes part of the hash.
    fn note(&mut self, what: u64, number: Number, offset: u64, bytes: &[u8]) {
        let head = [self.hash.0, what, number, offset].map(u64::to_le_bytes);
        let seed = xxh3_64_with_seed(head.as_flattened(), 0);
        self.hash = (xxh3_64_with_seed(bytes, seed), true);
    }

    /// The hash of all changes, if there were any since the last call.
    pub(crate) fn take_hash(&mut self) -> Option<u64> {
        std::mem::take(&mut self.hash.1).then_some(self.hash.0)
    }
}

#[cfg(test)]
mod tests;
