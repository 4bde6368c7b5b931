//! Signals as small pictures, drawn on the server.

use maud::{Markup, html};
use ostler_core::{signal::Point, time::Time};
use ostler_tools::{
    answer::SignalSeries,
    words::{ago, bytes, word},
};

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 72.0;
/// Room above and below the line.
const ROOM: f64 = 4.0;

/// A moment worth a mark on a plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Time,
    /// What, in words.
    pub what: String,
}

/// Series of one kind: its name, the last values, a line for each, and marks of changes.
#[must_use]
pub fn plot(all: &[&SignalSeries], (from, to): (Time, Time), marks: &[Mark]) -> Markup {
    let Some(first) = all.first() else {
        return html! {};
    };
    let scale = Scale::of(all, from, to);
    let shapes = || all.iter().filter_map(|series| series.shape);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let (least, most) = (amount(least, &first.unit), amount(most, &first.unit));
        if least == most {
            least
        } else {
            format!("{least} to {most}")
        }
    };
    let name = word(&first.kind);
    let last = range(&mut shapes().map(|shape| shape.last));
    let whole = range(&mut shapes().flat_map(|shape| [shape.min, shape.max]));
    let said = format!(
        "{name} over the last {}: now {last}; {whole} in all",
        ago(from, to)
    );
    html! {
        figure.plot {
            figcaption { span.name { (name) } strong { (last) } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(said) preserveAspectRatio="none" {
                line.base x1="0" x2=(WIDTH) y1=(HEIGHT - ROOM) y2=(HEIGHT - ROOM) {}
                @for mark in marks.iter().filter(|mark| mark.at >= from && mark.at <= to) {
                    line.mark x1=(scale.x(mark.at)) x2=(scale.x(mark.at)) y1="0" y2=(HEIGHT) { title { (mark.what) } }
                }
                @for series in all {
                    @for run in runs(&series.points, to.since(from).0) { polyline.line points=(scale.points(run)) {} }
                }
            }
            p.quiet { (whole) @if all.len() > 1 { " · " (all.len()) " lines" } }
        }
    }
}

/// A value with its unit.
#[must_use]
pub fn amount(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => bytes(value),
        "share" => format!("{:.1} %", value * 100.0),
        "seconds" if value.abs() < 1.0 => format!("{:.1} ms", value * 1_000.0),
        "seconds" => format!("{value:.2} s"),
        "per_second" => format!("{value:.1} /s"),
        "cores" => format!("{value:.3} cores"),
        _ => format!("{value:.0}"),
    }
}

/// Parts of a line without a gap: a missing moment is missing, never drawn through.
fn runs(points: &[Point], whole: u64) -> Vec<&[Point]> {
    let usual = points.windows(2).filter_map(|pair| match pair {
        [before, after] => Some(after.at.since(before.at).0),
        _ => None,
    });
    let mut usual: Vec<u64> = usual.collect();
    usual.sort_unstable();
    let typical = usual.get(usual.len() / 2).copied().unwrap_or(whole);
    let near = typical.saturating_mul(3);
    points
        .chunk_by(|before, after| after.at.since(before.at).0 <= near)
        .collect()
}

struct Scale {
    from: Time,
    width: f64,
    least: f64,
    height: f64,
}

impl Scale {
    fn of(all: &[&SignalSeries], from: Time, to: Time) -> Self {
        let values = all.iter().flat_map(|series| &series.points);
        let values = values.map(|point| point.value);
        let most = values.clone().fold(0.0_f64, f64::max);
        let least = values.fold(0.0_f64, f64::min);
        Self {
            from,
            width: to.since(from).as_secs_f64().max(1.0),
            least,
            height: (most - least).max(f64::MIN_POSITIVE),
        }
    }

    fn x(&self, at: Time) -> f64 {
        (at.since(self.from).as_secs_f64() / self.width * WIDTH * 10.0).round() / 10.0
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.least) / self.height;
        ((HEIGHT - ROOM - share * (HEIGHT - 2.0 * ROOM)) * 10.0).round() / 10.0
    }

    fn points(&self, run: &[Point]) -> String {
        let point = |point: &Point| format!("{},{}", self.x(point.at), self.y(point.value));
        run.iter().map(point).collect::<Vec<_>>().join(" ")
    }
}
