//! What hostile peers cost is bounded.

use peak_alloc::PeakAlloc;
use squall::{Group, Scenario, run};
use squall_cli::library;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What an attack may cost beyond the same run without it: the attacker's own buffers, the packets
/// in flight, and what the server keeps.
const MOST: usize = 64 << 20;

/// The most memory that a run of this scenario needs at any moment.
fn memory(scenario: &Scenario) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    run(&scenario.plan(1)).expect("the run comes to its end");
    MEMORY.peak_usage() - before
}

/// The only memory test in this program, because others would allocate at the same time.
#[test]
fn the_memory_that_hostile_peers_cost_is_bounded() {
    let library = library();
    let hostile = library
        .iter()
        .filter(|scenario| scenario.group == Some(Group::HostilePeers));
    let costs: Vec<_> = hostile
        .map(|scenario| {
            let calm = Scenario {
                hostile: Vec::new(),
                ..scenario.clone()
            };
            let cost = memory(scenario).saturating_sub(memory(&calm));
            (scenario.name.as_str(), cost)
        })
        .collect();
    assert!(costs.len() >= 5);
    assert!(costs.iter().all(|(_, cost)| *cost < MOST), "{costs:?}");
    // The check would not notice an allocator that does not count.
    assert!(costs.iter().any(|(_, cost)| *cost > 100_000), "{costs:?}");
}
