//! Bytes through a connection.

use super::{fill, pair, settle};
use crate::Log;
use std::io::{self, IoSlice, IoSliceMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

cases!("stream":
    bytes_arrive_in_order_and_once,
    a_read_takes_what_there_is,
    a_small_buffer_leaves_the_rest,
    reading_when_there_is_nothing,
    peeking_leaves_the_bytes,
    peeking_waits_for_bytes,
    peeking_at_the_end_of_the_stream,
    a_read_of_no_bytes,
    a_write_of_no_bytes,
    a_vectored_write_is_one_stream,
    a_vectored_read_fills_one_buffer_after_the_other,
    a_vectored_read_of_fewer_bytes_than_asked_for,
    a_writer_is_stopped_by_a_reader_that_does_not_read,
    a_stopped_writer_goes_on_when_the_reader_does,
    a_slow_reader_receives_everything,
    a_megabyte_each_way_at_the_same_time,
    the_halves_of_a_borrowed_stream,
    the_halves_of_an_owned_stream,
    dropping_the_write_half_ends_the_stream,
    halves_are_reunited,
    small_writes_without_delay,
    copying_both_ways,
);

async fn bytes_arrive_in_order_and_once(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    for round in 0..100_u32 {
        client.write_u32(round).await?;
    }
    client.shutdown().await?;
    let mut bytes = Vec::new();
    log.result("read", server.read_to_end(&mut bytes).await);
    let expected: Vec<u8> = (0..100_u32).flat_map(u32::to_be_bytes).collect();
    log.value("as sent", bytes == expected);
    Ok(())
}

async fn a_read_takes_what_there_is(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"hello").await?;
    let mut buffer = [0; 100];
    log.result("read", server.read(&mut buffer).await);
    client.write_all(b"a").await?;
    client.write_all(b"b").await?;
    settle().await;
    log.result("read two writes", server.read(&mut buffer).await);
    Ok(())
}

async fn a_small_buffer_leaves_the_rest(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"hello").await?;
    let mut buffer = [0; 3];
    for _ in 0..2 {
        let read = server.read(&mut buffer).await?;
        log.value("read", String::from_utf8_lossy(&buffer[..read]));
    }
    Ok(())
}

async fn reading_when_there_is_nothing(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    log.result("server", server.try_read(&mut [0; 8]));
    log.result("client", client.try_read(&mut [0; 8]));
    log.result(
        "vectored",
        client.try_read_vectored(&mut [IoSliceMut::new(&mut [0; 8])]),
    );
    Ok(())
}

async fn peeking_leaves_the_bytes(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"hello").await?;
    let mut buffer = [0; 8];
    super::settle().await;
    log.result("peek at two", server.peek(&mut buffer[..2]).await);
    log.result("peek at all", server.peek(&mut buffer).await);
    log.result("read", server.read(&mut buffer).await);
    log.value("bytes", String::from_utf8_lossy(&buffer[..5]));
    log.result("read again", server.try_read(&mut buffer));
    Ok(())
}

async fn peeking_waits_for_bytes(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    log.value("at once", super::happens(server.peek(&mut [0; 8])).await);
    client.write_all(b"hello").await?;
    log.result("later", server.peek(&mut [0; 8]).await);
    Ok(())
}

async fn peeking_at_the_end_of_the_stream(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    drop(client);
    log.result("peek", server.peek(&mut [0; 8]).await);
    log.result("read", server.read(&mut [0; 8]).await);
    Ok(())
}

async fn a_read_of_no_bytes(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    log.result("when there is nothing", server.try_read(&mut []));
    client.write_all(b"hello").await?;
    super::settle().await;
    log.result("when there is something", server.try_read(&mut []));
    log.result("which stays", server.try_read(&mut [0; 8]));
    client.shutdown().await?;
    super::settle().await;
    log.result("at the end", server.try_read(&mut []));
    Ok(())
}

async fn a_write_of_no_bytes(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    log.result("write", client.try_write(&[]));
    log.result("vectored", client.try_write_vectored(&[]));
    log.value("anything to read", super::happens(server.readable()).await);
    Ok(())
}

async fn a_vectored_write_is_one_stream(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let parts = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")];
    log.result("write", client.write_vectored(&parts).await);
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await?;
    log.value("bytes", String::from_utf8_lossy(&buffer));
    log.value(
        "tokio may use it",
        tokio::io::AsyncWrite::is_write_vectored(&client),
    );
    Ok(())
}

async fn a_vectored_read_fills_one_buffer_after_the_other(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"hello world").await?;
    super::settle().await;
    let (mut first, mut empty, mut second) = ([0; 4], [0; 0], [0; 4]);
    let read = server.try_read_vectored(&mut [
        IoSliceMut::new(&mut first),
        IoSliceMut::new(&mut empty),
        IoSliceMut::new(&mut second),
    ]);
    log.result("read", read);
    log.value("first", String::from_utf8_lossy(&first));
    log.value("second", String::from_utf8_lossy(&second));
    log.result("the rest", server.try_read(&mut [0; 8]));
    Ok(())
}

