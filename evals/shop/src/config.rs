//! Settings: role, environment, and the configuration file that must be there and be right.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::fault::Fault;

/// What this process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Shows the shop; asks the cart.
    Frontend,
    /// Asks the catalog.
    Cart,
    /// Asks the store.
    Catalog,
    /// Keeps the stock in a file.
    Store,
    /// Sends requests at a steady rate.
    Traffic,
}

impl Role {
    /// From the command line.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "frontend" => Self::Frontend,
            "cart" => Self::Cart,
            "catalog" => Self::Catalog,
            "store" => Self::Store,
            "traffic" => Self::Traffic,
            _ => return None,
        })
    }

    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Cart => "cart",
            Self::Catalog => "catalog",
            Self::Store => "store",
            Self::Traffic => "traffic",
        }
    }

    /// The variable that names the service it asks, and what is asked by default.
    fn upstream(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Frontend => ("CART_URL", "http://cart:8080"),
            Self::Cart => ("CATALOG_URL", "http://catalog:8080"),
            Self::Catalog => ("STORE_URL", "http://store:8080"),
            Self::Traffic => ("TARGET", "http://frontend:8080"),
            Self::Store => return None,
        })
    }
}

/// The configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The shop's name as the frontend shows it.
    name: String,
    /// How long to wait for the next service, 1 to 60,000.
    #[serde(default = "upstream_timeout_ms")]
    upstream_timeout_ms: u64,
    /// A fault to begin with; the environment's wins.
    #[serde(default)]
    fault: Option<String>,
}

fn upstream_timeout_ms() -> u64 {
    2_000
}

/// So many requests a second for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Requests per second, 1 to 1,000.
    pub rate: u32,
    /// For so many seconds.
    pub seconds: u64,
}

/// `20`, or `20x60,150x120,20` for a minute of 20, two of 150, and 20 from then on.
fn stretches(text: &str) -> Result<Vec<Stretch>, String> {
    let one = |part: &str| {
        let (rate, seconds) = part.trim().split_once('x').unwrap_or((part.trim(), "1"));
        let rate: u32 = rate.parse().ok()?;
        let seconds = seconds.parse().ok()?;
        Some(Stretch {
            rate: rate.clamp(1, 1_000),
            seconds,
        })
    };
    let parts: Option<Vec<Stretch>> = text.split(',').map(one).collect();
    parts.ok_or_else(|| {
        format!("RATE is `{text}`; `20` or `20x60,150x120,20` is accepted: requests per second, and for how many seconds")
    })
}

/// Everything a role needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which role.
    pub role: Role,
    /// The shop's name.
    pub name: String,
    /// Shown in every answer and log line.
    pub version: String,
    /// Where to listen; 0 takes a free port.
    pub port: u16,
    /// The service to ask, as `http://host:port`.
    pub upstream: Option<String>,
    /// How long to wait for it.
    pub upstream_timeout: Duration,
    /// Where the store keeps its file.
    pub data: PathBuf,
    /// The fault to begin with.
    pub fault: Fault,
    /// How long each request holds the only till; zero where there is no till. It bounds what one
    /// instance can serve, whatever else the machine does.
    pub till: Duration,
    /// What the traffic sends, one after the other; the last goes on.
    pub traffic: Vec<Stretch>,
    /// Time between two lines of the traffic.
    pub report: Duration,
}

impl Settings {
    /// Reads environment and file; the message says which setting is wrong and what is accepted.
    pub fn read(role: Role) -> Result<Self, String> {
        let file = if role == Role::Traffic {
            no_file()
        } else {
            read_file()?
        };
        let timeout = file.upstream_timeout_ms;
        if !(1..=60_000).contains(&timeout) {
            return Err(format!(
                "upstream_timeout_ms is {timeout}; 1 to 60000 is accepted"
            ));
        }
        let fault = variable("FAULT").or(file.fault).unwrap_or_default();
        let upstream = role
            .upstream()
            .map(|(name, usual)| variable(name).unwrap_or_else(|| usual.to_owned()));
        Ok(Self {
            role,
            name: file.name,
            version: variable("VERSION").unwrap_or_else(|| "1".to_owned()),
            port: number("PORT", 8080)?,
            upstream,
            upstream_timeout: Duration::from_millis(timeout),
            data: variable("DATA_DIR")
                .unwrap_or_else(|| "/data".to_owned())
                .into(),
            fault: fault.parse()?,
            till: Duration::from_millis(number::<u64>("TILL_MS", 0)?.min(10_000)),
            traffic: stretches(&variable("RATE").unwrap_or_else(|| "20".to_owned()))?,
            report: Duration::from_millis(number::<u64>("REPORT_MS", 5_000)?.max(10)),
        })
    }
}

fn no_file() -> File {
    File {
        name: String::new(),
        upstream_timeout_ms: upstream_timeout_ms(),
        fault: None,
    }
}

fn read_file() -> Result<File, String> {
    let path = variable("SHOP_CONFIG").unwrap_or_else(|| "/etc/shop/config.json".to_owned());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read configuration {path}: {error}"))?;
    serde_json::from_str(&text)
        .map_err(|error| format!("configuration {path} is malformed: {error}"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, usual: T) -> Result<T, String> {
    match variable(name) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name} is `{text}`; a whole number is accepted")),
    }
}
