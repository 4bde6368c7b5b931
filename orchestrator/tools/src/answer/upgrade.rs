//! Answers about new versions.

use std::collections::BTreeMap;

use ostler_core::{id::ServiceKey, spec::Upgrades as Rule, time::Time};
use ostler_upgrades::{
    osv::Vulnerability,
    risk::{Changed, Past},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// New versions of what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upgrades {
    /// Services whose manifest says which new versions are wanted, in order of name.
    pub services: Vec<UpgradeInfo>,
    /// What is known of vulnerabilities in general; absent where no feed is configured.
    pub feed: Option<FeedInfo>,
    /// JSON pointers into this answer whose text came from registries and images.
    pub untrusted: Vec<String>,
}

/// What is known of one service's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradeInfo {
    /// Which service.
    pub service: ServiceKey,
    /// The image that is wanted now.
    pub image: String,
    /// What the manifest says of new versions.
    pub rule: Rule,
    /// What was seen; absent until the registry was asked for the first time.
    pub seen: Option<UpgradeSeen>,
    /// New versions that were tried and left, or that a person said no to: they are not proposed again.
    pub left: Vec<LeftVersion>,
    /// How the last upgrades that an agent proposed ended.
    pub past: Past,
}

/// A version that is not proposed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftVersion {
    /// The image.
    pub image: String,
    /// Why.
    pub why: String,
}

/// What was seen of an image and its repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradeSeen {
    /// The image that this speaks of.
    pub image: String,
    /// The digest of what runs, where the image is in the store.
    pub digest: Option<String>,
    /// When the registry last answered.
    pub looked_at: Option<Time>,
    /// Why nothing newer is known, or not all of it.
    pub problem: Option<String>,
    /// How many tags are newer, wanted or not.
    pub newer: u32,
    /// Why some of them are not wanted.
    pub not: Vec<String>,
    /// Wanted newer versions, the newest first, 5 at most, and the tag that runs.
    pub offers: Vec<OfferInfo>,
    /// Since when something newer and wanted has been there, as far as this daemon saw it.
    pub behind_since: Option<Time>,
    /// Packages that were found in what runs; absent where none were looked for.
    pub packages: Option<u32>,
    /// What known vulnerabilities reach what runs, the worst first, 50 at most.
    pub vulnerabilities: Vec<Vulnerability>,
    /// How many in all.
    pub vulnerable: u32,
}

/// A version in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferInfo {
    /// Its tag.
    pub tag: String,
    /// The digest of its manifest for this platform.
    pub digest: String,
    /// The digest to name it by: of the list it is in, where it is one of several.
    pub pin: String,
    /// When this daemon first saw it.
    pub seen_at: Time,
    /// What else is different from what runs; absent where that is not in the store.
    pub changed: Option<Changed>,
    /// What the image says of itself, of a few labels only: text of others, cut.
    pub untrusted_says: BTreeMap<String, String>,
}

/// A folder of known vulnerabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedInfo {
    /// Records that were read.
    pub records: u32,
    /// When they were read.
    pub read_at: Time,
    /// When the newest of its files was written.
    pub newest_at: Option<Time>,
    /// What of it could not be read.
    pub problem: Option<String>,
}
