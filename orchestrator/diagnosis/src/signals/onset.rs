//! When it began, where nobody noticed.
//! Tries times across the picture and takes the one after which most signals have left their normal.

use crate::picture::{Measure, Picture};

use super::deviation::between;

/// How many times are tried.
const TRIES: usize = 48;
/// Before the first one lies this share of the time, to know what is normal.
const LEARNING: f64 = 0.25;
/// At most so many points after a time are looked at: what comes much later is another story.
const AHEAD: usize = 60;
/// At least so many points must come before.
const KNOWN: usize = 8;
/// The search looks many times, so each look must be surer than one alone would.
const SURE: f64 = 8.0;
/// Beyond this a signal adds no more.
const CERTAIN: f64 = 20.0;

/// Seconds at which trouble began; nothing where all stayed normal.
pub(crate) fn find(picture: &Picture) -> Option<f64> {
    let times = picture
        .signals
        .iter()
        .flat_map(|signal| signal.points.iter().map(|point| point.0));
    let (first, last) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| {
        (low.min(at), high.max(at))
    });
    let from = first + (last - first) * LEARNING;
    let tried = (0..TRIES).map(|i| from + (last - from) * i as f64 / TRIES as f64);
    let weighed = tried
        .map(|at| (at, weight(picture, at)))
        .filter(|(_, weight)| *weight > 0.0);
    weighed
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0)))
        .map(|(at, _)| at)
}

fn weight(picture: &Picture, at: f64) -> f64 {
    let directed = |measure| {
        !matches!(
            measure,
            Measure::Rate | Measure::Other | Measure::Network | Measure::Disk
        )
    };
    let judged = picture
        .signals
        .iter()
        .filter(|signal| directed(signal.measure));
    let surprise = judged.filter_map(|signal| {
        let cut = signal.points.partition_point(|(when, _)| *when < at);
        let (before, after) = signal.points.split_at_checked(cut)?;
        let after = after.get(..AHEAD.min(after.len()))?;
        let deviation = (before.len() >= KNOWN && after.len() >= 3)
            .then(|| between(0, signal, before, after))??;
        (deviation.surprise >= SURE).then_some(deviation.surprise.min(CERTAIN))
    });
    surprise.sum()
}
