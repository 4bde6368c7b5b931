//! A headless Chromium that belongs to one test, driven over WebDriver: JSON over HTTP, of which this
//! needs six commands.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

/// Sizes of screenshots: name, width, height.
const SIZES: [(&str, u32, u32); 2] = [("wide", 1_360, 900), ("phone", 390, 844)];

/// Whether Chromium and its driver are here; says loudly when not.
pub fn can_browse() -> bool {
    let there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let can = there("chromium") && there("chromedriver");
    if !can {
        eprintln!("\n!!! SKIPPED: the console's test needs chromium and chromedriver !!!\n");
    }
    can
}

/// The browser and its driver; both end with the test.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Child,
    axe: Option<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The whole group: a driver that is killed leaves its browser behind.
        let group = nix::unistd::Pid::from_raw(self.driver.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}

/// Sends one command; its answer, or what the driver complains of.
async fn send(http: &reqwest::Client, url: &str, body: &Value) -> Result<Value, String> {
    let sent = http.post(url).body(body.to_string()).send().await;
    let text = sent.map_err(|error| error.to_string())?.text().await;
    let answer: Value = serde_json::from_str(&text.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())?;
    let value = answer.get("value").cloned().unwrap_or_default();
    match value.get("error") {
        Some(_) => Err(value.to_string()),
        None => Ok(value),
    }
}

/// The port that the driver says it listens on.
fn port_of(driver: &mut Child) -> u16 {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = |line: String| {
        line.split("successfully on port ")
            .nth(1)?
            .trim_end_matches('.')
            .parse()
            .ok()
    };
    lines.map(Result::unwrap).find_map(port).unwrap()
}

