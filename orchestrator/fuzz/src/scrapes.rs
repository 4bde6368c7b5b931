//! What instances say of themselves at `/metrics`. Nothing that is read of it makes a load out of nonsense.

use ostler_signals::scrape::read;

/// Reads one input as two scrapes, one after the other.
pub fn try_one(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    let (before, after) = text.split_once("\n---\n").unwrap_or((text, text));
    let (Some(before), Some(after)) = (read(before), read(after)) else {
        return;
    };
    if let Some(mut since) = after.since(&before) {
        since.add(&after);
        let counted = [
            since.requests,
            since.errors,
            since.queue.unwrap_or_default(),
        ];
        assert!(counted.iter().all(|count| count.is_finite()), "{since:?}");
        for quantile in [0.0, 0.5, 0.99, 1.0] {
            if let Some(seconds) = since.quantile(quantile) {
                assert!(seconds >= 0.0, "{seconds} of {since:?}");
            }
        }
    }
}
