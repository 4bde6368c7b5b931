//! Ostler and its peers on the same machine in the same run: `cargo bench -p ostler --bench peers`.
//!
//! Prints the tables of `docs/performance.md`. Peers that are not installed are left out and said
//! so. Needs root.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may stop at the first surprise"
)]

mod apply;
#[path = "../../tests/common/mod.rs"]
mod common;
mod crash;
mod lifecycle;
mod memory;
mod podman;
mod rootfs;

use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == lifecycle::INSIDE) {
        return lifecycle::inside(&args[1..]);
    }
    if !common::can_run_containers() {
        return;
    }
    let only: Vec<String> = args
        .into_iter()
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    if wanted("lifecycle") {
        lifecycle::run();
    }
    if wanted("crash") {
        crash::run();
    }
    if wanted("apply") {
        apply::run();
    }
    if wanted("memory") {
        memory::run();
    }
}

/// A row of a table: median, tenth and ninetieth percentile in milliseconds.
fn row(name: &str, mut runs: Vec<Duration>) {
    runs.sort_unstable();
    if runs.is_empty() {
        println!("| {name} | not measured | | | 0 |");
        return;
    }
    let at = |share: usize| runs[(runs.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "| {name} | {:.1} | {:.1} | {:.1} | {} |",
        at(50),
        at(10),
        at(90),
        runs.len()
    );
}

/// A table's heading.
fn heading(title: &str) {
    println!("\n### {title}\n\n| what | p50 ms | p10 ms | p90 ms | runs |\n|---|---|---|---|---|");
}
