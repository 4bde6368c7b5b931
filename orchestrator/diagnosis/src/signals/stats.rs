//! Order statistics: they shrug off the few wild points that every real series has.
//! Arithmetic only; what the numbers mean is decided elsewhere.

/// Distance between the 5 % and the 95 % quantile of a normal distribution, in standard deviations.
const NORMAL_RANGE: f64 = 3.29;

/// The numbers in order, without those that are none.
pub(crate) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut kept: Vec<f64> = values
        .into_iter()
        .filter(|value| value.is_finite())
        .collect();
    kept.sort_by(f64::total_cmp);
    kept
}

/// The quantile of numbers in order, interpolated between neighbours; nothing of nothing.
pub(crate) fn quantile(ordered: &[f64], share: f64) -> Option<f64> {
    let last = ordered.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = *ordered.get(place.floor() as usize)?;
    let above = *ordered.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

/// The middle one.
pub(crate) fn median(ordered: &[f64]) -> Option<f64> {
    quantile(ordered, 0.5)
}

/// A standard deviation in the units of the numbers, from the range that holds nine tenths of them.
pub(crate) fn spread(ordered: &[f64]) -> Option<f64> {
    Some((quantile(ordered, 0.95)? - quantile(ordered, 0.05)?) / NORMAL_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let ordered = sorted([4.0, 1.0, f64::NAN, 3.0, 2.0]);
        assert_eq!(median(&ordered), Some(2.5));
        assert_eq!(quantile(&ordered, 1.0), Some(4.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn one_wild_point_does_not_widen_the_spread_much() {
        let calm: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let wild = sorted(calm.iter().copied().chain([1e9]));
        let calm = sorted(calm);
        assert_eq!(spread(&calm), spread(&wild));
    }
}
