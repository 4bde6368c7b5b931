//! Who is signed in to the console: one-time links, and the sessions that they open.
//!
//! In memory only, and of every secret only the hash: a daemon that ends signs everybody out. A link is
//! asked for by a call like any other (`create_console_session`), is good once and not for long, and
//! opens a session of exactly the person who asked, never with more roles. Where that person came by a
//! bearer token, the session ends with the token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ostler_core::time::{Span, Time};
use ostler_tools::{
    answer::ConsoleLink,
    principal::{Principal, Role},
};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{
    answer::Outcome,
    answers::value,
    door::{Gate, call_id},
    flood::leaf,
    mcp::Door,
    plan::Call,
    token::hash,
};

/// How long a link may be used.
const LINK_LASTS: Span = Span::minutes(5);
/// How long a session lasts, however much it is used.
const SESSION_LASTS: Span = Span::minutes(12 * 60);
/// How long a session lasts that is not used.
const IDLE: Span = Span::minutes(60);
/// Most links that wait; the oldest go.
const LINKS: usize = 64;
/// Most sessions; those that were not used for longest go.
const SESSIONS: usize = 256;
/// Longest secret that is looked at, in bytes.
const SECRET_LIMIT: usize = 128;
/// The tool that the leaf of a sign-in names; nobody can call it.
const SIGN_IN: &str = "(console sign-in)";

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who: the one who asked for the link.
    pub principal: Principal,
    /// What every form of this session carries, so that no other page can post in its name.
    pub form_token: String,
    /// When it ends at the latest.
    pub ends_at: Time,
}

/// What a browser is given, once.
pub struct SignedIn {
    /// The session's secret, for the cookie.
    pub secret: Zeroizing<String>,
    /// How long it lasts.
    pub lasts: Span,
}

/// What the console needs of the gate beside the door: who is signed in, and hints when to look again.
#[async_trait]
pub trait Reception: Door {
    /// Uses up a link's code, on record; nobody where it is unknown, used or too old.
    async fn sign_in(self: Arc<Self>, code: &str) -> Option<SignedIn>;
    /// Whom a session's secret stands for; nobody when it ended.
    fn session(&self, secret: &str) -> Option<Session>;
    /// Ends a session.
    fn sign_out(&self, secret: &str);
    /// Now, by the gate's clock.
    fn now(&self) -> Time;
    /// Moves when something may have changed: a hint to ask again, saying nothing of what.
    fn hints(&self) -> watch::Receiver<u64>;
}

/// A link that waits, or a session.
#[derive(Debug, Clone)]
struct Pass {
    /// Of its secret.
    hash: String,
    principal: Principal,
    /// The hash of the bearer token by which the person came, where it was one.
    token: Option<String>,
    ends_at: Time,
    used_at: Time,
    form_token: String,
}

/// Everybody who is signed in or about to be.
#[derive(Debug)]
pub(crate) struct Sessions {
    passes: Mutex<Passes>,
    /// See [`Reception::hints`].
    pub(crate) hint: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Passes {
    links: Vec<Pass>,
    sessions: Vec<Pass>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            passes: Mutex::default(),
            hint: watch::Sender::new(0),
        }
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Passes> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn secret() -> Zeroizing<String> {
    let random: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()))
}

/// Where the pass of this secret is; looks at all of them, whatever the secret.
fn position(passes: &[Pass], secret: &str) -> Option<usize> {
    if secret.len() > SECRET_LIMIT {
        return None;
    }
    let hash = hash(secret);
    let mut found = None;
    for (index, pass) in passes.iter().enumerate() {
        if bool::from(pass.hash.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some(index);
        }
    }
    found
}

/// Makes room for one more: those that were not used for longest go.
fn bounded(passes: &mut Vec<Pass>, most: usize, now: Time) {
    passes.retain(|pass| now < pass.ends_at);
    passes.sort_by_key(|pass| pass.used_at);
    let over = (passes.len() + 1).saturating_sub(most);
    passes.drain(..over);
}

