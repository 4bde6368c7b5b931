//! MCP messages by every kind of caller, through the protocol and the gate. A line that begins with `@` is a call:
//! the next byte says of which tool, the rest is its arguments. Whatever comes in, the log verifies afterwards,
//! and nobody but a person with a role moved what is wanted.

use std::sync::Arc;

use ostler_gate::{
    Gate,
    audit::{export_lines, verify},
    mcp::serve_pipe,
};
use ostler_tools::{
    catalogue::ALL,
    principal::{Principal, Role},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{exported, open, runtime};

const OPENING: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"fuzz","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
);

fn caller(of: u8) -> Principal {
    let user = |role| Principal::User {
        name: "ann".to_owned(),
        roles: vec![role],
    };
    match of % 5 {
        0 => Principal::Anonymous,
        1 => user(Role::Viewer),
        2 => user(Role::Operator),
        3 => user(Role::Admin),
        _ => Principal::Agent {
            name: "healer".parse().unwrap(),
        },
    }
}

/// What is sent, line by line; whoever wants to can send a message as it is.
fn messages(input: &[u8]) -> Vec<u8> {
    let mut sent = OPENING.as_bytes().to_vec();
    for (id, line) in (1..).zip(input.split(|byte| *byte == b'\n')) {
        match line {
            [b'@', tool, args @ ..] => {
                let tool = ALL.get(usize::from(*tool) % ALL.len()).unwrap();
                let head = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{}","arguments":"#,
                    tool.name
                );
                sent.extend(head.as_bytes());
                sent.extend(args);
                sent.extend(b"}}");
            }
            line => sent.extend(line),
        }
        sent.push(b'\n');
    }
    sent
}

/// Serves one input: its first byte says who calls.
pub fn try_one(input: &[u8]) {
    let Some((who, lines)) = input.split_first() else {
        return;
    };
    let caller = caller(*who);
    runtime().block_on(serve(caller, messages(lines)));
}

async fn serve(caller: Principal, sent: Vec<u8>) {
    let gate = open().await;
    let may = matches!(&caller, Principal::User { roles, .. } if roles != &[Role::Viewer]);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let served = tokio::spawn(serve_pipe(Arc::clone(&gate) as _, caller, theirs));
    let (mut answers, mut messages) = tokio::io::split(ours);
    let writing = tokio::spawn(async move {
        let _gone = messages.write_all(&sent).await;
        let _gone = messages.shutdown().await;
    });
    let mut heard = Vec::new();
    let _ended = answers.read_to_end(&mut heard).await;
    writing.await.unwrap();
    let _ended = served.await.unwrap();
    for line in heard
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let answer: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    }
    assert!(may || gate.intent().revision.0 == 0);
    the_log_verifies(&gate).await;
}

async fn the_log_verifies(gate: &Arc<Gate>) {
    let page = exported(gate).await;
    if page.next.is_none() {
        verify(&export_lines(&page), None).unwrap();
    }
}
