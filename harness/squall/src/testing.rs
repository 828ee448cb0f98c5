//! What tests in several files share: plans of a system that is never built.

use crate::cast::Servers;
use crate::client::PlannedClient;
use crate::dice::Draw;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::site::Site;
use crate::system::{Known, System};
use crate::text::{Problems, Table};
use squall_guarantees::{Bounds, StoredMessage};
use std::time::Duration;

/// A system of as many servers as `[cluster]` says.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Unbuilt {
    servers: Option<u32>,
}

impl System for Unbuilt {
    const NAME: &'static str = "unbuilt";

    fn read(file: &mut Table<'_>, problems: &mut Problems) -> Self {
        let servers = file.table("cluster", problems).get("servers", problems);
        Unbuilt { servers }
    }

    fn servers(&self) -> Servers {
        self.servers
            .map_or_else(Servers::default, |count| Servers::around_a_broker(count, 8))
    }

    fn draw(&self, _: &mut Draw) -> Self {
        self.clone()
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            failover: Some(Duration::from_secs(60)),
            ..Bounds::default()
        }
    }

    fn build(&self, _: &mut Site<'_>) {
        unreachable!("these plans are not played");
    }

    fn stored(&self, _: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
        Ok(Vec::new())
    }

    fn entitlements(&self, client: &PlannedClient) -> Vec<String> {
        client.rooms.clone()
    }
}

/// The plan of this scenario with seed 1.
pub(crate) fn plan(text: &str) -> Plan {
    scenario(text).plan(1)
}

/// What is wrong in the scenario with this text; nothing if it is right.
pub(crate) fn bad(text: &str) -> Vec<String> {
    let text = format!("shows = 'Something.'\n{text}");
    let bad = Scenario::parse("test", &text, &[Known::of::<Unbuilt>()]).err();
    let problems = bad.map(|bad| bad.problems).unwrap_or_default();
    problems.into_iter().map(|problem| problem.what).collect()
}

/// The scenario with this text, except for what it shows.
pub(crate) fn scenario(text: &str) -> Scenario {
    let text = format!("shows = 'Something.'\n{text}");
    match Scenario::parse("test", &text, &[Known::of::<Unbuilt>()]) {
        Ok(scenario) => scenario,
        Err(bad) => panic!("{:#?}", bad.problems),
    }
}
