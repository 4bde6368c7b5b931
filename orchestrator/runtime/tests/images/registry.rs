//! Images from a real registry on loopback: by tag, by digest, with credentials, and on bad days.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use ostler_core::observed::ProblemKind;
use ostler_runtime::image::{Images, ImagesConfig};

use crate::{
    layout::{self, Layer, Packing},
    server::Registry,
};

impl Registry {
    /// Pushes an image of these layers; returns its name.
    pub fn push(&self, name: &str, layers: &[(Vec<u8>, Packing)], credentials: &[&str]) -> String {
        let source = tempfile::tempdir().unwrap();
        layout::write(source.path(), "x", layers);
        self.push_layout(source.path(), name, credentials)
    }
}

pub fn store(dir: &Path, docker_config: Option<PathBuf>) -> Images {
    let config = ImagesConfig {
        attempts: 3,
        read_timeout: Duration::from_secs(5),
        docker_config: Some(docker_config.unwrap_or_else(|| dir.join("none.json"))),
        ..ImagesConfig::default()
    };
    Images::open(&dir.join("store"), config).unwrap()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_by_tag_and_by_digest() {
    let Some(registry) = Registry::start("images_come_by_tag_and_by_digest", None) else {
        return;
    };
    let base = Layer::new().file("base", b"base", 0o644).bytes();
    let own = Layer::new().file("own", b"own", 0o644).bytes();
    let name = registry.push(
        "team/app:1",
        &[(base, Packing::Gzip), (own, Packing::Zstd)],
        &[],
    );
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    let (one, two) = tokio::join!(images.resolve(&name), images.resolve(&name));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(Arc::ptr_eq(&one, &two), "one fetch served both");
    assert_eq!(fs::read(one.layers[1].join("own")).unwrap(), b"own");
    assert_eq!(one.config.stop_signal.as_deref(), Some("SIGINT"));

    let pinned = format!("{}/team/app@{}", registry.address, one.digest);
    let other = tempfile::tempdir().unwrap();
    assert_eq!(
        store(other.path(), None)
            .resolve(&pinned)
            .await
            .unwrap()
            .digest,
        one.digest
    );

    let address = registry.address.clone();
    let missing = images
        .resolve(&format!("{address}/team/app:2"))
        .await
        .unwrap_err();
    assert_eq!(
        missing.problem().kind,
        ProblemKind::ImageNotFound,
        "{missing}"
    );
    let missing = images
        .resolve(&format!("{address}/nobody/nothing:1"))
        .await
        .unwrap_err();
    assert_eq!(
        missing.problem().kind,
        ProblemKind::ImageNotFound,
        "{missing}"
    );

    // A layer damaged on disk is fetched again; without the registry it is an error.
    let tree = one.layers[0].clone();
    drop((one, two, images));
    fs::write(tree.join("base"), b"rase").unwrap();
    let images = store(dir.path(), None);
    images.resolve(&name).await.unwrap();
    assert_eq!(fs::read(tree.join("base")).unwrap(), b"base");
    drop((images, registry));
    let images = store(dir.path(), None);
    images.resolve(&name).await.unwrap();
    let gone = images
        .resolve(&format!("{address}/team/app:3"))
        .await
        .unwrap_err();
    assert_eq!(
        gone.problem().kind,
        ProblemKind::RegistryUnavailable,
        "{gone}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_open_a_closed_registry() {
    // bcrypt of `horse`.
    let Some(hash) = bcrypt("horse") else {
        eprintln!(
            "SKIPPED credentials_open_a_closed_registry: no program here makes bcrypt hashes"
        );
        return;
    };
    let Some(registry) =
        Registry::start("credentials_open_a_closed_registry", Some(("groom", &hash)))
    else {
        return;
    };
    let layer = Layer::new().file("a", b"1", 0o644).bytes();
    let name = registry.push(
        "app:1",
        &[(layer, Packing::Gzip)],
        &["--dest-creds", "groom:horse"],
    );
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    // base64 of `groom:mule` and of `groom:horse`.
    for (auth, opens) in [("Z3Jvb206bXVsZQ==", false), ("Z3Jvb206aG9yc2U=", true)] {
        fs::write(
            &config,
            format!(
                r#"{{ "auths": {{ "{}": {{ "auth": "{auth}" }} }} }}"#,
                registry.address
            ),
        )
        .unwrap();
        let outcome = store(dir.path(), Some(config.clone())).resolve(&name).await;
        assert_eq!(outcome.is_ok(), opens, "{outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.problem().kind, ProblemKind::RegistryUnavailable);
            assert!(
                error.to_string().contains("credentials") && !error.to_string().contains("mule"),
                "{error}"
            );
        }
    }
}

/// A bcrypt hash, made by the C library through perl, which every Debian has.
fn bcrypt(password: &str) -> Option<String> {
    let script = r#"print crypt($ARGV[0], '$2y$05$abcdefghijklmnopqrstuu')"#;
    let output = Command::new("perl")
        .args(["-e", script, password])
        .output()
        .ok()?;
    let hash = String::from_utf8(output.stdout).ok()?;
    hash.starts_with("$2y$").then_some(hash)
}

/// A relay in front of the registry that breaks off every connection after so many bytes, so often.
fn breaking_relay(target: String, after: usize, times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let broken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&broken);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (target, count) = (target.clone(), Arc::clone(&count));
            thread::spawn(move || {
                let (mut client, Ok(mut server)) = (client.unwrap(), TcpStream::connect(target))
                else {
                    return;
                };
                let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut up, &mut to));
                let mut passed = 0;
                let mut buffer = [0u8; 8192];
                while let Ok(length) = server.read(&mut buffer) {
                    if length == 0 || client.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                    passed += length;
                    if passed > after && count.load(Ordering::SeqCst) < times {
                        count.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
                let _ = server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, broken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_transfer_goes_on_or_leaves_nothing() {
    let Some(registry) = Registry::start("a_broken_transfer_goes_on_or_leaves_nothing", None)
    else {
        return;
    };
    let big = noise(5 << 20);
    let layer = Layer::new().file("big", &big, 0o644).bytes();
    registry.push("big:1", &[(layer, Packing::Plain)], &[]);
    for (times, works) in [(2, true), (usize::MAX, false)] {
        let (relay, broken) = breaking_relay(registry.address.clone(), 1 << 20, times);
        let dir = tempfile::tempdir().unwrap();
        let images = store(dir.path(), None);
        let outcome = images.resolve(&format!("{relay}/big:1")).await;
        assert!(broken.load(Ordering::SeqCst) >= 2, "it did break");
        match outcome {
            Ok(image) => {
                assert!(works);
                assert_eq!(fs::read(image.layers[0].join("big")).unwrap(), big);
            }
            Err(error) => {
                // Three attempts of 1 MiB each are too few for 5 MiB.
                assert!(!works, "{error}");
                assert_eq!(
                    error.problem().kind,
                    ProblemKind::RegistryUnavailable,
                    "{error}"
                );
                for part in ["names", "images", "layers"] {
                    assert_eq!(
                        fs::read_dir(dir.path().join("store").join(part))
                            .unwrap()
                            .count(),
                        0,
                        "{part}"
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_looked_into_and_nothing_is_fetched() {
    let test = "a_registry_is_looked_into_and_nothing_is_fetched";
    let Some(registry) = Registry::start(test, None) else {
        return;
    };
    let base = Layer::new()
        .file("var/lib/dpkg/status", b"Package: a", 0o644)
        .bytes();
    let own = Layer::new().file("own", b"own", 0o644).bytes();
    let first = registry.push("team/app:1.0.0", &[(base.clone(), Packing::Gzip)], &[]);
    let layers = [(base, Packing::Gzip), (own, Packing::Gzip)];
    let second = registry.push("team/app:1.1.0", &layers, &[]);
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    assert_eq!(images.tags(&first).await.unwrap(), ["1.0.0", "1.1.0"]);
    let top = images.remote_digest(&second).await.unwrap();
    let known = images.remote(&second).await.unwrap();
    assert_eq!(
        (known.digest.as_str(), known.layers.len()),
        (top.as_str(), 2)
    );
    assert_eq!(images.stored(&second).await.unwrap(), None);
    assert!(
        images.list().await.unwrap().is_empty(),
        "nothing was fetched"
    );
    let status = &["/var/lib/dpkg/status", "/var/lib/dpkg/", "/none"];
    assert!(images.files(&second, status).await.unwrap().is_empty());

    let by_digest = format!("{second}@{}", known.digest);
    assert_eq!(
        images.resolve(&by_digest).await.unwrap().digest,
        known.digest
    );
    let stored = images.stored(&by_digest).await.unwrap().unwrap();
    assert_eq!(
        (&stored.digest, &stored.layers),
        (&known.digest, &known.layers)
    );
    let files = images.files(&by_digest, status).await.unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["/var/lib/dpkg/status"]);

    let gone = format!("{}/team/none", registry.address);
    let error = images.tags(&gone).await.unwrap_err().to_string();
    assert!(error.contains("team/none"), "{error}");
    drop(registry);
    let error = images.tags(&first).await.unwrap_err();
    assert!(error.to_string().contains("registry"), "{error}");
}
