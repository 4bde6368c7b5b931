//! The command line: a client of the daemon like any other. One file a command.
//!
//! Results go to standard output, progress and problems to standard error. Exit codes: 0 done,
//! 1 failed or refused, 2 wrong usage, 3 denied by policy, 4 held for approval, 5 no daemon.

mod agents;
mod apply;
mod approvals;
mod audit;
mod client;
mod console;
mod delete;
mod describe;
mod diagnose;
mod down;
mod emergency;
mod error;
mod events;
mod exec;
mod files;
mod forecast;
mod freeze;
mod get;
mod graph;
mod image;
mod incident;
mod incidents;
mod logs;
mod mcp;
mod node;
mod out;
mod policy;
mod print;
mod progress;
mod proposals;
mod remote;
mod rollout;
mod secret;
mod service;
mod signals;
mod status;
mod token;
mod top;
mod tune;
mod up;
mod upgrade;
mod upgrades;
mod words;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use self::{client::Client, error::CliError, out::Out};
pub use self::{
    client::socket_path,
    mcp::{McpArgs, McpRole},
    up::{AgentsArg, BackendArg, Keep, Listen, UpArgs},
};

/// Containers that look after themselves, under law.
#[derive(Debug, Parser)]
#[command(
    name = "ostler",
    version,
    about,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed or refused · 2 wrong usage · 3 denied by policy · \
    4 held for approval · 5 no daemon. Start a daemon with `ostler up`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The daemon's socket [default: /run/ostler/ostler.sock, or ostler.sock in the state directory]
    #[arg(long, global = true, env = "OSTLER_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// A daemon to reach over HTTP with a token or a certificate, such as `https://ostler.example:7070`
    #[arg(long, global = true, env = "OSTLER_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// File with the token for --server [default: the token in the variable OSTLER_TOKEN]
    #[arg(long, global = true, env = "OSTLER_TOKEN_FILE", value_name = "PATH")]
    pub token_file: Option<PathBuf>,
    /// File with your certificate for --server, which stands in for a token
    #[arg(
        long,
        global = true,
        env = "OSTLER_CERTIFICATE_FILE",
        value_name = "PATH",
        requires = "key_file"
    )]
    pub certificate_file: Option<PathBuf>,
    /// File with its key
    #[arg(
        long,
        global = true,
        env = "OSTLER_KEY_FILE",
        value_name = "PATH",
        requires = "certificate_file"
    )]
    pub key_file: Option<PathBuf>,
    /// The daemon's directory
    #[arg(long, global = true, env = "OSTLER_STATE_DIR", default_value = DEFAULT_STATE_DIR, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// How results are written
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, overrides_with = "output")]
    pub output: Format,
    /// Keep showing, repainting when something changed
    #[arg(long, short = 'w', global = true)]
    pub watch: bool,
}

/// Where the daemon keeps its state unless told otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/ostler";

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For people with wide terminals.
    Wide,
    /// For programs: the tool's answer as it is.
    Json,
    /// For programs and people.
    Yaml,
}

