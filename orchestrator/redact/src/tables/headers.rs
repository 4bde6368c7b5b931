//! Secrets in headers of HTTP, in signatures and on command lines.

pub(crate) const SHAPES: &[&str] = &[
    // Schemes of Authorization, with or without its name.
    r"(?i)\b(?:bearer|basic)(?:\s+|%20)(?<m>[A-Za-z0-9+/._~-]{12,}=*)",
    // Behind both, whatever it looks like.
    r#"(?i)\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:bearer|basic)(?:\s+|%20)(?<s>[A-Za-z0-9+/._~-]{8,}=*)"#,
    r#"(?im)\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:[a-z][a-z0-9-]*\s+)?(?:key=)?(?<m>[^\s"'\\,;=]{8,}=*)(?:["'\\,;\r\n]|[ \t]*$)"#,
    r#"(?i)\b(?:response|cnonce|mac|signature)=\\?"(?<s>[A-Za-z0-9+/=]{16,})"#,
    r"(?i)\b(?:genie|apikey|ssws|splunk|token)\s+(?:key=)?(?<m>[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|00[\w-]{40})",
    r"\bSignature=(?<s>[0-9a-f]{64}|[A-Za-z0-9+/%]{27,}(?:=|%3D)*)",
    // Cookies: of an answer the value, of a request all of them.
    r#"(?i)\bset-cookie\\?["']?\s*[:=]\s*\\?["']?[\w.%-]+=(?<s>[^;\s"'\\]{4,})"#,
    r#"(?i)(?:^|[^\w-])cookie\\?["']?\s*[:=]\s*\\?["']?(?<s>[\w.%-]+=[^"'\\\r\n]{4,})"#,
    r#"(?:--cookie|\s-b)[ =]["']?(?<s>[\w.%-]+=[^"'\r\n]{4,})"#,
    r#"(?i)\b(?:session[_-]?id|_session|sessionid|sid)\\?["']?[=:]\s*\\?["']?(?<m>[A-Za-z0-9%._+/=-]{20,})"#,
    // Docker's and npm's `auth`, which is `user:password` in base64.
    r#"(?i)\b_?auth\\?["']?\s*[:=]\s*\\?["']?(?<m>[A-Za-z0-9+/=]{12,})"#,
    r#"(?i)\b(?:routing|storage)[_-]?key\\?["']?\s*[:=]\s*\\?["']?(?<m>[A-Za-z0-9+/=]{32,})"#,
    r#"\bpass\\?["']?\s*[:=]\s*\\?["']?(?<m>[^\s"'\\,;&}<>)|]{4,})"#,
    // Flags that say what follows to those who know the program.
    r#"(?i)\b(?:curl|wget|https?)\b[^\r\n]*?\s(?:-u|--user|--proxy-user)[ =]?["']?[^\s:"'=]+:(?<s>[^\s"']{3,})"#,
    r#"\bmysql(?:dump|admin|import)?\b[^\r\n|;]*?\s-p(?<s>[^\s"'-][^\s"']{3,})"#,
    r#"\b(?:sshpass|docker login|podman login|helm registry login|sqlcmd|mongosh?|az login)\b[^\r\n|;]*?\s-[pP]\s*["']?(?<s>[^\s"'-][^\s"']{3,})"#,
    r#"\bredis-cli\b[^\r\n|;]*?\s-a\s*["']?(?<s>[^\s"']{4,})"#,
    r#"\bldap\w+\b[^\r\n|;]*?\s-w\s*["']?(?<s>[^\s"']{4,})"#,
    r#"\b(?:smbclient|rpcclient|net)\b[^\r\n|;]*?\s-U\s*["']?[^\s%"']+%(?<s>[^\s"']{3,})"#,
    r#"-pass(?:in|out)?\s+["']?pass:(?<s>[^\s"']{3,})"#,
    r#"(?i)\bhtpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+["']?(?<s>[^\s"']{3,})"#,
    r#"(?i)\becho\s+["']?(?<s>[^\s"'|]{4,})["']?\s*\|[^\r\n|]*--password-stdin"#,
    // Words of SQL, of .netrc and of chpasswd.
    r#"(?i)\b(?:identified\s+(?:with\s+\S+\s+)?by|password|set\s+pass)\s+\\?['"](?<s>[^'"\\\r\n]+)"#,
    r#"(?i)\bmachine\s+\S+\s+login\s+\S+\s+password\s+(?<s>[^\s"']{3,})"#,
    r#"(?i)\b(?:login|user|username)\s+\S+\s+(?:password|pass)\s+(?<m>[^\s"']{3,})"#,
    r"(?i)\brequirepass\s+(?<s>\S{4,})",
];
