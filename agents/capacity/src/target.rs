//! What one instance may be told to carry for a day, from numbers of a moment.
//!
//! A plan's own target is renewed every few seconds and fits the load of that moment. What a person says yes to holds
//! for hours: it must not depend on how much is asked for just now, and leaves room for a rise while an instance
//! starts and for the death of one. It goes no further beyond what was seen than twice.

use crate::why::Numbers;

/// Nothing carries more than this times the most that an instance was seen to carry.
const BEYOND: f64 = 2.0;
/// With this much of its CPU in use a service just keeps up.
const KEEPS_UP: f64 = 0.9;
/// Room for a rise: at least, and at most.
const ROOM: (f64, f64) = (0.05, 0.5);

/// What is known beside the numbers of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Most requests per second that an instance was seen to carry lately.
    pub most_each: f64,
    /// Fewest instances that there may be.
    pub fewest: u32,
}

/// Requests per second that one instance should carry; nothing where that cannot be said.
#[must_use]
pub fn carries(numbers: &Numbers, seen: Seen) -> Option<f64> {
    let rise = numbers.high / numbers.expected - 1.0;
    let room = if rise.is_finite() { rise } else { ROOM.1 }.clamp(ROOM.0, ROOM.1);
    // When one of so many dies, the others bear its share until it is back.
    let count = f64::from(numbers.instances.1.max(seen.fewest).max(2));
    let missed = KEEPS_UP * (count - 1.0) / count;
    let busy = (numbers.busy / (1.0 + room)).min(missed);
    let each = busy * numbers.cores / numbers.work_s;
    let each = each.min(seen.most_each * BEYOND);
    (each.is_finite() && each > 0.0).then_some(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(busy: f64, count: u32) -> Numbers {
        Numbers {
            rate: 100.0,
            expected: 100.0,
            high: 110.0,
            work_s: 0.01,
            busy,
            p99_s: 0.2,
            cores: 1.0,
            instances: (count, count),
        }
    }

    #[test]
    fn room_is_left_for_a_rise_and_for_a_death() {
        let seen = Seen {
            most_each: 1_000.0,
            fewest: 1,
        };
        let many = carries(&numbers(0.8, 20), seen).unwrap();
        assert!((many - 72.7).abs() < 0.1, "{many}");
        let two = carries(&numbers(0.8, 2), seen).unwrap();
        assert!((two - 45.0).abs() < 0.1, "{two}");
    }

    #[test]
    fn nobody_is_told_to_carry_what_was_never_seen() {
        let seen = Seen {
            most_each: 10.0,
            fewest: 2,
        };
        assert_eq!(carries(&numbers(0.8, 20), seen), Some(20.0));
        let nothing = Seen {
            most_each: 0.0,
            ..seen
        };
        assert_eq!(carries(&numbers(0.8, 20), nothing), None);
        assert_eq!(
            carries(&numbers(f64::NAN, 20), seen).map(f64::is_finite),
            Some(true)
        );
    }
}
