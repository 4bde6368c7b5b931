//! How a number over time changed when trouble was noticed.

use crate::picture::{Picture, Signal};

/// Levels before and after, and how noisy before was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Median before.
    pub before: f64,
    /// The highest that it was before: what it may be without anybody calling it trouble.
    pub before_highest: f64,
    /// Upper quartile after: trouble may end before the recording does.
    pub after: f64,
    /// Median after.
    pub after_middle: f64,
    /// Lower quartile after.
    pub after_low: f64,
    /// Median distance from the median before, scaled to a standard deviation.
    pub noise: f64,
}

impl Shift {
    /// At least so many times what it was, beyond noise.
    pub fn risen(&self, times: f64) -> bool {
        self.after >= self.before * times && self.after - self.before > 3.0 * self.noise
    }

    /// Above all that it was before, for most of the time after.
    pub fn beyond(&self) -> bool {
        self.after_middle > self.before_highest
    }

    /// At most this share of what it was, beyond noise.
    pub fn fallen(&self, share: f64) -> bool {
        self.after_low <= self.before * share && self.before - self.after_low > 3.0 * self.noise
    }
}

/// The change of a signal at a moment; nothing where there are too few points on either side.
pub fn of(signal: &Signal, noticed: f64) -> Option<Shift> {
    let side = |late: bool| -> Vec<f64> {
        let points = signal
            .points
            .iter()
            .filter(|(at, _)| (*at >= noticed) == late);
        sorted(
            points
                .map(|(_, value)| *value)
                .filter(|value| value.is_finite()),
        )
    };
    let (early, late) = (side(false), side(true));
    if early.len() < 3 || late.len() < 3 {
        return None;
    }
    let before = quantile(&early, 0.5)?;
    let distances = sorted(early.iter().map(|value| (value - before).abs()));
    Some(Shift {
        before,
        before_highest: early.last().copied()?,
        after: quantile(&late, 0.75)?,
        after_middle: quantile(&late, 0.5)?,
        after_low: quantile(&late, 0.25)?,
        noise: 1.4826 * quantile(&distances, 0.5)?,
    })
}

/// True when a signal's level after is so many times that of the same signal anywhere else.
pub fn stands_out(picture: &Picture, signal: &Signal, times: f64) -> bool {
    let Some(noticed) = picture.noticed else {
        return false;
    };
    let level =
        |signal: &Signal| of(signal, noticed).map(|shift| shift.after_middle - shift.before);
    let kind = |object: &str| picture.objects.get(object).map(|object| object.kind);
    let Some(own) = level(signal).filter(|own| *own > 0.0) else {
        return false;
    };
    picture
        .signals
        .iter()
        .filter(|other| other.name == signal.name && other.object != signal.object)
        .filter(|other| kind(&other.object) == kind(&signal.object))
        .all(|other| level(other).is_none_or(|other| own >= other * times))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let place = ((sorted.len().checked_sub(1)? as f64) * share).round() as usize;
    sorted.get(place).copied()
}
