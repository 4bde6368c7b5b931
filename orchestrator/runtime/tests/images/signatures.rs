//! Rules about signatures against a real registry: who signed which digest decides, for what is
//! pulled and for what is here already.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use ostler_core::observed::ProblemKind;
use ostler_runtime::image::{
    Demand, ImageError, ImagePattern, Images, KeyError, PublicKey, SignatureRule, SignatureRules,
};
use serde_json::json;

use crate::{
    count,
    layout::{self, Layer, Packing},
    registry::store,
    server::Registry,
    signer::{
        INDEX, MANIFEST, Signer, digest_of, layer, manifest, payload, place, put_manifest, sign,
    },
};

fn keys(signers: &[&Signer]) -> Demand {
    let read = |signer: &&Signer| PublicKey::read(&signer.pem).unwrap();
    Demand::Vouched {
        keys: signers.iter().flat_map(read).collect(),
        digests: Vec::new(),
    }
}

fn digests(digests: &[&str]) -> Demand {
    Demand::Vouched {
        keys: Vec::new(),
        digests: digests.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn demand(images: &Images, rules: Vec<(String, Demand)>) {
    let rule = |(pattern, demand): (String, Demand)| {
        let pattern = ImagePattern::parse(&pattern, Some("docker.io")).unwrap();
        SignatureRule::new(pattern, demand).unwrap()
    };
    images.demand(SignatureRules::new(rules.into_iter().map(rule).collect()).unwrap());
}

/// An image of one file, which makes it another image than others; its name and digest.
fn push(registry: &Registry, name: &str, content: &str) -> (String, String) {
    let layer = Layer::new().file("f", content.as_bytes(), 0o644).bytes();
    let full = registry.push(name, &[(layer, Packing::Gzip)], &[]);
    let (repository, tag) = name.rsplit_once(':').unwrap();
    (full, digest_of(&registry.address, repository, tag))
}

async fn refused(images: &Images, name: &str, words: &str) {
    let error = images.resolve(name).await.unwrap_err();
    assert!(matches!(error, ImageError::Untrusted { .. }), "{error}");
    assert_eq!(error.problem().kind, ProblemKind::ImageRefused);
    let told = error.problem().detail;
    assert!(told.contains(words), "{words}: {told}");
    assert!(told.contains(name), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_used_when_a_key_of_its_rule_signed_it_and_not_otherwise() {
    let Some(registry) = Registry::start("an_image_is_used_when_a_key_of_its_rule_signed_it", None)
    else {
        return;
    };
    let address = &registry.address;
    for kind in ["P-256", "P-384", "ed25519", "2048"] {
        let (ours, theirs) = (Signer::new(kind), Signer::new(kind));
        let repository = format!("team/{}", kind.to_lowercase());
        let (name, digest) = push(&registry, &format!("{repository}:1"), kind);
        let dir = tempfile::tempdir().unwrap();
        let images = store(dir.path(), None);
        demand(&images, vec![(format!("{address}/team/*"), keys(&[&ours]))]);
        refused(&images, &name, "is not signed; sign it with `cosign sign").await;
        assert_eq!(count(dir.path(), "layers"), 0, "nothing of it was unpacked");
        assert_eq!(count(dir.path(), "names"), 0);

        sign(address, &repository, &digest, &[(&theirs, kind)]);
        refused(
            &images,
            &name,
            "has 1 signatures, none by a key of the rule",
        )
        .await;
        let both = [(&theirs, kind), (&ours, kind)];
        sign(address, &repository, &digest, &both);
        let image = images.resolve(&name).await.unwrap();
        assert_eq!(image.digest, digest, "{kind}");
        images.admit(&name, &digest).await.unwrap();

        // Where no rule is, nothing is asked; where a rule names no key, nothing helps.
        demand(
            &images,
            vec![(format!("{address}/other/*"), keys(&[&theirs]))],
        );
        images.resolve(&name).await.unwrap();
        demand(&images, vec![("*".to_owned(), digests(&[]))]);
        refused(&images, &name, "names no key that could have signed").await;
        let exempt = (format!("{repository}-x"), Demand::Nothing);
        let here = (format!("{address}/{repository}"), Demand::Nothing);
        demand(&images, vec![exempt, here, ("*".to_owned(), digests(&[]))]);
        images.resolve(&name).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_counts_for_the_digest_that_it_names_only() {
    let Some(registry) = Registry::start("a_signature_counts_for_the_digest", None) else {
        return;
    };
    let address = &registry.address;
    let ours = Signer::new("P-256");
    let (good, signed) = push(&registry, "app:1", "good");
    sign(address, "app", &signed, &[(&ours, "P-256")]);
    let rules = || vec![("*".to_owned(), keys(&[&ours]))];
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    demand(&images, rules());
    images.resolve(&good).await.unwrap();

    // The signature of one image beside another.
    let (bad, other) = push(&registry, "app:2", "bad");
    let bytes = payload(&signed);
    let text = BASE64_STANDARD.encode(ours.sign("P-256", &bytes));
    let copied = layer(address, "app", &bytes, &text);
    let shelf = manifest(address, "app", &[copied]);
    put_manifest(address, "app", &place(&other), MANIFEST, &shelf);
    refused(&images, &bad, &format!("is of another image, {signed}")).await;

    // The other image's digest under the first one's signature.
    let altered = layer(address, "app", &payload(&other), &text);
    let shelf = manifest(address, "app", &[altered]);
    put_manifest(address, "app", &place(&other), MANIFEST, &shelf);
    refused(&images, &bad, "none by a key of the rule").await;

    // Signed by the right key, but as something else than an image.
    let text = String::from_utf8(payload(&other)).unwrap();
    let text = text.replace("cosign container image signature", "a receipt");
    let odd = BASE64_STANDARD.encode(ours.sign("P-256", text.as_bytes()));
    let shelf = manifest(
        address,
        "app",
        &[layer(address, "app", text.as_bytes(), &odd)],
    );
    put_manifest(address, "app", &place(&other), MANIFEST, &shelf);
    refused(&images, &bad, "something that is no image").await;

    // A tag that moves takes nothing along: here it is what was verified, elsewhere it is judged.
    let (moved, _) = push(&registry, "app:1", "bad");
    assert_eq!(moved, good);
    assert_eq!(images.resolve(&good).await.unwrap().digest, signed);
    let fresh = tempfile::tempdir().unwrap();
    let elsewhere = store(fresh.path(), None);
    demand(&elsewhere, rules());
    refused(&elsewhere, &good, "something that is no image").await;
    let pinned = format!("{address}/app@{signed}");
    assert_eq!(elsewhere.resolve(&pinned).await.unwrap().digest, signed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_rule_is_for_what_is_here_already_and_evidence_outlives_the_registry() {
    let Some(registry) = Registry::start("a_stricter_rule_is_for_what_is_here_already", None)
    else {
        return;
    };
    let address = registry.address.clone();
    let (ours, theirs) = (Signer::new("P-256"), Signer::new("P-256"));
    let (name, digest) = push(&registry, "app:1", "app");
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    images.resolve(&name).await.unwrap();
    let rules = |signers: &[&Signer]| vec![(format!("{address}/*"), keys(signers))];
    demand(&images, rules(&[&ours]));
    refused(&images, &name, "is not signed").await;
    let error = images.admit(&name, &digest).await.unwrap_err();
    assert!(matches!(error, ImageError::Untrusted { .. }), "{error}");
    // Its digest alone is no way round the rule for its name.
    refused(&images, &digest, "is not signed").await;
    sign(&address, "app", &digest, &[(&ours, "P-256")]);
    images.resolve(&name).await.unwrap();
    images.resolve(&digest).await.unwrap();
    drop(registry);

    // What was verified is known without the registry, also to the next daemon.
    drop(images);
    let images = store(dir.path(), None);
    demand(&images, rules(&[&theirs, &ours]));
    images.resolve(&name).await.unwrap();
    // A key that is no longer named counts no more, and what cannot be known is not assumed.
    demand(&images, rules(&[&theirs]));
    let error = images.resolve(&name).await.unwrap_err();
    assert_eq!(
        error.problem().kind,
        ProblemKind::RegistryUnavailable,
        "{error}"
    );
    demand(&images, rules(&[&ours]));
    images.resolve(&name).await.unwrap();

    // The record is evidence, not a verdict: what somebody wrote into it is verified like all else.
    let record = dir.path().join("store/signatures");
    let record = record.join(format!("{}.json", digest.trim_start_matches("sha256:")));
    let text = fs::read_to_string(&record).unwrap();
    let bytes = BASE64_STANDARD.encode(theirs.sign("P-256", &payload(&digest)));
    let known: serde_json::Value = serde_json::from_str(&text).unwrap();
    let before = known["signatures"][0]["signature"].as_str().unwrap();
    fs::write(&record, text.replace(before, &bytes)).unwrap();
    let error = images.resolve(&name).await.unwrap_err();
    assert_eq!(
        error.problem().kind,
        ProblemKind::RegistryUnavailable,
        "{error}"
    );
    fs::write(&record, text).unwrap();
    images.resolve(&name).await.unwrap();
    drop(images);
    let images = store(dir.path(), None);
    images.collect_garbage(&[]).await.unwrap();
    assert_eq!(count(dir.path(), "signatures"), 0, "it goes with its image");
}

/// Imports an image from a file; its digest.
async fn import(images: &Images, dir: &Path, name: &str, content: &str) -> String {
    let source = dir.join(content);
    let layer = Layer::new().file("f", content.as_bytes(), 0o644).bytes();
    layout::write(&source, name, &[(layer, Packing::Plain)]);
    let imported = images.import(&source, None).await.unwrap();
    imported[0].digest.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_image_is_unsigned_unless_its_digest_is_vouched_for() {
    if !crate::is_root("an_imported_image_is_unsigned") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let images = crate::open(dir.path());
    let ours = Signer::new("P-256");
    let digest = import(&images, dir.path(), "local/app:1", "one").await;
    demand(&images, vec![("local/*".to_owned(), keys(&[&ours]))]);
    refused(&images, "local/app:1", "it was imported from a file").await;
    refused(&images, &digest, "it was imported from a file").await;
    demand(&images, vec![("local/*".to_owned(), digests(&[&digest]))]);
    images.resolve("local/app:1").await.unwrap();
    // Another content under the same name is another image.
    import(&images, dir.path(), "local/app:1", "two").await;
    refused(&images, "local/app:1", "names no key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_trusts_a_place_is_not_for_what_was_imported_under_its_name() {
    if !crate::is_root("a_rule_that_trusts_a_place") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let images = crate::open(dir.path());
    let name = "docker.io/library/web:1";
    let digest = import(&images, dir.path(), name, "web").await;
    let pinned = format!("docker.io/library/web@{digest}");
    let trusted = || ("docker.io/library/*".to_owned(), Demand::Nothing);
    let other = ("*".to_owned(), digests(&[]));
    demand(&images, vec![trusted(), other]);
    refused(&images, name, "imported from a file").await;
    refused(&images, &pinned, "imported from a file").await;
    refused(&images, &digest, "imported from a file").await;
    let error = images.admit(name, &digest).await.unwrap_err();
    assert!(matches!(error, ImageError::Untrusted { .. }), "{error}");
    // What is for everything is for it, and what is for its digest.
    demand(&images, vec![("*".to_owned(), Demand::Nothing)]);
    images.resolve(&pinned).await.unwrap();
    demand(&images, vec![("*".to_owned(), digests(&[&digest]))]);
    images.resolve(name).await.unwrap();
    // Where nothing is demanded, as ever.
    demand(&images, vec![]);
    images.resolve(&pinned).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_taken_for_a_digest_that_it_has_not() {
    if !crate::is_root("a_file_is_not_taken_for_a_digest") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let images = crate::open(dir.path());
    let digest = import(&images, dir.path(), "web:1", "good").await;
    let file = dir.path().join("other");
    let layer = Layer::new().file("f", b"other", 0o644).bytes();
    layout::write(&file, "web:2", &[(layer, Packing::Plain)]);
    let pinned = format!("web@{digest}");
    let error = images.import(&file, Some(&pinned)).await.unwrap_err();
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
    assert_eq!(images.resolve(&pinned).await.unwrap().digest, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_here_from_elsewhere_is_asked_for_where_its_name_says() {
    let Some(registry) = Registry::start("a_digest_that_is_here_from_elsewhere", None) else {
        return;
    };
    let address = &registry.address;
    let ours = Signer::new("P-256");
    let (name, digest) = push(&registry, "shop/web:1", "unsigned");
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    images.resolve(&name).await.unwrap();
    let rules = || {
        vec![
            (format!("{address}/shop/*"), keys(&[&ours])),
            (format!("{address}/library/*"), Demand::Nothing),
        ]
    };
    demand(&images, rules());
    let elsewhere = format!("{address}/library/web@{digest}");
    let error = images.resolve(&elsewhere).await.unwrap_err();
    assert!(matches!(error, ImageError::NotFound { .. }), "{error}");
    // Nor may one be started that somebody has in hand.
    let error = images.admit(&elsewhere, &digest).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains(&format!("the rule for `{address}/shop/*`")),
        "{told}"
    );
    // It is written down where it came from.
    let record = dir.path().join("store/images");
    let record = record.join(format!("{}.json", digest.trim_start_matches("sha256:")));
    let file = fs::read_to_string(&record).unwrap();
    assert!(file.contains(&format!("\"{address}/shop/web\"")), "{file}");

    // What the other place has as well is judged by its rule, here as on any other machine.
    assert_eq!(push(&registry, "library/web:1", "unsigned").1, digest);
    images.resolve(&elsewhere).await.unwrap();
    images.admit(&elsewhere, &digest).await.unwrap();
    refused(&images, &name, "is not signed").await;
    refused(&images, &digest, "is not signed").await;
    // Also when it lies here since before that was written down.
    fs::write(&record, file.replace("\"origins\"", "\"unknown\"")).unwrap();
    drop(images);
    let images = store(dir.path(), None);
    demand(&images, rules());
    let error = images.admit(&elsewhere, &digest).await.unwrap_err();
    assert!(matches!(error, ImageError::Untrusted { .. }), "{error}");
    sign(address, "shop/web", &digest, &[(&ours, "P-256")]);
    images.resolve(&name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_vouched_for_with_what_it_names() {
    let Some(registry) = Registry::start("a_list_is_vouched_for_with_what_it_names", None) else {
        return;
    };
    let address = &registry.address;
    let ours = Signer::new("P-256");
    let (_, digest) = push(&registry, "multi:amd64", "amd64");
    let entry = |digest: &str, architecture: &str| {
        json!({
            "mediaType": MANIFEST, "digest": digest, "size": 1000,
            "platform": { "os": "linux", "architecture": architecture },
        })
    };
    let (_, foreign) = push(&registry, "multi:arm64", "arm64");
    let entries = [entry(&foreign, "arm64"), entry(&digest, "amd64")];
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let list = put_manifest(address, "multi", "1", INDEX, &index);
    let name = format!("{address}/multi:1");
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    demand(&images, vec![("*".to_owned(), keys(&[&ours]))]);
    refused(&images, &name, "is not signed").await;
    // A signature of the image for another platform says nothing of this one.
    sign(address, "multi", &foreign, &[(&ours, "P-256")]);
    refused(&images, &name, "is not signed").await;
    sign(address, "multi", &list, &[(&ours, "P-256")]);
    assert_eq!(images.resolve(&name).await.unwrap().digest, digest);
    // Fetched again by its own digest it is still known which list names it.
    let pinned = format!("{address}/multi@{digest}");
    assert_eq!(images.resolve(&pinned).await.unwrap().digest, digest);

    // Where nobody saw the list, its signature is of another image.
    let fresh = tempfile::tempdir().unwrap();
    let elsewhere = store(fresh.path(), None);
    demand(&elsewhere, vec![("*".to_owned(), keys(&[&ours]))]);
    refused(&elsewhere, &pinned, "is not signed").await;
    sign(address, "multi", &digest, &[(&ours, "P-256")]);
    elsewhere.resolve(&pinned).await.unwrap();
    // A digest of the rule may be the list's.
    demand(&images, vec![("*".to_owned(), digests(&[&list]))]);
    images.resolve(&name).await.unwrap();
    // What is kept of the list will do without the registry, too.
    demand(&images, vec![("*".to_owned(), keys(&[&ours]))]);
    drop((images, registry));
    let images = store(dir.path(), None);
    demand(&images, vec![("*".to_owned(), keys(&[&ours]))]);
    assert_eq!(images.resolve(&name).await.unwrap().digest, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_manifests_of_signatures_are_bounded_and_let_nothing_pass() {
    let Some(registry) = Registry::start("hostile_manifests_of_signatures", None) else {
        return;
    };
    let address = &registry.address;
    let ours = Signer::new("P-256");
    let (name, digest) = push(&registry, "app:1", "app");
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path(), None);
    demand(&images, vec![("*".to_owned(), keys(&[&ours]))]);
    let good = payload(&digest);
    let text = BASE64_STANDARD.encode(ours.sign("P-256", &good));
    let mut large = manifest(address, "app", &[layer(address, "app", &good, &text)]);
    large["annotations"] = json!({ "filler": "x".repeat(2 << 20) });
    let many: Vec<_> = (0..65)
        .map(|_| layer(address, "app", &good, "AAAA"))
        .collect();
    for (case, shelf, words) in [
        ("large", large, "more than 1048576 bytes"),
        ("many", manifest(address, "app", &many), "it holds 65"),
    ] {
        put_manifest(address, "app", &place(&digest), MANIFEST, &shelf);
        let error = images.resolve(&name).await.unwrap_err();
        assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{case}");
        assert!(error.to_string().contains(words), "{case}: {error}");
    }

    // What could be no signature counts as none, and does not hide one that is good.
    let huge = [good.clone(), vec![b' '; 80 << 10]].concat();
    let padded = BASE64_STANDARD.encode(ours.sign("P-256", &huge));
    let mut foreign = layer(address, "app", &good, &text);
    foreign["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    let mut bare = layer(address, "app", &good, &text);
    bare["annotations"] = json!({});
    let mut shelf = vec![
        layer(address, "app", &huge, &padded),
        layer(address, "app", &good, "not base64!"),
        layer(address, "app", &good, &"A".repeat(4 << 10)),
        layer(address, "app", &good, ""),
        layer(address, "app", b"not json", &text),
        bare,
        foreign,
    ];
    let put = |layers: &[serde_json::Value]| {
        let shelf = manifest(address, "app", layers);
        put_manifest(address, "app", &place(&digest), MANIFEST, &shelf)
    };
    put(&shelf);
    refused(&images, &name, "has 6 signatures, none by a key").await;
    assert_eq!(count(dir.path(), "signatures"), 0, "nothing of it is kept");
    shelf.push(layer(address, "app", &good, &text));
    put(&shelf);
    images.resolve(&name).await.unwrap();
}

#[test]
fn only_public_keys_of_known_kinds_are_taken() {
    let read = |pem: &str| PublicKey::read(pem).map(|keys| keys.len());
    let good = Signer::new("P-256");
    assert_eq!(read(&good.pem), Ok(1));
    let second = Signer::new("ed25519");
    assert_eq!(read(&format!("{}\n{}", good.pem, second.pem)), Ok(2));
    assert_eq!(read(&good.pem.repeat(21)), Err(KeyError::Many));
    let private = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
    assert_eq!(read(private), Err(KeyError::Private));
    for text in ["", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----"] {
        assert!(read(text).is_err(), "{text}");
    }
    let empty = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(read(empty), Err(KeyError::Damaged));
    for kind in ["P-521", "1024"] {
        assert_eq!(read(&Signer::new(kind).pem), Err(KeyError::Kind), "{kind}");
    }
    let shown = format!("{:?}", PublicKey::read(&good.pem).unwrap());
    assert!(shown.starts_with("[key sha256:"), "{shown}");
}
