//! Pipes: bytes from one descriptor to another of the same machine.

use super::happens;
use crate::Log;
use std::io::{self, IoSlice, IoSliceMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{self, Receiver, Sender};

cases!("pipe":
    bytes_go_one_way,
    nothing_is_read_from_an_empty_pipe,
    the_end_is_read_after_the_bytes,
    writing_without_a_reader,
    a_large_write_is_cut,
    a_small_write_is_done_as_a_whole_or_not_at_all,
    a_writer_waits_until_there_is_room,
    a_reader_is_told_of_the_end,
    a_writer_is_told_that_nobody_reads,
    several_buffers_at_once,
    a_pipe_is_no_socket_and_knows_its_ends,
);

/// A pipe that tokio knows to be writable.
async fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = pipe::pipe()?;
    sender.writable().await?;
    Ok((sender, receiver))
}

async fn bytes_go_one_way(log: Log) -> io::Result<()> {
    let (mut sender, mut receiver) = pipe().await?;
    sender.write_all(b"one way").await?;
    let mut buffer = [0; 4];
    for _ in 0..2 {
        let read = receiver.read(&mut buffer).await?;
        log.value("read", &buffer[..read]);
    }
    Ok(())
}

async fn nothing_is_read_from_an_empty_pipe(log: Log) -> io::Result<()> {
    let (_sender, mut receiver) = pipe().await?;
    log.result("try", receiver.try_read(&mut [0; 4]));
    log.value("read", happens(receiver.read(&mut [0; 4])).await);
    Ok(())
}

async fn the_end_is_read_after_the_bytes(log: Log) -> io::Result<()> {
    let (mut sender, mut receiver) = pipe().await?;
    sender.write_all(b"last").await?;
    drop(sender);
    for _ in 0..3 {
        log.result("read", receiver.read(&mut [0; 8]).await);
    }
    Ok(())
}

async fn writing_without_a_reader(log: Log) -> io::Result<()> {
    let (sender, receiver) = pipe().await?;
    drop(receiver);
    log.result("write", sender.try_write(b"anybody?"));
    log.result("write nothing", sender.try_write(b""));
    Ok(())
}

async fn a_large_write_is_cut(log: Log) -> io::Result<()> {
    let (sender, mut receiver) = pipe().await?;
    log.result("write", sender.try_write(&[7; 100_000]));
    log.result("write", sender.try_write(b"more"));
    drop(sender);
    log.result("read", receiver.read_to_end(&mut Vec::new()).await);
    Ok(())
}

async fn a_small_write_is_done_as_a_whole_or_not_at_all(log: Log) -> io::Result<()> {
    let (sender, _receiver) = pipe().await?;
    log.result("write", sender.try_write(&[7; 65_536 - 96]));
    log.result("too much", sender.try_write(&[7; 97]));
    log.result("just enough", sender.try_write(&[7; 96]));
    Ok(())
}

/// Writes until there is no room.
fn fill(sender: &Sender) -> io::Result<usize> {
    let mut written = 0;
    loop {
        match sender.try_write(&[7; 4096]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(written),
            Err(error) => return Err(error),
        }
    }
}

async fn a_writer_waits_until_there_is_room(log: Log) -> io::Result<()> {
    let (sender, mut receiver) = pipe().await?;
    log.result("written", fill(&sender));
    log.value("writable", happens(sender.writable()).await);
    receiver.read_exact(&mut [0; 4000]).await?;
    log.value("writable", happens(sender.writable()).await);
    receiver.read_exact(&mut [0; 96]).await?;
    log.value("writable", happens(sender.writable()).await);
    log.result("written", fill(&sender));
    Ok(())
}

async fn a_reader_is_told_of_the_end(log: Log) -> io::Result<()> {
    let (sender, receiver) = pipe().await?;
    drop(sender);
    let ready = receiver.ready(tokio::io::Interest::READABLE).await?;
    log.value("ready", (ready.is_readable(), ready.is_read_closed()));
    Ok(())
}

async fn a_writer_is_told_that_nobody_reads(log: Log) -> io::Result<()> {
    let (sender, receiver) = pipe().await?;
    fill(&sender)?;
    drop(receiver);
    let ready = sender.ready(tokio::io::Interest::WRITABLE).await?;
    log.value("ready", (ready.is_writable(), ready.is_write_closed()));
    log.result("write", sender.try_write(b"anybody?"));
    Ok(())
}

async fn several_buffers_at_once(log: Log) -> io::Result<()> {
    let (sender, receiver) = pipe().await?;
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    log.result("write", sender.try_write_vectored(&parts));
    receiver.readable().await?;
    let (mut first, mut second) = ([0; 2], [0; 8]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    log.result("read", receiver.try_read_vectored(&mut parts));
    log.value("first", first);
    log.value("second", second);
    Ok(())
}

async fn a_pipe_is_no_socket_and_knows_its_ends(log: Log) -> io::Result<()> {
    let (sender, receiver) = pipe().await?;
    log.success("SO_TYPE", socket2::SockRef::from(&sender).r#type());
    let (sender, receiver) = (
        sender.into_nonblocking_fd()?,
        receiver.into_nonblocking_fd()?,
    );
    log.success(
        "read from the end to write to",
        io::Read::read(&mut file(&sender)?, &mut [0]),
    );
    log.success(
        "write to the end to read from",
        io::Write::write(&mut file(&receiver)?, b"x"),
    );
    log.success("sender", Sender::from_owned_fd_unchecked(sender));
    log.success("receiver", Receiver::from_owned_fd_unchecked(receiver));
    Ok(())
}

fn file(fd: &std::os::fd::OwnedFd) -> io::Result<std::fs::File> {
    fd.try_clone().map(Into::into)
}
