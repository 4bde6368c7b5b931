//! What the prober does inside its sandbox.

mod ways;

use std::{io::Write, os::unix::net::UnixStream, time::Duration};

/// Does what it was told; never returns, as an agent should not.
pub fn run() {
    // The harness has begun a line of its own.
    println!();
    match std::env::var("PROBER_DOES").as_deref() {
        Ok("escape") => escape(),
        Ok("memory") => memory(),
        Ok("busy") => busy(),
        Ok("flood") => flood(),
        other => panic!("PROBER_DOES is {other:?}"),
    }
}

fn escape() {
    let ways = ways::all();
    for (what, tried) in &ways {
        match tried() {
            Ok(()) => println!("GOT OUT {what}"),
            Err(why) => println!("REFUSED {what}: {why}"),
        }
    }
    println!("THROUGH {}", ways.len());
    // Seen, and then ended for its silence.
    std::thread::sleep(Duration::from_secs(600));
}

fn memory() {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 1 << 20]);
    }
}

fn busy() {
    let line = std::env::var_os("OSTLER_MCP").unwrap();
    let _connected = UnixStream::connect(line).unwrap();
    for _ in 0..3 {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    loop {
        std::hint::spin_loop();
    }
}

fn flood() {
    let mut sent = 0;
    let mut told = 0;
    loop {
        let line = std::env::var_os("OSTLER_MCP").unwrap();
        let Ok(mut stream) = UnixStream::connect(line) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let message = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{}}\n";
        while let Ok(()) = stream.write_all(message) {
            sent += message.len();
            if sent - told >= 16 << 10 {
                told = sent;
                println!("SENT {sent}");
            }
        }
    }
}
