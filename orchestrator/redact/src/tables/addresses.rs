//! Secrets in addresses: who signs in, queries, and paths that are secrets by themselves.

pub(crate) const SHAPES: &[&str] = &[
    // `scheme://user:password@host`, and a token in the user's place.
    r#"(?i)[a-z][a-z0-9+.-]*://[^\s/:@"'<>]*:(?<s>[^\s/"'<>]+)@"#,
    r#"(?i)\bhttps?://(?<m>[^\s/:@"'<>]{16,})@"#,
    // Connection strings of Go's MySQL driver: `user:password@tcp(host)`.
    r#"\b[\w.-]+:(?<s>[^\s/"'<>@]+)@(?:tcp|unix)\("#,
    r#"\bjdbc:oracle:thin:[^\s/"']+/(?<s>[^\s/"'@]+)@"#,
    r#"(?i)[?&](?:key|code|sig|sas|auth|hash|signature|x-amz-signature|x-goog-signature|x-amz-credential|se_sig)=(?<m>[^\s&"'#\\]{16,})"#,
    // Addresses that let whoever has them write.
    r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?<s>[A-Za-z0-9/_-]{20,})",
    r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/(?<s>[\w-]{30,})",
    r"\.webhook\.office\.com/webhookb2/(?<s>[\w@/-]{36,})",
    r"outlook\.office(?:365)?\.com/webhook/(?<s>[\w@/-]{36,})",
    r"hooks\.zapier\.com/hooks/catch/(?<s>\d+/\w+)",
    r"maker\.ifttt\.com/[\w/]*/with/(?:json/)?key/(?<s>[\w-]{20,})",
    r"open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/(?<s>[\w-]{20,})",
    r"events\.pagerduty\.com/integration/(?<s>\w{32})",
    r"/hooks/(?<s>[a-z0-9]{26})\b",
    r"/hooks/(?<s>[A-Za-z0-9]{17,24}/[A-Za-z0-9]{40,})",
    r"\bhook\.(?:[a-z0-9]+\.)?(?:make|integromat)\.com/(?<s>\w{30,})",
    r"\bhc-ping\.com/(?<s>[\w-]{22,})",
    r"betterstack\.com/api/v1/heartbeat/(?<s>\w{20,})",
    r"\bwebhook\.site/(?<s>[0-9a-f-]{36})",
    r"loggly\.com/(?:inputs|bulk)/(?<s>[0-9a-f-]{36})",
    r"sumologic\.com/receiver/v1/http/(?<s>[\w=-]{40,})",
    r"\.infura\.io/(?:ws/)?v3/(?<s>[0-9a-f]{32})",
    r"\.alchemy\.com/v2/(?<s>[\w-]{30,})",
    r"\.quiknode\.pro/(?<s>[0-9a-f]{40})",
    r"api\.telegram\.org/(?:file/)?bot(?<s>\d{6,}:[\w-]{30,})",
    r"~\d{8,10}:AA[\w-]{32,34}",
    r"otpauth-migration://offline\?data=(?<s>[\w%+/=-]{16,})",
];
