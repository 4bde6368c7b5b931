//! A real registry on this machine, and images of the demo's shop pushed to it.

use std::{
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ostler_runtime::image::{Content, LayoutFile};

use super::free_port;

/// A registry on a free port, ended when dropped.
pub struct Registry {
    child: Child,
    address: String,
    dir: tempfile::TempDir,
}

impl Registry {
    /// Starts one, unless the programs are missing: then the test is skipped, loudly.
    pub fn start() -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !there("docker-registry") || !there("skopeo") {
            eprintln!("\n!!! SKIPPED: it needs docker-registry and skopeo !!!\n");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: {address} }}\n",
            dir.path().join("data").display()
        );
        let path = dir.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
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
            dir,
        };
        let began = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            let soon = began.elapsed() < Duration::from_secs(30);
            assert!(soon, "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// The repository of the shop.
    pub fn shop(&self) -> String {
        format!("{}/team/shop", self.address)
    }

    /// Pushes the shop under a tag, with a fault and a bill of materials baked in that names one package.
    pub fn push(&self, tag: &str, fault: &str, package: &str) {
        let layout = self.dir.path().join(format!("layout-{tag}"));
        let env = [format!("VERSION={tag}"), format!("FAULT={fault}")];
        let bill =
            format!(r#"{{"bomFormat": "CycloneDX", "components": [{{"purl": "{package}"}}]}}"#);
        let bill = LayoutFile {
            path: "/sbom.cdx.json".to_owned(),
            content: Content::Bytes(bill.into_bytes()),
            mode: 0o644,
        };
        ostler::demo::images::write_as(Path::new(&layout), "x", &env, vec![bill]).unwrap();
        let pushed = Command::new("skopeo")
            .args(["copy", "--insecure-policy", "--dest-tls-verify=false"])
            .arg(format!("oci:{}:x", layout.display()))
            .arg(format!("docker://{}:{tag}", self.shop()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&pushed.stderr);
        assert!(pushed.status.success(), "{said}");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
