//! The chat as a system that can be put to the test.

use super::{Chat, manners, play, read, servers};
use squall::text::{Problems, Table};
use squall::{Draw, Manners, PlannedClient, Servers, Site, System, Transport};
use squall_guarantees::{Bounds, Held, StoredMessage};
use squall_planted::{EVERYBODY, full_name, room_of};

impl System for Chat {
    const NAME: &'static str = "chat";
    const SHARES_PROCESS: bool = true;

    fn read(file: &mut Table<'_>, problems: &mut Problems) -> Self {
        read(file, problems)
    }

    fn servers(&self) -> Servers {
        self.servers()
    }

    fn transport(&self) -> Option<Transport> {
        self.transport
    }

    fn draw(&self, draw: &mut Draw) -> Self {
        self.draw(draw)
    }

    fn bounds(&self) -> Bounds {
        self.bounds()
    }

    fn build(&self, site: &mut Site<'_>) {
        servers::build(self, site);
        play::build(self, site);
    }

    fn stored(&self, _clients: &[PlannedClient]) -> Result<Vec<StoredMessage>, String> {
        servers::stored(self)
    }

    /// Its own, that of all users, and the one in which it is alone.
    fn entitlements(&self, client: &PlannedClient) -> Vec<String> {
        let own = [EVERYBODY.to_owned(), room_of(client.user())];
        let rooms = client.rooms.iter().cloned().chain(own);
        rooms
            .map(|room| full_name(&client.namespace, &room))
            .collect()
    }

    fn keeps_outboxes(&self) -> bool {
        self.outbox_on_disk
    }

    fn unsent(&self) -> Option<u64> {
        play::unsent()
    }

    fn kept(&self) -> Vec<(Held, u64)> {
        servers::kept()
    }

    fn manners(&self, name: &str, rooms: &[String]) -> Manners {
        Manners {
            login: manners::login(name, rooms),
            phrases: manners::phrases(),
            rooms: vec![EVERYBODY.to_owned(), room_of(name)],
            hear: manners::deliveries,
        }
    }
}
