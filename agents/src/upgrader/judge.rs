//! One service's newer versions judged: which one, how risky, how urgent. Pure.

use std::collections::BTreeSet;

use ostler_core::{spec::Upgrades as Rule, time::Time};
use ostler_tools::answer::UpgradeInfo;
use ostler_upgrades::{
    image::Image,
    osv::{Severity, worst_of},
    risk::{self, Facts, Risk},
    rule::{Choice, Chosen, Offer, choose, overdue},
    version::{Distance, Version},
};

/// What of a service matters for how risky an upgrade of it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) stateful: bool,
    pub(super) measured: bool,
    pub(super) replicas: u32,
    pub(super) blast_radius: u32,
}

/// A version that is right now.
#[derive(Debug, Clone)]
pub(super) struct Upgrade {
    /// Which.
    pub(super) offer: Offer,
    /// The image by tag and digest.
    pub(super) image: String,
    /// The repository and the digest: what would run.
    pub(super) would_run: (String, String),
    /// What runs, as people call it.
    pub(super) runs: String,
    pub(super) distance: Distance,
    pub(super) risk: Risk,
    /// The worst that is known of what runs.
    pub(super) severity: Severity,
    pub(super) overdue: bool,
}

impl Upgrade {
    /// Whether it is worth more haste.
    pub(super) fn is_urgent(&self) -> bool {
        self.severity >= Severity::High
    }

    /// What is there, in words; tags are of a registry's making and hold no more than tags may.
    pub(super) fn in_words(&self) -> String {
        let (repository, tag) = (&self.would_run.0, &self.offer.tag);
        if self.distance == Distance::Same {
            return format!(
                "`{repository}:{tag}` has other content: {} runs",
                short(&self.runs)
            );
        }
        format!(
            "`{repository}` has `{tag}`, {}, `{}` runs",
            self.distance, self.runs
        )
    }
}

/// A digest as people read it.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

/// Which version is right now; else why there is none.
pub(super) fn judge(info: &UpgradeInfo, standing: Standing, now: Time) -> Result<Upgrade, String> {
    let Some(seen) = &info.seen else {
        return Err("its registry was not asked yet".to_owned());
    };
    let image = Image::read(&info.image);
    let Some(tag) = image.tag.clone() else {
        return Err("its image has no tag".to_owned());
    };
    let offers: Vec<Offer> = seen
        .offers
        .iter()
        .map(|offer| Offer {
            tag: offer.tag.clone(),
            digest: offer.digest.clone(),
            pin: offer.pin.clone(),
            seen_at: offer.seen_at,
        })
        .collect();
    let chosen = choose(&Choice {
        tag: &tag,
        digest: seen.digest.as_deref(),
        offers: &offers,
        left: &left(info),
        rule: &info.rule,
        now,
    });
    let (offer, distance, skipped) = match chosen {
        Chosen::Stay(why) | Chosen::Later { words: why, .. } => return Err(why),
        Chosen::Take {
            offer,
            distance,
            skipped,
        } => (offer, distance, skipped),
    };
    let mut told = seen.offers.iter();
    let changed = told.find(|one| one.digest == offer.digest && one.tag == offer.tag);
    let facts = Facts {
        distance,
        skipped,
        early: is_early(&offer.tag, &info.rule) && !is_early(&tag, &info.rule),
        changed: changed.and_then(|offer| offer.changed.clone()),
        criticality: info.rule.criticality,
        blast_radius: standing.blast_radius,
        stateful: standing.stateful,
        replicas: standing.replicas,
        measured: standing.measured,
        past: info.past,
        now,
    };
    Ok(Upgrade {
        image: image.pinned(&offer.tag, &offer.pin),
        would_run: (image.repository, offer.digest.clone()),
        runs: match distance {
            Distance::Same => seen.digest.clone().unwrap_or_default(),
            _ => tag,
        },
        distance,
        risk: risk::judge(&facts),
        severity: worst_of(&seen.vulnerabilities),
        overdue: overdue(seen.behind_since, &info.rule, now).is_some(),
        offer,
    })
}

fn is_early(tag: &str, rule: &Rule) -> bool {
    Version::read(tag, rule.scheme).is_some_and(|one| one.is_early())
}

/// Digests and tags that are not proposed again.
fn left(info: &UpgradeInfo) -> BTreeSet<String> {
    let images = info.left.iter().map(|left| Image::read(&left.image));
    let named = images.filter_map(|image| image.digest.or(image.tag));
    named.collect()
}
