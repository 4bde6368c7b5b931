//! How right what is said of many cases is: in all, and cause by cause.

use std::collections::BTreeMap;

use ostler_diagnosis::{diagnose::diagnose, knowledge::Knowledge};
use ostler_evals_import::{
    case::{Case, Truth},
    cloudopsbench::right,
};

/// Cases, those with object and cause named first, those with the object named first.
#[derive(Debug, Default, Clone, Copy)]
pub struct Hits {
    pub cases: u32,
    pub cause: u32,
    pub object: u32,
}

impl Hits {
    pub fn add(&mut self, (object, cause): (bool, bool)) {
        self.cases += 1;
        self.cause += u32::from(cause);
        self.object += u32::from(object);
    }

    /// Shares with object and cause, and with the object.
    pub fn shares(self) -> (f64, f64) {
        let of = |hits: u32| f64::from(hits) / f64::from(self.cases.max(1));
        (of(self.cause), of(self.object))
    }
}

/// Held against the truth, in all and by what was wrong.
#[derive(Debug, Default)]
pub struct Table {
    pub all: Hits,
    pub causes: BTreeMap<String, Hits>,
    pub objects: BTreeMap<String, Hits>,
    taken_for: BTreeMap<(String, String), u32>,
    misses: Vec<String>,
}

impl Table {
    pub fn of(cases: impl Iterator<Item = Case>, knowledge: &Knowledge) -> Self {
        let mut table = Self::default();
        for case in cases {
            table.judge(&case, knowledge);
        }
        table
    }

    fn judge(&mut self, case: &Case, knowledge: &Knowledge) {
        let Truth::Faulty { objects, cause } = &case.truth else {
            return;
        };
        let cause = cause.clone().unwrap_or_default();
        let said = diagnose(&case.picture, knowledge);
        let first = said.findings.first();
        let hit = first.map(|first| right(first, &case.truth));
        let hit = hit.unwrap_or_default();
        self.all.add(hit);
        self.causes.entry(cause.clone()).or_default().add(hit);
        let system = case.id.split('/').next().unwrap_or_default();
        for object in objects {
            let key = format!("{system} {object}");
            self.objects.entry(key).or_default().add(hit);
        }
        if hit.1 {
            return;
        }
        let found = first.map_or("nothing", |one| one.cause.as_deref().unwrap_or("?"));
        let place = if hit.0 { "" } else { " elsewhere" };
        *self
            .taken_for
            .entry((cause.clone(), format!("{found}{place}")))
            .or_default() += 1;
        let found = first.map(|one| format!("{} {found} {:.2}", one.object, one.score));
        self.misses
            .push(format!("{} {objects:?} {cause}: {found:?}", case.id));
    }

    /// One line; with `OSTLER_MISSES` also each cause that is missed, for what it was taken, and whom.
    pub fn print(&self, name: &str) {
        let (cause, object) = self.all.shares();
        println!("{name:<32} object and cause {cause:.3}, object {object:.3}");
        let Some(how) = std::env::var_os("OSTLER_MISSES") else {
            return;
        };
        for (cause, hits) in self
            .causes
            .iter()
            .filter(|(_, hits)| hits.cause < hits.cases)
        {
            let (right, _) = hits.shares();
            let mut wrong: Vec<(u32, &str)> = self
                .taken_for
                .iter()
                .filter(|((wanted, _), _)| wanted == cause)
                .map(|((_, found), times)| (*times, found.as_str()))
                .collect();
            wrong.sort_by(|one, other| other.cmp(one));
            println!("  {cause:<36} {:3} {right:.2} {wrong:?}", hits.cases);
        }
        if how == "all" {
            self.misses.iter().for_each(|miss| println!("  {miss}"));
        }
    }
}
