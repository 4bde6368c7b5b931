//! Idle memory: proportional set size of the daemon, the healer and each shim; 300 containers at once.

use std::time::Duration;

use crate::common::{Daemon, hello, import_busybox};

/// Prints the table.
pub fn run() {
    println!("\n### Idle memory (PSS)\n\n| what | MiB |\n|---|---|");
    let daemon = Daemon::start(true);
    import_busybox(&daemon);
    let apply = |count: u32| {
        let file = daemon.file("idle.yaml", &hello("idle", count, 300, ""));
        daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
        daemon.until("all of them run", Duration::from_secs(180), || {
            (daemon.json(&["get", "services"])["services"][0]["ready"] == count).then_some(())
        });
        std::thread::sleep(Duration::from_secs(10));
    };
    apply(1);
    println!("| daemon, 1 container | {:.1} |", pss(daemon.pid()));
    for (pid, _) in named("agent\0healer") {
        println!("| healer | {:.1} |", pss(pid));
    }
    apply(300);
    println!("| daemon, 300 containers | {:.1} |", pss(daemon.pid()));
    let mut shims: Vec<f64> = named("ostler-shim")
        .iter()
        .map(|(pid, _)| pss(*pid))
        .collect();
    shims.sort_by(f64::total_cmp);
    println!(
        "| each shim, median of {} | {:.2} |",
        shims.len(),
        shims.get(shims.len() / 2).copied().unwrap_or(f64::NAN)
    );
}

/// Processes whose command line contains a text.
fn named(text: &str) -> Vec<(i32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids =
        processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    let named = pids.filter_map(|pid| {
        Some((
            pid,
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?,
        ))
    });
    named.filter(|(_, line)| line.contains(text)).collect()
}

/// Proportional set size in MiB.
fn pss(pid: i32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .unwrap_or_default();
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(f64::NAN);
    kib / 1024.0
}
