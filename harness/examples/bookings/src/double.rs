//! A double of Postgres: as much of its protocol as the offices need (version 3.0, "Message
//! Formats"), and one table with one column. The real one is another executable, which cannot be a
//! machine.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The bookings, in memory and on the disk.
struct Table {
    known: Vec<i64>,
    file: File,
}

/// The double: the body of its `main`.
pub fn postgres() -> io::Result<()> {
    let mut open = OpenOptions::new();
    let mut file = open.create(true).append(true).read(true).open("/bookings")?;
    let mut stored = Vec::new();
    file.read_to_end(&mut stored)?;
    let (rows, _) = stored.as_chunks();
    let known = rows.iter().map(|row| i64::from_be_bytes(*row)).collect();
    let table = Arc::new(Mutex::new(Table { known, file }));
    for stream in TcpListener::bind("0.0.0.0:5432")?.incoming() {
        let (stream, table) = (stream?, Arc::clone(&table));
        thread::spawn(move || attend(stream, &table));
    }
    Ok(())
}

impl Table {
    fn insert(&mut self, booking: i64, once: bool) -> io::Result<bool> {
        if once && self.known.contains(&booking) {
            return Ok(false);
        }
        self.known.push(booking);
        self.file.write_all(&booking.to_be_bytes())?;
        self.file.sync_all()?;
        squall_observe::received("booking", booking);
        Ok(true)
    }
}

fn attend(mut stream: TcpStream, table: &Mutex<Table>) -> io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    body(&mut input)?;
    let welcome = [message(b'R', &0_i32.to_be_bytes()), ready()];
    stream.write_all(&welcome.concat())?;
    let (mut once, mut booking, mut answers) = (false, 0, Vec::new());
    loop {
        let mut kind = [0];
        input.read_exact(&mut kind)?;
        let body = body(&mut input)?;
        match kind[0] {
            b'P' => {
                once = String::from_utf8_lossy(&body).contains("ON CONFLICT DO NOTHING");
                answers.extend(message(b'1', &[]));
            }
            b'D' => {
                // One parameter, an int8, and no rows.
                answers.extend(message(b't', &[0, 1, 0, 0, 0, 20]));
                answers.extend(message(b'n', &[]));
            }
            b'B' => {
                booking = parameter(&body)?;
                answers.extend(message(b'2', &[]));
            }
            b'E' => {
                let rows = u8::from(table.lock().unwrap().insert(booking, once)?);
                answers.extend(message(b'C', format!("INSERT 0 {rows}\0").as_bytes()));
            }
            b'C' => answers.extend(message(b'3', &[])),
            b'S' => {
                answers.extend(ready());
                stream.write_all(&std::mem::take(&mut answers))?;
            }
            b'X' => return Ok(()),
            other => return Err(Error::other(format!("no message is called {}", other as char))),
        }
    }
}

/// What follows the kind of a message: its length, which counts itself, and so many bytes.
fn body(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length).checked_sub(4);
    let length = length.ok_or_else(|| Error::other("a message has a length"))?;
    let mut body = vec![0; length as usize];
    input.read_exact(&mut body)?;
    Ok(body)
}

/// The one value that a Bind message has: after two names, and the formats of the values, come
/// their number, and the length of the first.
fn parameter(bind: &[u8]) -> io::Result<i64> {
    let names = bind.splitn(3, |byte| *byte == 0).nth(2);
    let value = names.and_then(|rest| {
        let (formats, rest) = rest.split_first_chunk()?;
        let rest = rest.get(2 * usize::from(u16::from_be_bytes(*formats))..)?;
        rest.get(6..)?.first_chunk()
    });
    let value = value.ok_or_else(|| Error::other("there is a value"))?;
    Ok(i64::from_be_bytes(*value))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// In no transaction.
fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}
