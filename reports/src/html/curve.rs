//! How probable a violation was at each moment, as bars: one for each moment, and the jump marked.

use crate::curve::{Curve, Point};
use maud::{Markup, html};
use squall_guarantees::{Time, seconds};
use std::collections::BTreeSet;

const LEFT: f64 = 44.0;
const WIDTH: f64 = 600.0;
const TOP: f64 = 10.0;
const HEIGHT: f64 = 90.0;

pub(super) fn draw(curve: &Curve) -> Markup {
    let turn = curve.turn().map(|[_, after]| after.at);
    // A flat one says no more than the sentence below.
    let percents: BTreeSet<_> = curve.points.iter().map(Point::percent).collect();
    html! {
        @if percents.len() > 1 {
            (bars(&curve.points, turn, "curve-title", "How probable it was: of a hundred futures of each moment, each with other dice."))
        }
        @if !curve.closer.is_empty() {
            (bars(&curve.closer, turn, "closer-title", "The same where it rises most, looked at more closely."))
        }
    }
}

fn bars(points: &[Point], turn: Option<Time>, id: &str, caption: &str) -> Markup {
    let bar = WIDTH / points.len().max(1) as f64;
    let bottom = TOP + HEIGHT;
    let view = format!("0 0 {} {}", LEFT + WIDTH + 10.0, bottom + 22.0);
    let [first, last] = [points.first(), points.last()];
    let bar_of = |(place, point): (usize, &Point)| {
        let percent = point.percent()?;
        let height = HEIGHT * percent as f64 / 100.0;
        let x = LEFT + bar * place as f64;
        Some((
            one_decimal(x),
            one_decimal(bottom - height),
            one_decimal(height),
            percent,
        ))
    };
    html! {
        figure {
            svg viewBox=(view) role="img" aria-labelledby=(id) style="max-width:50rem" {
                title id=(id) { "How many of a hundred futures of each moment come to the violation; the sentence below says what matters" }
                @for percent in [0.0, 50.0, 100.0] {
                    @let y = bottom - HEIGHT * percent / 100.0;
                    line.lane x1=(LEFT) x2=(LEFT + WIDTH) y1=(y) y2=(y) {}
                    text.faint x=(LEFT - 6.0) y=(y + 4.0) text-anchor="end" { (percent) " %" }
                }
                @for (place, point) in points.iter().enumerate() {
                    @if let Some((x, y, height, percent)) = bar_of((place, point)) {
                        rect class={ @if turn == Some(point.at) { "bar b" } @else { "bar" } }
                            x=(x) y=(y) width=(one_decimal((bar - 1.0).max(1.0))) height=(height) {
                            title { (seconds(point.at)) ": " (percent) " of 100" }
                        }
                    }
                }
                @for (point, x, anchor) in [(first, LEFT, "start"), (last, LEFT + WIDTH, "end")] {
                    @if let Some(point) = point {
                        text.faint x=(x) y=(bottom + 16.0) text-anchor=(anchor) { (seconds(point.at)) }
                    }
                }
            }
            figcaption { (caption) }
        }
    }
}

fn one_decimal(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
