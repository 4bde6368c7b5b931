//! A scripted server that speaks the wire protocols of language models, for tests.
//!
//! It says what it is: every answer carries `server: ostler-fake-llm`, and no answer was thought of
//! by anybody. It speaks OpenAI's chat completions, streamed and whole, and Ollama's `/api/chat`,
//! over TCP or a Unix socket, with the troubles that real ones make.

mod ollama;
mod openai;
mod serve;
mod wire;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

/// What the server calls itself.
pub const NAME: &str = "ostler-fake-llm";

/// One request, as a brain sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

impl Asked {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The messages: role and text.
    #[must_use]
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body.get("messages").and_then(Value::as_array);
        let read = |message: &Value| {
            let part = |name| message.get(name).map(text).unwrap_or_default();
            (part("role"), part("content"))
        };
        messages.into_iter().flatten().map(read).collect()
    }

    /// Names of the tools on offer.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        let tools = self.body.get("tools").and_then(Value::as_array);
        let name = |tool: &Value| Some(tool.pointer("/function/name")?.as_str()?.to_owned());
        tools.into_iter().flatten().filter_map(name).collect()
    }

    /// Everything that was said in this conversation, in one text.
    #[must_use]
    pub fn whole_text(&self) -> String {
        let texts: Vec<String> = self.messages().into_iter().map(|(_, text)| text).collect();
        texts.join("\n")
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this text.
    Say(String),
    /// Answers with this text, a piece now and then.
    SaySlowly(String, Duration),
    /// Asks for these tools with these arguments.
    Use(Vec<(String, Value)>),
    /// Answers with this text and says that it cost this many tokens in and out.
    Cost(String, u64, u64),
    /// Answers with this text and says nothing of its cost.
    SayUncounted(String),
    /// Too many requests; try again after so many seconds, if it says.
    TooMany(Option<u64>),
    /// Breaks with this status.
    Break(u16),
    /// Begins to answer and never goes on.
    Stall,
    /// Begins to answer this text and breaks the connection off.
    Hangup(String),
    /// Sends this body instead of an answer, as if all were well.
    Garble(String),
}

/// Decides what to answer.
pub type Brain = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A brain that answers by the script, one line a request, and breaks with 599 when it is over.
#[must_use]
pub fn script(replies: Vec<Reply>) -> Brain {
    let left = Mutex::new(std::collections::VecDeque::from(replies));
    Arc::new(move |_| {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        left.pop_front().unwrap_or(Reply::Break(599))
    })
}

/// A running server; ends when dropped.
pub struct FakeLlm {
    asked: Arc<Mutex<Vec<Asked>>>,
    address: Option<SocketAddr>,
    task: tokio::task::JoinHandle<()>,
}

impl FakeLlm {
    /// Serves on a free port of the loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn tcp(brain: Brain) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::default();
        let router = serve::router(brain, Arc::clone(&asked));
        Ok(Self {
            asked,
            address: Some(address),
            task: tokio::spawn(async move {
                // Ends with the task only.
                let _ended = axum::serve(listener, router).await;
            }),
        })
    }

    /// Serves on a Unix socket.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub fn unix(path: &Path, brain: Brain) -> std::io::Result<Self> {
        let listener = tokio::net::UnixListener::bind(path)?;
        let asked = Arc::default();
        let router = serve::router(brain, Arc::clone(&asked));
        Ok(Self {
            asked,
            address: None,
            task: tokio::spawn(async move {
                // Ends with the task only.
                let _ended = axum::serve(listener, router).await;
            }),
        })
    }

    /// Where it listens, such as `http://127.0.0.1:4242`; empty on a Unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        self.address
            .map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// What was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for FakeLlm {
    fn drop(&mut self) {
        self.task.abort();
    }
}
