//! What runs, as the command line tells it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Daemon;

/// Running processes by instance.
pub fn processes(daemon: &Daemon) -> BTreeMap<String, u64> {
    let all = daemon.json(&["get", "instances"]);
    let running = all["instances"].as_array().unwrap().iter();
    let pid = |one: &Value| {
        let name = one["instance"].as_str()?.to_owned();
        (one["phase"]["phase"] == "running").then_some(())?;
        Some((name, one["pid"].as_u64()?))
    };
    running.filter_map(pid).collect()
}
