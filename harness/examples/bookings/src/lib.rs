//! Offices that write bookings into Postgres, again if no answer comes.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Config, NoTls};

mod double;

pub use double::postgres;

/// How an office writes a booking down.
#[derive(Clone, Copy)]
pub enum Writing {
    /// Under its number, which is a key.
    UnderKey,
    /// As first written: as a further row.
    AsRow,
}

/// An office: ten bookings, one a second.
pub async fn office(postgres: SocketAddr, me: usize, writing: Writing) {
    for number in 0..10 {
        let booking = (10 * me + number) as i64;
        squall_observe::sent("booking", booking);
        while write(postgres, booking, writing).await.is_err() {
            sleep(Duration::from_millis(500)).await;
        }
        squall_observe::acknowledged("booking", booking);
        sleep(Duration::from_secs(1)).await;
    }
}

async fn write(postgres: SocketAddr, booking: i64, writing: Writing) -> Result<(), Box<dyn Error>> {
    let insert = match writing {
        Writing::UnderKey => "INSERT INTO bookings VALUES ($1) ON CONFLICT DO NOTHING",
        Writing::AsRow => "INSERT INTO bookings VALUES ($1)",
    };
    let written = async {
        let mut config = Config::new();
        let config = config.user("office").hostaddr(postgres.ip());
        let (client, connection) = config.port(postgres.port()).connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let written = client.execute(insert, &[&booking]).await;
        connection.abort();
        written
    };
    timeout(Duration::from_secs(2), written).await??;
    Ok(())
}
