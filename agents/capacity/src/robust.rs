//! Statistics that a few wild values do not move.

/// The value below which a share of all lies, by rank; nothing of nothing. `share` is from 0 to 1.
#[must_use]
pub fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place among some thousand values"
    )]
    let place = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
    values.get(place).copied()
}

/// The middle value; nothing of nothing.
#[must_use]
pub fn median(values: Vec<f64>) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wild_values_do_not_move_the_middle() {
        assert_eq!(median(vec![3.0, 1e9, 2.0, f64::NAN, 1.0, -1e9]), Some(2.0));
        assert_eq!(quantile(vec![1.0, 2.0, 3.0, 4.0, 5.0], 1.0), Some(5.0));
        assert_eq!(median(vec![f64::NAN]), None);
    }
}
