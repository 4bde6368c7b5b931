//! How long requests take on one instance: a queue with several servers, in closed form.
//!
//! Mean wait after Sakasegawa, "An approximation formula Lq ≈ αρ^β/(1−ρ)" (Ann. Inst. Stat. Math. 29,
//! 1977) with the correction for variable arrivals and service of Allen and Cunneen (Allen,
//! *Probability, Statistics and Queueing Theory*, 1990): `Wq = S (Ca² + Cs²)/2 · ρ^(√(2(k+1))−1) / (k(1−ρ))`. It
//! takes any real `k` from 1 up, so a quota of 2.5 CPUs has a wait of its own. Below one CPU, requests
//! are served one at a time and stretched: the quota throttles them.
//!
//! Who waits at all, waits about exponentially long. Means and variances of independent stages add up;
//! the whole is taken as log-normal with that mean and variance, as latencies commonly are.

/// Beyond this utilisation the formula explodes; what is over it piles up in the queue, which the
/// simulator counts step by step.
const FULL: f64 = 0.995;

/// Mean and variance of a time, in seconds and seconds².
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Seconds.
    pub mean: f64,
    /// Seconds².
    pub variance: f64,
}

/// What one instance is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// CPUs it may use.
    pub cores: f64,
    /// CPU seconds that one request needs.
    pub work_s: f64,
    /// Share of its capacity that is in use; 1 and more is overload.
    pub utilisation: f64,
    /// Mean of the squared coefficients of variation of arrivals and service; 1 is Poisson and exponential.
    pub variability: f64,
}

impl Load {
    /// How long its requests take, without what is left over from earlier.
    #[must_use]
    pub fn response(self) -> Moments {
        let servers = self.cores.max(1.0);
        let service = self.work_s / self.cores.clamp(1e-3, 1.0);
        let busy = self.utilisation.clamp(0.0, FULL);
        let waits = busy.powf((2.0 * (servers + 1.0)).sqrt() - 1.0);
        let wait = service * self.variability / (servers * (1.0 - busy));
        Moments {
            mean: service + waits * wait,
            variance: service * service + waits * (2.0 - waits) * wait * wait,
        }
    }
}

impl Moments {
    /// A time without spread.
    #[must_use]
    pub const fn fixed(mean: f64) -> Self {
        Self {
            mean,
            variance: 0.0,
        }
    }

    /// One after the other.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            mean: self.mean + next.mean,
            variance: self.variance + next.variance,
        }
    }

    /// So many times one after the other; parts of a time for what happens only sometimes.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self {
            mean: self.mean * count,
            variance: self.variance * count,
        }
    }

    /// Either of several, by weight.
    #[must_use]
    pub fn mix(parts: &[(f64, Self)]) -> Self {
        let weight: f64 = parts.iter().map(|(weight, _)| weight).sum();
        if weight <= 0.0 {
            return Self::default();
        }
        let average = |of: &dyn Fn(&Self) -> f64| {
            parts
                .iter()
                .map(|(share, part)| share * of(part))
                .sum::<f64>()
                / weight
        };
        let mean = average(&|part| part.mean);
        let square = average(&|part| part.variance + part.mean * part.mean);
        Self {
            mean,
            variance: (square - mean * mean).max(0.0),
        }
    }

    fn shape(self) -> (f64, f64) {
        let mean = self.mean.max(1e-9);
        let spread = (self.variance / (mean * mean)).ln_1p();
        (mean.ln() - spread / 2.0, spread.sqrt())
    }

    /// Share of times longer than `limit_s` seconds.
    #[must_use]
    pub fn over(self, limit_s: f64) -> f64 {
        let (middle, width) = self.shape();
        if width < 1e-9 {
            return if self.mean > limit_s { 1.0 } else { 0.0 };
        }
        upper_tail((limit_s.max(1e-9).ln() - middle) / width)
    }

    /// The time that 99 of 100 stay below, in seconds.
    #[must_use]
    pub fn p99(self) -> f64 {
        let (middle, width) = self.shape();
        (middle + 2.326_347_9 * width).exp()
    }
}

/// Share of the standard normal above `z`: Abramowitz and Stegun 26.2.17, error below 7.5e-8.
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * series;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cores: f64, utilisation: f64) -> Moments {
        Load {
            cores,
            work_s: 0.01,
            utilisation,
            variability: 1.0,
        }
        .response()
    }

    /// Erlang's C formula, exactly.
    fn erlang_c(servers: u32, utilisation: f64) -> f64 {
        let offered = f64::from(servers) * utilisation;
        let mut term = 1.0;
        let mut sum = 1.0;
        for n in 1..servers {
            term *= offered / f64::from(n);
            sum += term;
        }
        let last = term * offered / f64::from(servers) / (1.0 - utilisation);
        last / (sum + last)
    }

    #[test]
    fn one_server_is_exact_and_several_are_close_to_erlang() {
        assert!((at(1.0, 0.5).mean - 0.02).abs() < 1e-9, "M/M/1: S/(1-rho)");
        assert!(
            (at(1.0, 0.8).variance.sqrt() - 0.05).abs() < 1e-9,
            "M/M/1 is exponential"
        );
        for servers in [2, 4, 8] {
            for utilisation in [0.5, 0.7, 0.9] {
                let k = f64::from(servers);
                let exact =
                    0.01 + erlang_c(servers, utilisation) * 0.01 / (k * (1.0 - utilisation));
                let ours = at(k, utilisation).mean;
                assert!(
                    (ours / exact - 1.0).abs() < 0.05,
                    "k={servers} rho={utilisation}: {ours} {exact}"
                );
            }
        }
    }

    #[test]
    fn half_a_cpu_takes_twice_as_long() {
        assert!((at(0.5, 0.0).mean - 0.02).abs() < 1e-9);
        assert!(
            at(2.0, 0.8).mean < at(1.0, 0.8).mean,
            "a larger pool waits less"
        );
    }

    #[test]
    fn the_tail_and_the_quantile_agree() {
        let time = at(2.0, 0.8).then(at(1.0, 0.3).times(0.5));
        assert!((time.over(time.p99()) - 0.01).abs() < 1e-5);
        assert!(
            (upper_tail(0.0) - 0.5).abs() < 1e-6 && (upper_tail(-2.0) - 0.977_249_9).abs() < 1e-6
        );
        let mixed = Moments::mix(&[(1.0, Moments::fixed(1.0)), (1.0, Moments::fixed(3.0))]);
        assert_eq!(
            mixed,
            Moments {
                mean: 2.0,
                variance: 1.0
            }
        );
    }
}
