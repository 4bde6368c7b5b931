//! From a newer version to a proposal: read anew, judged with all that is known of the service, and asked of
//! policy before anybody is asked for a yes.

use async_trait::async_trait;
use ostler_agents_kit::{
    planner::{Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    situation::{Cited, ServiceFacts, Situation},
    text,
};
use ostler_core::{
    id::ServiceKey,
    incident::{Cause, CauseKind, Evidence},
    plan::ServiceState,
    proposal::{ProposalBody, ProposedCall, Verify},
    spec::{Port, Upgrades as Rule},
    time::Span,
};
use ostler_tools::answer::{UpgradeInfo, UpgradeSeen, Upgrades};
use ostler_upgrades::{
    image::Image,
    strategy::{self, Way},
};
use serde_json::{Map, Value, json};

use super::{
    judge::{Standing, Upgrade, judge},
    notice::info_of,
};
use crate::frozen::is_frozen;

/// Vulnerabilities that are named in a proposal.
const NAMED: usize = 3;

/// Thinks with rules alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpgradePlanner;

#[async_trait]
impl Planner for UpgradePlanner {
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError> {
        let Some(facts) = situation.facts.get(&situation.subject) else {
            return Ok(Thought::by_rules(Verdict::Healthy));
        };
        let asked = json!({ "service": situation.subject });
        let upgrades: Cited<Upgrades> = reader.ask("list_upgrades", asked).await?;
        let Some(info) = info_of(&upgrades.value, &situation.subject) else {
            return Ok(Thought::by_rules(Verdict::Healthy));
        };
        let upgrade = match judge(info, standing(facts), situation.now) {
            Ok(upgrade) => upgrade,
            Err(why) => {
                tracing::info!(service = %situation.subject, "nothing to propose: {why}");
                return Ok(Thought::by_rules(Verdict::Healthy));
            }
        };
        let way = strategy::way(
            &facts.detail.value.spec,
            &info.rule,
            upgrade.risk.level,
            upgrade.is_urgent(),
        );
        let arguments = arguments(&situation.subject, &upgrade, &way);
        if is_frozen(reader, "upgrade_service", &arguments).await? {
            tracing::info!(service = %situation.subject, "waits: changes are frozen now");
            return Ok(Thought::by_rules(Verdict::Healthy));
        }
        let body = body(facts, (&upgrades, info), &upgrade, &way, arguments);
        Ok(Thought::by_rules(Verdict::Proposal(Box::new(body))))
    }
}

fn standing(facts: &ServiceFacts) -> Standing {
    let detail = &facts.detail.value;
    Standing {
        stateful: detail.spec.is_stateful(),
        measured: detail.spec.ports.iter().any(Port::is_proxied),
        replicas: detail.summary.wanted,
        blast_radius: u32::try_from(detail.blast_radius.len()).unwrap_or(u32::MAX),
    }
}

fn arguments(service: &ServiceKey, upgrade: &Upgrade, way: &Way) -> Map<String, Value> {
    let asked = json!({ "service": service, "image": upgrade.image, "strategy": way.strategy });
    let mut arguments = match asked {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    arguments.retain(|_, value| !value.is_null());
    arguments
}

fn body(
    facts: &ServiceFacts,
    (upgrades, info): (&Cited<Upgrades>, &UpgradeInfo),
    upgrade: &Upgrade,
    way: &Way,
    arguments: Map<String, Value>,
) -> ProposalBody {
    let service = facts.key().clone();
    let seen = info.seen.clone().unwrap_or_default();
    let mut evidence = vec![
        upgrades.untrusted_claim(upgrade.in_words()),
        facts.detail.claim(upgrade.risk.in_words()),
    ];
    evidence.extend(urgency(upgrades, &seen, upgrade));
    let hold = hold(&info.rule);
    let reason = format!("{}; {}", upgrade.risk.in_words(), way.words);
    ProposalBody {
        title: title(&service, upgrade),
        cause: Cause {
            kind: CauseKind::Outdated,
            culprit: service.clone(),
            confidence: 0.95,
            explanation: text::claim(&upgrade.in_words()),
            evidence,
        },
        calls: vec![ProposedCall {
            tool: "upgrade_service".to_owned(),
            arguments,
            reason: text::claim(&reason),
        }],
        expected: text::claim(&format!(
            "{}; `{service}` is healthy with it for {hold}, within {}",
            way.words, way.within
        )),
        verify: Verify {
            service,
            state: ServiceState::Healthy,
            hold,
            within: Span(way.within.0.saturating_add(hold.0)),
        },
        alternatives: alternatives(info, &seen, upgrade),
    }
}

fn title(service: &ServiceKey, upgrade: &Upgrade) -> String {
    let risk = upgrade.risk.level.name();
    format!(
        "Upgrade `{service}` to `{}` ({}, {risk} risk)",
        upgrade.offer.tag, upgrade.distance
    )
}

/// Watched for as long as a step of usual risk bakes, within reason.
fn hold(rule: &Rule) -> Span {
    rule.bake.clamp(Span::seconds(2), Span::minutes(1))
}

/// What makes it urgent.
fn urgency(upgrades: &Cited<Upgrades>, seen: &UpgradeSeen, upgrade: &Upgrade) -> Vec<Evidence> {
    let named = seen.vulnerabilities.iter().take(NAMED).map(|one| {
        let fixed = match &one.fixed {
            Some(fixed) => format!("fixed in `{fixed}`"),
            None => "with no fixed version yet".to_owned(),
        };
        format!(
            "`{}` ({}) reaches `{}` {} of what runs, {fixed}",
            one.id,
            one.severity.name(),
            one.package,
            one.installed
        )
    });
    let mut claims: Vec<Evidence> = named.map(|words| upgrades.untrusted_claim(words)).collect();
    if seen.vulnerable > 0 {
        let words = format!(
            "known vulnerabilities that reach what runs: {}; whether the new version has the fixes is seen once it runs",
            seen.vulnerable
        );
        claims.push(upgrades.claim(words));
    }
    if upgrade.overdue {
        claims.push(
            upgrades.claim("something newer has been there for longer than `maxAge` accepts"),
        );
    }
    claims
}

/// Other versions, and why not those.
fn alternatives(info: &UpgradeInfo, seen: &UpgradeSeen, upgrade: &Upgrade) -> Vec<String> {
    let left = info.left.iter().take(4);
    let left = left.map(|left| format!("not `{}`: {}", left.image, left.why));
    let runs = Image::read(&info.image).tag;
    let other = |tag: &String| *tag != upgrade.offer.tag && Some(tag) != runs.as_ref();
    let others = seen.offers.iter().filter(|one| other(&one.tag));
    let others = others
        .take(2)
        .map(|one| format!("`{}` is there too", one.tag));
    let not = seen.not.iter().take(4).cloned();
    let all = left.chain(not).chain(others).take(10);
    all.map(|words| text::claim(&words)).collect()
}
