//! Names that say that what stands under them is secret, and the forms of a name and its value:
//! environment, JSON, YAML, TOML, ini, flags, queries, XML. Pure.

/// Words that make what a name or flag holds a secret, in lower case, without `_` and `-`.
const NAMES: [&str; 19] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "credential",
    "signingkey",
    "encryptionkey",
    "accountkey",
    "masterkey",
    "licensekey",
    "presharedkey",
    "webhookurl",
    "mnemonic",
];
/// Words for passwords, which are looked for in every form.
const PASSWORDS: &str = "passw(?:or)?d|passphrase|passcode";
/// What a key is for where it is secret.
const KEYS: &str = "api|app|application|access|account|auth|private|secret|shared|shared[_-]?access|signing|signature|encryption|encrypt|license|\
     master|service[_-]?role|subscription|ingest|ingestion|integration|write|admin|deploy|client|webhook|preshared|hmac|aes|genie|session|unseal|\
     recovery|root|functions|cookie|jwt|instrumentation|management|streaming|fastly";
/// Other words. Where a short one could be part of a longer word, it begins after none.
const OTHERS: &str = "secret|token|credentials?|mnemonic|seed[ _-]?phrase|connection[_-]?string|webhook[_-]?url|refresh[_-]?jwt|jsessionid|phpsessid|\
     asp\\.net_sessionid|connect\\.sid|totp[_-]?seed|backup[_-]?codes?|otp[_-]?code|auth[_-]?code|code[_-]?verifier|psk|snmp[_-]?community|\
     \\bjwt|(?-i:[_-]pass|_PASS|[a-z]Pass|\\bpwd|\\bPwd|_PWD|_pwd)";
/// What may follow the word and leaves the name a secret's.
const AFTER: &str = "(?:[_-]?(?:value|base|hash|data|key|[0-9]{1,3}|v[0-9]|prod|production|dev|test|staging|current|previous|old|new|live))*(?: [0-9]{1,2})?";

fn words() -> String {
    format!("(?:{PASSWORDS}|{OTHERS}|(?:{KEYS})[ _-]?key)")
}

/// The forms of a name and its value. What stands in quotes goes whole; without quotes, up to the
/// next blank or separator.
pub(crate) fn shapes() -> Vec<String> {
    let words = words();
    let name = format!(r#"(?i){words}{AFTER}(?:\]|\\?["'])?\s*(?::=|=>|[:=])\s*"#);
    let plain = r#"[^\s"'\\,;&}<>)|]"#;
    vec![
        // In quotes, in quotes of a text in quotes, without any.
        format!(
            r#"{name}(?:[bru]?"(?<s>(?:[^"\\\r\n]|\\.){{4,}})|\\+"([^"\\\r\n]{{4,}})|[bru]?'([^'\r\n]{{4,}}))"#
        ),
        format!(r#"{name}(?<s>[^\s"'\\,;&}}<>)|:=]{plain}{plain}{plain}+)"#),
        // A password in YAML or in words of its own line: all of the line.
        format!(
            r#"(?im)^[ \t]*(?:- )?[\w.-]*(?:{PASSWORDS}|seed[ _-]?phrase|mnemonic){AFTER}:[ \t]+(?<s>[^\s"'|>&*!{{#][^\r\n]*?)[ \t]*(?:[ \t]#[^\r\n]*)?$"#
        ),
        format!(r#"(?i){words}{AFTER}:[ \t]*[|>][-+]?[ \t]*\r?\n[ \t]+(?<s>[^\r\n]+)"#),
        // A variable of an environment: up to the line's end, separators or not.
        format!(
            r#"(?m)^[ \t]*(?:export[ \t]+|ENV[ \t]+|set[ \t]+)?[A-Z0-9_]*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(?i:{AFTER})=(?<s>[^\s"']\S{{3,}})[ \t]*$"#
        ),
        // A flag and the word after it.
        format!(
            r#"(?i)[ \t"'\[]--?[\w-]*{words}["']?[, \t][ \t]*["']?(?<s>[^\s"'\\,;&|<>\-\[][^\s"'\\;&|<>]{{3,}})"#
        ),
        // A list of names and values: `name: DB_PASSWORD`, `value: …`.
        format!(
            r#"(?i)\b(?:name|key)\\?["']?\s*[:=]\s*\\?["']?[\w.-]*{words}{AFTER}\\?["']?,?\s*\\?["']?value\\?["']?\s*[:=]\s*\\?["']?(?<s>[^\s"'\\,}}<]+)"#
        ),
        // XML.
        format!(r"(?i)<[\w:.-]*{words}{AFTER}(?:\s[^<>]*)?>(?<s>[^<>]+)</"),
    ]
}

/// Whether what stands in a secret's place is none: a reference, a blank, a word about it. `mixed`
/// says that nothing is secret here that has neither a digit nor a capital.
pub(crate) fn is_harmless(value: &str, mixed: bool) -> bool {
    const WORDS: [&str; 18] = [
        "null",
        "none",
        "true",
        "false",
        "missing",
        "empty",
        "expired",
        "invalid",
        "required",
        "undefined",
        "string",
        "unset",
        "incorrect",
        "wrong",
        "unexpected",
        "denied",
        "revoked",
        "optional",
    ];
    let names_something = |rest: &str| {
        rest.bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || b"_.:-/$ (){}[]".contains(&letter))
    };
    let reference = ["${", "{{", "$(", "$[["]
        .iter()
        .filter_map(|opening| value.strip_prefix(opening))
        .any(names_something)
        || (value.starts_with('<') && value.ends_with('>'));
    // A file in which a secret may be; base64 of that length has capitals or digits.
    let path = (value.starts_with('/') || value.starts_with("./"))
        && value
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || b"/._-".contains(&letter));
    let plain = value.trim_end_matches(['.', '!', ':', '`', ')']);
    let plain_letters = || {
        let capitals = value
            .chars()
            .skip(1)
            .any(|letter| letter.is_ascii_uppercase());
        !capitals && !value.chars().any(|letter| letter.is_ascii_digit())
    };
    reference
        || path
        || value.chars().all(|letter| "*xX.-_ ".contains(letter))
        || WORDS.iter().any(|word| plain.eq_ignore_ascii_case(word))
        || (mixed && plain_letters())
}

/// Whether what stands under a name, such as a variable's or a flag's, is a secret by that name.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    NAMES.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for name in ["DB_PASSWORD", "--api-key", "GITHUB_TOKEN", "client.secret"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["MODE", "KEYBOARD", "--port", "PATH"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
