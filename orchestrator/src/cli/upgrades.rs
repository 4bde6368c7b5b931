//! `ostler upgrades` and `ostler upgrade`: what is newer, and bringing it in by hand.

use clap::Args;
use comfy_table::Cell;
use ostler_core::id::ServiceKey;
use ostler_tools::answer::{FeedInfo, UpgradeInfo, Upgrades};
use ostler_upgrades::image::Image;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, show, table},
    service::change,
    words::{ago, short},
};

/// Arguments of `upgrades`.
#[derive(Debug, Args)]
pub struct UpgradesArgs {
    /// Only of this service
    service: Option<ServiceKey>,
}

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// Which service
    service: ServiceKey,
    /// The image with its digest, such as `registry.example/shop/cart:1.3@sha256:…`; `ostler upgrades -o wide`
    /// shows what there is
    image: String,
}

/// Runs `upgrade`.
pub async fn upgrade(args: UpgradeArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "service": args.service, "image": args.image });
    change(client, out, "upgrade_service", call).await.map(drop)
}

/// Runs `upgrades`.
pub async fn run(args: UpgradesArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = match &args.service {
        Some(service) => json!({ "service": service }),
        None => json!({}),
    };
    show(out, async |out| {
        let done = client
            .call::<Upgrades>("list_upgrades", call.clone())
            .await?;
        out.render(&done.raw, |out| text(out, &done.value))
    })
    .await
}

fn text(out: &Out, upgrades: &Upgrades) -> String {
    let mut headers = vec![
        "SERVICE",
        "RUNS",
        "NEWEST WANTED",
        "SINCE",
        "VULNERABLE",
        "SEEN",
    ];
    if out.wide() {
        headers.extend(["IMAGE", "WHY NOT OTHERS"]);
    }
    let rows = upgrades.services.iter().map(|info| row(out, info));
    let empty = "no service says which new versions are wanted; add `spec.upgrades` to a manifest";
    let mut text = table(out, empty, &headers, rows.collect());
    if let Some(feed) = &upgrades.feed {
        text.push_str(&format!("\n{}", of_feed(feed)));
    }
    text
}

fn of_feed(feed: &FeedInfo) -> String {
    let newest = feed
        .newest_at
        .map(|at| format!(", the newest of {} ago", ago(at)));
    let problem = feed.problem.as_ref().map(|words| format!("; {words}"));
    format!(
        "Known vulnerabilities: {} records, read {} ago{}{}",
        feed.records,
        ago(feed.read_at),
        newest.unwrap_or_default(),
        problem.unwrap_or_default()
    )
}

fn row(out: &Out, info: &UpgradeInfo) -> Vec<Cell> {
    let runs = Image::read(&info.image);
    let seen = info.seen.as_ref();
    let newest = seen.and_then(|seen| {
        let other = |offer: &&ostler_tools::answer::OfferInfo| {
            Some(&offer.digest) != seen.digest.as_ref() && seen.digest.is_some()
        };
        seen.offers.iter().find(other)
    });
    let left = newest.is_some_and(|offer| {
        let mut left = info.left.iter();
        left.any(|left| left.image.ends_with(&offer.digest))
    });
    let vulnerable = seen.and_then(|seen| {
        let worst = seen.vulnerabilities.first()?;
        Some(format!("{} ({})", seen.vulnerable, worst.severity.name()))
    });
    let state = match seen {
        None => "not asked yet".to_owned(),
        Some(seen) => match (&seen.problem, seen.looked_at) {
            (Some(problem), _) => problem.clone(),
            (None, Some(at)) => format!("{} ago", ago(at)),
            (None, None) => "not asked yet".to_owned(),
        },
    };
    let mut row = vec![
        cell(short(&info.service)),
        cell(runs.tag.as_deref().unwrap_or("")),
        cell(newest.map_or(String::new(), |offer| {
            let tried = if left { " (tried, left)" } else { "" };
            format!("{}{tried}", offer.tag)
        })),
        cell(newest.map_or(String::new(), |offer| ago(offer.seen_at))),
        cell(vulnerable.unwrap_or_default()),
        cell(state),
    ];
    if out.wide() {
        let image = newest.map(|offer| runs.pinned(&offer.tag, &offer.digest));
        let mut why = seen.map(|seen| seen.not.clone()).unwrap_or_default();
        why.extend(
            info.left
                .iter()
                .map(|left| format!("{}: {}", left.image, left.why)),
        );
        row.extend([cell(image.unwrap_or_default()), cell(why.join("; "))]);
    }
    row
}
