//! Signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body, so that a receiver knows who
//! wrote, and drops what is old or came twice. <https://www.standardwebhooks.com>, version 1, symmetric.

use anyhow::{Context, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Most secrets at a time: one, and the one that follows it.
const LIMIT: usize = 2;
/// How a secret begins.
const PREFIX: &str = "whsec_";

/// What posts are signed with; none where the receiver checks no signatures.
#[derive(Default)]
pub struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is not one or two secrets.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        const HELP: &str = "one or two lines of `whsec_` and base64 of 24 to 64 random bytes are wanted; make one with \
            (printf whsec_; head -c 32 /dev/urandom | base64 -w0)";
        let text = std::str::from_utf8(bytes).ok().context(HELP)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secret = |line: &str| {
            let decoded = STANDARD.decode(line.strip_prefix(PREFIX)?).ok()?;
            (24..=64)
                .contains(&decoded.len())
                .then(|| Zeroizing::new(decoded))
        };
        let secrets: Option<Vec<_>> = lines.map(secret).collect();
        match secrets {
            Some(secrets) if (1..=LIMIT).contains(&secrets.len()) => Ok(Self(secrets)),
            _ => bail!(HELP),
        }
    }

    /// The signature header: one signature by each secret. None without secrets.
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> Option<String> {
        let signed = self.0.iter().filter_map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            mac.update(format!("{id}.{seconds}.").as_bytes());
            mac.update(body);
            let code = mac.finalize().into_bytes();
            Some(format!("v1,{}", STANDARD.encode(code)))
        });
        let signed: Vec<String> = signed.collect();
        (!signed.is_empty()).then(|| signed.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example_comes_out() {
        let secrets = Secrets::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signed = secrets.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.as_deref(), Some(expected));
        assert_eq!(Secrets::default().sign("a", 1, b""), None);
    }

    #[test]
    fn two_secrets_sign_both_and_what_is_none_is_refused() {
        let one = format!("{PREFIX}{}", STANDARD.encode([7; 32]));
        let two = Secrets::parse(format!("{one}\n{one}\n").as_bytes()).unwrap();
        assert_eq!(two.sign("a", 1, b"x").unwrap().split(' ').count(), 2);
        for bad in [
            String::new(),
            "hunter2".to_owned(),
            format!("{PREFIX}{}", STANDARD.encode([7; 8])),
            format!("{one}\n{one}\n{one}"),
            format!("{one}\nhunter2"),
        ] {
            assert!(Secrets::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
