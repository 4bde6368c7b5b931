//! One service's facts as rules ask for them.

use ostler_agents_kit::{
    situation::{ServiceFacts, Situation},
    symptom::SymptomKind,
};
use ostler_core::{
    id::InstanceId,
    incident::Evidence,
    observed::{Answer, Exit, Phase, ProblemKind, ResizeTrouble},
    plan::Finding,
    time::{Span, Time},
};
use ostler_tools::answer::{GenerationInfo, InstanceInfo, PastChangeInfo};

/// A change older than this before the onset is not suspected.
pub const CHANGE_WINDOW: Span = Span::minutes(30);
/// Trouble this soon after a change speaks against the change.
pub const AT_ONCE: Span = Span::minutes(5);
/// Ends further back than this no longer count.
const EXITS_WINDOW: Span = Span::minutes(15);
/// A change and its record may differ in time by this much.
const SAME_MOMENT: Span = Span::seconds(5);

/// The service that is judged.
#[derive(Clone, Copy)]
pub struct Patient<'a> {
    /// The whole situation.
    pub situation: &'a Situation,
    /// The service's facts.
    pub facts: &'a ServiceFacts,
}

/// A recent change of the spec, with a way back.
#[derive(Clone, Copy)]
pub struct RecentChange<'a> {
    /// The generation to go back to.
    pub back: &'a GenerationInfo,
    /// When it was changed.
    pub at: Time,
    /// When the trouble began, after it.
    pub onset: Time,
    /// What the record of changes says of it.
    pub record: Option<&'a PastChangeInfo>,
}

/// What goes wrong, as far as a change could explain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The kernel kills it for its memory.
    Memory,
    /// It ends by itself.
    Exits,
    /// It cannot be started.
    Start,
    /// It runs but is not ready, or its liveness probe fails.
    Probes,
    /// No machine has room for it.
    NoRoom,
    /// It serves badly.
    Service,
}

impl<'a> Patient<'a> {
    /// When the trouble began, as far as known.
    #[must_use]
    pub fn onset(&self) -> Time {
        self.situation.onset(self.facts.key())
    }

    /// Recent failing ends of instances of the current generation, oldest first; not those from before
    /// an instance got the resources of this generation.
    #[must_use]
    pub fn failures(&self) -> Vec<(&'a InstanceInfo, &'a Exit)> {
        let (from, current) = (self.situation.now - EXITS_WINDOW, self.facts.generation());
        let instances = self
            .facts
            .instances()
            .filter(move |one| one.seen.generation == current);
        let ends = instances.flat_map(|one| one.seen.exits_as_it_is().map(move |exit| (one, exit)));
        let mut ends: Vec<_> = ends
            .filter(|(_, exit)| exit.is_failure() && exit.at >= from)
            .collect();
        ends.sort_by_key(|(_, exit)| exit.at);
        ends
    }

    /// Recent failing ends of instances of earlier generations, or when they were that.
    #[must_use]
    pub fn earlier_failures(&self) -> usize {
        let (from, current) = (self.situation.now - EXITS_WINDOW, self.facts.generation());
        let earlier = |(one, exit): &(&InstanceInfo, &Exit)| {
            one.seen.generation != current || one.seen.is_of_before(exit)
        };
        let ends = self
            .facts
            .instances()
            .flat_map(|one| one.seen.exits.iter().map(move |exit| (one, exit)));
        ends.filter(earlier)
            .filter(|(_, exit)| exit.is_failure() && exit.at >= from)
            .count()
    }

    /// Start problems that the core reports.
    pub fn start_problems(&self) -> impl Iterator<Item = (&'a InstanceId, ProblemKind)> {
        self.facts.findings().filter_map(|finding| match finding {
            Finding::CannotStart {
                instance, problem, ..
            } => Some((instance, *problem)),
            _ => None,
        })
    }

    /// What the start problem said, in words of the backend. Untrusted.
    #[must_use]
    pub fn start_detail(&self, instance: &InstanceId) -> String {
        let found = self.facts.instances().find(|one| &one.instance == instance);
        match found.map(|one| &one.seen.phase) {
            Some(Phase::Failed { problem }) => {
                format!(
                    ": {}",
                    ostler_agents_kit::text::Untrusted::new(&problem.detail)
                )
            }
            _ => String::new(),
        }
    }

