//! Every law in every environment: proved, broken by an example, or not settled.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::CompiledPolicySet;
use serde::Serialize;

use crate::{
    example::{Breaks, Example},
    laws::{Kind, Law, Laws, set},
    scope::admits,
    solver::{ProveError, Said, Solver, compiled},
    subject::Subject,
};

/// A law that does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Broken {
    /// The law's id.
    pub law: String,
    /// The law's words.
    pub words: String,
    /// A request that breaks it.
    pub example: Example,
}

/// A law of which it is not known whether it holds.
#[derive(Debug, Clone, Serialize)]
pub struct Unsettled {
    /// The law's id.
    pub law: String,
    /// Why not.
    pub why: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Laws that hold for every request, with the number of environments that they speak of.
    pub proved: BTreeMap<String, usize>,
    /// Laws that do not hold, each with the first example.
    pub broken: Vec<Broken>,
    /// Laws that could not be settled.
    pub unsettled: Vec<Unsettled>,
    /// Kinds of caller, actions and kinds of thing that were gone through.
    pub environments: usize,
    /// Questions put to the solver.
    pub questions: u64,
}

impl Report {
    /// Whether every law was proved.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.unsettled.is_empty()
    }
}

/// Proves every law of a bundle, or finds what breaks it.
///
/// # Errors
/// When the solver fails as a whole; a question that it cannot answer leaves a law unsettled.
pub async fn prove(
    subject: &Subject,
    laws: &Laws,
    solver: &mut Solver,
) -> Result<Report, ProveError> {
    let mut work = Work::new(subject, laws, solver)?;
    for alike in subject.alike(laws) {
        work.environments(&alike).await?;
    }
    Ok(work.finish())
}

/// The plainest example among the first found that break a law, of the requests that one policy speaks of.
///
/// # Errors
/// As [`prove`].
pub async fn first_break(
    subject: &Subject,
    laws: &Laws,
    solver: &mut Solver,
    about: &Policy,
) -> Result<Option<Broken>, ProveError> {
    let mut work = Work::new(subject, laws, solver)?;
    for alike in subject.alike(laws) {
        if alike.iter().any(|env| admits(about, env, &subject.actions)) {
            work.environments(&alike).await?;
        }
        if !work.report.broken.is_empty() {
            break;
        }
    }
    let broken = work.finish().broken.into_iter();
    Ok(broken.min_by_key(|one| one.example.matters.len()))
}

/// The going through.
struct Work<'a> {
    subject: &'a Subject,
    /// The same with all permitted that its forbids leave, for hard laws.
    permitted: Subject,
    laws: &'a Laws,
    solver: &'a mut Solver,
    /// Laws that are settled otherwise than proved.
    over: BTreeSet<String>,
    report: Report,
}

impl<'a> Work<'a> {
    fn new(
        subject: &'a Subject,
        laws: &'a Laws,
        solver: &'a mut Solver,
    ) -> Result<Self, ProveError> {
        Ok(Self {
            permitted: subject.with_all_permitted()?,
            subject,
            laws,
            solver,
            over: BTreeSet::new(),
            report: Report::default(),
        })
    }

    fn finish(mut self) -> Report {
        self.report.questions = self.solver.asked;
        for law in &self.laws.laws {
            if !self.over.contains(&law.id) {
                self.report.proved.entry(law.id.clone()).or_default();
            }
        }
        self.report.proved.retain(|law, _| !self.over.contains(law));
        self.report
    }

    /// Environments whose questions are the same: the first stands for all.
    async fn environments(&mut self, alike: &[RequestEnv]) -> Result<(), ProveError> {
        self.report.environments += alike.len();
        let Some(env) = alike.first() else {
            return Ok(());
        };
        let speak: Vec<&Law> = (self.laws.laws.iter())
            .filter(|law| admits(&law.matches, env, &self.subject.actions))
            .filter(|law| !self.over.contains(&law.id))
            .collect();
        if speak.is_empty() {
            return Ok(());
        }
        for hard in [false, true] {
            let laws: Vec<&Law> = speak
                .iter()
                .filter(|law| law.hard == hard)
                .copied()
                .collect();
            self.laws_of(&laws, hard, env).await?;
        }
        for law in speak {
            *self.report.proved.entry(law.id.clone()).or_default() += alike.len();
        }
        Ok(())
    }

    /// Laws about the bundle as it is, or about its forbids alone.
    async fn laws_of(
        &mut self,
        laws: &[&Law],
        hard: bool,
        env: &RequestEnv,
    ) -> Result<(), ProveError> {
        if laws.is_empty() {
            return Ok(());
        }
        let subject = if hard { &self.permitted } else { self.subject };
        let bundle = compiled(&subject.speaking(env)?, env, &subject.schema)?;
        let (never, always): (Vec<&Law>, Vec<&Law>) =
            laws.iter().partition(|law| law.kind == Kind::Never);
        if !never.is_empty() && !self.none_of(&never, &bundle, env).await? {
            for law in never {
                self.one(law, &bundle, env).await?;
            }
        }
        for law in always {
            self.one(law, &bundle, env).await?;
        }
        Ok(())
    }

    /// Whether nothing that any of these laws matches is allowed: one question instead of many.
    async fn none_of(
        &mut self,
        laws: &[&Law],
        bundle: &CompiledPolicySet,
        env: &RequestEnv,
    ) -> Result<bool, ProveError> {
        let all = self.with_given(laws, env)?;
        let all = compiled(&all, env, &self.subject.schema)?;
        Ok(matches!(self.solver.both(bundle, &all).await?, Said::None))
    }

    async fn one(
        &mut self,
        law: &Law,
        bundle: &CompiledPolicySet,
        env: &RequestEnv,
    ) -> Result<(), ProveError> {
        let matches = self.with_given(&[law], env)?;
        let asked = compiled(&matches, env, &self.subject.schema)?;
        let said = match law.kind {
            Kind::Never => self.solver.both(bundle, &asked).await?,
            Kind::Always => self.solver.only_first(&asked, bundle).await?,
        };
        let found = match said {
            Said::None => return Ok(()),
            Said::Unknown(why) => {
                self.unsettled(law, why);
                return Ok(());
            }
            Said::Found(found) => found,
        };
        let breaks = Breaks {
            subject: if law.hard {
                &self.permitted
            } else {
                self.subject
            },
            law: &matches,
            kind: law.kind,
        };
        match Example::of(&found, &breaks)? {
            Some(example) => self.broken(law, example),
            None => self.unsettled(law, beyond(env)),
        }
        Ok(())
    }

    /// Laws as permits, what is never asked as forbids.
    fn with_given(&self, laws: &[&Law], env: &RequestEnv) -> Result<PolicySet, ProveError> {
        let given = self.subject.admitted(self.laws.given.iter(), env);
        set(laws.iter().map(|law| &law.matches).chain(given))
    }

    fn broken(&mut self, law: &Law, example: Example) {
        self.over.insert(law.id.clone());
        self.report.broken.push(Broken {
            law: law.id.clone(),
            words: law.words.clone(),
            example,
        });
    }

    fn unsettled(&mut self, law: &Law, why: String) {
        self.over.insert(law.id.clone());
        self.report.unsettled.push(Unsettled {
            law: law.id.clone(),
            why,
        });
    }
}

/// A policy errs on what the solver found, which the engine reads as a denial.
fn beyond(env: &RequestEnv) -> String {
    format!(
        "the solver's example for {} is none for Cedar: a policy errs on it, such as by numbers that are too large; \
         bound the numbers in the policy",
        env.action()
    )
}