impl Gate {
    /// Makes a link for whoever calls.
    pub(crate) fn console_link(&self, call: &Call, roles: &[Role]) -> Result<Value, String> {
        let Principal::User { name, .. } = &call.caller else {
            return Err("only a person signs in to the console".to_owned());
        };
        let code = secret();
        let expires_at = call.now + LINK_LASTS;
        let link = Pass {
            hash: hash(&code),
            principal: Principal::User {
                name: name.clone(),
                roles: roles.to_vec(),
            },
            token: self.token_of(name),
            ends_at: expires_at,
            used_at: call.now,
            form_token: String::new(),
        };
        let mut passes = self.sessions.lock();
        bounded(&mut passes.links, LINKS, call.now);
        passes.links.push(link);
        drop(passes);
        let http = self.world.view().daemon.http.clone();
        let base = http.map(|url| url.trim_end_matches("/mcp").to_owned());
        value(&ConsoleLink {
            url: base.map(|base| format!("{base}/sign-in#{}", *code)),
            code: code.to_string(),
            user: name.clone(),
            roles: roles.to_vec(),
            expires_at,
        })
    }

    /// The hash of a person's bearer token that is good now.
    fn token_of(&self, name: &str) -> Option<String> {
        let records = self.records();
        let token = records.tokens.get(name)?;
        (self.clock.now() < token.expires_at).then(|| token.hash.clone())
    }

    /// Whether a pass is good: in time, and its bearer token, where it has one, too.
    fn good(&self, pass: &Pass, now: Time) -> bool {
        let Principal::User { name, .. } = &pass.principal else {
            return false;
        };
        now < pass.ends_at && (pass.token.is_none() || pass.token == self.token_of(name))
    }

    /// Takes a link out, so that nobody uses it twice.
    fn take_link(&self, code: &str, now: Time) -> Option<Pass> {
        let mut passes = self.sessions.lock();
        let at = position(&passes.links, code)?;
        let link = passes.links.swap_remove(at);
        drop(passes);
        self.good(&link, now).then_some(link)
    }

    /// Says that something may have changed.
    pub fn hint(&self) {
        self.sessions
            .hint
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn record_sign_in(&self, who: &Principal, now: Time) -> bool {
        let id = call_id(self.clock.fresh(), now);
        let words = ("done", "signed in to the console".to_owned());
        let entry = leaf(now, id, (who.to_string(), SIGN_IN), json!({}), words);
        let outcome = Outcome::Done {
            value: Value::Null,
            revision: None,
        };
        matches!(self.recorded(entry, outcome).await, Outcome::Done { .. })
    }
}

#[async_trait]
impl Reception for Gate {
    async fn sign_in(self: Arc<Self>, code: &str) -> Option<SignedIn> {
        let now = self.clock.now();
        let Some(link) = self.take_link(code, now) else {
            // On record as a stranger's, in bounded number.
            let _denied = self.call(&Principal::Anonymous, SIGN_IN, json!({})).await;
            return None;
        };
        if !self.record_sign_in(&link.principal, now).await {
            return None;
        }
        let key = secret();
        let session = Pass {
            hash: hash(&key),
            form_token: secret().to_string(),
            ends_at: now + SESSION_LASTS,
            used_at: now,
            ..link
        };
        let mut passes = self.sessions.lock();
        bounded(&mut passes.sessions, SESSIONS, now);
        passes.sessions.push(session);
        Some(SignedIn {
            secret: key,
            lasts: SESSION_LASTS,
        })
    }

    fn session(&self, secret: &str) -> Option<Session> {
        let now = self.clock.now();
        let mut passes = self.sessions.lock();
        let at = position(&passes.sessions, secret)?;
        let pass = passes.sessions.get_mut(at)?;
        if !self.good(pass, now) || now.since(pass.used_at) >= IDLE {
            passes.sessions.swap_remove(at);
            return None;
        }
        pass.used_at = now;
        Some(Session {
            principal: pass.principal.clone(),
            form_token: pass.form_token.clone(),
            ends_at: pass.ends_at,
        })
    }

    fn sign_out(&self, secret: &str) {
        let mut passes = self.sessions.lock();
        if let Some(at) = position(&passes.sessions, secret) {
            passes.sessions.swap_remove(at);
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn hints(&self) -> watch::Receiver<u64> {
        self.sessions.hint.subscribe()
    }
}
