//! The daemon's own histogram of a call's time in the gate, as `/metrics` shows it.

use crate::common::get;

/// Cumulative counts by upper bound in seconds.
pub struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// As it stands now, for a kind of tools.
    pub fn of(port: u16, class: &str) -> Self {
        let text = get(port, "/metrics").unwrap();
        let begins = "ostler_call_seconds_bucket{";
        let of_class = format!("kind=\"{class}\"");
        let lines =
            (text.lines()).filter(|line| line.starts_with(begins) && line.contains(&of_class));
        Self(lines.filter_map(bucket).collect())
    }

    /// What came since.
    pub fn since(&self, before: &Self) -> Self {
        let counted = |bound: f64| before.0.iter().find(|(of, _)| *of == bound);
        let since =
            |(bound, count): &(f64, f64)| (*bound, count - counted(*bound).map_or(0.0, |of| of.1));
        Self(self.0.iter().map(since).collect())
    }

    /// The bound, in milliseconds, under which a share of all calls were.
    pub fn within(&self, share: f64) -> f64 {
        let all = self.0.last().map_or(0.0, |(_, count)| *count);
        let found = self.0.iter().find(|(_, count)| *count >= all * share);
        found.map_or(f64::NAN, |(bound, _)| bound * 1e3)
    }
}

fn bucket(line: &str) -> Option<(f64, f64)> {
    let (_, rest) = line.split_once("le=\"")?;
    let (bound, rest) = rest.split_once('"')?;
    let bound = if bound == "+Inf" {
        f64::INFINITY
    } else {
        bound.parse().ok()?
    };
    let count = rest.split_once(' ')?.1.split(' ').next()?.parse().ok()?;
    Some((bound, count))
}
