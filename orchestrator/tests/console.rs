//! The console in a headless Chromium, on the built binary with real containers and a real fault.
//!
//! Where Chromium or its driver is missing, this says so loudly and passes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod browser;
mod common;

use std::{path::PathBuf, time::Duration};

use browser::{Browser, can_browse};
use common::{Daemon, can_run_containers, hello, import_busybox};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
/// The healer looks every few seconds, a rollout takes some, and the machine may be busy.
const LATER: Duration = Duration::from_secs(180);

/// An image whose next generation never comes up: it starts and ends again and again.
fn broken() -> String {
    let good = hello("shop-window", 2, 4, "");
    good.replace(
        "[httpd, -f, -p, '8080', -h, /www]",
        "[sh, -c, 'echo \"<script>document.title=1</script> cannot open config\" >&2; exit 1']",
    )
}

fn can() -> bool {
    can_run_containers() && can_browse()
}

fn daemon() -> Daemon {
    let daemon = Daemon::start_written(true, |folder| {
        let reports = folder.join("reports");
        std::fs::create_dir(&reports).unwrap();
        let baseline = concat!(env!("CARGO_MANIFEST_DIR"), "/../evals/baseline.json");
        std::fs::copy(baseline, reports.join("baseline.json")).unwrap();
        "evals: { reports: reports }\n".to_owned()
    });
    import_busybox(&daemon);
    let good = daemon.file("good.yaml", &hello("shop-window", 2, 4, ""));
    daemon.cli(&["apply", "--yes", "-f", good.to_str().unwrap()]);
    let door = hello("door", 1, 2, "  needs: [{service: shop-window}]\n");
    let door = daemon.file("door.yaml", &door);
    daemon.cli(&["apply", "--yes", "-f", door.to_str().unwrap()]);
    daemon.until_state("shop-window", "healthy", SOON);
    daemon.until_state("door", "healthy", SOON);
    daemon
}

fn link(daemon: &Daemon, role: &str) -> String {
    daemon.cli(&["console", "--role", role]).trim().to_owned()
}

fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn base(link: &str) -> String {
    link.split("/sign-in").next().unwrap().to_owned()
}

/// Sign in, see the incident without loading anything, read, approve, watch it heal, undo.
async fn night(daemon: &Daemon, browser: &Browser) {
    let link = link(daemon, "admin");
    let base = base(&link);
    browser.go(&link).await;
    browser.until_text("h1", "Nothing needs you", SOON).await;
    assert!(
        !browser.address().await.contains('#'),
        "the code is out of the address"
    );
    browser.shots(&pictures(), "night-quiet").await;

    let bad = daemon.file("bad.yaml", &broken());
    daemon.cli(&["apply", "--yes", "-f", bad.to_str().unwrap()]);
    browser.until_text("h2", "Waiting for a yes", LATER).await;
    browser.shots(&pictures(), "night-busy").await;
    browser.audit_accessibility("night desk").await;

    browser.click_link_to("/proposals/prp_").await;
    browser.until_text("h2", "What it would do", SOON).await;
    browser.shots(&pictures(), "proposal").await;
    browser.audit_accessibility("proposal").await;
    let page = browser.source().await;
    assert!(
        page.contains("Rollback") || page.contains("rollback_service"),
        "{page}"
    );

    browser.click("button[value=yes]").await;
    browser.until_text(".told", "You said yes", SOON).await;
    browser
        .until_text(".progress [aria-current]", "verified", LATER)
        .await;
    browser.shots(&pictures(), "proposal-verified").await;
    daemon.until_state("shop-window", "healthy", LATER);

    browser.click("button.undo").await;
    browser.until_text(".told", "Done, revision", SOON).await;
    let changes = daemon.json(&["changes"]);
    assert_eq!(changes["changes"][0]["tool"], "undo_change", "{changes}");
    tour(browser, &base).await;
}

/// Every page, in light, dark and on a phone.
async fn tour(browser: &Browser, base: &str) {
    let pages = [
        ("services", "/services", "Services"),
        (
            "service",
            "/services/default/shop-window",
            "default/shop-window",
        ),
        ("instances", "/instances", "Instances"),
        ("graph", "/graph", "Who needs whom"),
        ("incidents", "/incidents", "Incidents"),
        ("proposals", "/proposals", "Proposals"),
        ("agents", "/agents", "Agents"),
        ("agent", "/agents/healer", "healer"),
        ("evals", "/evals", "Evals"),
        ("eval", "/evals/baseline", "baseline"),
        ("audit", "/audit", "Audit log"),
        ("policy", "/policy", "Policy"),
        ("missing", "/nowhere", "There is no such page"),
    ];
    for (name, path, title) in pages {
        browser.go(&format!("{base}{path}")).await;
        browser.until_text("h1", title, SOON).await;
        if name == "service" {
            browser.until_text("figcaption", "memory bytes", SOON).await;
        }
        browser.shots(&pictures(), name).await;
        browser.audit_accessibility(name).await;
    }
    browser.go(&format!("{base}/incidents")).await;
    browser.click_link_to("/incidents/inc_").await;
    browser.until_text("h2", "Timeline", SOON).await;
    browser.shots(&pictures(), "incident").await;
    browser.audit_accessibility("incident").await;
    browser.go(&format!("{base}/instances")).await;
    browser.click_link_to("/instances/shop-window-").await;
    browser.until_text("h2", "Log", SOON).await;
    browser.shots(&pictures(), "instance").await;
    browser.go(&format!("{base}/audit")).await;
    browser.click("form[action='/audit/verify'] button").await;
    browser.until_text(".told", "as it was written", SOON).await;
}

/// A viewer sees no button, and what they post anyway is refused and on record.
async fn only_looks(daemon: &Daemon, browser: &Browser, proposal: &str) {
    let link = link(daemon, "viewer");
    let base = base(&link);
    browser.go(&link).await;
    browser.until_text(".who", "viewer", SOON).await;
    browser.go(&format!("{base}/proposals/{proposal}")).await;
    browser.until_text("h2", "Decision", SOON).await;
    let page = browser.source().await;
    assert!(
        !page.contains("value=\"yes\"") && !page.contains("action=\"/undo\""),
        "{page}"
    );
    let path = format!("/proposals/{proposal}/answer");
    let status = browser
        .post(&path, &[("answer", "yes"), ("reason", "")])
        .await;
    assert_eq!(status, 403);
    let entries = daemon.json(&["audit", "list", "--tool", "approve"]);
    let last = entries["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (last["outcome"].as_str(), last["principal"].as_str()),
        (Some("denied"), Some("user:root")),
        "{last}"
    );
    assert_eq!(browser.post_without_token(&path).await, 403);
}

#[test]
fn a_person_signs_in_sees_approves_and_undoes_and_a_viewer_only_looks() {
    if !can() {
        return;
    }
    let daemon = daemon();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let browser = Browser::start().await;
        night(&daemon, &browser).await;
        let proposals = daemon.json(&["proposals"]);
        let proposal: &Value = &proposals["proposals"][0]["id"];
        only_looks(&daemon, &browser, proposal.as_str().unwrap()).await;
        assert_eq!(browser.violations().await, Vec::<String>::new());
        browser.end().await;
    });
    daemon.cli(&["audit", "verify"]);
}
