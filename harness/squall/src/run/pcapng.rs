//! What the network carried, as a capture file that Wireshark and the like can read: pcapng
//! (draft-ietf-opsawg-pcapng), with an interface for each machine, times in nanoseconds, raw IP
//! packets.
//!
//! A packet is listed where it left, and again where it arrived. One that did not arrive says why
//! in a comment.

use squall_simulator::{MachineId, Passage, PassageEnd};
use std::time::Duration;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Raw IP of either version (`LINKTYPE_RAW`).
const RAW_IP: u16 = 101;

const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const FLAGS: u16 = 2;

/// A packet's direction flag: into the machine or out of it.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// The file. `machines` are the interfaces, with their names.
pub(super) fn file(machines: &[(MachineId, &str)], passages: &[Passage]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut header = Vec::new();
    // The byte-order magic, version 1.0, and an unspecified length.
    header.extend(0x1a2b_3c4d_u32.to_le_bytes());
    header.extend([1, 0, 0, 0]);
    header.extend(u64::MAX.to_le_bytes());
    block(&mut file, SECTION_HEADER, &header);
    for (_, name) in machines {
        let mut interface = Vec::new();
        interface.extend(RAW_IP.to_le_bytes());
        interface.extend([0; 2]);
        interface.extend(0_u32.to_le_bytes());
        option(&mut interface, INTERFACE_NAME, name.as_bytes());
        // Times count nanoseconds: 10 to the power of -9.
        option(&mut interface, RESOLUTION, &[9]);
        option(&mut interface, 0, &[]);
        block(&mut file, INTERFACE, &interface);
    }
    let interface = |machine: MachineId| machines.iter().position(|(id, _)| *id == machine);
    let mut sightings: Vec<(Duration, u32, usize, &Passage, u32, &str)> = Vec::new();
    for passage in passages {
        let (arrived_at, fate) = fate(passage.end);
        if let Some(from) = interface(passage.from) {
            sightings.push((passage.sent_at, 0, from, passage, OUTBOUND, fate));
        }
        if let (Some(at), Some(to)) = (arrived_at, passage.to.and_then(interface)) {
            sightings.push((at, 1, to, passage, INBOUND, fate));
        }
    }
    // Stable: what was sent first comes first.
    sightings.sort_by_key(|it| (it.0, it.1));
    for (at, _, interface, passage, direction, fate) in sightings {
        let nanoseconds = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let length = passage.bytes.len() as u32;
        let mut packet = Vec::new();
        packet.extend((interface as u32).to_le_bytes());
        packet.extend(((nanoseconds >> 32) as u32).to_le_bytes());
        packet.extend((nanoseconds as u32).to_le_bytes());
        packet.extend(length.to_le_bytes());
        packet.extend(length.to_le_bytes());
        padded(&mut packet, &passage.bytes);
        if !fate.is_empty() {
            option(&mut packet, COMMENT, fate.as_bytes());
        }
        option(&mut packet, FLAGS, &direction.to_le_bytes());
        option(&mut packet, 0, &[]);
        block(&mut file, PACKET, &packet);
    }
    file
}

/// When a packet reached its receiver, and what became of it, if worth mentioning.
fn fate(end: PassageEnd) -> (Option<Duration>, &'static str) {
    match end {
        PassageEnd::Arrived(at) => (Some(at), ""),
        PassageEnd::Damaged(at) => (Some(at), "damaged on its way"),
        PassageEnd::Lost => (None, "lost at random"),
        PassageEnd::Overflowed => (None, "dropped by a full queue"),
        PassageEnd::Cut => (None, "cut off"),
        PassageEnd::Refused => (None, "dropped by a box on the way, or too large"),
        PassageEnd::Nowhere => (None, "nobody has its address"),
        PassageEnd::UnderWay => (None, "still under way at the end"),
    }
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = body.len() as u32 + 12;
    file.extend(kind.to_le_bytes());
    file.extend(length.to_le_bytes());
    file.extend(body);
    file.extend(length.to_le_bytes());
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    block.extend(code.to_le_bytes());
    block.extend((value.len() as u16).to_le_bytes());
    padded(block, value);
}

/// Bytes, and zeros up to a multiple of four.
fn padded(block: &mut Vec<u8>, bytes: &[u8]) {
    block.extend(bytes);
    block.resize(block.len().next_multiple_of(4), 0);
}