    /// Running instances whose startup or readiness probe says no, with since when and why.
    #[must_use]
    pub fn not_ready(&self) -> Vec<(&'a InstanceInfo, Time, &'a str)> {
        let says_no = |one: &'a InstanceInfo| {
            let health = &one.seen.health;
            [&health.startup, &health.readiness]
                .into_iter()
                .find_map(|answer| match answer {
                    Answer::No { since, reason } => Some((one, *since, reason.as_str())),
                    _ => None,
                })
        };
        self.facts
            .instances()
            .filter(|one| one.seen.phase == Phase::Running && !one.ready)
            .filter_map(says_no)
            .collect()
    }

    /// What goes wrong, the most telling first.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let failures = self.failures();
        if self.start_problems().next().is_some() {
            return Some(Trouble::Start);
        }
        let share = |test: fn(&Exit) -> bool| {
            !failures.is_empty()
                && failures.iter().filter(|(_, exit)| test(exit)).count() * 2 > failures.len()
        };
        if share(|exit| exit.out_of_memory) {
            return Some(Trouble::Memory);
        }
        if share(|exit| exit.liveness) {
            return Some(Trouble::Probes);
        }
        if !failures.is_empty() {
            return Some(Trouble::Exits);
        }
        if !self.not_ready().is_empty() {
            return Some(Trouble::Probes);
        }
        let no_room = |finding: &Finding| {
            let why = match finding {
                Finding::NotResized { why, .. } => Some(*why),
                _ => None,
            };
            matches!(finding, Finding::NoRoom { .. }) || why == Some(ResizeTrouble::NoRoom)
        };
        if self.facts.findings().any(no_room) {
            return Some(Trouble::NoRoom);
        }
        self.has(&[SymptomKind::ErrorRatio, SymptomKind::Latency])
            .then_some(Trouble::Service)
    }

    /// Whether it shows one of these symptoms.
    #[must_use]
    pub fn has(&self, kinds: &[SymptomKind]) -> bool {
        self.situation
            .symptoms_of(self.facts.key())
            .any(|symptom| kinds.contains(&symptom.kind))
    }

    /// The symptoms as evidence.
    #[must_use]
    pub fn symptoms(&self) -> Vec<Evidence> {
        let own = self.situation.symptoms_of(self.facts.key());
        own.map(|symptom| Evidence {
            claim: symptom.claim.clone(),
            call: symptom.call.clone(),
            untrusted: false,
        })
        .collect()
    }

    /// The change of the spec that could have led to the trouble: within the window before the onset,
    /// with a way back, and not itself a way back.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn recent_change(&self) -> Result<RecentChange<'a>, String> {
        self.change_before(self.onset())
    }

    /// The same for trouble that began at this moment, its own or that of another.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn change_before(&self, onset: Time) -> Result<RecentChange<'a>, String> {
        let current = self
            .facts
            .current()
            .ok_or("its generations are not known")?;
        let back = self
            .facts
            .way_back()
            .ok_or("there is no earlier generation to go back to")?;
        let at = current.changed_at;
        if at > onset {
            return Err("the trouble began before the last change of its spec".to_owned());
        }
        if onset.since(at) > CHANGE_WINDOW {
            return Err(format!(
                "its spec was last changed more than {CHANGE_WINDOW} before the trouble began"
            ));
        }
        if back.rollback.is_empty() {
            return Err("the earlier generation does not differ".to_owned());
        }
        let record = self.facts.changes.as_ref().and_then(|changes| {
            changes
                .value
                .changes
                .iter()
                .find(|change| near(change.at, at))
        });
        if record.is_some_and(|record| {
            ["rollback_service", "undo_change", "set_limits"].contains(&record.tool.as_str())
        }) {
            return Err("its last change was itself a repair".to_owned());
        }
        Ok(RecentChange {
            back,
            at,
            onset,
            record,
        })
    }

    /// The change as evidence: what differs, who asked, how long before the trouble.
    #[must_use]
    pub fn change_evidence(&self, change: &RecentChange<'_>) -> Vec<Evidence> {
        let fields = change.fields();
        let (generation, ago) = (
            self.facts.generation(),
            coarse(change.onset.since(change.at)),
        );
        let claim = format!(
            "generation {generation} was asked for {ago} before the trouble began; it changed {fields}"
        );
        let mut evidence = vec![self.facts.detail.claim(claim)];
        if let (Some(record), Some(changes)) = (change.record, &self.facts.changes) {
            let claim = format!(
                "revision {} by {} through `{}`: {}",
                record.revision, record.principal, record.tool, record.summary
            );
            evidence.push(changes.claim(claim));
        }
        evidence
    }
}

impl RecentChange<'_> {
    /// Names of the fields that changed, six at most.
    #[must_use]
    pub fn fields(&self) -> String {
        let names: Vec<String> = self
            .back
            .rollback
            .iter()
            .take(6)
            .map(|field| format!("`{}`", field.path))
            .collect();
        let more = self.back.rollback.len().saturating_sub(names.len());
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{rest}", names.join(", "))
    }

    /// Whether a field under one of these paths changed.
    #[must_use]
    pub fn touches(&self, paths: &[&str]) -> bool {
        self.back
            .rollback
            .iter()
            .any(|change| paths.iter().any(|path| is_under(&change.path, path)))
    }

    /// Whether nothing but fields under these paths changed.
    #[must_use]
    pub fn touches_only(&self, paths: &[&str]) -> bool {
        self.back
            .rollback
            .iter()
            .all(|change| paths.iter().any(|path| is_under(&change.path, path)))
    }
}

fn is_under(field: &str, path: &str) -> bool {
    let field = field.strip_prefix("spec.").unwrap_or(field);
    field
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn near(one: Time, other: Time) -> bool {
    one.since(other).max(other.since(one)) <= SAME_MOMENT
}

/// A span in whole seconds.
#[must_use]
pub fn coarse(span: Span) -> Span {
    Span(span.0 / 1_000 * 1_000)
}