/// Everything that `ostler` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the daemon
    Up(UpArgs),
    /// Stop the daemon; containers keep running
    Down(down::DownArgs),
    /// Put another program in the daemon's place; what runs is not touched
    SelfUpgrade(upgrade::UpgradeArgs),
    /// Whether this program could take the daemon's place: takes what `up` takes, and changes nothing
    CheckUpgrade(UpArgs),
    /// Run one of the agents (the daemon starts these)
    #[command(hide = true)]
    Agent {
        /// Its registered name
        name: String,
        /// A socket to the daemon, instead of standard input and output
        #[arg(long, value_name = "PATH")]
        line: Option<PathBuf>,
    },
    /// Run the proxy before published HTTP ports, its line being standard input (the daemon starts it)
    #[command(hide = true)]
    Proxy {
        /// Where its fronts listen
        #[arg(long)]
        address: std::net::IpAddr,
        /// Which program the daemon takes it for
        #[arg(long)]
        build: String,
    },
    /// A small shop, three faults, and what happens
    Demo(DemoArgs),
    /// Replay incidents against the agents and say whether they may be trusted
    #[command(disable_help_flag = true)]
    Eval {
        /// What `ostler-eval` is told; `--help` says what that can be
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<OsString>,
    },
    /// Speak MCP over standard input and output, for desktop clients
    Mcp(McpArgs),
    /// The whole at a glance
    Status,
    /// Create or change services from manifest files, showing what differs first
    Apply(apply::ApplyArgs),
    /// List things, or one of them
    Get(get::GetArgs),
    /// Everything about one thing
    Describe(describe::DescribeArgs),
    /// What instances wrote
    Logs(logs::LogsArgs),
    /// Run a command in an instance
    Exec(exec::ExecArgs),
    /// Set how many instances a service has
    Scale(service::ScaleArgs),
    /// Tune how a service follows its load, for a while
    Tune(tune::TuneArgs),
    /// Restart a service's instances, or one instance
    Restart(service::RestartArgs),
    /// Set limits of CPU, memory and processes of a service, and what it reserves; in place
    Limits(service::LimitsArgs),
    /// Go back to an earlier generation of a service
    Rollback(service::RollbackArgs),
    /// How a new version comes in; hold, promote or leave it
    Rollout(rollout::RolloutArgs),
    /// New versions of what runs, and what known vulnerabilities reach it
    Upgrades(upgrades::UpgradesArgs),
    /// Bring another version of a service's image in
    Upgrade(upgrades::UpgradeArgs),
    /// Delete services
    Delete(delete::DeleteArgs),
    /// What happened
    Events(events::EventsArgs),
    /// Measured signals of a service, instance or node
    Signals(signals::SignalsArgs),
    /// What instances use now
    Top(top::TopArgs),
    /// What is probably wrong, and what speaks for it
    Diagnose(diagnose::DiagnoseArgs),
    /// Who needs whom
    Graph(graph::GraphArgs),
    /// Incidents, or one of them
    Incidents(incidents::IncidentsArgs),
    /// Export an incident as an eval
    #[command(subcommand)]
    Incident(incident::IncidentCommand),
    /// Say that an incident's believed cause was not it
    Correct(incidents::CorrectArgs),
    /// Agents' proposals, or one of them
    Proposals(proposals::ProposalsArgs),
    /// Requests for a person's yes
    Approvals(approvals::ApprovalsArgs),
    /// Say yes to an approval or a proposal
    Approve(approvals::ApproveArgs),
    /// Say no to an approval or a proposal
    Reject(approvals::RejectArgs),
    /// Past changes, newest first
    Changes(service::ChangesArgs),
    /// Take back a past change
    Undo(service::UndoArgs),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The agents
    #[command(subcommand)]
    Agents(agents::AgentsCommand),
    /// What policy would decide, and which is in force; prove, test, lint and compare policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Let nobody change anything for a while
    #[command(subcommand)]
    Freeze(freeze::FreezeCommand),
    /// Declare an emergency: for a while, you alone may do what waits for an admin's yes
    BreakGlass(emergency::BreakGlassArgs),
    /// Secrets
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Sign in to the console: a link that is good once, for five minutes
    Console(console::ConsoleArgs),
    /// Tokens of the HTTP door
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Images in the daemon's store
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Nodes
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Completions for a shell, on standard output
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Say yes to proposals without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Leave everything running afterwards
    #[arg(long)]
    pub keep: bool,
}

/// Runs a command that talks to a daemon; answers with the exit code.
pub async fn run_client(cli: Cli) -> u8 {
    let mut out = Out::new(&cli.global);
    match dispatch(cli, &mut out).await {
        Ok(()) => 0,
        Err(error) => {
            out.problem(&error);
            error.exit_code()
        }
    }
}

