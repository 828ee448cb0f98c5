//! A server to try a Socket.IO client or a protocol suite on, with and without recovery:
//!
//! ```sh
//! cargo run --example protocol_server -- 127.0.0.1:3000 memory   # or off, or the path of a file
//! ```

mod server;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use squall_recovery::{Memory, Options, Recovery, Sqlite};
use std::error::Error;
use std::path::Path;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());
    let recovery = match arguments.next().as_deref() {
        None | Some("off") => Recovery::off(),
        Some("memory") => Recovery::new(Options::default(), Memory)?,
        Some(file) => Recovery::new(Options::default(), Sqlite::open(Path::new(file))?)?,
    };
    let service = TowerToHyperService::new(server::service(&recovery));
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (connection, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // A client that disconnects in the middle of a request is not worth reporting.
            served.with_upgrades().await.ok();
        });
    }
}
