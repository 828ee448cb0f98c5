//! The system under test: the seam at which your own system takes the place of ours.
//!
//! A [`System`] is what a scenario file says about it, and in a plan the same with nothing left
//! open. Everything else in this crate holds it as a [`Subject`] and does not know what it is.

use crate::cast::Servers;
use crate::client::PlannedClient;
use crate::dice::Draw;
use crate::hostile::Manners;
use crate::site::Site;
use crate::text::{Problems, Table};
use crate::transport::Transport;
use serde::Serialize;
use serde::de::DeserializeOwned;
use squall_guarantees::{Bounds, Held, StoredMessage};
use std::fmt;

/// A system that can be put to the test, with the options that a scenario gives it.
pub trait System:
    Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What scenario files call it: `system = "chat"`.
    const NAME: &'static str;

    /// Whether its runs may share the caller's process: its programs never end that process, and
    /// leave nothing in static memory that a later run depends on. The command plays each run of
    /// any other system in a separate process.
    const SHARES_PROCESS: bool = false;

    /// Reads its own tables of a scenario file. Anything wrong in them becomes a problem, with a
    /// remedy.
    fn read(file: &mut Table<'_>, problems: &mut Problems) -> Self;

    /// The machines on the server's side that exist whatever the seed; in a plan, all of them.
    fn servers(&self) -> Servers;

    /// What carries the packets of a client that does not say so itself; none if the seed decides.
    fn transport(&self) -> Option<Transport> {
        Some(Transport::Websocket)
    }

    /// Decides what is open.
    fn draw(&self, draw: &mut Draw) -> Self;

    /// What it promises about time, by its own clocks. This method and all that follow are called
    /// on a plan.
    fn bounds(&self) -> Bounds;

    /// Builds the machines: the servers, and a client for each of [`Site::users`]. Their programs
    /// tell what they see to the site's [`Log`](crate::Log).
    fn build(&self, site: &mut Site<'_>);

    /// What is stored at the end. To be called inside the machine that stores what counts, whose
    /// process has been killed: [`Servers::keeper`].
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn stored(&self, clients: &[PlannedClient]) -> Result<Vec<StoredMessage>, String>;

    /// The rooms whose messages a client may receive at first, as they are called in the history.
    fn entitlements(&self, client: &PlannedClient) -> Vec<String>;

    /// Whether a client's unsent messages outlive its program.
    fn keeps_outboxes(&self) -> bool {
        false
    }

    /// How many unfinished messages a client has on its disk; none if it keeps none there, or the
    /// disk cannot be read. To be called inside the client's machine, whose process has been
    /// killed.
    fn unsent(&self) -> Option<u64> {
        None
    }

    /// What is kept in addition to what is stored, for clients that may come back. To be called
    /// like [`System::stored`].
    fn kept(&self) -> Vec<(Held, u64)> {
        Vec::new()
    }

    /// How a hostile peer with this name can break the rules: it may hear these rooms.
    fn manners(&self, _name: &str, _rooms: &[String]) -> Manners {
        Manners::default()
    }
}

/// Any [`System`]. Implemented for each.
pub trait Subject: fmt::Debug + Send + Sync {
    /// [`System::NAME`].
    fn name(&self) -> &'static str;
    /// [`System::SHARES_PROCESS`].
    fn shares_process(&self) -> bool;
    /// [`System::servers`].
    fn servers(&self) -> Servers;
    /// [`System::transport`].
    fn transport(&self) -> Option<Transport>;
    /// [`System::draw`].
    fn draw(&self, draw: &mut Draw) -> Box<dyn Subject>;
    /// [`System::bounds`].
    fn bounds(&self) -> Bounds;
    /// [`System::build`].
    fn build(&self, site: &mut Site<'_>);
    /// [`System::stored`].
    ///
    /// # Errors
    /// Like [`System::stored`].
    fn stored(&self, clients: &[PlannedClient]) -> Result<Vec<StoredMessage>, String>;
    /// [`System::entitlements`].
    fn entitlements(&self, client: &PlannedClient) -> Vec<String>;
    /// [`System::keeps_outboxes`].
    fn keeps_outboxes(&self) -> bool;
    /// [`System::unsent`].
    fn unsent(&self) -> Option<u64>;
    /// [`System::kept`].
    fn kept(&self) -> Vec<(Held, u64)>;
    /// [`System::manners`].
    fn manners(&self, name: &str, rooms: &[String]) -> Manners;
    /// Its options, as a plan's file has them.
    ///
    /// # Errors
    /// If TOML cannot hold them.
    fn written(&self) -> Result<toml::Value, toml::ser::Error>;
    /// A copy.
    fn copied(&self) -> Box<dyn Subject>;
}

impl<S: System> Subject for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn shares_process(&self) -> bool {
        S::SHARES_PROCESS
    }

    fn servers(&self) -> Servers {
        System::servers(self)
    }

    fn transport(&self) -> Option<Transport> {
        System::transport(self)
    }

    fn draw(&self, draw: &mut Draw) -> Box<dyn Subject> {
        Box::new(System::draw(self, draw))
    }

    fn bounds(&self) -> Bounds {
        System::bounds(self)
    }

    fn build(&self, site: &mut Site<'_>) {
        System::build(self, site);
    }

    fn stored(&self, clients: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
        System::stored(self, clients)
    }

    fn entitlements(&self, client: &PlannedClient) -> Vec<String> {
        System::entitlements(self, client)
    }

    fn keeps_outboxes(&self) -> bool {
        System::keeps_outboxes(self)
    }

    fn unsent(&self) -> Option<u64> {
        System::unsent(self)
    }

    fn kept(&self) -> Vec<(Held, u64)> {
        System::kept(self)
    }

    fn manners(&self, name: &str, rooms: &[String]) -> Manners {
        System::manners(self, name, rooms)
    }

    fn written(&self) -> Result<toml::Value, toml::ser::Error> {
        toml::Value::try_from(self)
    }

    fn copied(&self) -> Box<dyn Subject> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Subject> {
    fn clone(&self) -> Self {
        (**self).copied()
    }
}

/// A system that scenario files can name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&mut Table<'_>, &mut Problems) -> Box<dyn Subject>,
    /// Reads what [`Subject::written`] wrote.
    pub(crate) revive: fn(toml::Value) -> Result<Box<dyn Subject>, toml::de::Error>,
}

impl Known {
    /// This system.
    pub const fn of<S: System>() -> Self {
        Known {
            name: S::NAME,
            read: |file, problems| Box::new(S::read(file, problems)),
            revive: |options| Ok(Box::new(options.try_into::<S>()?)),
        }
    }

    /// What scenario files call it.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// The systems that scenario files can name; the first is the default.
pub type Systems = [Known];
