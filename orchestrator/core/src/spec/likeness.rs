//! How much the instances of two specs are alike: whether one must be replaced by the other, can
//! become the other while it runs, or need not be touched at all.

use super::ServiceSpec;

/// How much instances of two specs are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Made in the same way.
    Same,
    /// They differ in requests and limits only: one can become the other while it runs.
    OtherSize,
    /// One must be replaced by the other.
    Other,
}

impl ServiceSpec {
    /// Whether instances made from either spec are alike: they differ at most in what steers
    /// Ostler itself (replica bounds, scaling, objectives, update strategy, wanted upgrades).
    #[must_use]
    pub fn makes_same(&self, other: &Self) -> bool {
        self.likeness(other) == Likeness::Same
    }

    /// How much instances made from either spec are alike.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Likeness {
        let mut with_mine = other.clone();
        with_mine.keep_steering_of(self);
        if *self == with_mine {
            return Likeness::Same;
        }
        with_mine.resources = self.resources;
        if *self == with_mine {
            Likeness::OtherSize
        } else {
            Likeness::Other
        }
    }

    /// Takes over the parts of another spec that steer Ostler, not the instance.
    pub(crate) fn keep_steering_of(&mut self, other: &Self) {
        self.replicas = other.replicas;
        self.objectives.clone_from(&other.objectives);
        self.scaling.clone_from(&other.scaling);
        self.update.clone_from(&other.update);
        self.upgrades.clone_from(&other.upgrades);
    }
}
