//! The way of one message as a ladder: a column for each place, a row for each station, from top to
//! bottom. The rows are evenly spaced, whatever the time between them; their times are shown next
//! to them.

use super::diagram::short;
use super::plain::{plain, whole};
use crate::way::{Step, Way};
use crate::{PacketEnd, Record};
use maud::{Markup, html};
use squall_guarantees::seconds;

const LEFT: f64 = 86.0;
const COLUMN: f64 = 104.0;
const ROW: f64 = 30.0;
const TOP: f64 = 40.0;

/// The places of some ways, in a fixed order: that of the machines, then the database.
pub(super) fn places<'r>(record: &'r Record, ways: &[&Way<'r>]) -> Vec<&'r str> {
    let machines = record.machines.iter();
    let mut machines: Vec<_> = machines.map(|it| (it.role, it.name.as_str())).collect();
    machines.sort_by_key(|(role, _)| *role);
    let names = machines.into_iter().map(|(_, name)| name);
    let is_there = |name: &&str| {
        let mut stations = ways.iter().flat_map(|way| &way.stations);
        stations.any(|station| {
            let to = match &station.what {
                Step::Packet { to, .. } => *to,
                _ => None,
            };
            station.place == *name || to == Some(*name)
        })
    };
    names
        .chain([crate::way::DATABASE])
        .filter(is_there)
        .collect()
}

/// Draws a way; `class` is `g` for the guilty message, `h` for the healthy one.
pub(super) fn draw(way: &Way<'_>, places: &[&str], class: &str, id: &str) -> Markup {
    let column = |name: &str| {
        let place = places.iter().position(|place| *place == name);
        LEFT + COLUMN * (place.unwrap_or_default() as f64 + 0.5)
    };
    let width = LEFT + COLUMN * places.len() as f64;
    let bottom = TOP + ROW * way.stations.len() as f64 + 8.0;
    let view = format!("0 0 {width} {}", bottom + 4.0);
    html! {
        svg viewBox=(view) role="img" aria-labelledby=(id) style={ "max-width:" (width * 1.3) "px" } {
            title id=(id) { "The way of `" (plain(way.content)) "`; the list below says the same" }
            @for place in places {
                text x=(column(place)) y="16" text-anchor="middle" { (short(place)) }
                line.lane x1=(column(place)) x2=(column(place)) y1="24" y2=(bottom) {}
            }
            @for (row, station) in way.stations.iter().enumerate() {
                @let y = TOP + ROW * row as f64;
                @let x = column(station.place);
                text.faint x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (seconds(station.at)) }
                @match &station.what {
                    Step::Packet { to, end, .. } => {
                        @let goal = to.map_or(x + COLUMN * 0.8, column);
                        @let arrived = end.has_arrived();
                        @let part = if arrived { 1.0 } else { 0.6 };
                        @let (x2, y2) = (x + (goal - x) * part, y + ROW * 0.7 * part);
                        line class={ "p " (class) } x1=(x) y1=(y) x2=(x2) y2=(y2) { title { (title(way, row)) } }
                        @if arrived {
                            @let back = if goal > x { -7.0 } else { 7.0 };
                            path.head.p class=(class) d={ "M" (x2 + back) " " (y2 - 6.0) "L" (x2) " " (y2) "L" (x2 + back) " " (y2 + 3.0) } {}
                        } @else {
                            path.x class=(class) d="M-5-5 5 5M-5 5 5-5" transform={ "translate(" (x2) " " (y2) ")" } {}
                            text.faint x=(x2) y=(y2 - 8.0) text-anchor="middle" { (fate(*end)) }
                        }
                    }
                    what => {
                        @let shape = if what.is_bad() { "M-6-6 6 6M-6 6 6-6" } else { "M-4-4H4V4H-4Z" };
                        path class={ @if what.is_bad() { "x g" } @else { "m " (class) } } d=(shape) transform={ "translate(" (x) " " (y) ")" } {
                            title { (title(way, row)) }
                        }
                        @let after = x + 10.0 < width - 60.0;
                        text x=(if after { x + 10.0 } else { x - 10.0 }) y=(y + 4.0) text-anchor=(if after { "start" } else { "end" }) { (what.in_short()) }
                    }
                }
            }
        }
    }
}

/// The same as a list, which anyone can read.
pub(super) fn list(way: &Way<'_>) -> Markup {
    html! {
        ol.story {
            @for station in &way.stations {
                li class=[station.what.is_bad().then_some("bad")] {
                    span.t { (seconds(station.at)) }
                    bdi { (plain(station.place)) } " " (whole(&station.words("it")))
                    @if let Step::Packet { says, .. } = &station.what && !says.is_empty() {
                        details { summary { "What it says" } code { (whole(says)) } }
                    }
                }
            }
        }
        @if way.left_out > 0 {
            p.faint { (way.left_out) " more, which concern others or say the same, are left out." }
        }
    }
}

fn title(way: &Way<'_>, row: usize) -> String {
    let station = &way.stations[row];
    let it = format!("`{}`", way.content);
    let (at, place) = (seconds(station.at), station.place);
    plain(&format!("{at} {place} {}", station.words(&it)))
}

fn fate(end: PacketEnd) -> &'static str {
    match end {
        PacketEnd::Lost => "lost",
        PacketEnd::Cut => "cut off",
        PacketEnd::Overflowed => "queue full",
        PacketEnd::Refused => "dropped",
        PacketEnd::Damaged(_) => "damaged",
        PacketEnd::Nowhere => "nowhere",
        PacketEnd::UnderWay => "under way",
        PacketEnd::Arrived(_) => "",
    }
}
