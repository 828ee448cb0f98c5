//! Named Unix stream sockets: in the file system, and abstract.

use super::{Scratch, happens};
use crate::Log;
use nix::sys::socket::{UnixAddr, getpeername};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

cases!("unix-names":
    who_listens_is_found_by_a_path,
    nobody_listens,
    a_path_is_taken_until_it_is_removed,
    a_path_can_be_renamed,
    a_name_of_its_own,
    names_are_told,
    what_is_written_before_it_is_accepted,
    who_is_not_accepted_is_reset,
    nobody_to_accept,
    a_listener_is_readable_when_somebody_comes,
    tokio_connects_and_accepts,
    a_socket_is_a_kind_of_file,
    calls_in_the_wrong_order,
);

/// Whether an address has a path, an abstract name, or neither.
fn kind(address: io::Result<SocketAddr>, path: &Path) -> io::Result<&'static str> {
    let address = address?;
    Ok(match (address.as_pathname(), address.as_abstract_name()) {
        (Some(it), _) if it == path => "the path",
        (Some(_), _) => "another path",
        (None, Some(_)) => "a name of its own",
        (None, None) => "none",
    })
}

async fn who_listens_is_found_by_a_path(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = UnixListener::bind(scratch.at("s"))?;
    let mut client = UnixStream::connect(scratch.at("s"))?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"ask")?;
    let mut buffer = [0; 8];
    log.result("asked", server.read(&mut buffer));
    server.write_all(b"answer")?;
    log.result("answered", client.read(&mut buffer));
    drop(server);
    log.result("end", client.read(&mut buffer));
    log.result("write", client.write(b"x"));
    Ok(())
}

async fn nobody_listens(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.at("file"), b"")?;
    drop(UnixListener::bind(scratch.at("left"))?);
    for name in ["none", "file", "left", "none/below", "file/below"] {
        log.success(name, UnixStream::connect(scratch.at(name)));
    }
    let nameless = SocketAddr::from_abstract_name(b"squall-parity-nobody")?;
    log.success("a name", UnixStream::connect_addr(&nameless));
    Ok(())
}

async fn a_path_is_taken_until_it_is_removed(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.at("s");
    let listener = UnixListener::bind(&path)?;
    log.success("twice", UnixListener::bind(&path));
    drop(listener);
    log.success("after it is closed", UnixListener::bind(&path));
    fs::remove_file(&path)?;
    log.success("after it is removed", UnixListener::bind(&path));
    fs::write(scratch.at("file"), b"")?;
    log.success("where a file is", UnixListener::bind(scratch.at("file")));
    log.success(
        "where no directory is",
        UnixListener::bind(scratch.at("d/s")),
    );
    log.success("too long", UnixListener::bind(scratch.at("x".repeat(108))));
    Ok(())
}

async fn a_path_can_be_renamed(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let _listener = UnixListener::bind(scratch.at("s"))?;
    fs::rename(scratch.at("s"), scratch.at("t"))?;
    log.success("old", UnixStream::connect(scratch.at("s")));
    log.success("new", UnixStream::connect(scratch.at("t")));
    fs::hard_link(scratch.at("t"), scratch.at("u"))?;
    fs::remove_file(scratch.at("t"))?;
    log.success("another link", UnixStream::connect(scratch.at("u")));
    Ok(())
}

