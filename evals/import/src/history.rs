//! Normal times recorded on other days than the incident, put where a history belongs: before it.
//! Only times are moved, by whole days, so that hours of the day stay what they were.

const DAY_S: f64 = 86_400.0;

/// By how many seconds points that end at `last` must move to end before `until`.
pub(crate) fn shift(last: f64, until: f64) -> f64 {
    if last < until {
        0.0
    } else {
        -((last - until) / DAY_S).floor() * DAY_S - DAY_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_stays_and_what_comes_after_moves_by_whole_days() {
        assert_eq!(shift(5.0, 6.0), 0.0);
        assert_eq!(shift(10.0, 10.0), -DAY_S);
        assert_eq!(shift(3.5 * DAY_S, DAY_S), -3.0 * DAY_S);
    }
}
