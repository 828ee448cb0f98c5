//! Seats of a theatre over gRPC: each visitor is assigned one. Nothing here knows of Squall: what
//! happens is in the events that are given to `tracing`.

use rpc::seats_client::SeatsClient;
use rpc::seats_server::{Seats, SeatsServer};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::sleep;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tracing::{info, info_span};

mod rpc {
    include!(concat!(env!("OUT_DIR"), "/theatre.Seats.rs"));
}

/// Who wants a seat.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Visitor {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The seat that is assigned.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Seat {
    #[prost(uint32, tag = "1")]
    pub number: u32,
}

/// What the server does when a visitor asks again.
#[derive(Clone, Copy)]
pub enum AskedAgain {
    /// The visitor keeps the seat.
    Same,
    /// As first written: the next free one.
    Next,
}

struct Theatre {
    asked_again: AskedAgain,
    /// The seats that are taken, and the last of them.
    taken: Mutex<(HashMap<String, u32>, u32)>,
}

#[tonic::async_trait]
impl Seats for Theatre {
    async fn assign(&self, request: Request<Visitor>) -> Result<Response<Seat>, Status> {
        let visitor = request.into_inner().name;
        let _span = info_span!("assign", visitor).entered();
        let (taken, last) = &mut *self.taken.lock().unwrap();
        if let (Some(&number), AskedAgain::Same) = (taken.get(&visitor), self.asked_again) {
            return Ok(Response::new(Seat { number }));
        }
        *last += 1;
        taken.insert(visitor, *last);
        info!(seat = *last, "seat assigned");
        Ok(Response::new(Seat { number: *last }))
    }
}

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server(asked_again: AskedAgain) -> Result<(), tonic::transport::Error> {
    let theatre = Theatre {
        asked_again,
        taken: Mutex::default(),
    };
    let address = "0.0.0.0:50051".parse().expect("it is an address");
    let seats = SeatsServer::new(theatre);
    Server::builder().add_service(seats).serve(address).await
}

/// The client: ten visitors, one a second, each of whom asks until there is an answer.
pub async fn client(server: SocketAddr, me: usize) -> Result<(), tonic::transport::Error> {
    let channel = Endpoint::from_shared(format!("http://{server}"))?
        .connect_timeout(Duration::from_secs(1))
        .timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(2))
        .connect_lazy();
    let mut seats = SeatsClient::new(channel);
    for number in 1..=10 {
        let visitor = format!("{me}/{number}");
        info!(visitor, "asking for a seat");
        let name = visitor.clone();
        let seat = loop {
            match seats.assign(Visitor { name: name.clone() }).await {
                Ok(answer) => break answer.into_inner().number,
                Err(_) => sleep(Duration::from_millis(500)).await,
            }
        };
        info!(visitor, seat, "got a seat");
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
