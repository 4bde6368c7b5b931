//! Chance for the simulator: the core's dice, and the two distributions that are needed.

use ostler_core::sim::Dice;

/// From 0 up to 1.
pub fn uniform(dice: &mut Dice) -> f64 {
    let bits = u32::try_from(dice.throw() >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / 4_294_967_296.0
}

/// Standard normal, by Box and Muller (1958).
pub fn normal(dice: &mut Dice) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(dice)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(dice)).cos()
}

/// How many of a Poisson process come where `mean` are expected: exact below 30 (Knuth's product),
/// the normal approximation from there on.
pub fn poisson(dice: &mut Dice, mean: f64) -> f64 {
    if mean >= 30.0 {
        return (mean + mean.sqrt() * normal(dice)).round().max(0.0);
    }
    let limit = (-mean).exp();
    let (mut product, mut count) = (uniform(dice), 0.0);
    while product > limit {
        product *= uniform(dice);
        count += 1.0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_have_the_moments_they_should() {
        for mean in [0.5, 8.0, 400.0] {
            let mut dice = Dice::new(7);
            let throws: Vec<f64> = (0..20_000).map(|_| poisson(&mut dice, mean)).collect();
            let average = throws.iter().sum::<f64>() / 20_000.0;
            let variance = throws.iter().map(|x| (x - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!((average / mean - 1.0).abs() < 0.03, "{mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.05, "{mean}: {variance}");
        }
    }
}
