//! The recorded scenarios: which days, and at what scale.

use std::path::Path;

use crate::{
    read::{TraceError, autothrottle, worldcup},
    scenario::Scenario,
};

const STEPS_OF_A_DAY: usize = 17_280;

/// What is taken of the World Cup: name, first day, day after the last, and what it is. The first day is
/// not measured.
const DAYS: [(&str, &str, &str, &str); 2] = [
    (
        "world cup, before",
        "1998-05-26",
        "1998-05-30",
        "27 to 29 May 1998 after a day of warm-up",
    ),
    (
        "world cup, first matches",
        "1998-06-09",
        "1998-06-13",
        "10 to 12 June 1998, the first matches, after a day of warm-up",
    ),
];

/// Reads them all from the folder that has `worldcup98` and `autothrottle`.
///
/// # Errors
/// [`TraceError`] where a trace is not there, or is none.
pub fn all(data: &Path) -> Result<Vec<Scenario>, TraceError> {
    let mut all = Vec::new();
    for name in ["diurnal", "bursty"] {
        let path = data.join(format!("autothrottle/traces/{name}.txt"));
        let about = format!("Autothrottle's `{name}`: an hour at one point a second");
        // Ten minutes for everyone to settle.
        let mut scenario = Scenario::new(
            &format!("autothrottle {name}"),
            &about,
            autothrottle(&path)?,
            120,
        );
        scenario.runs = 5;
        all.push(scenario);
    }
    for (name, from, until, about) in DAYS {
        let rates = worldcup(&data.join("worldcup98/invocation_count.csv"), from, until)?;
        all.push(Scenario::new(name, about, rates, STEPS_OF_A_DAY));
    }
    Ok(all)
}
