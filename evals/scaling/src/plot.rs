//! One scenario as a picture: CPUs that load keeps busy, CPUs that were reserved, and minutes out.

use std::fmt::Write;

use crate::{
    contest::{Contest, Who},
    measure::Point,
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 60.0;
/// Points of a line: more would not be seen.
const POINTS: usize = 320;

const LINES: [(Who, &str, &str); 3] = [
    (Who::Hpa, "HPA, tuned", "#c2410c"),
    (Who::Ostler, "Ostler", "#1d4ed8"),
    (Who::Bound, "bound", "#6b7280"),
];

/// The picture, as SVG.
#[must_use]
pub fn svg(contest: &Contest) -> String {
    let lines: Vec<(&str, &str, Vec<f64>, &[Point])> = LINES
        .iter()
        .filter_map(|(who, name, colour)| {
            let series = contest.row(*who)?.result.series.as_slice();
            Some((*name, *colour, thinned(series, |point| point.cores), series))
        })
        .collect();
    let series = lines.first().map_or(&[][..], |line| line.3);
    let busy = thinned(series, |point| point.rate * contest.work_s);
    let all = lines.iter().flat_map(|line| &line.2).chain(&busy);
    let most = all.fold(1.0, |most, value| f64::max(most, *value)) * 1.05;
    let mut text = frame(contest, most, series.len());
    let area = points(&busy, most);
    let _ = writeln!(
        text,
        "<polygon fill=\"#e5e7eb\" points=\"{LEFT},{0:.0} {area} {WIDTH},{0:.0}\"/>",
        HEIGHT - BOTTOM
    );
    for (place, (name, colour, cores, series)) in (0_u8..).zip(&lines) {
        let at = LEFT + 8.0 + f64::from(place) * 110.0;
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\" points=\"{}\"/>",
            points(cores, most)
        );
        let _ = writeln!(
            text,
            "<text x=\"{at:.0}\" y=\"{:.0}\" fill=\"{colour}\">{name}</text>",
            TOP - 6.0
        );
        text += &outs(
            series,
            HEIGHT - BOTTOM + 8.0 + f64::from(place) * 9.0,
            colour,
        );
    }
    text + "</svg>\n"
}

fn frame(contest: &Contest, most: f64, minutes: usize) -> String {
    let ground = HEIGHT - BOTTOM;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"14\" font-weight=\"bold\">{}: CPUs reserved; grey: kept busy; below: minutes out of the objective</text>\n",
        contest.name
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = ground - (ground - TOP) * share;
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.0}\" y2=\"{y:.0}\" stroke=\"#d1d5db\"/>"
        );
        let _ = writeln!(
            text,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{:.0}</text>",
            LEFT - 5.0,
            y + 4.0,
            most * share
        );
    }
    let hours = f64::from(u32::try_from(minutes).unwrap_or(u32::MAX)) / 60.0;
    let _ = writeln!(
        text,
        "<text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{hours:.1} hours</text>",
        HEIGHT - 8.0
    );
    text
}

/// Means of neighbours, few enough to draw.
fn thinned(series: &[Point], of: impl Fn(&Point) -> f64) -> Vec<f64> {
    let width = series.len().div_ceil(POINTS).max(1);
    let mean = |part: &[Point]| {
        part.iter().map(&of).sum::<f64>() / f64::from(u32::try_from(part.len().max(1)).unwrap_or(1))
    };
    series.chunks(width).map(mean).collect()
}

fn place(index: usize, count: usize) -> f64 {
    let share = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    LEFT + (WIDTH - LEFT) * share(index) / share(count.saturating_sub(1).max(1))
}

fn points(values: &[f64], most: f64) -> String {
    let ground = HEIGHT - BOTTOM;
    let one = |(index, value): (usize, &f64)| {
        format!(
            "{:.0},{:.1}",
            place(index, values.len()),
            ground - (ground - TOP) * value / most
        )
    };
    let all: Vec<String> = values.iter().enumerate().map(one).collect();
    all.join(" ")
}

fn outs(series: &[Point], y: f64, colour: &str) -> String {
    let out = series.iter().enumerate().filter(|(_, point)| point.out);
    let mark = |(minute, _): (usize, &Point)| {
        format!(
            "<rect x=\"{:.1}\" y=\"{y:.0}\" width=\"2\" height=\"7\" fill=\"{colour}\"/>\n",
            place(minute, series.len())
        )
    };
    out.map(mark).collect()
}
