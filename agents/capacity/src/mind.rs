//! What is known of one service: its readings, its forecasts near and far.

use ostler_core::time::{Span, Time};

use crate::{
    capacity,
    forecast::{Ahead, Forecast},
    reading::{Doubt, Reading, Readings},
    robust::median,
};

/// CPU of a request is worked out anew this often.
const LEARNT_EVERY: Span = Span::seconds(30);
/// One service, as far as it is known.
#[derive(Debug, Clone)]
pub struct Mind {
    /// What was seen.
    pub readings: Readings,
    near: Forecast,
    far: Forecast,
    /// Seconds between two readings, as they come.
    turn: Span,
    /// CPU seconds of a request and when that was worked out.
    work: Option<(Time, f64)>,
}

impl Mind {
    /// Looks `near` and `far` ahead: until the next change can be made, and until a new
    /// instance is of use.
    #[must_use]
    pub fn new(turn: Span, near: Span, far: Span) -> Self {
        Self {
            readings: Readings::default(),
            near: Forecast::new(near),
            far: Forecast::new(far),
            turn,
            work: None,
        }
    }

    /// Takes in a reading.
    ///
    /// # Errors
    /// [`Doubt`] where it cannot be true.
    pub fn see(&mut self, reading: Reading, now: Time) -> Result<(), Doubt> {
        self.readings.add(reading, now)?;
        // Who waits already wants to be served as well, before the next reading.
        let demand = reading.rate + reading.waiting / self.turn.as_secs_f64().max(1.0);
        let waits = reading.waiting > reading.rate * 0.1;
        self.near.add(reading.at, demand, waits);
        self.far.add(reading.at, demand, waits);
        if self
            .work
            .is_none_or(|(at, _)| now.since(at) >= LEARNT_EVERY)
        {
            let work = capacity::work_s(&self.readings, now).map(|work| (now, work));
            self.work = work.or(self.work);
        }
        Ok(())
    }

    /// Demand before the next change, and before a new instance helps.
    #[must_use]
    pub fn ahead(&self) -> Option<(Ahead, Ahead)> {
        Some((self.near.ahead()?, self.far.ahead()?))
    }

    /// CPU seconds of a request.
    #[must_use]
    pub fn work_s(&self) -> Option<f64> {
        self.work.map(|(_, work)| work)
    }

    /// Times that it is called for one request of another service: the median over ten minutes.
    #[must_use]
    pub fn visits(&self, of: &Mind, now: Time) -> Option<f64> {
        let span = Span::minutes(10);
        let mut others = of.readings.recent(now, span).peekable();
        let mut ratios = Vec::new();
        // Both newest first; a moment that one of them missed is passed over.
        for own in self.readings.recent(now, span) {
            while others.next_if(|other| other.at > own.at).is_some() {}
            if let Some(other) = others.next_if(|other| other.at == own.at && other.rate > 0.0) {
                ratios.push(own.rate / other.rate);
            }
        }
        median(ratios)
    }

    /// How demand will be at later times of the day, as a share of now: time and share.
    pub fn later(&self, every: Span, count: u64) -> Vec<(Time, f64)> {
        self.far.later(every, count)
    }
}
