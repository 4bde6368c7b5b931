//! A registry of its own for a test: Debian's, on loopback, ended with the test.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A registry on a free port, ended when dropped.
pub struct Registry {
    child: Child,
    pub address: String,
    _dir: tempfile::TempDir,
}

impl Registry {
    /// Starts one, unless the programs are missing: then the test is skipped, loudly.
    pub fn start(test: &str, password: Option<(&str, &str)>) -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !nix::unistd::geteuid().is_root() || !there("docker-registry") || !there("skopeo") {
            eprintln!("SKIPPED {test}: it needs root, docker-registry and skopeo");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = ostler_runtime::network::unused_port().unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: {address} }}\n",
            dir.path().join("data").display()
        );
        if let Some((user, hash)) = password {
            let file = dir.path().join("htpasswd");
            fs::write(&file, format!("{user}:{hash}\n")).unwrap();
            config += &format!(
                "auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n",
                file.display()
            );
        }
        let path = dir.path().join("config.yml");
        fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            child,
            address,
            _dir: dir,
        };
        let began = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the registry does not start"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// Pushes the image that an OCI layout calls `x`; returns its name.
    pub fn push_layout(&self, layout: &Path, name: &str, credentials: &[&str]) -> String {
        let full = format!("{}/{name}", self.address);
        let pushed = Command::new("skopeo")
            .args(["copy", "--insecure-policy", "--dest-tls-verify=false"])
            .args(credentials)
            .arg(format!("oci:{}:x", layout.display()))
            .arg(format!("docker://{full}"))
            .output()
            .unwrap();
        assert!(
            pushed.status.success(),
            "{}",
            String::from_utf8_lossy(&pushed.stderr)
        );
        full
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
