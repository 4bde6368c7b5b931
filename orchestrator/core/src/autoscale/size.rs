//! How much CPU a service needs for the load it has: a pure rule beside the one for the number of instances.
//!
//! CPU is changed in place and at once, so it follows the load closely, where the number of instances follows
//! in steps. It is reckoned for all instances together and shared by those that are ready: when one dies the
//! others have its share at once, and until the next one is warm; adding or taking away instances changes
//! nothing in all.
//!
//! What is needed is the highest load of the last minute, or where the last half minute leads, plus what the load
//! rose beyond such a guess before (the 98th percentile of the last twenty minutes; split conformal prediction), over
//! the share that may be in use. While nothing new comes, the guess widens. Nothing shrinks on what is not known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    IDLE_AFTER,
    load::{Load, Stretch},
};
use crate::{
    signal::SignalKind,
    spec::FollowCpu,
    time::{Span, Time},
    units::MilliCpu,
};

/// CPU shrinks to what was enough for this long.
pub const HOLD: Span = Span::seconds(60);
/// An instance that has been ready for less counts as half: its caches are cold.
pub const WARM_AFTER: Span = Span::seconds(60);
/// Nothing is taken from an instance where less than this share would be, and nothing given where less than that.
pub const WORTH: (f64, f64) = (0.04, 0.02);

/// The slope is that of this stretch.
const SLOPE: Span = Span::seconds(30);
/// From a reading until what is made of it has effect and the next one is there.
const AHEAD: Span = Span::seconds(10);
/// A slope is not followed further than this.
const FURTHEST: Span = Span::seconds(30);
/// Rises beyond the guess are remembered for this long.
pub const PAST: Span = Span::minutes(20);
/// Share of those that is covered.
const COVERED: f64 = 0.98;
/// Readings are noisy: never less than this is added, and nothing that was this wrong is a guess.
const MARGIN: (f64, f64) = (0.05, 1.0);
/// Added while too little is known of the past.
const UNTRIED: f64 = 0.2;
/// With so much of its CPU in use a service may need more than can be seen: it gets this much more.
const FULL: (f64, f64) = (0.97, 1.25);
/// After this long without a reading the guess widens, by this share each second, for so long at most.
const BLIND: (Span, f64, Span) = (Span::seconds(10), 0.006, Span::seconds(50));
/// Readings older than this say nothing any more.
const FORGOTTEN: Span = Span::minutes(5);
/// Nothing shrinks where two readings of the last minute are further apart.
const GAP: Span = Span::seconds(25);
/// Nor for so long after a reading that was not believed: what bursts looks like that.
const DOUBTS: Span = Span::minutes(5);

/// What a service needs, all instances together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// CPUs.
    pub cores: f64,
    /// Whether the last minute is known from end to end; only then may anything shrink.
    pub sure: bool,
}

/// What a service needs at a moment, by what its instances use; `has` is what those have that are ready.
/// Nothing where nothing is known.
#[must_use]
pub fn need(follow: &FollowCpu, has: MilliCpu, load: Option<&Load>, now: Time) -> Option<Need> {
    let all = Stretch::of(load, SignalKind::CpuCores, PAST, now);
    if all.newest()?.1 <= 0.0 {
        // Long idle, or a counter that began anew: of that nothing is known.
        let idle = all.part(IDLE_AFTER, now).is_idle();
        let (cores, sure) = (0.0, true);
        return idle.then_some(Need { cores, sure });
    }
    let known = all.believable();
    let (newest, last) = known.newest()?;
    let age = now.since(newest);
    if age > FORGOTTEN {
        return None;
    }
    // The past as it was when the last reading came: that it is a while ago widens the guess, no more.
    let margin = known
        .part(PAST, newest)
        .surprise(COVERED)
        .unwrap_or(UNTRIED);
    let slope = known.part(SLOPE, newest).slope().unwrap_or(0.0).max(0.0);
    let ahead = Span((age.0 + AHEAD.0).min(FURTHEST.0)).as_secs_f64();
    let level = known.part(HOLD, newest).steady_peak();
    let high =
        level.unwrap_or(last).max(last + slope * ahead) * (1.0 + margin.clamp(MARGIN.0, MARGIN.1));
    let mut cores = high * widened(age) / (follow.percent / 100.0);
    if last >= has.as_cores() * FULL.0 {
        cores = cores.max(has.as_cores() * FULL.1);
    }
    let doubts = known.doubted().is_some_and(|at| now.since(at) <= DOUBTS);
    let sure = level.is_some() && !doubts && known.part(HOLD, now).is_whole_within(GAP);
    Some(Need { cores, sure })
}

/// How many share: those that are ready, cold ones as half of one. Where all are cold, each is one. One at least.
#[must_use]
pub fn worth(warm: u32, cold: u32) -> f64 {
    let half = if warm == 0 { 1.0 } else { 0.5 };
    (f64::from(warm) + f64::from(cold) * half).max(1.0)
}

fn widened(age: Span) -> f64 {
    let (after, each, most) = BLIND;
    let blind = Span(age.0.saturating_sub(after.0).min(most.0));
    1.0 + blind.as_secs_f64() * each
}

impl Need {
    /// CPU of an instance that has `has` and bears this share of all load, from 0 to 1.
    /// What it has, where that is near enough and within the bounds.
    #[must_use]
    pub fn each(&self, follow: &FollowCpu, share: f64, has: MilliCpu) -> MilliCpu {
        let has = has.clamp(follow.min, follow.max);
        let each = pieces(self.cores * share).clamp(follow.min, follow.max);
        if self.differs(each.as_cores(), has.as_cores()) {
            each
        } else {
            has
        }
    }

    /// Whether `each` is so much more than what there is that it is given, or so much less that it is taken.
    #[must_use]
    pub fn differs(&self, each: f64, has: f64) -> bool {
        let (less, more) = WORTH;
        each > has * (1.0 + more) || (self.sure && each < has * (1.0 - less))
    }
}

/// Rounded up to hundredths of a CPU.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within what can be written of CPU"
)]
fn pieces(cores: f64) -> MilliCpu {
    MilliCpu((cores.clamp(0.0, 1_024.0) * 100.0 - 1e-6).ceil() as u64 * 10)
}
