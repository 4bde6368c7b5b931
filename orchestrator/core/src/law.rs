//! What people rule at the moment, as part of what is wanted: freezes they called, glass they broke in an
//! emergency, and the policies in force where these are not the shipped ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{FreezeName, Namespace},
    time::{Span, Time},
};

/// The longest time for which somebody may break the glass.
pub const GLASS_LIMIT: Span = Span::minutes(240);
/// Most freezes at a time.
pub const FREEZES: usize = 100;
/// Most files of policies.
pub const FILES: usize = 100;
/// Most bytes of policies in all.
pub const BYTES: usize = 512 << 10;

/// What people rule at the moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Freezes that people called, beside those of the configuration.
    pub freezes: BTreeMap<FreezeName, Freeze>,
    /// People who declared an emergency, by name; those whose time is over count for nothing.
    pub glass: BTreeMap<String, Glass>,
    /// The policies in force, text by file name; the shipped ones where there are none.
    pub policies: Option<Policies>,
}

/// Policies as text, by file name. Shared: a whole bundle is copied with every change otherwise.
pub type Policies = Arc<BTreeMap<String, String>>;

/// A time in which changes are frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// From this moment.
    pub from: Time,
    /// Until just before this one.
    pub until: Time,
    /// Of these namespaces only; of everything when empty.
    pub namespaces: BTreeSet<Namespace>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl Freeze {
    /// Whether it is in force at a moment for what touches these namespaces.
    #[must_use]
    pub fn holds(&self, touched: &BTreeSet<&Namespace>, now: Time) -> bool {
        let speaks = self.namespaces.is_empty()
            || (self.namespaces.iter()).any(|namespace| touched.contains(namespace));
        speaks && self.from <= now && now < self.until
    }
}

/// An emergency that a person declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glass {
    /// Until just before this moment.
    pub until: Time,
    /// Why.
    pub reason: String,
}

impl Freeze {
    /// Whether all of another freeze that is still to come is within this one.
    fn covers(&self, other: &Self, now: Time) -> bool {
        let places = self.namespaces.is_empty()
            || (!other.namespaces.is_empty() && other.namespaces.is_subset(&self.namespaces));
        places && self.from <= other.from.max(now) && self.until >= other.until
    }
}

impl Law {
    /// Whether less is frozen than before by some freeze that is not over.
    #[must_use]
    pub fn lifts(&self, before: &Self, now: Time) -> bool {
        let mut open = before
            .freezes
            .iter()
            .filter(|(_, freeze)| now < freeze.until);
        open.any(|(name, freeze)| {
            let after = self.freezes.get(name);
            !after.is_some_and(|after| after.covers(freeze, now))
        })
    }

    /// Whether a person declared an emergency that is not over.
    #[must_use]
    pub fn emergency_of(&self, person: &str, now: Time) -> Option<&Glass> {
        self.glass.get(person).filter(|glass| now < glass.until)
    }
}
