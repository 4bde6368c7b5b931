//! Keys in their envelopes, signed tokens, hashes of passwords.

pub(crate) const SHAPES: &[&str] = &[
    // PEM of every kind, PGP's and OpenVPN's too; without an end, to the text's end.
    r"-----BEGIN [A-Za-z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----(?s:.*?)(?:-----END [A-Za-z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----|\z)",
    r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?s:.*?)(?:---- END SSH2 ENCRYPTED PRIVATE KEY ----|\z)",
    r"Private-Lines: \d+(?:\r?\n|\\n)(?<s>[A-Za-z0-9+/=]{16,64}(?:(?:\r?\n|\\n)[A-Za-z0-9+/=]{16,64})*)",
    // Keys in DER, in base64.
    r"~MII[A-Za-z0-9+/]{3}IBA(?:AKC|DANBgkqhkiG9w0BAQ)[A-Za-z0-9+/=]{40,}",
    r"~M[CEIG][A-Za-z0-9+/]{2,5}CAQ(?:AwBQYDK2V|AwEwYHKoZI|EEI)[A-Za-z0-9+/=]{24,}",
    // Private members of a JWK.
    r#"\\?"(?:d|p|q|dp|dq|qi|k)\\?"\s*:\s*\\?"(?<m>[A-Za-z0-9_-]{22,})"#,
    // JWS and JWE (RFC 7515, 7516), PASETO.
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_.-]{6,}",
    r"~v[1-4]\.(?:local|public)\.[A-Za-z0-9_-]{32,}",
    // Ours: `ostler_NAME_SECRET`.
    r"(?<m>ostler_[A-Za-z0-9-]{1,64}_[A-Za-z0-9_-]{43})",
    // PayPal's Braintree.
    r"~access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[0-9a-f]{32}",
    // LaunchDarkly's, Cloudflare's for origins, Salesforce's sessions, Infisical's, UptimeRobot's.
    r"~(?:sdk|api|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    r"~v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}",
    r"~00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{60,}",
    r"~st\.[0-9a-f-]{24,36}\.[0-9a-f]{32}\.[0-9a-f]{32}\b",
    r"~[um][0-9]{6,9}-[0-9a-f]{24,32}\b",
    // Discord's bots, NATS' seeds, wallets (WIF), 1Password's and Bitwarden's.
    r"~[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
    r"~S[UOANCX][A-Z2-7]{56}\b",
    r"~[5KL][1-9A-HJ-NP-Za-km-z]{50,51}\b",
    r"~A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
    r"~0\.[0-9a-f-]{36}\.[A-Za-z0-9]{30}:[A-Za-z0-9+/=]{20,}",
    // Terraform Cloud's, Azure's clients, Zoho's, Mapbox' and Mailgun's, Vault's before 1.10, Airtable's.
    r"~[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",
    r"~[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
    r"~1000\.[0-9a-f]{32}\.[0-9a-f]{32}\b",
    r"~[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
    r"~[0-9a-f]{32}-us[0-9]{1,2}\b",
    r"~pat[A-Za-z0-9]{14}\.[0-9a-f]{64}\b",
    r"~[A-Z0-9]{10}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{40}\b",
    r"~kubeconfig-\w+:[a-z0-9]{50,}|token-\w{5}:[a-z0-9]{54}\b",
    r"~K10[0-9a-f]{64}::(?:server|node|\w+):[0-9a-f]{32,}",
    r"~SWMTKN-1-[a-z0-9]{49,}-[a-z0-9]{25}",
    r"~[a-z0-9]{6}\.[a-z0-9]{16}\b(?:\s+--discovery|\s+\\)",
    r"--discovery-token-unsafe\s+\S+",
    // Hashes of passwords (crypt(3), RFC 2307, PHC strings), which can be guessed.
    r#"\$(?:apr1|1|2[abxy]?|5|6|7|y|gy|argon2(?:id?|d)|scrypt|pbkdf2[\w-]*|md5|sha1)\$[^\s"':]{12,}"#,
    r"\{(?:SHA(?:256|384|512)?|SSHA(?:256|384|512)?|MD5|SMD5|CRYPT|PBKDF2[\w-]*)\}(?<s>[A-Za-z0-9+/=$.]{12,})",
    r#"~(?:pbkdf2_sha(?:1|256|512)|pbkdf2:sha(?:1|256|512):\d+|scrypt:\d+:\d+:\d+|bcrypt_sha256|SCRAM-SHA-(?:1|256|512))\$[^\s"']{20,}"#,
    r"\*[0-9A-F]{40}\b",
    r"~md5[0-9a-f]{32}\b",
    r":\d+:(?<s>[0-9a-f]{32}:[0-9a-f]{32}):::",
    // `host:port:database:user:password`, a line of .pgpass.
    r"(?m)^[\w.*-]+:(?:\d{4,5}|\*):[\w*-]+:[\w*-]+:(?<s>\S{4,})$",
];
