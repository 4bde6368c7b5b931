//! The schema of bundles is the same as what the code would generate now.
//!
//! After a change on purpose, write it anew: `OSTLER_WRITE=1 cargo test -p ostler-evals --test generated`.

use std::{fs, path::Path};

#[test]
fn the_schema_of_bundles() {
    let schema = ostler_evals::bundle::json_schema();
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/incident.schema.json");
    if std::env::var_os("OSTLER_WRITE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == generated,
        "docs/incident.schema.json is out of date; write it anew with OSTLER_WRITE=1 cargo test -p ostler-evals --test generated"
    );
}

#[test]
fn a_bundle_that_is_written_reads_the_same() {
    let incidents = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let folder = tempfile::tempdir().unwrap();
    for bundle in ostler_evals::bundle::read_all(&incidents).unwrap() {
        let to = folder.path().join(&bundle.name);
        ostler_evals::bundle::write(&to, &bundle).unwrap();
        assert_eq!(ostler_evals::bundle::read(&to).unwrap(), bundle);
        let again = ostler_evals::bundle::write(&to, &bundle);
        assert!(again.is_err(), "nothing is written over");
    }
}
