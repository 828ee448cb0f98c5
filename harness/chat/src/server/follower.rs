//! A server's connection to the broker of its cluster: remade whenever it is lost.
//!
//! Reading and writing do not wait for each other: the broker, too, may be stuck with a write until
//! it is read from. While there is no broker, or, with an adapter that publishes, before there has
//! been one, no client is admitted (see [`Adapter`](crate::Adapter)): once the server knows, it
//! answers handshakes with 503.

use super::ServerEvent;
use super::exchange::Exchange;
use super::handlers::Shared;
use crate::cluster::{
    self, Adapter, BEAT, Cluster, Notice, PATIENCE, PAUSE, Receiver, Request, Sender,
};
use crate::storage::StorageError;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

impl Shared {
    /// Keeps this server part of its cluster, if it is in one, forever.
    pub(in crate::server) async fn follow(&self) -> Infallible {
        let Some(cluster) = &self.options.cluster else {
            return pending().await;
        };
        loop {
            let Err(error) = match cluster.adapter {
                Adapter::Redis => self.attend_redis(&cluster.broker).await,
                Adapter::Log | Adapter::PubSub => self.attend(cluster).await,
            };
            self.with(|exchange| exchange.cut_off());
            self.see_to_the_door();
            let reason = error.to_string();
            (self.observer)(ServerEvent::CutOff { reason });
            if cluster.adapter != Adapter::PubSub {
                self.let_go();
            }
            sleep(PAUSE).await;
        }
    }

    /// One connection to the broker, until it ends.
    async fn attend(&self, cluster: &Cluster) -> io::Result<Infallible> {
        let stream = timeout(PATIENCE, TcpStream::connect(&cluster.broker)).await??;
        let (notices, mut broker) = cluster::ends::<Notice, Request>(stream);
        let offset = match cluster.adapter {
            Adapter::Log => self.with(|exchange| exchange.highest()),
            Adapter::PubSub | Adapter::Redis => None,
        };
        broker.say(&Request::Follow { offset }).await?;
        let (requests, queue) = mpsc::unbounded_channel();
        let (never, _) = tokio::try_join!(self.listen(notices, requests), speak(broker, queue))?;
        match never {}
    }

    /// Listens to the broker. Once the server has what it has missed, its doors are opened.
    async fn listen(
        &self,
        mut notices: Receiver<Notice>,
        requests: mpsc::UnboundedSender<Request>,
    ) -> io::Result<Infallible> {
        let Notice::Welcome { highest } = notices.next().await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.try_to(|exchange| exchange.meet_broker(highest, requests))?;
        loop {
            self.see_to_the_door();
            self.heed(notices.next().await?)?;
        }
    }

    /// Handles what the broker says.
    pub(super) fn heed(&self, notice: Notice) -> io::Result<()> {
        self.try_to(|exchange| exchange.heed(notice))?;
        self.see_to_who_is_behind();
        Ok(())
    }

    /// Does something with the exchange that can fail with its database.
    pub(super) fn try_to<T>(
        &self,
        act: impl FnOnce(&mut Exchange) -> Result<T, StorageError>,
    ) -> io::Result<T> {
        let failed = || io::Error::other("the server's own database fails");
        self.attempt(act).ok_or_else(failed)
    }

    /// Nobody comes to the door of a server that would have to refuse everybody: Socket.IO's own
    /// clients take a refusal as final, and a closed door as a reason to try again.
    pub(super) fn see_to_the_door(&self) {
        let open = self.with(|exchange| exchange.is_open());
        self.lines.set_open(open == Some(true));
    }
}

/// Says what there is to say, or gives a sign of life.
async fn speak(
    mut broker: Sender<Request>,
    mut queue: mpsc::UnboundedReceiver<Request>,
) -> io::Result<Infallible> {
    loop {
        let request = match timeout(BEAT, queue.recv()).await {
            Ok(request) => request.ok_or(io::ErrorKind::BrokenPipe)?,
            Err(_) => Request::Beat,
        };
        broker.say(&request).await?;
    }
}