async fn a_vectored_read_of_fewer_bytes_than_asked_for(log: Log) -> io::Result<()> {
    let (mut client, server) = pair().await?;
    client.write_all(b"hello").await?;
    super::settle().await;
    let (mut first, mut second) = ([b'.'; 4], [b'.'; 4]);
    let read =
        server.try_read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]);
    log.result("read", read);
    log.value("second", String::from_utf8_lossy(&second));
    Ok(())
}

async fn a_writer_is_stopped_by_a_reader_that_does_not_read(log: Log) -> io::Result<()> {
    let (client, _server) = pair().await?;
    let written = fill(&client).await?;
    log.value("some was written", written > 10_000);
    log.result("write", client.try_write(b"more"));
    log.result("write nothing", client.try_write(b""));
    log.value("becomes writable", super::happens(client.writable()).await);
    Ok(())
}

async fn a_stopped_writer_goes_on_when_the_reader_does(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let written = fill(&client).await?;
    log.value("becomes writable", super::happens(client.writable()).await);
    let mut all = vec![0; written];
    log.value(
        "the reader has it all",
        server.read_exact(&mut all).await? == written,
    );
    log.success("writable", client.writable().await);
    log.result("write", client.try_write(b"more"));
    server.read_exact(&mut all[..4]).await?;
    log.value("read", String::from_utf8_lossy(&all[..4]));
    Ok(())
}

/// The bytes of a stream of this length.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31) >> 3) as u8).collect()
}

async fn a_slow_reader_receives_everything(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let sent = pattern(3_000_000);
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        client.write_all(&sent).await?;
        client.shutdown().await
    });
    // Long enough for the window to close and for its first probes.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let mut received = Vec::new();
    log.result("read", server.read_to_end(&mut received).await);
    log.value("as sent", received == expected);
    log.success("writer", writer.await?);
    Ok(())
}

async fn a_megabyte_each_way_at_the_same_time(log: Log) -> io::Result<()> {
    let (client, server) = pair().await?;
    let exchange = |stream: TcpStream| async move {
        let (mut reader, mut writer) = stream.into_split();
        let writing = tokio::spawn(async move {
            writer.write_all(&pattern(1_000_000)).await?;
            writer.shutdown().await
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await?;
        writing.await??;
        io::Result::Ok(received == pattern(1_000_000))
    };
    let server = tokio::spawn(exchange(server));
    log.result("client", exchange(client).await);
    log.result("server", server.await?);
    Ok(())
}

async fn the_halves_of_a_borrowed_stream(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let (mut reader, mut writer) = client.split();
    writer.write_all(b"ping").await?;
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).await?;
    server.write_all(&buffer).await?;
    log.result("read", reader.read_exact(&mut buffer).await);
    log.value("same peer", reader.peer_addr()? == writer.peer_addr()?);
    Ok(())
}

async fn the_halves_of_an_owned_stream(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (mut reader, mut writer) = client.into_split();
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        reader.read_to_string(&mut text).await.map(|_| text)
    });
    writer.write_all(b"ping").await?;
    server.read_exact(&mut [0; 4]).await?;
    server.write_all(b"pong").await?;
    drop(server);
    log.result("read", reading.await?);
    Ok(())
}

async fn dropping_the_write_half_ends_the_stream(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (mut reader, writer) = client.into_split();
    drop(writer);
    log.result("server reads", server.read(&mut [0; 8]).await);
    server.write_all(b"and yet").await?;
    log.result("client reads", reader.read(&mut [0; 8]).await);
    Ok(())
}

async fn halves_are_reunited(log: Log) -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (reader, writer) = client.into_split();
    let mut client = reader.reunite(writer).map_err(io::Error::other)?;
    client.write_all(b"whole").await?;
    log.result("read", server.read(&mut [0; 8]).await);
    Ok(())
}

async fn small_writes_without_delay(log: Log) -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.set_nodelay(true)?;
    for byte in 0..20 {
        client.write_u8(byte).await?;
        log.value("echoed", server.read_u8().await? == byte);
    }
    Ok(())
}

async fn copying_both_ways(log: Log) -> io::Result<()> {
    let ((mut left, mut a), (mut b, mut right)) = (pair().await?, pair().await?);
    let proxy = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut a, &mut b).await });
    left.write_all(b"there").await?;
    left.shutdown().await?;
    let mut text = String::new();
    log.result("right reads", right.read_to_string(&mut text).await);
    right.write_all(b"and back").await?;
    right.shutdown().await?;
    log.result("left reads", left.read_to_string(&mut text).await);
    log.value("text", text);
    log.result("copied", proxy.await?);
    Ok(())
}
