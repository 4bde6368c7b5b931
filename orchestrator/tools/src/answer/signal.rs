//! Answers about signals: points, and their shape in a few numbers.

use ostler_core::{
    signal::{Point, SignalKind, Subject},
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signals of one subject over one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Signals {
    /// Whom they are about.
    pub subject: Subject,
    /// The stretch's start.
    pub from: Time,
    /// The stretch's end.
    pub to: Time,
    /// One series a kind.
    pub series: Vec<SignalSeries>,
    /// Kinds that are known of the subject, also those not asked for.
    pub known: Vec<SignalKind>,
}

/// One series and its shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalSeries {
    /// What it measures.
    pub kind: SignalKind,
    /// The unit of the values: `cores`, `bytes`, `share`, `count`, `seconds`, `per_second`.
    pub unit: String,
    /// Its shape; absent when there are no points.
    pub shape: Option<Shape>,
    /// The values, oldest first; a missing moment is missing, never zero.
    pub points: Vec<Point>,
}

/// A series in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// When the last value was measured.
    pub last_at: Time,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The mean of the points.
    pub mean: f64,
    /// Slope of the least-squares line, in units a minute; absent with fewer than three points.
    pub slope_per_minute: Option<f64>,
    /// How well that line fits, from 0 to 1 (R²); absent with fewer than three points.
    pub fit: Option<f64>,
    /// How many times no value came for more than three usual intervals.
    pub gaps: u32,
    /// How many points the shape was computed of.
    pub count: u32,
}
