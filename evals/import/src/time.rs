//! Times as people write them, in seconds since 1970: `2014-04-01 00:05:00`, `2014-04-01T00:05:00.5Z`,
//! `2014-04-01T02:05:00+02:00`, `1396310700`, or the same in milli-, micro- or nanoseconds.

/// From here on a number of seconds would be of the year 5138: it is in thousandths of a second.
const THOUSANDTHS: f64 = 1e11;

/// Seconds; nothing where the text is no time. Without a zone it is taken for UTC. Numbers too large to
/// be seconds of our time are in milli-, micro- or nanoseconds.
pub(crate) fn moment(text: &str) -> Option<f64> {
    if let Ok(mut number) = text.parse::<f64>() {
        while number.is_finite() && number.abs() >= THOUSANDTHS {
            number /= 1000.0;
        }
        return Some(number).filter(|number| number.is_finite());
    }
    let (local, ahead) = zone(text.trim())?;
    let fraction = local.rsplit_once('.').map_or(Some(0.0), |(_, digits)| {
        format!("0.{digits}").parse::<f64>().ok()
    });
    Some(seconds(local)? + fraction? - ahead)
}

/// A text without its zone, and by how many seconds that is ahead of UTC; nothing where it is no zone.
fn zone(text: &str) -> Option<(&str, f64)> {
    let utc = text
        .strip_suffix(['Z', 'z'])
        .or_else(|| text.strip_suffix(" UTC"));
    if let Some(local) = utc {
        return Some((local, 0.0));
    }
    let from = text
        .rfind(['+', '-'])
        .filter(|from| text.get(..*from).is_some_and(|t| t.contains(':')));
    let parts = from.and_then(|from| text.split_at_checked(from));
    let Some((local, zone)) = parts else {
        return Some((text, 0.0));
    };
    let ahead = ahead(zone.get(1..)?)?;
    Some((local, if zone.starts_with('-') { -ahead } else { ahead }))
}

/// Seconds in `02:00`, `0200` or `02`.
fn ahead(zone: &str) -> Option<f64> {
    let (hours, minutes) = match (zone.len(), zone.split_once(':')) {
        (5, Some((hours, minutes))) => (hours, minutes),
        (4, None) => zone.split_at_checked(2)?,
        (2, None) => (zone, "0"),
        _ => return None,
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then(|| f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0)
}

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
    use super::{moment, seconds};

    #[test]
    fn known_times() {
        assert_eq!(seconds("1970-01-01 00:00:00"), Some(0.0));
        assert_eq!(seconds("2014-04-01 00:05:00"), Some(1_396_310_700.0));
        assert_eq!(seconds("2000-02-29 12:00:00.000000"), Some(951_825_600.0));
        assert_eq!(seconds("2014-13-01 00:00:00"), None);
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn times_in_any_dress() {
        let same = [
            "1396310700",
            "1396310700000",
            "1396310700000000000",
            "2014-04-01 00:05:00",
            "2014-04-01T00:05:00Z",
            "2014-04-01T02:05:00+02:00",
            "2014-03-31T19:05:00-0500",
        ];
        for text in same {
            assert_eq!(moment(text), Some(1_396_310_700.0), "{text}");
        }
        assert_eq!(moment("2014-04-01T00:05:00.250Z"), Some(1_396_310_700.25));
        assert_eq!(moment("12.5"), Some(12.5));
        for wrong in [
            "soon",
            "NaN",
            "2014-04-31x",
            "",
            "2014-04-01T02:05:00+2",
            "2014-04-01T02:05:00+200",
        ] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
