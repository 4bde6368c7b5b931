//! Registry credentials from docker's `config.json`: stored ones and credential helpers.
//!
//! Nothing read here is ever logged or put into an error.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::Engine as _;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, process::Command};

use super::ImageError;

const HELPER_TIME: Duration = Duration::from_secs(10);
const HELPER_OUTPUT: u64 = 64 << 10;
const CONFIG_LIMIT: u64 = 4 << 20;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DockerConfig {
    auths: HashMap<String, AuthEntry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// What to show to a registry: the configured credentials, or nothing.
pub(super) async fn find(
    config: Option<&Path>,
    registry: &str,
) -> Result<RegistryAuth, ImageError> {
    let Some(config) = read(config, registry).await? else {
        return Ok(RegistryAuth::Anonymous);
    };
    let keys = spellings(registry);
    let helper = keys
        .iter()
        .find_map(|key| config.cred_helpers.get(key))
        .or(config.creds_store.as_ref());
    if let Some(helper) = helper
        && let Some(auth) = ask_helper(helper, registry).await?
    {
        return Ok(auth);
    }
    match keys.iter().find_map(|key| config.auths.get(key)) {
        Some(entry) => stored(entry, registry),
        None => Ok(RegistryAuth::Anonymous),
    }
}

fn failed(registry: &str, detail: impl ToString) -> ImageError {
    ImageError::Credentials {
        registry: registry.to_owned(),
        detail: detail.to_string(),
    }
}

async fn read(config: Option<&Path>, registry: &str) -> Result<Option<DockerConfig>, ImageError> {
    let Some(path) = config.map(Path::to_owned).or_else(usual_place) else {
        return Ok(None);
    };
    let shown = path.display();
    let file = match tokio::fs::File::open(&path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| failed(registry, format!("`{shown}`: {error}")))?,
    };
    let mut bytes = Vec::new();
    let read = file.take(CONFIG_LIMIT).read_to_end(&mut bytes).await;
    read.map_err(|error| failed(registry, format!("`{shown}`: {error}")))?;
    // The position only: the parser's words could quote a secret.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let detail = format!(
            "`{shown}` is not as docker writes it, line {}",
            error.line()
        );
        failed(registry, detail)
    })
}

fn usual_place() -> Option<PathBuf> {
    let dir = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    dir.map(|dir| dir.join("config.json"))
}

/// The ways in which docker spells a registry in its config.
fn spellings(registry: &str) -> Vec<String> {
    let mut keys = vec![
        registry.to_owned(),
        format!("https://{registry}"),
        format!("http://{registry}"),
        format!("https://{registry}/v1/"),
        format!("https://{registry}/v2/"),
    ];
    if registry == "docker.io" || registry == "index.docker.io" {
        keys.push("https://index.docker.io/v1/".to_owned());
        keys.extend(["docker.io".to_owned(), "index.docker.io".to_owned()]);
    }
    keys
}

fn stored(entry: &AuthEntry, registry: &str) -> Result<RegistryAuth, ImageError> {
    if let Some(encoded) = entry.auth.as_deref().filter(|text| !text.is_empty()) {
        let unreadable = || {
            failed(
                registry,
                "the `auth` value is not base64 of `user:password`",
            )
        };
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
        let text = String::from_utf8(bytes.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
        let (user, password) = text.split_once(':').ok_or_else(unreadable)?;
        return Ok(RegistryAuth::Basic(
            user.to_owned(),
            password.trim_end_matches('\0').to_owned(),
        ));
    }
    match (&entry.username, &entry.password) {
        (Some(user), Some(password)) => Ok(RegistryAuth::Basic(user.clone(), password.clone())),
        _ => Ok(RegistryAuth::Anonymous),
    }
}

/// Asks `docker-credential-HELPER`; `None` when it knows nothing of the registry.
async fn ask_helper(helper: &str, registry: &str) -> Result<Option<RegistryAuth>, ImageError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if helper.is_empty() || !helper.bytes().all(is_plain) {
        return Err(failed(
            registry,
            "the name of the credential helper is not a plain word",
        ));
    }
    let program = format!("docker-credential-{helper}");
    let asked = tokio::time::timeout(HELPER_TIME, run_helper(&program, registry)).await;
    let (succeeded, output) = match asked {
        Err(_) => {
            return Err(failed(
                registry,
                format!("`{program}` took longer than 10 s"),
            ));
        }
        Ok(Err(error)) => return Err(failed(registry, format!("`{program}`: {error}"))),
        Ok(Ok(outcome)) => outcome,
    };
    if !succeeded {
        let unknown = String::from_utf8_lossy(&output).contains("credentials not found");
        let message = format!("`{program}` failed");
        return if unknown {
            Ok(None)
        } else {
            Err(failed(registry, message))
        };
    }
    let answer: HelperAnswer = serde_json::from_slice(&output)
        .map_err(|_| failed(registry, format!("`{program}` answered in an unknown form")))?;
    if answer.username == "<token>" {
        let detail = format!("`{program}` gave an identity token; user and password are supported");
        return Err(failed(registry, detail));
    }
    Ok(Some(RegistryAuth::Basic(answer.username, answer.secret)))
}

async fn run_helper(program: &str, registry: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that ends without reading is judged by its answer.
        let _ = input.write_all(registry.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(HELPER_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok((child.wait().await?.success(), output))
}
