//! What is simulated: services, who calls whom, and how their programs behave.

/// Seconds that one step of the simulation takes.
pub const STEP_S: u64 = 5;

/// One call that a service makes while it serves a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// Place of the one that is called, always later in the list than the caller.
    pub to: usize,
    /// Calls per request.
    pub count: f64,
}

/// One service's program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// CPU seconds for one request.
    pub work_s: f64,
    /// Seconds of a request that need no CPU.
    pub idle_s: f64,
    /// Mean of the squared coefficients of variation of its arrivals and its work.
    pub variability: f64,
    /// What it calls.
    pub calls: Vec<Call>,
    /// Seconds from being asked for to being ready.
    pub start_s: u64,
    /// Seconds after that with a cold cache.
    pub cold_s: u64,
    /// Its speed while cold, as a share of its usual speed.
    pub cold_speed: f64,
    /// Seconds after which whoever waits gives up.
    pub timeout_s: f64,
    /// How often a failed call is tried again at once.
    pub retries: u32,
    /// Speed lost for each hour that an instance lives: a slow leak.
    pub leak_per_hour: f64,
    /// Hours after which a leaking instance is killed for want of memory; 0 for never.
    pub leak_kills_h: f64,
}

impl Program {
    fn new(name: &'static str, work_s: f64, calls: Vec<Call>) -> Self {
        Self {
            name,
            work_s,
            idle_s: 0.004,
            variability: 1.2,
            calls,
            start_s: 40,
            cold_s: 60,
            cold_speed: 0.6,
            timeout_s: 2.0,
            retries: 1,
            leak_per_hour: 0.0,
            leak_kills_h: 0.0,
        }
    }
}

/// The whole: services, callers before those they call; the first takes what comes from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Shop {
    /// Services in order.
    pub programs: Vec<Program>,
    /// The objective: 99 of 100 requests of a minute answered within so many seconds.
    pub objective_s: f64,
    /// The objective: at most this share of a minute's requests fails.
    pub errors: f64,
    /// Share of people who try again, a step later, when they got an error.
    pub come_back: f64,
    /// Fewest instances of any service.
    pub min: u32,
    /// Most instances of any service.
    pub max: u32,
    /// Most CPUs an instance can be given.
    pub most_cores: f64,
    /// Mean seconds between failures of an instance, for each service.
    pub between_failures_s: f64,
}

impl Default for Shop {
    /// A frontend that calls a cart and a store; the cart calls the store too. 27 ms of CPU a request.
    fn default() -> Self {
        let call = |to, count| Call { to, count };
        Self {
            programs: vec![
                Program::new("frontend", 0.012, vec![call(1, 0.6), call(2, 0.5)]),
                Program::new("cart", 0.010, vec![call(2, 0.8)]),
                Program::new("store", 0.009, vec![]),
            ],
            objective_s: 0.4,
            errors: 0.01,
            come_back: 0.5,
            min: 2,
            max: 100,
            most_cores: 8.0,
            between_failures_s: 6.0 * 3_600.0,
        }
    }
}

impl Shop {
    /// The same without anything that leaks: what a bound may assume.
    #[must_use]
    pub fn without_leaks(&self) -> Self {
        let mut shop = self.clone();
        shop.programs
            .iter_mut()
            .for_each(|program| (program.leak_per_hour, program.leak_kills_h) = (0.0, 0.0));
        shop
    }

    /// CPU seconds of one request from outside, in all services.
    #[must_use]
    pub fn work_s(&self) -> f64 {
        let programs = self.programs.iter().zip(self.visits());
        programs
            .map(|(program, visits)| program.work_s * visits)
            .sum()
    }

    /// Requests that each service gets for one from outside, when nothing fails.
    #[must_use]
    pub fn visits(&self) -> Vec<f64> {
        let mut visits = vec![0.0; self.programs.len()];
        if let Some(first) = visits.first_mut() {
            *first = 1.0;
        }
        for (place, program) in self.programs.iter().enumerate() {
            let own = visits.get(place).copied().unwrap_or_default();
            for call in &program.calls {
                if let Some(visits) = visits.get_mut(call.to) {
                    *visits += own * call.count;
                }
            }
        }
        visits
    }
}
