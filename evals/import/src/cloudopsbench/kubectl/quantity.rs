//! Amounts and ages as Kubernetes writes them.

/// `200m`, `16`, `128Mi`, `10Gi`, `15671356Ki` as a plain number (cores, bytes).
///
/// Source: Kubernetes API reference, `resource.Quantity`.
pub fn amount(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number * factor)
}

/// `5m4s`, `2d5h`, `98d` as seconds.
pub fn age_s(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut number = String::new();
    for letter in text.trim().chars() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3_600.0,
            'd' => 86_400.0,
            'y' => 31_536_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit;
        number.clear();
    }
    (number.is_empty() && !text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_ages_are_read() {
        assert_eq!(amount("200m"), Some(0.2));
        assert_eq!(amount("2Ki"), Some(2048.0));
        assert_eq!(amount("16"), Some(16.0));
        assert_eq!(amount("much"), None);
        assert_eq!(age_s("5m4s"), Some(304.0));
        assert_eq!(age_s("2d1h"), Some(176_400.0));
        assert_eq!(age_s("<none>"), None);
    }
}
