//! The way of a message as a ladder of text: a column for each place, a line for each station, 80
//! columns wide.

use crate::way::{DATABASE, Step, Way};
use crate::{PacketEnd, Record};
use squall_guarantees::seconds;

/// How wide a line is.
const WIDTH: usize = 80;

/// Where the first column begins: after the times.
const LEFT: usize = 14;

/// How many places have a column.
const PLACES_MAX: usize = 5;

/// The ladder, with a line that names the places. What happens at places without a column is left
/// out.
pub(crate) fn ladder(record: &Record, way: &Way<'_>) -> String {
    let places = places(record, way);
    let column = WIDTH.saturating_sub(LEFT) / places.len().max(1);
    let at = |name: &str| {
        let place = places.iter().position(|place| *place == name)?;
        Some(LEFT + column * place)
    };
    let mut text = String::new();
    let mut head = Line::default();
    for place in &places {
        let name: String = place.chars().take(column.saturating_sub(2)).collect();
        head.put(at(place).unwrap_or_default(), &name);
    }
    head.write(&mut text);
    for station in &way.stations {
        let Some(from) = at(station.place) else {
            continue;
        };
        let mut line = Line::default();
        places
            .iter()
            .filter_map(|place| at(place))
            .for_each(|it| line.put(it, "|"));
        line.put(0, &format!("{:>12}", seconds(station.at)));
        match &station.what {
            Step::Packet { to, end, .. } => {
                let Some(goal) = to.and_then(at).filter(|goal| *goal != from) else {
                    continue;
                };
                line.arrow(from, goal, *end);
            }
            what => line.put(from, &format!("{} {}", sign(what), what.in_short())),
        }
        line.write(&mut text);
    }
    text
}

/// The sender, those in between, the database, and those that handled the message or should have;
/// as many as there is room for.
fn places<'r>(record: &'r Record, way: &Way<'r>) -> Vec<&'r str> {
    let mut there: Vec<&str> = Vec::new();
    for station in &way.stations {
        let to = match &station.what {
            Step::Packet { to, .. } => *to,
            _ => None,
        };
        for place in [Some(station.place), to].into_iter().flatten() {
            if !there.contains(&place) {
                there.push(place);
            }
        }
    }
    let rank = |place: &str| {
        let machine = record.machines.iter().find(|it| it.name == *place);
        match machine {
            _ if way.sender == Some(place) => 0,
            Some(machine) if machine.role > crate::Role::Hostile => 1,
            None if place == DATABASE => 2,
            _ => 3,
        }
    };
    let is_fine = |place: &str| {
        let mut stations = way.stations.iter();
        !stations.any(|station| station.place == place && station.what.is_bad())
    };
    there.sort_by_key(|place| (rank(place) == 3 && is_fine(place), rank(place)));
    there.truncate(PLACES_MAX);
    there.sort_by_key(|place| rank(place));
    there
}

fn sign(what: &Step<'_>) -> char {
    if what.is_bad() { '!' } else { '*' }
}

#[derive(Default)]
struct Line(Vec<char>);

impl Line {
    /// Overwrites what is there; what does not fit is cut.
    fn put(&mut self, at: usize, text: &str) {
        let room = WIDTH.saturating_sub(at);
        for (place, c) in text.chars().take(room).enumerate() {
            if self.0.len() <= at + place {
                self.0.resize(at + place + 1, ' ');
            }
            self.0[at + place] = if c.is_control() { '·' } else { c };
        }
    }

    /// From one column to another; if the packet does not arrive, it ends halfway.
    fn arrow(&mut self, from: usize, to: usize, end: PacketEnd) {
        let (first, last) = (from.min(to) + 1, from.max(to));
        let length = last - first;
        let rightward = from < to;
        if end.has_arrived() {
            self.put(first, &"-".repeat(length));
            match rightward {
                true => self.put(last - 1, ">"),
                false => self.put(first, "<"),
            }
            return;
        }
        let fate = match end {
            PacketEnd::Lost => " lost",
            PacketEnd::Cut => " cut off",
            PacketEnd::Overflowed => " full queue",
            PacketEnd::Damaged(_) => " damaged",
            PacketEnd::UnderWay => " under way",
            _ => " dropped",
        };
        let half = length / 2;
        match rightward {
            true => {
                self.put(first, &"-".repeat(half));
                self.put(first + half, "x");
                let room = length.saturating_sub(half + 1);
                self.put(
                    first + half + 1,
                    &fate.chars().take(room).collect::<String>(),
                );
            }
            false => {
                self.put(last - half, &"-".repeat(half));
                self.put(last - half, "x");
                let words: String = fate.trim_start().chars().take(length - half).collect();
                self.put(first, &words);
            }
        }
    }

    fn write(self, text: &mut String) {
        let line: String = self.0.into_iter().collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;
    use crate::way::way;

    #[test]
    fn a_way_as_a_ladder() {
        let record = with_traffic();
        let ladder = ladder(&record, &way(&record, "m2", &["bob"]));
        assert!(ladder.lines().all(|line| line.chars().count() <= WIDTH));
        insta::assert_snapshot!(ladder);
    }
}
