//! `promote_agent`: let an agent act alone.

use std::collections::BTreeSet;

use ostler_core::{
    autonomy::{Autonomy, Certificate},
    change::Change,
    id::{AgentName, Namespace},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// Most namespaces of one promotion.
const NAMESPACES_LIMIT: usize = 100;

/// See the module.
pub struct PromoteAgent;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The agent.
    pub agent: AgentName,
    /// The certificate: the signed note that `ostler eval run --certify` wrote, whole.
    pub certificate: String,
    /// Where it may act alone, 100 namespaces at most; everywhere when left out.
    #[serde(default)]
    pub namespaces: BTreeSet<Namespace>,
}

impl Describe for PromoteAgent {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "promote_agent";
    const TITLE: &'static str = "Let an agent act alone";
    const DESCRIPTION: &'static str = "From now on the agent acts without a person's yes where policy allows that to an agent with \
        such a certificate. It holds for exactly the build, prompt, planner and settings that were certified, until the certificate \
        expires, and as long as fewer than two of its proposals had to be taken back or were overruled.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::agent(view, &args.agent)?;
        if args.namespaces.len() > NAMESPACES_LIMIT {
            return Err(Refusal::new(format!(
                "`namespaces` names {}; {NAMESPACES_LIMIT} at most, or none for everywhere",
                args.namespaces.len()
            )));
        }
        let (certificate, evaluator) = view.notary.open(&args.certificate)?;
        fits(view, &args.agent, &certificate)?;
        let autonomy = Autonomy {
            certificate,
            evaluator,
            since: view.now,
            namespaces: args.namespaces,
        };
        Ok(Decided::Change(Change::SetAutonomy {
            agent: args.agent,
            autonomy: Some(Box::new(autonomy)),
        }))
    }
}

/// Refuses a certificate of something else than what runs, or of another time.
fn fits(view: &View<'_>, agent: &AgentName, certificate: &Certificate) -> Result<(), Refusal> {
    let status = view.world.agents.get(agent);
    let Some(make) = status.and_then(|status| status.make.as_ref()) else {
        return Err(Refusal::new(format!(
            "what exactly runs as `{agent}` is not known, so no certificate fits it; only Ostler's own agents can be certified"
        )));
    };
    let differs = certificate.make.differences(make);
    if !differs.is_empty() {
        return Err(Refusal::new(format!(
            "`certificate` is of something else than what runs as `{agent}`: another {}. Run `ostler eval run --certify` with \
             this build and this configuration",
            differs.join(", another ")
        )));
    }
    if view.now >= certificate.expires_at {
        return Err(Refusal::new(
            "`certificate` has expired; run the evals again",
        ));
    }
    if view.now < certificate.issued_at {
        return Err(Refusal::new(
            "`certificate` is from the future; look at the clocks of this machine and of the evaluator's",
        ));
    }
    Ok(())
}
