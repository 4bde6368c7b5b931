//! A model within its planner's time, by a clock that nobody stops: in evals virtual time stands still
//! while a model thinks, and what would come too late for the daemon must come too late there.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::model::{Ask, Model, ModelError, Said};

/// A model whose answers count only within a time from when it was made.
pub(crate) struct Patient {
    model: Box<dyn Model>,
    began: Instant,
    time: Duration,
}

impl Patient {
    /// From now on, for this long.
    pub(crate) fn new(model: Box<dyn Model>, time: Duration) -> Self {
        Self {
            model,
            began: Instant::now(),
            time,
        }
    }

    fn in_time(&self) -> Result<(), ModelError> {
        if self.began.elapsed() < self.time {
            return Ok(());
        }
        Err(late(self.time))
    }
}

/// What is said of a model that took too long.
pub(crate) fn late(time: Duration) -> ModelError {
    ModelError::Unavailable(format!("no verdict within {} s", time.as_secs()))
}

#[async_trait]
impl Model for Patient {
    async fn ask(&self, ask: Ask<'_>) -> Result<Said, ModelError> {
        self.in_time()?;
        let said = self.model.ask(ask).await?;
        self.in_time()?;
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    struct Ready;

    #[async_trait]
    impl Model for Ready {
        async fn ask(&self, _: Ask<'_>) -> Result<Said, ModelError> {
            Ok(Said::default())
        }
    }

    #[tokio::test]
    async fn what_comes_too_late_is_no_answer() {
        let ask = Ask {
            messages: &[],
            tools: &[],
            schema: &Value::Null,
            max_tokens: 1,
        };
        let patient = |time| Patient::new(Box::new(Ready), time);
        assert!(patient(Duration::from_secs(60)).ask(ask).await.is_ok());
        let late = patient(Duration::ZERO).ask(ask).await;
        assert_eq!(late, Err(super::late(Duration::ZERO)));
    }
}
