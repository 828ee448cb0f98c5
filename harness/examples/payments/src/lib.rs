//! Payments over HTTP: an axum server that books them, and a client that retries when no answer
//! comes in time.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// What has been booked, by idempotency key.
type Booked = Arc<Mutex<HashSet<String>>>;

/// The server: the body of its `main`.
#[tokio::main]
pub async fn server() -> io::Result<()> {
    let app = Router::new()
        .route("/payments", post(pay))
        .with_state(Booked::default());
    axum::serve(TcpListener::bind("0.0.0.0:80").await?, app).await
}

async fn pay(State(booked): State<Booked>, headers: HeaderMap, payment: String) -> StatusCode {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    if key.is_none_or(|key| booked.lock().unwrap().insert(key.to_owned())) {
        squall_observe::received("payment", payment);
    }
    StatusCode::CREATED
}

/// The client: ten payments, one a second, each retried until it is confirmed.
pub async fn client(server: SocketAddr, me: usize, with_keys: bool) -> Result<(), reqwest::Error> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()?;
    for number in 1..=10 {
        let payment = format!("{me}/{number}");
        squall_observe::sent("payment", &payment);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut request = http.post(format!("http://{server}/payments"));
            if with_keys {
                request = request.header("idempotency-key", &payment);
            }
            if let Ok(answer) = request.body(payment.clone()).send().await
                && answer.status() == StatusCode::CREATED.as_u16()
            {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        squall_observe::sometimes!(attempts > 1, "a payment is tried again");
        squall_observe::acknowledged("payment", &payment);
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
