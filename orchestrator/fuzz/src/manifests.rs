//! Manifests, as people write them. What is accepted can be written down and is accepted again as the same.

use ostler_core::spec::read_manifests;

/// Reads one input.
pub fn try_one(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    match read_manifests(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(manifests) => {
            for manifest in manifests {
                // JSON is YAML too.
                let written = serde_json::to_string(&manifest).unwrap();
                let again = read_manifests(&written);
                assert_eq!(again.as_deref(), Ok([manifest].as_slice()), "{written}");
            }
        }
    }
}
