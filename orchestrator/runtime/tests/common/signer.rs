//! Signatures as cosign makes them, by keys of openssl's, put into a registry over its API.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// A private key in a file of its own.
pub struct Signer {
    dir: tempfile::TempDir,
    pub pem: String,
}

fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args:?}: {said}");
    output.stdout
}

impl Signer {
    /// `P-256`, `P-384`, `P-521`, `ed25519` or bits of RSA.
    pub fn new(kind: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pem");
        let path = file.to_str().unwrap();
        let option = match kind {
            "ed25519" => None,
            curve if curve.starts_with("P-") => Some(format!("ec_paramgen_curve:{curve}")),
            bits => Some(format!("rsa_keygen_bits:{bits}")),
        };
        let algorithm = match kind {
            "ed25519" => "ed25519",
            curve if curve.starts_with("P-") => "EC",
            _ => "RSA",
        };
        let mut args = vec!["genpkey", "-algorithm", algorithm, "-out", path];
        if let Some(option) = &option {
            args.extend(["-pkeyopt", option]);
        }
        openssl(&args, b"");
        let pem = openssl(&["pkey", "-in", path, "-pubout"], b"");
        Self {
            dir,
            pem: String::from_utf8(pem).unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Signs some bytes as cosign does with a key of this kind.
    pub fn sign(&self, kind: &str, message: &[u8]) -> Vec<u8> {
        let key = self.file("key.pem");
        let key = key.to_str().unwrap();
        if kind != "ed25519" {
            return openssl(&["dgst", "-sha256", "-sign", key], message);
        }
        let file = self.file("message");
        fs::write(&file, message).unwrap();
        let file = file.to_str().unwrap();
        openssl(
            &["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file],
            b"",
        )
    }
}

/// What cosign signs of an image.
pub fn payload(image: &str) -> Vec<u8> {
    let critical = json!({
        "identity": { "docker-reference": "somewhere/else" },
        "image": { "docker-manifest-digest": image },
        "type": "cosign container image signature",
    });
    json!({ "critical": critical, "optional": null })
        .to_string()
        .into_bytes()
}

/// One request to a server of this machine over a connection of its own; status and head.
fn request(address: &str, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// Puts a blob into a repository; its digest.
pub fn put_blob(address: &str, repository: &str, bytes: &[u8]) -> String {
    let begin = format!("POST /v2/{repository}/blobs/uploads/ HTTP/1.1");
    let (status, answer) = request(address, &begin, b"");
    assert_eq!(status, 202, "{answer}");
    let location = answer
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .unwrap();
    let path = location.split(address).last().unwrap();
    let named = digest(bytes);
    let end =
        format!("PUT {path}&digest={named} HTTP/1.1\r\nContent-Type: application/octet-stream");
    let (status, answer) = request(address, &end, bytes);
    assert_eq!(status, 201, "{answer}");
    named
}

/// Puts a manifest under a tag; its digest.
pub fn put_manifest(
    address: &str,
    repository: &str,
    tag: &str,
    kind: &str,
    manifest: &Value,
) -> String {
    let bytes = manifest.to_string().into_bytes();
    let head = format!("PUT /v2/{repository}/manifests/{tag} HTTP/1.1\r\nContent-Type: {kind}");
    let (status, answer) = request(address, &head, &bytes);
    assert_eq!(status, 201, "{answer}");
    digest(&bytes)
}

/// The digest under a tag.
pub fn digest_of(address: &str, repository: &str, tag: &str) -> String {
    let head = format!("HEAD /v2/{repository}/manifests/{tag} HTTP/1.1\r\nAccept: {MANIFEST}");
    let (status, answer) = request(address, &head, b"");
    assert_eq!(status, 200, "{answer}");
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
    line.unwrap().trim().to_owned()
}

/// A layer of a manifest of signatures, with its blob put into the repository.
pub fn layer(address: &str, repository: &str, payload: &[u8], signature: &str) -> Value {
    json!({
        "mediaType": PAYLOAD,
        "digest": put_blob(address, repository, payload),
        "size": payload.len(),
        "annotations": { SIGNATURE: signature },
    })
}

/// A manifest of signatures.
pub fn manifest(address: &str, repository: &str, layers: &[Value]) -> Value {
    let config = b"{}";
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": put_blob(address, repository, config), "size": config.len() },
        "layers": layers,
    })
}

/// Where signatures of a digest are looked for.
pub fn place(image: &str) -> String {
    format!("{}.sig", image.replace(':', "-"))
}

/// Signs an image in its repository, with each of these keys.
pub fn sign(address: &str, repository: &str, image: &str, signers: &[(&Signer, &str)]) {
    let signed = payload(image);
    let layers: Vec<Value> = signers
        .iter()
        .map(|(signer, kind)| {
            let signature = BASE64_STANDARD.encode(signer.sign(kind, &signed));
            layer(address, repository, &signed, &signature)
        })
        .collect();
    let manifest = manifest(address, repository, &layers);
    put_manifest(address, repository, &place(image), MANIFEST, &manifest);
}
