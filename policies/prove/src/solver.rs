//! The solver, and what can go wrong with it.

use cedar_policy::{PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicySet, Env, err::Error as Symbolic, solver::LocalSolver,
};
use tokio::process::Command;

/// Most milliseconds for one question; the usual one takes ten.
const LIMIT_MS: u32 = 20_000;

/// Why nothing can be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The solver is not installed.
    #[error(
        "cannot start the solver `{program}`: install cvc5 (Debian and Ubuntu: `apt-get install cvc5`), \
         or name the program in the variable CVC5"
    )]
    NoSolver {
        /// What was started.
        program: String,
        /// Why it did not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text is not acceptable.
    #[error(transparent)]
    Text(#[from] ostler_policies::BundleError),
    /// The schema has no such thing, or a policy has a form that cannot be read back.
    #[error("a policy cannot be put into the solver's form: {0}")]
    Form(String),
    /// The solver failed for another reason than not knowing.
    #[error("the solver failed")]
    Solver(#[source] Box<Symbolic>),
}

impl ProveError {
    pub(crate) fn form(error: &dyn std::fmt::Display) -> Self {
        Self::Form(error.to_string())
    }
}

/// What came of one question.
pub(crate) enum Said {
    /// There is no such request.
    None,
    /// This is one.
    Found(Box<Env>),
    /// It is not known, with the reason.
    Unknown(String),
}

/// A running cvc5; it ends with this.
pub struct Solver {
    program: String,
    compiler: CedarSymCompiler<LocalSolver>,
    /// Questions asked.
    pub asked: u64,
}

impl std::fmt::Debug for Solver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Solver({})", self.program)
    }
}

impl Solver {
    /// Starts `cvc5`, or what the variable `CVC5` names.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn start() -> Result<Self, ProveError> {
        let program = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
        Ok(Self {
            compiler: compiler(&program)?,
            program,
            asked: 0,
        })
    }

    /// Looks for a request that both sets allow.
    pub(crate) async fn both(
        &mut self,
        one: &CompiledPolicySet,
        other: &CompiledPolicySet,
    ) -> Result<Said, ProveError> {
        self.asked += 1;
        let found = self
            .compiler
            .check_disjoint_with_counterexample_opt(one, other)
            .await;
        self.said(found)
    }

    /// Looks for a request that the first set allows and the second does not.
    pub(crate) async fn only_first(
        &mut self,
        one: &CompiledPolicySet,
        other: &CompiledPolicySet,
    ) -> Result<Said, ProveError> {
        self.asked += 1;
        let found = self
            .compiler
            .check_implies_with_counterexample_opt(one, other)
            .await;
        self.said(found)
    }

    /// A solver that failed is started anew; a question that it could not answer stays unanswered.
    fn said(&mut self, found: Result<Option<Env>, Symbolic>) -> Result<Said, ProveError> {
        match found {
            Ok(None) => Ok(Said::None),
            Ok(Some(env)) => Ok(Said::Found(Box::new(env))),
            Err(Symbolic::SolverUnknown) => Ok(Said::Unknown(format!(
                "the solver did not find out within {LIMIT_MS} ms"
            ))),
            Err(
                error @ (Symbolic::SolverError(_)
                | Symbolic::DecodeModel(_)
                | Symbolic::ModelInvalid { .. }),
            ) => {
                self.compiler = compiler(&self.program)?;
                Ok(Said::Unknown(error.to_string()))
            }
            Err(error) => Err(ProveError::Solver(Box::new(error))),
        }
    }
}

fn compiler(program: &str) -> Result<CedarSymCompiler<LocalSolver>, ProveError> {
    let missing = |source| ProveError::NoSolver {
        program: program.to_owned(),
        source,
    };
    let mut command = Command::new(program);
    command
        .args(["--lang", "smt", &format!("--tlimit-per={LIMIT_MS}")])
        .kill_on_drop(true);
    let solver = LocalSolver::from_command(&mut command).map_err(|error| missing(error.into()))?;
    CedarSymCompiler::new(solver).map_err(|error| missing(error.into()))
}

/// Puts a set into the solver's form.
pub(crate) fn compiled(
    set: &PolicySet,
    env: &RequestEnv,
    schema: &Schema,
) -> Result<CompiledPolicySet, ProveError> {
    CompiledPolicySet::compile(set, env, schema)
        .map_err(|error| ProveError::Solver(Box::new(error)))
}
