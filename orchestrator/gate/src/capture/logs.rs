//! The ends of the instances' logs, nearest services first, within a few seconds in all.

use std::time::Duration;

use ostler_core::id::InstanceId;
use ostler_tools::{
    answer::{Capture, LogAnswer, LogLine},
    query::Query,
};

use crate::door::Gate;

/// Lines of one instance: as many as agents read.
const TAIL: u32 = 200;
/// Most instances whose logs are read.
const INSTANCES: usize = 60;
/// How long one log may take, and all of them.
const ONE: Duration = Duration::from_secs(2);
const ALL: Duration = Duration::from_secs(5);

impl Gate {
    /// Reads the logs into a capture; what is slow or fails is left out and said so.
    pub(super) async fn read_ends(&self, capture: &mut Capture) {
        let until = tokio::time::Instant::now() + ALL;
        let all = capture.services.iter_mut();
        let mut instances: Vec<_> = all.flat_map(|service| &mut service.instances).collect();
        for one in instances.iter_mut().take(INSTANCES) {
            if tokio::time::Instant::now() >= until {
                let words = "logs of instances further away: reading took too long";
                capture.left_out.push(words.to_owned());
                return;
            }
            match self.end_of_log(&one.instance).await {
                Ok(lines) => one.untrusted_lines = lines,
                Err(why) => capture
                    .left_out
                    .push(format!("the log of `{}`: {why}", one.instance)),
            }
        }
        let more = instances.len().saturating_sub(INSTANCES);
        if more > 0 {
            capture.left_out.push(format!("logs of {more} instances"));
        }
    }

    async fn end_of_log(&self, instance: &InstanceId) -> Result<Vec<LogLine>, String> {
        let query = Query::Logs {
            instance: instance.clone(),
            after: None,
            since: None,
            tail: TAIL,
        };
        let read = tokio::time::timeout(ONE, self.world.query(&query)).await;
        let page = read.map_err(|_| "reading took too long".to_owned())??;
        let page: LogAnswer = serde_json::from_value(page).map_err(|error| error.to_string())?;
        Ok(page.untrusted_lines)
    }
}
