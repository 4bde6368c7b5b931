//! Programs from npm, fetched by `npx` when they are first needed.

use std::process::Command;

/// Packages of npm that are here.
pub struct Npm(Vec<String>);

impl Npm {
    /// Fetches packages (`name@version`); says loudly when Node or the registry is out of reach.
    pub fn fetch(packages: &[&str]) -> Option<Self> {
        let packages = packages
            .iter()
            .flat_map(|package| ["-p".to_owned(), (*package).to_owned()]);
        let fetched = Self(packages.collect());
        let probe = fetched.program("node").arg("--version").output();
        let ready = probe.is_ok_and(|output| output.status.success());
        if !ready {
            eprintln!(
                "\n!!! SKIPPED: npx and the npm registry are needed for {:?} !!!\n",
                fetched.0
            );
        }
        ready.then_some(fetched)
    }

    /// A program of one of the packages.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new("npx");
        command.arg("-y").args(&self.0).arg(name);
        command
    }
}
