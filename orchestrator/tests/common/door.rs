//! A gate that only remembers: shows every tool, knows no token, denies everything.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ostler_core::id::ApprovalId;
use ostler_gate::{
    Watched,
    answer::{Answer, Outcome},
    mcp::{Door, HeldTasks, Standing},
};
use ostler_tools::{catalogue, contract::Tool, principal::Principal};
use serde_json::Value;

/// Who asked for what, in order.
#[derive(Default)]
pub struct Remembers {
    calls: Mutex<Vec<(Principal, String, Value)>>,
    tasks: HeldTasks,
}

impl Remembers {
    /// Who called, in order.
    pub fn callers(&self) -> Vec<Principal> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(caller, _, _)| caller.clone()).collect()
    }
}

#[async_trait]
impl Door for Remembers {
    async fn call(self: Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer {
        let mut calls = self.calls.lock().unwrap();
        calls.push((caller.clone(), tool.to_owned(), args));
        Answer {
            call: "call_1".parse().unwrap(),
            outcome: Outcome::Denied {
                words: "no".to_owned(),
                policies: Vec::new(),
            },
        }
    }

    fn tools_for(&self, _: &Principal) -> Vec<&'static Tool> {
        catalogue::ALL.iter().collect()
    }

    async fn authenticate(&self, _: &str) -> Option<Principal> {
        None
    }

    fn standing(&self, _: &Principal, approval: &ApprovalId) -> Standing {
        Standing::Over(format!("there is no request `{approval}`"))
    }

    fn tasks(&self) -> &HeldTasks {
        &self.tasks
    }

    fn stamp(&self, _: &Watched) -> u64 {
        0
    }
}
