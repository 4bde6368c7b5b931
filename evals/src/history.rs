//! The signals of a bundle as tools read them: what it says, and how a test lets them go on.

use ostler_core::{
    id::{NodeName, ServiceKey},
    signal::{Point, Series, SignalKind, SignalReader, Subject},
    time::Time,
};

use crate::bundle::{Bundle, SeriesIn};

/// A service's series from a moment on.
#[derive(Debug, Clone, PartialEq)]
pub struct Later {
    /// Whose.
    pub service: ServiceKey,
    /// What it measures; the bundle must have this series.
    pub kind: SignalKind,
    /// From when.
    pub from: Time,
    /// Until when; for good when absent.
    pub until: Option<Time>,
    /// The value.
    pub value: f64,
}

pub(crate) struct History<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) later: &'a [Later],
    pub(crate) now: Time,
}

impl History<'_> {
    /// The value at a moment after which a series goes on otherwise.
    fn since(&self, subject: &Subject, kind: SignalKind, at: Time) -> Option<f64> {
        let of = |later: &&Later| {
            *subject == Subject::Service(later.service.clone())
                && later.kind == kind
                && later.from <= at
                && later.until.is_none_or(|until| at < until)
        };
        self.later.iter().rfind(of).map(|later| later.value)
    }

    fn of(&self, subject: &Subject) -> impl Iterator<Item = &SeriesIn> {
        self.bundle
            .signals
            .iter()
            .filter(move |series| match subject {
                Subject::Service(service) => series.service.as_ref() == Some(service),
                Subject::Instance(instance) => series.instance.as_ref() == Some(instance),
                Subject::Node(node) => series.node.as_ref() == Some::<&NodeName>(node),
            })
    }
}

impl SignalReader for History<'_> {
    fn series(
        &self,
        subject: &Subject,
        kind: SignalKind,
        from: Time,
        to: Time,
        _points: usize,
    ) -> Series {
        let mut points = Vec::new();
        if let Some(series) = self.of(subject).find(|series| series.kind == kind) {
            for (ago, value) in series.points() {
                let at = self.now - ago;
                let value = self.since(subject, kind, at).unwrap_or(value);
                points.push(Point { at, value });
            }
        }
        points.retain(|point| point.at >= from && point.at <= to);
        Series {
            subject: subject.clone(),
            kind,
            points,
        }
    }

    fn kinds(&self, subject: &Subject) -> Vec<SignalKind> {
        self.of(subject).map(|series| series.kind).collect()
    }
}
