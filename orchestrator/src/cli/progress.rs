//! Waiting until services are as wanted, with a spinner on standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ostler_core::{id::ServiceKey, plan::ServiceState};
use ostler_tools::answer::{ServiceSummary, Services};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    words::{short, word},
};

/// How often the daemon is asked.
const ASK: Duration = Duration::from_millis(250);

/// Waits until the services are healthy (or idle where nothing is wanted) in their current generation.
pub async fn until_healthy(
    client: &Client,
    out: &Out,
    services: &[ServiceKey],
    limit: Duration,
) -> Result<(), CliError> {
    let spinner = spinner();
    let start = Instant::now();
    loop {
        let all = client
            .call::<Services>("list_services", json!({}))
            .await?
            .value
            .services;
        let waiting: Vec<&ServiceSummary> = all
            .iter()
            .filter(|summary| services.contains(&summary.service) && !is_there(summary))
            .collect();
        if waiting.is_empty() {
            spinner.finish_and_clear();
            out.note(&format!(
                "as wanted after {:.1} s",
                start.elapsed().as_secs_f64()
            ));
            return Ok(());
        }
        let words = waiting
            .iter()
            .map(|summary| in_words(summary))
            .collect::<Vec<_>>()
            .join(" · ");
        if start.elapsed() >= limit {
            spinner.finish_and_clear();
            let waited = limit.as_secs();
            return Err(CliError::Failed(format!(
                "not as wanted after {waited} s: {words}; `ostler describe service NAME` says more"
            )));
        }
        spinner.set_message(words);
        tokio::time::sleep(ASK).await;
    }
}

fn is_there(summary: &ServiceSummary) -> bool {
    match summary.state {
        Some(ServiceState::Healthy) => summary.settled && summary.updated >= summary.wanted,
        Some(ServiceState::Idle) => true,
        _ => false,
    }
}

fn in_words(summary: &ServiceSummary) -> String {
    let state = summary
        .state
        .map_or_else(|| "starting".to_owned(), |state| word(&state));
    format!(
        "{} {state} {}/{}",
        short(&summary.service),
        summary.ready,
        summary.wanted
    )
}

/// A spinner that shows only on a terminal.
fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
