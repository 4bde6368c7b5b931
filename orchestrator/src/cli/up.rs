//! Arguments of `ostler up`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use ostler_core::{time::Span, units::Bytes};

/// Arguments of `up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Address of the HTTP door; `none` for no HTTP
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS", value_parser = listen)]
    pub listen: Listen,
    /// Return once the daemon is up, and leave it running
    #[arg(long, short)]
    pub detach: bool,
    /// What runs containers; `process` has no isolation and is for development only
    #[arg(long, value_enum, default_value_t = BackendArg::Youki)]
    pub backend: BackendArg,
    /// Subnet of the service network
    #[arg(long, default_value = "10.217.0.0/16", value_name = "CIDR")]
    pub subnet: String,
    /// Bridge of the service network
    #[arg(long, default_value = "ostler0", value_name = "NAME")]
    pub bridge: String,
    /// Where agents live; `bare` gives them no sandbox and is for development only
    #[arg(long, value_enum, default_value_t = AgentsArg::Sandbox)]
    pub agents: AgentsArg,
    /// File of language models, agents of your own, TLS and webhooks, read again at SIGHUP; without one agents plan with rules
    #[arg(long, env = "OSTLER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long the audit log is kept, or `forever`; what is dropped is on record
    #[arg(long, default_value = "forever", value_name = "SPAN", value_parser = keep)]
    pub audit_keep: Keep,
    /// How long permitted reads are kept in it, the bulk of its entries
    #[arg(long, default_value = "14d", value_name = "SPAN", value_parser = keep)]
    pub audit_keep_reads: Keep,
    /// Size above which its oldest entries go, if they are a day old, such as 8Gi [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub audit_max: Option<Bytes>,
}

/// How long something is kept, if not for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep(pub Option<Span>);

fn keep(text: &str) -> Result<Keep, String> {
    if text == "forever" {
        return Ok(Keep(None));
    }
    let span: Span = text
        .parse()
        .map_err(|error| format!("{error}; or write `forever`"))?;
    if span == Span(0) {
        return Err("nothing would be kept; give a span above zero, or `forever`".to_owned());
    }
    Ok(Keep(Some(span)))
}

/// Where the HTTP door listens, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address = text
        .parse()
        .map_err(|_| "give an address and a port such as `127.0.0.1:7070`, or `none`")?;
    Ok(Listen(Some(address)))
}

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendArg {
    /// Real containers.
    Youki,
    /// Plain processes without isolation.
    Process,
}

/// Where agents live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentsArg {
    /// Each in a container of its own: no network, no capability, limits.
    Sandbox,
    /// Plain processes of a user who owns nothing.
    Bare,
    /// There are none.
    None,
}
