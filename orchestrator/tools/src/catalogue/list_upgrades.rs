//! `list_upgrades`: new versions of what runs.

use std::collections::BTreeMap;

use ostler_core::{
    id::ServiceKey,
    intent::Service,
    proposal::{Proposal, ProposalState},
    spec::Upgrades as Rule,
};
use ostler_upgrades::{image::Image, risk::Past};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::{LeftVersion, UpgradeInfo, Upgrades},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, answer};

/// Proposals of a service that are looked back on.
const BACK: usize = 10;

/// See the module.
pub struct ListUpgrades;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only of this service.
    pub service: Option<ServiceKey>,
}

impl Describe for ListUpgrades {
    type Args = Args;
    type Answer = Upgrades;
    const NAME: &'static str = "list_upgrades";
    const TITLE: &'static str = "New versions";
    const DESCRIPTION: &'static str = "Lists new versions of the images of services whose manifest says `spec.upgrades`: what runs, \
        what their registries offer and since when, why some of it is not wanted, what known \
        vulnerabilities reach what runs, versions that were tried and left, and when the registry \
        last answered. Tags and labels are text of others.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if let Some(key) = &args.service {
            lookup::service(view, key)?;
        }
        let wanted = |key: &ServiceKey| args.service.as_ref().is_none_or(|one| one == key);
        let services = view.intent.services.iter().filter(|(key, _)| wanted(key));
        let tried = tried(view);
        let services: Vec<UpgradeInfo> = services
            .filter_map(|(key, service)| {
                let rule = service.spec.upgrades.clone()?;
                let tried = tried.get(key).map_or(&[][..], |tried| tried);
                Some(info(view, (key, service), rule, tried))
            })
            .collect();
        let found = Upgrades {
            untrusted: untrusted(&services),
            services,
            feed: view.world.upgrades.feed.clone(),
        };
        let about = args.service.as_ref();
        answer(&found, about.map_or_else(About::fleet, About::service))
    }
}

/// Proposed upgrades by service, the newest first.
fn tried<'v>(view: &'v View<'_>) -> BTreeMap<&'v ServiceKey, Vec<&'v Proposal>> {
    let mut found: BTreeMap<&ServiceKey, Vec<&Proposal>> = BTreeMap::new();
    for proposal in view.records.proposals.values() {
        if image_of(proposal).is_some() {
            let of = found.entry(&proposal.body.verify.service).or_default();
            of.push(proposal);
        }
    }
    for proposals in found.values_mut() {
        proposals.sort_by_key(|one| std::cmp::Reverse(one.at));
    }
    found
}

/// The image that a proposal would bring in.
fn image_of(proposal: &Proposal) -> Option<&str> {
    let mut calls = proposal.body.calls.iter();
    let call = calls.find(|call| call.tool == super::upgrade_service::NAME)?;
    call.arguments.get("image")?.as_str()
}

fn info(
    view: &View<'_>,
    (key, service): (&ServiceKey, &Service),
    rule: Rule,
    tried: &[&Proposal],
) -> UpgradeInfo {
    let seen = view.world.upgrades.services.get(key);
    let mut past = Past::default();
    for proposal in tried.iter().take(BACK) {
        match proposal.state {
            ProposalState::Verified => past.kept += 1,
            ProposalState::Undone => past.left += 1,
            _ => {}
        }
    }
    UpgradeInfo {
        service: key.clone(),
        image: service.spec.image.clone(),
        rule,
        seen: seen
            .filter(|seen| seen.image == service.spec.image)
            .cloned(),
        left: left(service, tried),
        past,
    }
}

/// What was tried and left: generations that are no longer wanted, and proposals that came to nothing.
fn left(service: &Service, tried: &[&Proposal]) -> Vec<LeftVersion> {
    let now = service.spec.image.as_str();
    let history = service.history.iter().chain(&service.stable);
    let history = history.map(|past| {
        let why = format!("generation {} ran it, and was left", past.generation);
        (past.spec.image.as_str(), why)
    });
    let proposals = tried.iter().filter_map(|proposal| {
        let why = match proposal.state {
            ProposalState::Rejected => "a person said no",
            ProposalState::Undone => "it was taken back",
            _ => return None,
        };
        Some((image_of(proposal)?, format!("{why} (`{}`)", proposal.id)))
    });
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for (image, why) in history.chain(proposals).filter(|(image, _)| *image != now) {
        found.insert(image, why);
    }
    let runs = Image::read(now);
    found
        .into_iter()
        // A tag that still runs, with other content, was not left.
        .filter(|(image, _)| {
            let image = Image::read(image);
            image.digest.is_some() || image.tag != runs.tag
        })
        .map(|(image, why)| LeftVersion {
            image: image.to_owned(),
            why,
        })
        .collect()
}

/// Pointers to tags and reasons, which are of registries' making.
fn untrusted(services: &[UpgradeInfo]) -> Vec<String> {
    let mut pointers = Vec::new();
    for (index, one) in services.iter().enumerate() {
        let Some(seen) = &one.seen else { continue };
        let at = format!("/services/{index}/seen");
        if seen.problem.is_some() {
            pointers.push(format!("{at}/problem"));
        }
        for offer in 0..seen.offers.len() {
            pointers.push(format!("{at}/offers/{offer}/tag"));
        }
        if !seen.vulnerabilities.is_empty() {
            pointers.push(format!("{at}/vulnerabilities"));
        }
    }
    pointers
}
