//! When a client is there: `comes` and `leaves`, of all clients or of one.

use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_simulator::now;
use std::time::Duration;
use tokio::time::sleep;

/// When a client is there, as a scenario says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stay {
    /// When its program is started for the first time; at the beginning if none.
    pub comes: Option<Setting<Duration>>,
    /// When its user leaves for good; never if none.
    pub leaves: Option<Setting<Duration>>,
}

/// When a client of a plan is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedStay {
    /// When its program is started for the first time.
    #[serde(
        default,
        with = "crate::text::time",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub comes: Duration,
    /// When its user leaves for good; never if none.
    #[serde(
        default,
        with = "crate::text::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub leaves: Option<Duration>,
}

/// Reads both from the table of a client, for which `otherwise` holds where it says nothing.
pub(crate) fn read(table: &mut Table<'_>, otherwise: Stay, problems: &mut Problems) -> Stay {
    let comes = table.placed::<Setting<Duration>>("comes", problems);
    let leaves = table.placed::<Setting<Duration>>("leaves", problems);
    let at = leaves.as_ref().or(comes.as_ref()).map(|it| it.at.clone());
    let stay = Stay {
        comes: comes.map(|it| it.value).or(otherwise.comes),
        leaves: leaves.map(|it| it.value).or(otherwise.leaves),
    };
    if let Some(at) = at
        && let Some(leaves) = stay.leaves
        && leaves.min() <= stay.latest_coming()
    {
        let what = format!("by {}, a client may leave before it has come", table.title);
        let remedy = "Let `leaves` be later than `comes`, whatever the seed draws for them.";
        problems.add(at, what, remedy);
    }
    stay
}

impl Stay {
    /// The latest moment at which it comes.
    pub(crate) fn latest_coming(&self) -> Duration {
        self.comes.map_or(Duration::ZERO, |comes| comes.max())
    }

    /// Whether, with some seed, it is there at some moment of these.
    pub(crate) fn may_meet(&self, at: Setting<Duration>) -> bool {
        let comes = self.comes.map_or(Duration::ZERO, |comes| comes.min());
        let stays = |leaves: Setting<Duration>| at.min() < leaves.max();
        at.max() >= comes && self.leaves.is_none_or(stays)
    }
}

impl PlannedStay {
    /// Whether it is there from the beginning to the end.
    pub fn is_whole_run(&self) -> bool {
        *self == PlannedStay::default()
    }

    /// Whether the client is there at this moment.
    pub(crate) fn covers(&self, at: Duration) -> bool {
        at >= self.comes && !self.has_left(at)
    }

    fn has_left(&self, at: Duration) -> bool {
        self.leaves.is_some_and(|leaves| leaves <= at)
    }

    /// Runs the program of a machine, from one of its starts, while the client is there.
    pub(crate) async fn spend(self, program: impl Future<Output = ()>) {
        if self.has_left(now()) {
            return;
        }
        until(self.comes).await;
        program.await;
    }

    /// Ends when the user leaves.
    pub(crate) async fn end(self) {
        match self.leaves {
            Some(leaves) => until(leaves).await,
            None => std::future::pending().await,
        }
    }
}

/// Waits until that moment of the world, whatever the machine's clock says.
async fn until(moment: Duration) {
    while now() < moment {
        sleep(moment - now()).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{bad, plan};
    use std::time::Duration;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_comes_and_leaves_as_its_own_table_says_or_as_all_do() {
        let plan = plan(
            "[clients]\ncomes = '5s'\nleaves = '60s'\n[client.bob]\nleaves = '30s'\n\
             [client.carol]\ncomes = '0s'",
        );
        let stays = plan.clients.iter().map(|it| it.stay);
        let stays: Vec<_> = stays.map(|it| (it.comes, it.leaves)).collect();
        let [five, thirty, sixty] = [5, 30, 60].map(seconds);
        let expected = [(five, sixty), (five, thirty), (Duration::ZERO, sixty)];
        assert_eq!(stays, expected.map(|(comes, leaves)| (comes, Some(leaves))));
    }

    #[test]
    fn a_client_says_its_first_message_a_while_after_it_has_come_and_none_after_it_has_left() {
        let plan = plan(
            "workload = { messages = 9, start = '1s', interval = '2s' }\n\
             [client.bob]\ncomes = '10s'\nleaves = '15s'\n\
             [[message]]\nfrom = 'bob'\nat = '12s'\nto = 'lobby'",
        );
        let said = |client: usize| {
            let messages = plan.clients[client].messages.iter();
            messages.map(|it| it.at.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(said(1), [11, 12, 13]);
        assert_eq!(said(0), [1, 3, 5, 7, 9, 11, 13, 15, 17]);
    }

    #[test]
    fn a_run_settles_when_all_have_come_and_gone() {
        let coming = plan("settle = '10s'\n[client.bob]\ncomes = '100s'\nmessages = 0");
        assert_eq!(coming.ends_at(), seconds(110));
        let leaving = plan("settle = '10s'\n[client.bob]\nleaves = '200s'");
        assert_eq!(leaving.ends_at(), seconds(210));
    }

    #[test]
    fn nobody_leaves_before_coming() {
        let wrong = "by [client.bob], a client may leave before it has come";
        assert_eq!(
            bad("client.bob = { comes = '5s..9s', leaves = '9s' }"),
            [wrong]
        );
        let shared = "clients.comes = '9s'\nclient.bob.leaves = '5s'";
        assert_eq!(bad(shared), [wrong]);
        let all = "clients = { comes = '9s', leaves = '8s' }";
        assert_eq!(
            bad(all),
            ["by [clients], a client may leave before it has come"]
        );
    }

    #[test]
    fn nobody_says_a_line_while_away() {
        let line = |stay: &str, at: &str| {
            bad(&format!(
                "client.bob = {{ {stay} }}\n[[message]]\nfrom = 'bob'\nat = '{at}'\nto = 'lobby'"
            ))
        };
        let wrong = ["`bob` is not there then"];
        assert_eq!(line("comes = '5s..9s'", "4s"), wrong);
        assert_eq!(line("leaves = '5s..9s'", "9s"), wrong);
        assert!(line("comes = '5s..9s'", "1s..5s").is_empty());
        assert!(line("leaves = '5s..9s'", "8999ms").is_empty());
    }
}
