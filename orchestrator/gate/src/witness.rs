//! The log against what was seen of it earlier, outside the store: a store that was put back to an
//! older copy fits its own checkpoint, but not this.

use crate::{
    audit::{Chain, SignedHead, Tampered},
    config::GateError,
    door::Gate,
    ledger::{OpenError, is_there},
};

impl Gate {
    /// The log's signed head as of the last commit.
    pub async fn signed_head(&self) -> SignedHead {
        let ledger = self.ledger.lock().await;
        SignedHead {
            checkpoint: ledger.checkpoint().to_owned(),
            public_key: ledger.public_key(),
        }
    }

    /// Checks that the log continues one that was seen earlier: a daemon that was put back to an older copy, or to
    /// another history, must not go on. A leaf whose text alone was changed is found when the log is verified.
    ///
    /// # Errors
    /// When it does not, was not signed by a key of the log, or cannot be read; names the first entry that is wrong.
    pub async fn continues(&self, seen: &SignedHead) -> Result<(), GateError> {
        let ledger = self.ledger.lock().await;
        let chain = Chain::read(ledger.handovers(), &ledger.public_key())?;
        let opened = chain.open(&seen.checkpoint, &seen.public_key);
        let checkpoint = opened.map_err(Tampered::log)?;
        let retained = ledger.retained().cut;
        if checkpoint.size < retained {
            return Ok(());
        }
        match ledger
            .continues(&*self.store, checkpoint.tree, is_there)
            .await
        {
            Ok(()) => Ok(()),
            Err(OpenError::Store(error)) => Err(error.into()),
            Err(OpenError::Tampered(tampered)) => Err(tampered.into()),
        }
    }
}
