//! A double of Redis: as much of its protocol and of its lists as the queue needs. The real one is
//! another executable, which cannot be a machine.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Error, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

type Lists = HashMap<String, VecDeque<String>>;

/// The double: the body of its `main`.
pub fn redis() -> io::Result<()> {
    let lists = Arc::<Mutex<Lists>>::default();
    for stream in TcpListener::bind("0.0.0.0:6379")?.incoming() {
        let (stream, lists) = (stream?, Arc::clone(&lists));
        thread::spawn(move || attend(stream, &lists));
    }
    Ok(())
}

fn attend(stream: TcpStream, lists: &Mutex<Lists>) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let request = read(&mut requests)?;
        let answer = answer(&request, &mut lists.lock().unwrap());
        answers.write_all(answer.as_bytes())?;
    }
}

/// An array of bulk strings (RESP, "Sending commands to a Redis server").
fn read(stream: &mut impl BufRead) -> io::Result<Vec<String>> {
    let count = length(stream, '*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut bytes = vec![0; length(stream, '$')? + 2];
        stream.read_exact(&mut bytes)?;
        bytes.truncate(bytes.len() - 2);
        words.push(String::from_utf8(bytes).map_err(Error::other)?);
    }
    Ok(words)
}

fn length(stream: &mut impl BufRead, kind: char) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let length = line.trim_end().strip_prefix(kind);
    let length = length.and_then(|length| length.parse().ok());
    length.ok_or_else(|| Error::other(format!("`{line}` is no length")))
}

fn answer(request: &[String], lists: &mut Lists) -> String {
    let words: Vec<&str> = request.iter().map(|word| &**word).collect();
    let bulk = |value: Option<&String>| match value {
        Some(value) => format!("${}\r\n{value}\r\n", value.len()),
        None => "$-1\r\n".to_owned(),
    };
    match words[..] {
        ["RPUSH", list, value] => {
            let list = lists.entry(list.to_owned()).or_default();
            list.push_back(value.to_owned());
            format!(":{}\r\n", list.len())
        }
        ["LPOP", list] => bulk(lists.get_mut(list).and_then(VecDeque::pop_front).as_ref()),
        ["LINDEX", list, "0"] => bulk(lists.get(list).and_then(VecDeque::front)),
        ["LMOVE", from, to, "LEFT", "RIGHT"] => {
            let value = lists.get_mut(from).and_then(VecDeque::pop_front);
            let to = lists.entry(to.to_owned()).or_default();
            to.extend(value.clone());
            bulk(value.as_ref())
        }
        ["LREM", list, "1", value] => {
            let list = lists.entry(list.to_owned()).or_default();
            let place = list.iter().position(|it| it == value);
            let removed = place.and_then(|place| list.remove(place));
            format!(":{}\r\n", u8::from(removed.is_some()))
        }
        _ => format!("-ERR unknown command '{}'\r\n", words.join(" ")),
    }
}
