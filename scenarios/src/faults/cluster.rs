//! Faults inside a cluster.

use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::cluster::BROKER;
use crate::format::{Problems, Table};

/// Packets between the victims, which are servers, and the broker are dropped, also those under way:
/// the servers cannot hear of one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterPartition;

impl Kind for ClusterPartition {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(ClusterPartition)
    }

    fn whom(&self) -> Whom {
        Whom::Servers
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let broker: Vec<_> = stage.broker.into_iter().collect();
        let servers = stage.victims.clone();
        for (from, to) in [(&servers, &broker), (&broker, &servers)] {
            let (from, to) = (from.clone(), to.clone());
            stage.begin(Order::Cut {
                from: from.clone(),
                to: to.clone(),
            });
            stage.end(Order::Mend { from, to });
        }
    }

    fn words(&self, victims: &str) -> String {
        format!("partition between {victims} and {BROKER}")
    }
}
