//! PetShop recordings: from who complained to what was at fault, and silence where nothing was.
#![expect(
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and prints its table"
)]

mod common;
#[path = "common/tally.rs"]
mod tally;

use std::collections::BTreeMap;
use std::time::Instant;

use common::folder;
use ostler_diagnosis::signals;
use ostler_evals_import::case::Truth;
use ostler_evals_import::petshop;
use tally::{healthy, place, share};

#[test]
fn the_cause_is_named_and_healthy_times_are_left_alone() {
    let Some(folder) = folder("petshop") else {
        return;
    };
    let cases = petshop::read(&folder).unwrap();
    let start = Instant::now();
    // By scenario: issues, right at first place, right within three; by length: healthy, left alone.
    let mut issues: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut calm: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for case in &cases {
        let diagnosis = signals::rank(&case.picture);
        let part = |i: usize| case.id.split('/').nth(i).unwrap_or_default().to_owned();
        if case.truth == Truth::Healthy {
            let counted = calm.entry(part(3)).or_default();
            counted[0] += 1;
            counted[1] += usize::from(healthy(&diagnosis));
            if !healthy(&diagnosis) {
                println!(
                    "  false alarm {}: {:?} {:?}",
                    case.id,
                    diagnosis.verdict,
                    diagnosis.findings.first()
                );
            }
            continue;
        }
        let place = place(&diagnosis, &case.truth);
        for name in [part(1), "all".to_owned()] {
            let counted = issues.entry(name).or_default();
            counted[0] += 1;
            counted[1] += usize::from(place == Some(0));
            counted[2] += usize::from(place.is_some_and(|place| place < 3));
        }
        if place != Some(0) {
            let first: Vec<_> = diagnosis
                .findings
                .iter()
                .take(3)
                .map(|f| (&f.object, f.score))
                .collect();
            println!(
                "  missed {} at {place:?}: {:?} {first:?}",
                case.id, case.truth
            );
        }
    }
    let each = start.elapsed() / u32::try_from(cases.len()).unwrap();
    println!("scenario           issues  top-1  top-3");
    for (name, [count, first, third]) in &issues {
        println!(
            "{name:18} {count:6}  {:.3}  {:.3}",
            share(*first, *count),
            share(*third, *count)
        );
    }
    for (kind, [count, quiet]) in &calm {
        println!(
            "healthy {kind:10} {count:6}  specificity {:.3}",
            share(*quiet, *count)
        );
    }
    println!("{each:?} a case");
    let [count, first, third] = issues["all"];
    assert!(share(first, count) >= 0.75 && share(third, count) >= 0.9);
    assert!(
        calm.values()
            .all(|[count, quiet]| share(*quiet, *count) >= 0.95),
        "specificity"
    );
}
