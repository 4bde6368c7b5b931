//! podman as it can be run without systemd, with flags that machines without CAP_SYS_RESOURCE need.

use std::{
    path::Path,
    process::{Command, Output},
};

/// A podman with storage of its own.
pub struct Podman<'a> {
    /// Where it keeps everything.
    pub storage: &'a Path,
    /// The root file system to run.
    pub rootfs: &'a Path,
}

impl Podman<'_> {
    /// A command of podman's.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command
            .args([
                "--cgroup-manager=cgroupfs",
                "--events-backend=file",
                "--runtime",
                "runc",
            ])
            .arg("--root")
            .arg(self.storage.join("root"))
            .arg("--runroot")
            .arg(self.storage.join("run"))
            .args(args);
        command
    }

    /// Runs `sleep` in a container; its id.
    pub fn start(&self, name: &str, network: &str, restart: &str) -> String {
        let mut command = self.command(&[
            "run",
            "-d",
            "--name",
            name,
            "--network",
            network,
            "--restart",
            restart,
        ]);
        command.args([
            "--ulimit",
            "nofile=1024:20000",
            "--ulimit",
            "nproc=4096:4096",
            "--rootfs",
        ]);
        let output = command
            .arg(self.rootfs)
            .args(["/bin/sleep", "3600"])
            .output()
            .unwrap();
        checked(&output)
    }

    /// The main process of a container.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let output = self
            .command(&["inspect", "--format", "{{.State.Pid}}", name])
            .output()
            .unwrap();
        checked(&output).parse().ok().filter(|pid| *pid > 0)
    }

    /// Removes every container.
    pub fn clear(&self) {
        let output = self
            .command(&["rm", "-f", "-a", "-t", "0"])
            .output()
            .unwrap();
        checked(&output);
    }
}

fn checked(output: &Output) -> String {
    assert!(
        output.status.success(),
        "podman: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
