//! The demo's shop: one small static binary that is a frontend, a cart, a catalog, a store, or the
//! steady traffic against them, and that breaks in chosen ways when told to.
//!
//! `shop ROLE` with `frontend`, `cart`, `catalog`, `store` or `traffic`. Settings come from the
//! environment and from `/etc/shop/config.json`. It is made to be broken: anyone who reaches a
//! service's port may switch a fault on with `POST /fault`.

mod client;
mod config;
mod fault;
mod log;
mod metrics;
mod roles;
mod serve;
mod traffic;

use std::process::ExitCode;

use config::{Role, Settings};

/// Exit code for a wrong command line (sysexits: EX_USAGE).
const EXIT_USAGE: u8 = 64;
/// Exit code for a missing or malformed configuration (sysexits: EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let Some(role) = std::env::args().nth(1).as_deref().and_then(Role::parse) else {
        log::early("say which role to play: frontend, cart, catalog, store or traffic");
        return ExitCode::from(EXIT_USAGE);
    };
    let settings = match Settings::read(role) {
        Ok(settings) => settings,
        Err(problem) => {
            log::early(&problem);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            log::early(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async move {
        match role {
            Role::Traffic => traffic::run(settings).await,
            _ => serve::run(settings).await,
        }
    });
    runtime.shutdown_background();
    code
}
