//! `ostler-eval`, run as its users run it.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs it; who runs or checks the suites gets their folder.
pub fn eval(args: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostler-eval"));
    command.args(args);
    let suites = args
        .first()
        .is_some_and(|verb| matches!(*verb, "run" | "lint"));
    if suites && !args.contains(&"--bundle") {
        command.arg("--folder").arg(folder);
    }
    command.output().unwrap()
}
