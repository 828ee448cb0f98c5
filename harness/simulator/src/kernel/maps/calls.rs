//! The calls that map files into memory.

use super::{Maps, PAGE, Place, Region, Shared};
use crate::host::SharedMemory;
use crate::kernel::Kernel;
use crate::kernel::disk::tree::Number;
use crate::kernel::errno::{Errno, Result};
use std::io;

impl Kernel {
    /// The bytes for a private map: those of the file, starting at an offset.
    pub(crate) fn bytes_to_map(&mut self, fd: i32, offset: u64, length: usize) -> Result<Vec<u8>> {
        let node = self.node_to_map(fd, false)?;
        self.find_changes(node)?;
        // No more than exist: a map may be longer than the file, and than all memory.
        let there = self.hardware.disk.tree.bytes(node)?.len();
        let there = there.saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length.min(there)];
        self.hardware.disk.read_node(node, offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The host's descriptor of the memory for a shared map, extended to at least `end`.
    /// [`Kernel::mapped`] then reports where it is mapped.
    pub(crate) fn memory_to_map(&mut self, fd: i32, end: u64, writes: bool) -> Result<i32> {
        let node = self.node_to_map(fd, writes)?;
        let no_memory = |_| Errno(libc::ENOMEM);
        let end = usize::try_from(end).map_err(|_| Errno(libc::EOVERFLOW))?;
        if !self.maps.shared.contains_key(&node) {
            let bytes = self.hardware.disk.tree.bytes(node)?;
            let mut memory = SharedMemory::new(end.max(bytes.len())).map_err(no_memory)?;
            memory.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
            self.hardware.disk.tree.opened(node);
            let is_writable = false;
            self.maps.shared.insert(
                node,
                Shared {
                    memory,
                    is_writable,
                },
            );
        }
        let shared = self.maps.shared.get_mut(&node).ok_or(Errno(libc::ENOMEM))?;
        shared.memory.grow(end).map_err(no_memory)?;
        shared.is_writable |= writes;
        Ok(shared.memory.descriptor())
    }

    /// A shared map of a file is now at an address.
    pub(crate) fn mapped(&mut self, address: usize, length: usize, fd: i32, place: Place) {
        if let Ok(node) = self.node_to_map(fd, false) {
            let region = Region {
                length,
                node,
                place,
            };
            self.maps.regions.insert(address, region);
        }
    }

    /// This host process is a fork of another one: replaces the memory of files, which both share,
    /// by a private copy. Returns what has to be mapped again: the address, the length, the host's
    /// descriptor, and the rest.
    ///
    /// # Errors
    ///
    /// If the host provides no more.
    pub(crate) fn part_from_parent(&mut self) -> io::Result<Vec<(usize, usize, i32, Place)>> {
        let Maps { shared, regions } = &mut self.maps;
        for shared in shared.values_mut() {
            shared.memory.part()?;
        }
        let maps = regions.iter().filter_map(|(&address, region)| {
            let memory = &shared.get(&region.node)?.memory;
            Some((address, region.length, memory.descriptor(), region.place))
        });
        Ok(maps.collect())
    }

    fn node_to_map(&mut self, fd: i32, writes: bool) -> Result<Number> {
        let (node, reads, may_write) = self.mappable(fd)?;
        if !reads || writes && !may_write {
            return Err(Errno(libc::EACCES));
        }
        match self.hardware.disk.tree.bytes(node) {
            Ok(_) => Ok(node),
            Err(_) => Err(Errno(libc::ENODEV)),
        }
    }

    /// Whether a file of the machine may be mapped there.
    pub(crate) fn is_mapped(&self, address: usize, length: usize) -> bool {
        let end = address.saturating_add(length);
        let mut before = self.maps.regions.range(..end).rev();
        before.any(|(&start, region)| start + region.length > address)
    }

    /// Whatever is at these addresses is no longer mapped (`munmap(2)`).
    pub(crate) fn unmap(&mut self, address: usize, length: usize) -> Result<()> {
        let end = address.saturating_add(length);
        let gone = self.maps.regions.range(address..end);
        let gone: Vec<usize> = gone.map(|(&start, _)| start).collect();
        for start in gone {
            let Some(region) = self.maps.regions.remove(&start) else {
                continue;
            };
            self.find_changes(region.node)?;
            let mut others = self.maps.regions.values();
            if !others.any(|other| other.node == region.node) {
                self.maps.shared.remove(&region.node);
                self.hardware.disk.tree.closed(region.node);
            }
        }
        Ok(())
    }

    /// `msync(2)`: brings what was written to memory into the file, and onto the disk if the caller
    /// waits for that.
    pub(crate) fn sync_map(&mut self, address: usize, length: usize, waits: bool) -> Result<()> {
        let end = address.saturating_add(length);
        let there = self.maps.regions.range(..end);
        let there = there.filter(|(start, region)| *start + region.length > address);
        let mut nodes: Vec<Number> = there.map(|(_, region)| region.node).collect();
        nodes.dedup();
        for node in nodes {
            self.find_changes(node)?;
            if waits {
                self.hardware.disk.sync_node(node)?;
            }
        }
        Ok(())
    }

    /// Copies what the program has written to the memory of a file into the file.
    pub(in crate::kernel) fn find_changes(&mut self, node: Number) -> Result<()> {
        let Some(shared) = self.maps.shared.get(&node) else {
            return Ok(());
        };
        if !shared.is_writable {
            return Ok(());
        }
        let now = self.file_time();
        let bytes = self.hardware.disk.tree.bytes(node)?;
        let memory = shared.memory.bytes();
        let pages = bytes.chunks(PAGE).zip(memory.chunks(PAGE)).enumerate();
        let changed = pages.filter_map(|(place, (old, new))| {
            let new = &new[..old.len()];
            (old != new).then(|| (place * PAGE, new.to_vec()))
        });
        let changed: Vec<(usize, Vec<u8>)> = changed.collect();
        for (offset, page) in changed {
            let tree = &mut self.hardware.disk.tree;
            tree.write(node, offset as u64, &page, now)?;
        }
        Ok(())
    }

    /// A call has changed a file, starting at an offset: copies that to its memory.
    pub(in crate::kernel) fn show_changes(&mut self, node: Number, from: u64, length: u64) {
        let Some(shared) = self.maps.shared.get_mut(&node) else {
            return;
        };
        let memory = shared.memory.bytes_mut();
        let Ok(bytes) = self.hardware.disk.tree.bytes(node) else {
            return;
        };
        let start = usize::try_from(from)
            .unwrap_or(usize::MAX)
            .min(memory.len());
        let end = usize::try_from(from.saturating_add(length)).unwrap_or(usize::MAX);
        let end = end.min(memory.len());
        let (there, gone) = (bytes.len().clamp(start, end), end);
        memory[start..there].copy_from_slice(&bytes[start..there]);
        memory[there..gone].fill(0);
    }

    /// The process is gone: copies what it has written to memory into the files.
    pub(in crate::kernel) fn unmap_all(&mut self) {
        for node in std::mem::take(&mut self.maps.regions)
            .into_values()
            .map(|it| it.node)
        {
            // A file that can no longer be written stays as it is.
            let _ = self.find_changes(node);
        }
        self.maps.shared.clear();
    }
}
