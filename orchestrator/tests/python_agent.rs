//! The worked example of an agent in another language (`docs/agent-in-python`), in its sandbox, against
//! a real service that wants more CPU than it may use.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use common::{Daemon, can_run_containers, import_busybox};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(90);
/// The SDK that the example is written for.
const SDK: &str = "mcp==2.3.0";

/// A Python with the SDK, made once for all runs; says loudly when it cannot be had.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-in-python");
    let python = venv.join("bin/python");
    let works = |python: &Path| {
        let probe = Command::new(python).args(["-c", "import mcp"]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    if !works(&python) {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&venv)
            .status();
        let _ = made.map(|_| {
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", SDK])
                .status()
        });
    }
    let ready = works(&python);
    if !ready {
        eprintln!("\n!!! SKIPPED: python3 with venv and {SDK} from PyPI are needed !!!\n");
    }
    ready.then_some(venv)
}

/// Where the interpreter's own files are.
fn base_prefix(venv: &Path) -> PathBuf {
    let asked = Command::new(venv.join("bin/python"))
        .args(["-c", "import sys; print(sys.base_prefix)"])
        .output()
        .unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().into()
}

fn config(venv: &Path) -> String {
    let base = base_prefix(venv);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/agent-in-python");
    let mut mounts = json!({
        "/agent": fs::canonicalize(example).unwrap(),
        (venv.to_str().unwrap()): venv,
    });
    // Debian's Python is in /usr already; any other brings a directory of its own.
    if !base.starts_with("/usr") {
        mounts[base.to_str().unwrap()] = json!(base);
    }
    for dir in ["/usr", "/lib", "/lib64"] {
        if let Ok(source) = fs::canonicalize(dir) {
            mounts[dir] = json!(source);
        }
    }
    let program = json!({
        "command": [venv.join("bin/python"), "/agent/elbow_room.py"],
        "mounts": mounts,
        "env": {"PYTHONDONTWRITEBYTECODE": "1"},
    });
    json!({"agents": {"elbow-room": {"program": program}}}).to_string()
}

const BUSY: &str = "apiVersion: ostler.dev/v1
kind: Service
metadata: {name: busy}
spec:
  image: busybox:test
  command: [/bin/busybox, sh, -c, 'while :; do :; done']
  replicas: {min: 1, max: 2}
  resources: {limits: {cpu: 50m}}
  stop: {grace: 500ms}
";

fn only(list: &Value) -> Option<&Value> {
    list.as_array().and_then(|list| list.first())
}

#[test]
fn an_agent_in_python_looks_proposes_and_acts_once_an_admin_said_yes() {
    if !can_run_containers() {
        return;
    }
    let Some(venv) = python() else {
        return;
    };
    let daemon = Daemon::start_configured(&config(&venv), "");
    import_busybox(&daemon);
    let manifest = daemon.file("busy.yaml", BUSY);
    daemon.cli(&["apply", "--yes", "-f", manifest.to_str().unwrap()]);
    let proposal = daemon.until("it proposes", SOON, || {
        let proposals = daemon.json(&["proposals"]);
        let first = only(&proposals["proposals"])?;
        Some(
            first["id"]
                .as_str()
                .or(first["proposal"].as_str())?
                .to_owned(),
        )
    });
    let wanted = || daemon.json(&["get", "services"])["services"][0]["wanted"].clone();
    assert_eq!(wanted(), 1, "nothing changes before the yes");
    daemon.cli(&["approve", &proposal]);
    daemon.until("it acted", SOON, || (wanted() == 2).then_some(()));
    daemon.until("it saw that it worked", SOON, || {
        let incidents = daemon.json(&["incidents"]);
        (only(&incidents["incidents"])?["state"] == "resolved").then_some(())
    });
    let audit = daemon
        .json(&["audit", "list", "--limit", "500"])
        .to_string();
    assert!(audit.contains("agent:elbow-room"), "{audit}");
    daemon.cli(&["audit", "verify"]);
}
