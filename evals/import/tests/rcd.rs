//! Sock-shop recordings: the service and the resource at fault are named first.
#![expect(
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and prints its table"
)]

mod common;
#[path = "common/tally.rs"]
mod tally;

use std::time::Instant;

use common::folder;
use ostler_diagnosis::finding::Diagnosis;
use ostler_diagnosis::signals;
use ostler_evals_import::case::{Case, Truth};
use ostler_evals_import::rcd;
use tally::{healthy, place, share};

/// Of one kind of resource: cases, service first, service and resource first, sum of avg@5.
#[derive(Default)]
struct Counted {
    cases: usize,
    service: usize,
    metric: usize,
    average: f64,
}

impl Counted {
    fn count(&mut self, case: &Case, diagnosis: &Diagnosis, word: &str) {
        let place = place(diagnosis, &case.truth).unwrap_or(usize::MAX);
        let first = diagnosis.findings.first();
        let cause = first.and_then(|finding| finding.cause.as_deref());
        let exact = place == 0 && cause == Some(word);
        self.cases += 1;
        self.service += usize::from(place == 0);
        self.metric += usize::from(exact);
        self.average += (0..5).filter(|k| place <= *k).count() as f64 / 5.0;
        if !exact {
            println!("  missed {}: {first:?}", case.id);
        }
    }

    fn print(&self, name: &str) {
        let [service, metric] = [self.service, self.metric].map(|part| share(part, self.cases));
        let average = self.average / self.cases as f64;
        println!(
            "{name:8}  {:5}  {service:9.3}  {average:13.3}  {metric:8.3}",
            self.cases
        );
    }
}

#[test]
fn the_service_and_its_resource_are_named_first() {
    let Some(folder) = folder("rcd-sockshop") else {
        return;
    };
    let cases = rcd::read(&folder).unwrap();
    let start = Instant::now();
    let told: Vec<_> = cases
        .iter()
        .map(|case| (case, signals::rank(&case.picture)))
        .collect();
    let each = start.elapsed() / u32::try_from(cases.len()).unwrap();

    println!("resource  cases  service@1  service avg@5  metric@1");
    for (resource, word, floor) in [
        ("cpu", "cpu_saturated", 0.95),
        ("mem", "memory_growth", 0.92),
    ] {
        let mut counted = Counted::default();
        for (case, diagnosis) in &told {
            if matches!(&case.truth, Truth::Faulty { cause: Some(cause), .. } if cause == resource)
            {
                counted.count(case, diagnosis, word);
            }
        }
        counted.print(resource);
        assert!(
            share(counted.metric, counted.cases) >= floor,
            "metric level of {resource}"
        );
        assert!(
            counted.average / counted.cases as f64 >= 0.99,
            "service level of {resource}"
        );
    }

    let calm: Vec<_> = told
        .iter()
        .filter(|(case, _)| case.truth == Truth::Healthy)
        .collect();
    let quiet = calm
        .iter()
        .filter(|(_, diagnosis)| healthy(diagnosis))
        .count();
    let specificity = share(quiet, calm.len());
    println!(
        "healthy   {:5}  specificity {specificity:.3}; {each:?} a case",
        calm.len()
    );
    assert!(specificity >= 0.95, "specificity");
}

#[test]
fn the_moment_is_found_where_nobody_noticed() {
    let Some(folder) = folder("rcd-sockshop") else {
        return;
    };
    let cases = rcd::read(&folder).unwrap();
    let (mut count, mut first, mut calm, mut quiet) = (0, 0, 0, 0);
    for mut case in cases {
        case.picture.noticed = None;
        let diagnosis = signals::rank(&case.picture);
        if case.truth == Truth::Healthy {
            calm += 1;
            quiet += usize::from(healthy(&diagnosis));
        } else {
            count += 1;
            first += usize::from(place(&diagnosis, &case.truth) == Some(0));
        }
    }
    println!(
        "unnoticed {count:5}  service@1 {:.3}  specificity {:.3}",
        share(first, count),
        share(quiet, calm)
    );
    assert!(share(first, count) >= 0.9);
}
