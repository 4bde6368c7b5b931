//! Who answers: a version by its weight, then of two of its instances the one with less under way.
//!
//! Versions are drawn, not dealt in turn: requests of one page come in patterns, and dealt cards would
//! give a version always the same ones, which no comparison of versions survives.

use std::{sync::Arc, time::Instant};

use rand::{RngExt, rngs::StdRng};

use crate::{tally::Tally, upstream::Backend};

/// The versions behind a front as they stand.
#[derive(Debug, Default)]
pub struct Rotation {
    /// Each with its instances.
    pub versions: Vec<Standing>,
}

/// One version.
#[derive(Debug)]
pub struct Standing {
    /// Its share.
    pub weight: u32,
    /// Its instances.
    pub backends: Vec<Arc<Backend>>,
    /// Where its requests are counted.
    pub tally: Arc<Tally>,
}

/// Who was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The instance.
    pub backend: Arc<Backend>,
    /// Where its version's requests are counted.
    pub tally: Arc<Tally>,
    version: usize,
}

impl Rotation {
    /// Chooses somebody, for a second try somebody else: of the same version where possible. Instances
    /// that refused a connection a moment ago are chosen only when there are no others.
    pub fn choose(
        &self,
        dice: &mut StdRng,
        now: Instant,
        tried: Option<&Chosen>,
    ) -> Option<Chosen> {
        let fit = |rested: bool| {
            move |backend: &&Arc<Backend>| {
                let other = tried.is_none_or(|tried| !Arc::ptr_eq(&tried.backend, backend));
                other && (rested || !backend.rests(now))
            }
        };
        let same = tried.and_then(|tried| {
            let standing = self.versions.get(tried.version)?;
            standing.choose(dice, tried.version, fit(false))
        });
        same.or_else(|| self.draw(dice, fit(false)))
            .or_else(|| self.draw(dice, fit(true)))
    }

    fn draw(
        &self,
        dice: &mut StdRng,
        fit: impl Fn(&&Arc<Backend>) -> bool + Copy,
    ) -> Option<Chosen> {
        let able = |(_, one): &(usize, &Standing)| {
            one.weight > 0 && one.backends.iter().any(|backend| fit(&backend))
        };
        let able: Vec<_> = self.versions.iter().enumerate().filter(able).collect();
        let whole: u64 = able.iter().map(|(_, one)| u64::from(one.weight)).sum();
        if whole == 0 {
            return None;
        }
        let mut left = dice.random_range(0..whole);
        for (index, one) in able {
            let weight = u64::from(one.weight);
            if left < weight {
                return one.choose(dice, index, fit);
            }
            left -= weight;
        }
        None
    }
}

impl Standing {
    fn choose(
        &self,
        dice: &mut StdRng,
        version: usize,
        fit: impl Fn(&&Arc<Backend>) -> bool,
    ) -> Option<Chosen> {
        let fitting: Vec<&Arc<Backend>> = self.backends.iter().filter(fit).collect();
        let mut any = || {
            let index = dice.random_range(0..fitting.len().max(1));
            fitting.get(index).copied()
        };
        let (one, other) = (any()?, any()?);
        let less = if other.under_way() < one.under_way() {
            other
        } else {
            one
        };
        Some(Chosen {
            backend: less.clone(),
            tally: self.tally.clone(),
            version,
        })
    }
}
