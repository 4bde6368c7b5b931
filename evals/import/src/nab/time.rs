//! `2014-04-01 00:05:00` as seconds since 1970, all taken for UTC as the benchmark does.

/// Seconds; nothing where the text is no such time. Fractions of a second are left out.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let (date, clock) = text.trim().split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    valid.then(|| (days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second) as f64)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let parts: Vec<i64> = text
        .split(between)
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Days since 1970 in the Gregorian calendar. Years are counted from March, so that the leap day
/// is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn known_times() {
        assert_eq!(seconds("1970-01-01 00:00:00"), Some(0.0));
        assert_eq!(seconds("2014-04-01 00:05:00"), Some(1_396_310_700.0));
        assert_eq!(seconds("2000-02-29 12:00:00.000000"), Some(951_825_600.0));
        assert_eq!(seconds("2014-13-01 00:00:00"), None);
        assert_eq!(seconds("yesterday"), None);
    }
}
