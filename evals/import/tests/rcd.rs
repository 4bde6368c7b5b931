//! Sock-shop recordings: the service and the resource at fault are named first.

mod common;
#[path = "common/tally.rs"]
mod tally;

use std::time::Instant;

use common::folder;
use ostler_diagnosis::signals;
use ostler_evals_import::case::Truth;
use ostler_evals_import::rcd;
use tally::{healthy, place, share};

#[test]
fn the_service_and_its_resource_are_named_first() {
    let Some(folder) = folder("rcd-sockshop") else {
        return;
    };
    let cases = rcd::read(&folder).expect("the set is readable");
    let start = Instant::now();
    let told: Vec<_> = cases
        .iter()
        .map(|case| (case, signals::rank(&case.picture)))
        .collect();
    let each = start.elapsed() / u32::try_from(cases.len()).expect("few cases");

    println!("resource  cases  service@1  service avg@5  metric@1");
    let mut total = [0; 3];
    let mut hits = 0.0;
    for (resource, word) in [("cpu", "cpu_saturated"), ("mem", "memory_growth")] {
        let of_kind = told.iter().filter(
            |(case, _)| matches!(&case.truth, Truth::Faulty { cause: Some(cause), .. } if cause == resource),
        );
        let (mut count, mut first, mut metric, mut ranks) = (0, 0, 0, 0.0);
        for (case, diagnosis) in of_kind {
            let place = place(diagnosis, &case.truth).unwrap_or(usize::MAX);
            let cause = diagnosis
                .findings
                .first()
                .and_then(|finding| finding.cause.as_deref());
            count += 1;
            first += usize::from(place == 0);
            metric += usize::from(place == 0 && cause == Some(word));
            ranks += (0..5).filter(|k| place <= *k).count() as f64 / 5.0;
            if place != 0 || cause != Some(word) {
                println!("  missed {}: {:?}", case.id, diagnosis.findings.first());
            }
        }
        let average = ranks / f64::from(u32::try_from(count).expect("few"));
        println!(
            "{resource:8}  {count:5}  {:9.3}  {average:13.3}  {:8.3}",
            share(first, count),
            share(metric, count)
        );
        let floor = if resource == "cpu" { 0.95 } else { 0.92 };
        assert!(share(metric, count) >= floor, "metric level of {resource}");
        total = [total[0] + count, total[1] + first, total[2] + metric];
        hits += ranks;
    }
    let average = hits / f64::from(u32::try_from(total[0]).expect("few"));
    println!(
        "all       {:5}  {:9.3}  {average:13.3}  {:8.3}",
        total[0],
        share(total[1], total[0]),
        share(total[2], total[0])
    );
    assert!(average >= 0.99, "service level avg@5 {average}");

    let calm: Vec<_> = told
        .iter()
        .filter(|(case, _)| case.truth == Truth::Healthy)
        .collect();
    let quiet = calm
        .iter()
        .filter(|(_, diagnosis)| healthy(diagnosis))
        .count();
    println!(
        "healthy   {:5}  specificity {:.3}; {each:?} a case",
        calm.len(),
        share(quiet, calm.len())
    );
    for (case, diagnosis) in calm.iter().filter(|(_, diagnosis)| !healthy(diagnosis)) {
        println!(
            "  false alarm {}: {:?}",
            case.id,
            diagnosis.findings.first()
        );
    }
    assert!(share(quiet, calm.len()) >= 0.95, "specificity");
}

#[test]
fn the_moment_is_found_where_nobody_noticed() {
    let Some(folder) = folder("rcd-sockshop") else {
        return;
    };
    let cases = rcd::read(&folder).expect("the set is readable");
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