impl Browser {
    /// Starts one with a profile of its own.
    pub async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{}/session", port_of(&mut driver));
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &data,
        ];
        let wishes = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        // Nothing here is spoken over TLS, but the client wants to know how it would be.
        let _again = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let made = send(&http, &base, &wishes).await.unwrap();
        let session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        Self {
            http,
            session,
            driver,
            axe: axe(),
            _profile: profile,
        }
    }

    async fn tell(&self, command: &str, body: Value) -> Result<Value, String> {
        send(&self.http, &format!("{}/{command}", self.session), &body).await
    }

    /// Runs a script in the page; its answer.
    async fn run(&self, script: &str, args: Value) -> Result<Value, String> {
        self.tell("execute/sync", json!({ "script": script, "args": args }))
            .await
    }

    /// Runs a script that calls its last argument when it is done.
    async fn wait(&self, script: &str, args: Value) -> Value {
        let asked = json!({ "script": script, "args": args });
        self.tell("execute/async", asked).await.unwrap()
    }

    /// Ends the session, so that Chromium ends too.
    pub async fn end(&self) {
        self.http.delete(&self.session).send().await.unwrap();
    }

    pub async fn go(&self, address: &str) {
        self.tell("url", json!({ "url": address })).await.unwrap();
    }

    pub async fn address(&self) -> String {
        let address = self.run("return location.href", json!([])).await.unwrap();
        address.as_str().unwrap().to_owned()
    }

    pub async fn source(&self) -> String {
        let script = "return document.documentElement.outerHTML";
        let source = self.run(script, json!([])).await.unwrap_or_default();
        source.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until one of these elements holds this text; nothing is loaded meanwhile.
    pub async fn until_text(&self, elements: &str, text: &str, within: Duration) {
        let began = Instant::now();
        let script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText).join('\\n')";
        let mut seen = String::new();
        while began.elapsed() < within {
            // Between two pages there is nothing to ask.
            if let Ok(found) = self.run(script, json!([elements])).await {
                seen = found.as_str().unwrap_or_default().to_owned();
                if seen.contains(text) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "no `{text}` in `{elements}` within {within:?}, but `{seen}`\n{}",
            self.source().await
        );
    }

    /// Clicks as a person does: the element must be there to be clicked.
    pub async fn click(&self, element: &str) {
        let asked = json!({ "using": "css selector", "value": element });
        // A page that is brought up to date may take an element away under the hand.
        for last in [false, false, true] {
            let found = self.tell("element", asked.clone()).await.unwrap();
            let id = found
                .as_object()
                .and_then(|found| found.values().next())
                .and_then(Value::as_str)
                .unwrap();
            match self.tell(&format!("element/{id}/click"), json!({})).await {
                Ok(_) => return,
                Err(error) if last => panic!("cannot click `{element}`: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    pub async fn click_link_to(&self, path: &str) {
        self.click(&format!("main a[href^='{path}']")).await;
    }

    /// Posts a form as this session's page would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> u64 {
        let script = "const [path, fields, done] = arguments;
            const form = new URLSearchParams(fields);
            form.set('form_token', document.querySelector('[name=form_token]').value);
            fetch(path, { method: 'POST', body: form, redirect: 'manual' }).then((answer) => done(answer.status))";
        let fields: Vec<[&str; 2]> = fields.iter().map(|(name, value)| [*name, *value]).collect();
        let status = self.wait(script, json!([path, fields])).await;
        status.as_u64().unwrap()
    }

    /// Posts without what shows a form to be of this session.
    pub async fn post_without_token(&self, path: &str) -> u64 {
        let script = "const [path, done] = arguments;
            fetch(path, { method: 'POST', body: new URLSearchParams({ answer: 'yes' }) }).then((answer) => done(answer.status))";
        let status = self.wait(script, json!([path])).await;
        status.as_u64().unwrap()
    }

    /// Pictures in light and dark, wide and on a phone.
    pub async fn shots(&self, folder: &Path, name: &str) {
        for (size, width, height) in SIZES {
            for scheme in ["light", "dark"] {
                self.chrome("Emulation.setDeviceMetricsOverride", json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone" })).await;
                self.chrome(
                    "Emulation.setEmulatedMedia",
                    json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
                )
                .await;
                let picture = self
                    .chrome(
                        "Page.captureScreenshot",
                        json!({ "captureBeyondViewport": true }),
                    )
                    .await;
                let bytes = BASE64.decode(picture["data"].as_str().unwrap()).unwrap();
                std::fs::write(folder.join(format!("{name}-{size}-{scheme}.png")), bytes).unwrap();
                let wide = self
                    .run(
                        "return document.documentElement.scrollWidth - innerWidth",
                        json!([]),
                    )
                    .await
                    .unwrap();
                assert!(
                    wide.as_i64().unwrap() <= 0,
                    "{name} is wider than a {size} screen by {wide}"
                );
            }
        }
        self.chrome("Emulation.clearDeviceMetricsOverride", json!({}))
            .await;
        self.chrome("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await;
    }

    async fn chrome(&self, command: &str, params: Value) -> Value {
        let asked = json!({ "cmd": command, "params": params });
        self.tell("goog/cdp/execute", asked).await.unwrap()
    }

    /// What axe finds serious or worse, in both colour schemes; where it cannot be had, that was said.
    pub async fn audit_accessibility(&self, name: &str) {
        let Some(axe) = &self.axe else { return };
        for scheme in ["light", "dark"] {
            self.chrome(
                "Emulation.setEmulatedMedia",
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
            )
            .await;
            self.run(axe, json!([])).await.unwrap();
            let script = "const done = arguments[0];
                axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((found) => done(found.violations
                    .map((one) => one.impact + ' ' + one.id + ': ' + one.nodes.map((node) => node.html + ' ' + node.failureSummary).join('\\n  '))))";
            let found = self.wait(script, json!([])).await;
            let found: Vec<String> = serde_json::from_value(found).unwrap();
            assert!(
                found.is_empty(),
                "axe on {name} in {scheme}:\n{}",
                found.join("\n")
            );
        }
        self.chrome("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await;
    }

    /// What the browser complained of: broken policies of content, errors of scripts.
    pub async fn violations(&self) -> Vec<String> {
        let lines = self
            .tell("se/log", json!({ "type": "browser" }))
            .await
            .unwrap();
        let lines = lines.as_array().cloned().unwrap_or_default();
        let message = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        // A page that is missing, and posts that are refused, are asked for above.
        let asked =
            |words: &String| words.contains("status of 404") || words.contains("status of 403");
        lines
            .iter()
            .map(message)
            .filter(|words| !asked(words))
            .collect()
    }
}

/// axe-core by npm, in a folder of its own.
fn axe() -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("npm")
        .args(["install", "--no-save", "--silent", "--prefix"])
        .arg(folder.path())
        .arg("axe-core@4")
        .output();
    let text = std::fs::read_to_string(folder.path().join("node_modules/axe-core/axe.min.js"));
    if text.is_err() {
        eprintln!(
            "\n!!! SKIPPED: accessibility is not checked, axe-core cannot be had by npm: {done:?} !!!\n"
        );
    }
    text.ok()
}
