//! The broker between agents and language models.
//!
//! An agent reaches models through its own Unix socket and nothing else. The broker knows the keys,
//! holds the allow-list of endpoints and models, takes secrets out of prompts, keeps the accounts of
//! tokens and money, waits where a provider asks to wait, and can record and replay the traffic.
//! A request's way: [`mod@serve`] (whose socket) → [`request`] (may it be asked, and cleaned) →
//! [`budget`] (is it paid for) → [`cassette`] or [`upstream`] → [`passing`] (what it cost) → the agent.

mod answer;
mod broker;
pub mod budget;
pub mod cassette;
pub mod config;
mod ledger;
mod passing;
mod request;
mod serve;
mod spending;
mod tally;
mod upstream;

pub use answer::BUDGET_CODE;
pub use broker::{Broker, Parts};
pub use ledger::{Before, Kept, KeptAccounts, Standing};
pub use ostler_redact::Redactor;
pub use serve::{Admit, serve};
pub use spending::{Meter, NoMeter, Outcome, Secrets, Spending};