async fn a_name_of_its_own(log: Log) -> io::Result<()> {
    let name = format!("squall-parity-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name)?;
    let listener = UnixListener::bind_addr(&address)?;
    log.success("twice", UnixListener::bind_addr(&address));
    let client = UnixStream::connect_addr(&address)?;
    let (server, _) = listener.accept()?;
    let none = Path::new("");
    log.result("listener", kind(listener.local_addr(), none));
    log.result("server", kind(server.local_addr(), none));
    log.result("client's peer", kind(client.peer_addr(), none));
    drop((listener, server, client));
    log.success("after it is closed", UnixListener::bind_addr(&address));
    // A client's name, too, is free once the client is gone.
    let listener = UnixListener::bind_addr(&address)?;
    let own = format!("\0squall-parity-client-{}", std::process::id());
    for _ in 0..2 {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        log.success("bind a client", client.bind(&SockAddr::unix(&own)?));
        client.connect(&SockAddr::unix(format!(
            "\0squall-parity-{}",
            std::process::id()
        ))?)?;
        let (server, _) = listener.accept()?;
        log.result("its name", kind(server.peer_addr(), none));
    }
    Ok(())
}

async fn names_are_told(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.at("s");
    let listener = UnixListener::bind(&path)?;
    let client = UnixStream::connect(&path)?;
    let (server, peer) = listener.accept()?;
    log.result("listener", kind(listener.local_addr(), &path));
    log.result("accepted", kind(Ok(peer), &path));
    log.result("server", kind(server.local_addr(), &path));
    log.result("server's peer", kind(server.peer_addr(), &path));
    log.result("client", kind(client.local_addr(), &path));
    log.result("client's peer", kind(client.peer_addr(), &path));
    let alone = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    log.value("alone", getpeername::<UnixAddr>(alone.as_raw_fd()).err());
    Ok(())
}

async fn what_is_written_before_it_is_accepted(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = UnixListener::bind(scratch.at("s"))?;
    let mut client = UnixStream::connect(scratch.at("s"))?;
    log.result("write", client.write(b"early"));
    drop(client);
    let (mut server, _) = listener.accept()?;
    let mut text = String::new();
    log.result("read", server.read_to_string(&mut text));
    log.value("what", text);
    Ok(())
}

async fn who_is_not_accepted_is_reset(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = UnixListener::bind(scratch.at("s"))?;
    let mut client = UnixStream::connect(scratch.at("s"))?;
    drop(listener);
    log.result("read", client.read(&mut [0; 4]));
    log.result("again", client.read(&mut [0; 4]));
    log.result("write", client.write(b"x"));
    Ok(())
}

async fn nobody_to_accept(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = UnixListener::bind(scratch.at("s"))?;
    listener.set_nonblocking(true)?;
    log.success("accept", listener.accept());
    let waits = std::thread::spawn({
        let path = scratch.at("s");
        move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            UnixStream::connect(path)
        }
    });
    listener.set_nonblocking(false)?;
    log.success("waits", listener.accept());
    log.success("connected", waits.join().expect("it does not panic"));
    Ok(())
}

async fn a_listener_is_readable_when_somebody_comes(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = tokio::net::UnixListener::bind(scratch.at("s"))?;
    log.value("nobody", happens(listener.accept()).await);
    let _client = UnixStream::connect(scratch.at("s"))?;
    log.value("somebody", happens(listener.accept()).await);
    log.value("nobody else", happens(listener.accept()).await);
    Ok(())
}

async fn tokio_connects_and_accepts(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let listener = tokio::net::UnixListener::bind(scratch.at("s"))?;
    let connect = tokio::net::UnixStream::connect(scratch.at("s"));
    let (client, accepted) = tokio::join!(connect, listener.accept());
    let (mut client, (mut server, _)) = (client?, accepted?);
    client.write_all(&[7; 1000]).await?;
    client.shutdown().await?;
    let mut all = Vec::new();
    log.result("read", server.read_to_end(&mut all).await);
    server.write_all(b"back").await?;
    drop(server);
    let mut text = String::new();
    log.result("back", client.read_to_string(&mut text).await);
    Ok(())
}

async fn a_socket_is_a_kind_of_file(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let _listener = UnixListener::bind(scratch.at("s"))?;
    let kind = fs::metadata(scratch.at("s"))?.file_type();
    log.value("socket", kind.is_socket());
    log.success("open", File::open(scratch.at("s")));
    log.success("remove", fs::remove_file(scratch.at("s")));
    Ok(())
}

async fn calls_in_the_wrong_order(log: Log) -> io::Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.at("s");
    let socket = || Socket::new(Domain::UNIX, Type::STREAM, None);
    let one = socket()?;
    log.success("listen without a name", one.listen(1));
    log.success("accept", one.accept());
    log.result("write", one.send(b"x"));
    one.bind(&SockAddr::unix(&path)?)?;
    log.success("bind twice", one.bind(&SockAddr::unix(scratch.at("t"))?));
    log.result("listens", one.is_listener());
    one.listen(1)?;
    log.result("listens", one.is_listener());
    log.success("connect", one.connect(&SockAddr::unix(&path)?));
    let other = socket()?;
    other.connect(&SockAddr::unix(&path)?)?;
    log.success("connect twice", other.connect(&SockAddr::unix(&path)?));
    log.success("bind it", other.bind(&SockAddr::unix(scratch.at("u"))?));
    log.success("listen", other.listen(1));
    one.shutdown(std::net::Shutdown::Both)?;
    log.success(
        "connect to what is shut",
        socket()?.connect(&SockAddr::unix(&path)?),
    );
    let alone = socket()?;
    log.success("shut down", alone.shutdown(std::net::Shutdown::Both));
    Ok(())
}
