//! Exports, witnesses and proofs of the audit log, as they come from whoever wants to be believed.

use ostler_gate::audit::{Proof, prove, verify_since};

/// Reads one input: an export, and a witness after a line of dashes.
pub fn try_one(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    let (export, witness) = text.split_once("\n---\n").unwrap_or((text, ""));
    if let Ok(report) = verify_since(export, None, witness) {
        assert!(report.kept_from <= report.leaves);
        if report.kept_from < report.leaves
            && let Ok(proof) = prove(export, report.kept_from)
        {
            assert!(proof.verify(None).is_ok());
        }
    }
    if let Ok(proof) = serde_json::from_str::<Proof>(text) {
        let _verdict = proof.verify(None);
    }
}