async fn dispatch(cli: Cli, out: &mut Out) -> Result<(), CliError> {
    let global = cli.global;
    let command = match cli.command {
        Command::Completions { shell } => return completions(shell, out),
        Command::Audit(audit::AuditCommand::Verify(args)) if args.is_offline() => {
            return audit::verify_offline(&args, out);
        }
        Command::Policy(command) if command.is_offline() => {
            return policy::offline(command, out).await;
        }
        Command::Mcp(_) | Command::Down(_) | Command::SelfUpgrade(_) if global.server.is_some() => {
            return Err(local_only());
        }
        Command::Mcp(args) => return client::bridge(&args, &global).await,
        Command::Down(args) => return down::run(&args, &global, out).await,
        Command::SelfUpgrade(args) => return upgrade::run(&args, &global, out).await,
        other => other,
    };
    let client = Client::connect(&global).await?;
    let done = match command {
        Command::Console(args) => console::run(args, global.server.as_deref(), &client, out).await,
        command => with_daemon(command, &client, out).await,
    };
    client.close().await;
    done
}

async fn with_daemon(command: Command, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        Command::Status => status::run(client, out).await,
        Command::Apply(args) => apply::run(args, client, out).await,
        Command::Get(args) => get::run(args, client, out).await,
        Command::Describe(args) => describe::run(args, client, out).await,
        Command::Logs(args) => logs::run(args, client, out).await,
        Command::Exec(args) => exec::run(args, client, out).await,
        Command::Scale(args) => service::scale(args, client, out).await,
        Command::Tune(args) => tune::run(args, client, out).await,
        Command::Restart(args) => service::restart(args, client, out).await,
        Command::Limits(args) => service::limits(args, client, out).await,
        Command::Rollback(args) => service::rollback(args, client, out).await,
        Command::Rollout(args) => rollout::run(args, client, out).await,
        Command::Upgrades(args) => upgrades::run(args, client, out).await,
        Command::Upgrade(args) => upgrades::upgrade(args, client, out).await,
        Command::Delete(args) => delete::run(args, client, out).await,
        Command::Events(args) => events::run(args, client, out).await,
        Command::Signals(args) => signals::run(args, client, out).await,
        Command::Top(args) => top::run(args, client, out).await,
        Command::Diagnose(args) => diagnose::run(args, client, out).await,
        Command::Graph(args) => graph::run(args, client, out).await,
        Command::Incidents(args) => incidents::run(args, client, out).await,
        Command::Incident(command) => incident::run(command, client, out).await,
        Command::Correct(args) => incidents::correct(args, client, out).await,
        Command::Proposals(args) => proposals::run(args, client, out).await,
        Command::Approvals(args) => approvals::list(args, client, out).await,
        Command::Approve(args) => approvals::approve(args, client, out).await,
        Command::Reject(args) => approvals::reject(args, client, out).await,
        Command::Changes(args) => service::changes(args, client, out).await,
        Command::Undo(args) => service::undo(args, client, out).await,
        Command::Audit(command) => audit::run(command, client, out).await,
        Command::Agents(command) => agents::run(command, client, out).await,
        Command::Policy(command) => policy::run(command, client, out).await,
        Command::Freeze(command) => freeze::run(command, client, out).await,
        Command::BreakGlass(args) => emergency::run(args, client, out).await,
        Command::Secret(command) => secret::run(command, client, out).await,
        Command::Token(command) => token::run(command, client, out).await,
        Command::Image(command) => image::run(command, client, out).await,
        Command::Node(command) => node::run(command, client, out).await,
        Command::Up(_)
        | Command::Down(_)
        | Command::SelfUpgrade(_)
        | Command::CheckUpgrade(_)
        | Command::Agent { .. }
        | Command::Proxy { .. }
        | Command::Demo(_)
        | Command::Eval { .. }
        | Command::Mcp(_)
        | Command::Console(_)
        | Command::Completions { .. } => Err(CliError::Usage(
            "this command does not talk to a daemon".to_owned(),
        )),
    }
}

fn local_only() -> CliError {
    CliError::Usage(
        "this command works on a daemon of this machine only: leave out --server".to_owned(),
    )
}

fn completions(shell: clap_complete::Shell, out: &mut Out) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ostler", &mut text);
    out.raw(&text)
}
