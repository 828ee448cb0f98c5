//! Memory: no program holds more than the scenario allows.
//!
//! What counts is what a program has asked for and not given back, whenever it waits. So a buffer
//! that it needs for a moment is no matter, and what it keeps is, whether it means to or not.
//! Nothing is excused: the scenario's limit is for its world, with all that goes wrong in it.

mod evidence;

pub use evidence::TooMuchMemory;

use crate::index::Index;
use crate::verdict::Findings;
use crate::{MemoryUse, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for MemoryUse {
        machine,
        at,
        bytes,
        limit,
    } in &index.history.memory
    {
        if bytes <= limit {
            findings.held();
            continue;
        }
        findings.add(*at, || TooMuchMemory {
            machine: machine.clone(),
            bytes: *bytes,
            limit: *limit,
            at: *at,
        });
    }
    findings.verdict(|machines| counted(machines, "machine"))
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Memory;
    use crate::testing::chat;

    #[test]
    fn what_a_program_holds_is_within_its_limit() {
        let just = chat(["alice"]).holds(1_000, "server", 800, 800);
        insta::assert_snapshot!(just.clone().verdict(Memory), @"held: 1 machine");
        let more = just.holds(2_000, "alice", 500, 400);
        insta::assert_snapshot!(more.verdict(Memory), @"violated: alice held 500 bytes of memory at 2.000 s; 400 are allowed.");
    }

    #[test]
    fn is_not_exercised_where_nothing_is_limited() {
        insta::assert_snapshot!(chat(["alice"]).verdict(Memory), @"not exercised");
    }
}
