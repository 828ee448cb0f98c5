//! Streams and texts, and the file in which they are.

use crate::protocol::{Reply, read_request, request};
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is kept.
pub struct Store {
    file: File,
    streams: BTreeMap<Vec<u8>, Vec<Entry>>,
    texts: BTreeMap<Vec<u8>, Text>,
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Both numbers of its id.
    pub id: (u64, u64),
    /// Names and values, alternately.
    pub fields: Vec<Vec<u8>>,
}

struct Text {
    value: Vec<u8>,
    /// In milliseconds since the Unix epoch.
    expires_at: Option<u64>,
}

/// What may be asked of a text.
#[derive(Default)]
struct Conditions {
    expires_at: Option<u64>,
    must_exist: bool,
    must_not_exist: bool,
}

const OUT_OF_ORDER: &str =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";
const SYNTAX: &str = "ERR syntax error";
const NO_INTEGER: &str = "ERR value is not an integer or out of range";

impl Store {
    /// Opens the file, creating it if there is none. What was being written when the power failed
    /// was never answered, and is cut off.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut store = Self {
            file,
            streams: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut whole = 0;
        let mut rest = &*bytes;
        while let Some(change) = next(&mut rest) {
            let words: Vec<&[u8]> = change.iter().map(Vec::as_slice).collect();
            store.apply(&words);
            whole = bytes.len() - rest.len();
        }
        store.file.set_len(whole as u64)?;
        store.file.sync_all()?;
        // Or its name is lost with the power.
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(store)
    }

    /// The entries of a stream.
    pub fn entries(&self, stream: &str) -> &[Entry] {
        self.streams
            .get(stream.as_bytes())
            .map_or(&[], Vec::as_slice)
    }

    /// Carries out a request. An error is one of the disk.
    pub(crate) fn carry_out(
        &mut self,
        words: &[&[u8]],
        told: &dyn Fn(&Entry),
    ) -> io::Result<Reply> {
        let now = now();
        self.texts
            .retain(|_, text| text.expires_at.is_none_or(|at| now < at));
        let Some((name, rest)) = words.split_first() else {
            return Ok(Reply::error("ERR empty request"));
        };
        Ok(match (&*name.to_ascii_uppercase(), rest) {
            (b"XADD", [stream, id, fields @ ..]) => return self.add(stream, id, fields, told),
            (b"XRANGE", [stream, first, last, rest @ ..]) => {
                self.range(stream, (first, last), rest, false)
            }
            (b"XREVRANGE", [stream, last, first, rest @ ..]) => {
                self.range(stream, (first, last), rest, true)
            }
            (b"GET", [key]) => self.get(key),
            (b"SET", [key, value, rest @ ..]) => {
                return self.set(key, value, conditions(rest, now));
            }
            (b"PSETEX", [key, lasts, value]) => {
                let conditions = conditions(&[b"PX", lasts], now);
                return self.set(key, value, conditions);
            }
            (b"RENAME", [from, to]) => {
                if !self.texts.contains_key(*from) {
                    return Ok(Reply::error("ERR no such key"));
                }
                self.change(&[b"RENAME", from, to])?;
                Reply::Simple("OK")
            }
            (b"DEL", [key]) => {
                let there = self.texts.contains_key(*key);
                if there {
                    self.change(&[b"DEL", key])?;
                }
                Reply::count(there.into())
            }
            (b"INCRBY", [key, by]) => {
                let value = match self.texts.get(*key) {
                    Some(text) => number(&text.value),
                    None => Some(0),
                };
                let Some(sum) = value
                    .zip(number(by))
                    .and_then(|(value, by)| i64::checked_add(value, by))
                else {
                    return Ok(Reply::error(NO_INTEGER));
                };
                let expires_at = self.texts.get(*key).and_then(|text| text.expires_at);
                self.put(key, sum.to_string().as_bytes(), expires_at)?;
                Reply::Integer(sum)
            }
            (b"PEXPIRE", [key, lasts]) => {
                let Some(lasts) = number(lasts).and_then(|lasts| u64::try_from(lasts).ok()) else {
                    return Ok(Reply::error(NO_INTEGER));
                };
                let there = self.texts.contains_key(*key);
                if there {
                    let at = now.saturating_add(lasts).to_string();
                    self.change(&[b"PEXPIREAT", key, at.as_bytes()])?;
                }
                Reply::count(there.into())
            }
            _ => {
                let name = String::from_utf8_lossy(name);
                Reply::Error(format!(
                    "ERR unknown command '{name}', with args beginning with: "
                ))
            }
        })
    }

    fn add(
        &mut self,
        stream: &[u8],
        id: &[u8],
        fields: &[&[u8]],
        told: &dyn Fn(&Entry),
    ) -> io::Result<Reply> {
        if fields.is_empty() || !fields.len().is_multiple_of(2) {
            return Ok(Reply::error(
                "ERR wrong number of arguments for 'xadd' command",
            ));
        }
        let Some(id) = entry_id(id, 0) else {
            return Ok(Reply::error(
                "ERR Invalid stream ID specified as stream command argument",
            ));
        };
        let last = self.streams.get(stream).and_then(|entries| entries.last());
        if last.is_some_and(|last| id <= last.id) {
            return Ok(Reply::error(OUT_OF_ORDER));
        }
        let written = format!("{}-{}", id.0, id.1);
        let mut words: Vec<&[u8]> = vec![b"XADD", stream, written.as_bytes()];
        words.extend(fields);
        self.change(&words)?;
        if let Some(entry) = self.streams.get(stream).and_then(|entries| entries.last()) {
            told(entry);
        }
        Ok(Reply::bulk(written))
    }

    fn range(
        &self,
        stream: &[u8],
        (first, last): (&[u8], &[u8]),
        rest: &[&[u8]],
        backwards: bool,
    ) -> Reply {
        let bound = |bound: &[u8], open: &[u8], all: (u64, u64), rest: u64| match bound == open {
            true => Some(all),
            false => entry_id(bound, rest),
        };
        let first = bound(first, b"-", (0, 0), 0);
        let last = bound(last, b"+", (u64::MAX, u64::MAX), u64::MAX);
        let (Some(first), Some(last)) = (first, last) else {
            return Reply::error("ERR Invalid stream ID specified as stream command argument");
        };
        let most = match rest {
            [] => usize::MAX,
            [word, count] if word.eq_ignore_ascii_case(b"COUNT") => match number(count) {
                Some(count) => usize::try_from(count).unwrap_or_default(),
                None => return Reply::error(NO_INTEGER),
            },
            _ => return Reply::error(SYNTAX),
        };
        let entries = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let from = entries.partition_point(|entry| entry.id < first);
        let upto = entries.partition_point(|entry| entry.id <= last).max(from);
        let reply = |entry: &Entry| {
            let id = format!("{}-{}", entry.id.0, entry.id.1);
            let fields = entry.fields.iter().map(Reply::bulk).collect();
            Reply::Array(vec![Reply::bulk(id), Reply::Array(fields)])
        };
        let there = entries[from..upto].iter();
        Reply::Array(match backwards {
            true => there.rev().take(most).map(reply).collect(),
            false => there.take(most).map(reply).collect(),
        })
    }

    fn get(&self, key: &[u8]) -> Reply {
        let text = self.texts.get(key);
        text.map_or(Reply::Null, |text| Reply::bulk(&text.value))
    }

    fn set(
        &mut self,
        key: &[u8],
        value: &[u8],
        conditions: Result<Conditions, &str>,
    ) -> io::Result<Reply> {
        let conditions = match conditions {
            Ok(conditions) => conditions,
            Err(wrong) => return Ok(Reply::error(wrong)),
        };
        let there = self.texts.contains_key(key);
        if (conditions.must_exist && !there) || (conditions.must_not_exist && there) {
            return Ok(Reply::Null);
        }
        self.put(key, value, conditions.expires_at)?;
        Ok(Reply::Simple("OK"))
    }

    fn put(&mut self, key: &[u8], value: &[u8], expires_at: Option<u64>) -> io::Result<()> {
        match expires_at {
            None => self.change(&[b"SET", key, value]),
            Some(at) => self.change(&[b"SET", key, value, b"PXAT", at.to_string().as_bytes()]),
        }
    }

    /// Changes something: first on the disk.
    fn change(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.file.write_all(&request(words))?;
        self.file.sync_data()?;
        self.apply(words);
        Ok(())
    }

    /// Changes something in memory, as the file says.
    fn apply(&mut self, words: &[&[u8]]) {
        match words {
            [b"XADD", stream, id, fields @ ..] => {
                let Some(id) = entry_id(id, 0) else { return };
                let fields = fields.iter().map(|field| field.to_vec()).collect();
                self.streams
                    .entry(stream.to_vec())
                    .or_default()
                    .push(Entry { id, fields });
            }
            [b"SET", key, value, rest @ ..] => {
                let expires_at = rest
                    .last()
                    .and_then(|at| str::from_utf8(at).ok()?.parse().ok());
                let value = value.to_vec();
                self.texts.insert(key.to_vec(), Text { value, expires_at });
            }
            [b"PEXPIREAT", key, at] => {
                if let Some(text) = self.texts.get_mut(*key) {
                    text.expires_at = str::from_utf8(at).ok().and_then(|at| at.parse().ok());
                }
            }
            [b"RENAME", from, to] => {
                if let Some(text) = self.texts.remove(*from) {
                    self.texts.insert(to.to_vec(), text);
                }
            }
            [b"DEL", key] => drop(self.texts.remove(*key)),
            _ => {}
        }
    }
}

/// The next whole request of a file.
fn next(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reading = *rest;
    // Bytes in memory are there at once.
    let request = read_request(&mut reading).now_or_never()?.ok()?;
    *rest = reading;
    Some(request)
}

fn conditions(words: &[&[u8]], now: u64) -> Result<Conditions, &'static str> {
    let mut conditions = Conditions::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match &*word.to_ascii_uppercase() {
            b"XX" => conditions.must_exist = true,
            b"NX" => conditions.must_not_exist = true,
            b"PX" => {
                let lasts = number(words.next().ok_or(SYNTAX)?).ok_or(NO_INTEGER)?;
                let lasts = u64::try_from(lasts).map_err(|_| NO_INTEGER)?;
                conditions.expires_at = Some(now.saturating_add(lasts));
            }
            _ => return Err(SYNTAX),
        }
    }
    Ok(conditions)
}

/// `7-1`, or `7`, whose second number is this one then.
fn entry_id(text: &[u8], rest: u64) -> Option<(u64, u64)> {
    let text = str::from_utf8(text).ok()?;
    match text.split_once('-') {
        Some((first, second)) => Some((first.parse().ok()?, second.parse().ok()?)),
        None => Some((text.parse().ok()?, rest)),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn now() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
