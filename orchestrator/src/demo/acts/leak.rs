//! Third fault: the catalog leaks memory. The healer sees where it is going before it gets there.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    super::{
        stage::{Stage, text},
        summary::Story,
    },
    crash::instance,
    watch::{Expected, until_healed},
};

/// Leaked each second: the limit of 64 MiB would be reached in two minutes.
const LEAK: &str = "leak:512Ki";

/// Switches the leak on in the running catalog.
pub fn leak(stage: &Stage) -> anyhow::Result<Story> {
    stage.heading("3. The catalog leaks memory")?;
    stage.say(
        "Nothing was changed and nothing has failed yet. Its memory grows towards its limit.",
    )?;
    let catalog = instance(stage, "catalog")?;
    let address: SocketAddr = format!("{}:8080", text(&catalog, "address"))
        .parse()
        .context("the catalog's address")?;
    let since = Instant::now();
    switch_on(address)?;
    stage.say("Waiting for the healer: a trend needs a minute of points …")?;
    let story = until_healed(
        stage,
        &Expected {
            broke: "catalog: memory leak",
            culprit: "catalog",
            since,
            within: Duration::from_secs(180),
        },
    )?;
    stage.show(&["signals", "catalog", "--since", "5m"])?;
    Ok(story)
}

fn switch_on(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))
        .context("cannot reach the catalog")?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let length = LEAK.len();
    write!(
        stream,
        "POST /fault HTTP/1.1\r\nHost: catalog\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{LEAK}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 2"),
        "the catalog refused the switch: {}",
        answer.lines().next().unwrap_or("")
    );
    Ok(())
}
