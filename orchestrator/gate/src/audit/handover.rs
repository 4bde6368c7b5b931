//! Changes of the log's key: the old key signs, last of all, a head that names the new one, and the new one
//! signs it too. Whoever kept any key of a log so finds out that a later one is its own.

use serde::{Deserialize, Serialize};

use super::{note::Checkpoint, verify::Tampered};

/// The last head that a key signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// C2SP `tlog-checkpoint` in a note signed by both keys; its line `next` holds the new one's `vkey`.
    pub handover: String,
    /// The `vkey` of the key that ends here.
    pub public_key: String,
}

/// The keys of one log, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// Keys that were handed over, each with the last head that it signed.
    past: Vec<(String, Checkpoint)>,
    last: String,
}

impl Chain {
    /// A log that has had one key only.
    pub(crate) fn of(key: &str) -> Self {
        Self {
            past: Vec::new(),
            last: key.to_owned(),
        }
    }

    /// Follows a log's keys from the oldest that is told of to the one that signs now.
    ///
    /// # Errors
    /// When a key did not hand over to the one after it.
    pub(crate) fn read(handovers: &[Handover], last: &str) -> Result<Self, Tampered> {
        let mut past: Vec<(String, Checkpoint)> = Vec::with_capacity(handovers.len());
        let nexts = handovers.iter().skip(1).map(|of| of.public_key.as_str());
        for (number, (handover, next)) in handovers.iter().zip(nexts.chain([last])).enumerate() {
            let wrong =
                |what: &str| Tampered::log(format!("change {} of the key: {what}", number + 1));
            let opened = Checkpoint::open(&handover.handover, &handover.public_key);
            let head = opened.map_err(wrong)?;
            if head.next.as_deref() != Some(next) {
                return Err(wrong(
                    "it names another key than the one that signs after it",
                ));
            }
            Checkpoint::open(&handover.handover, next)
                .map_err(|_| wrong("the new key did not sign it"))?;
            if past
                .last()
                .is_some_and(|(_, before)| before.size > head.size)
            {
                return Err(wrong("it covers less of the log than the one before"));
            }
            past.push((handover.public_key.clone(), head));
        }
        Ok(Self {
            past,
            last: last.to_owned(),
        })
    }

    /// The key that the last change names.
    pub(crate) fn newest(handovers: &[Handover]) -> Option<String> {
        let last = handovers.last()?;
        Checkpoint::open(&last.handover, &last.public_key)
            .ok()?
            .next
    }

    /// How many keys there were.
    pub(crate) fn len(&self) -> u64 {
        self.past.len() as u64 + 1
    }

    /// Whether a key is one of the log's.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.last == key || self.past.iter().any(|(past, _)| past == key)
    }

    /// Opens a head by whichever key of the log it names.
    ///
    /// # Errors
    /// When the key is not the log's, did not sign it, or had been handed over before.
    pub(crate) fn open(&self, note: &str, key: &str) -> Result<Checkpoint, &'static str> {
        if !self.knows(key) {
            return Err("it is signed by a key that is not the log's");
        }
        let head = Checkpoint::open(note, key)?;
        let ended = self.past.iter().find(|(past, _)| past == key);
        match ended {
            Some((_, last)) if head.size > last.size => {
                Err("its key had been handed over to another before")
            }
            _ => Ok(head),
        }
    }

    /// The heads at which keys ended: the log must be as it was then.
    pub(crate) fn heads(self) -> impl Iterator<Item = Checkpoint> {
        self.past.into_iter().map(|(_, head)| head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        Signer,
        tree::{Frontier, leaf_hash},
    };

    fn signer(seed: u8) -> Signer {
        Signer::new(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    fn tree(size: u8) -> Frontier {
        let mut tree = Frontier::default();
        (0..size).for_each(|leaf| tree.push(leaf_hash(&[leaf])));
        tree
    }

    #[test]
    fn keys_are_followed_from_any_to_the_last() {
        let (first, second, third) = (signer(1), signer(2), signer(3));
        let handovers = [
            first.hand_over(&tree(3), &second),
            second.hand_over(&tree(7), &third),
        ];
        let last = third.public_key();
        let chain = Chain::read(&handovers, &last).unwrap();
        for key in [&first, &second, &third] {
            assert!(chain.knows(&key.public_key()));
        }
        assert!(!chain.knows(&signer(9).public_key()));
        let head = |by: &Signer, size| chain.open(&by.sign(&tree(size)), &by.public_key());
        assert_eq!(head(&first, 3).unwrap().size, 3);
        assert_eq!(head(&second, 5).unwrap().size, 5);
        assert_eq!(head(&third, 9).unwrap().size, 9);
        let stolen = head(&first, 4).unwrap_err();
        assert!(stolen.contains("handed over"), "{stolen}");
        assert!(head(&signer(9), 1).is_err());
        let since = Chain::read(&handovers[1..], &last).unwrap();
        assert!(since.knows(&second.public_key()) && !since.knows(&first.public_key()));
        let sizes: Vec<u64> = chain.heads().map(|head| head.size).collect();
        assert_eq!(sizes, [3, 7]);
    }

    #[test]
    fn a_change_that_did_not_happen_is_none() {
        let (first, second, third) = (signer(1), signer(2), signer(3));
        let last = second.public_key();
        let read = |handovers: &[Handover]| Chain::read(handovers, &last).map(|_| ());
        let good = first.hand_over(&tree(3), &second);
        read(std::slice::from_ref(&good)).unwrap();
        let of = |handover: String| Handover {
            handover,
            ..good.clone()
        };
        let elsewhere = first.hand_over(&tree(3), &third);
        let by_one = good
            .handover
            .trim_end()
            .rsplit_once('\n')
            .unwrap()
            .0
            .to_owned()
            + "\n";
        for (bad, why) in [
            (elsewhere, "another key"),
            (of(first.sign(&tree(3))), "another key"),
            (of(by_one), "did not sign"),
            (of(good.handover.replacen("\n3\n", "\n4\n", 1)), "signature"),
            (third.hand_over(&tree(3), &third), "another key"),
        ] {
            let problem = read(&[bad]).unwrap_err().to_string();
            assert!(problem.contains(why), "{problem} has no {why}");
        }
        let back = [
            first.hand_over(&tree(5), &third),
            third.hand_over(&tree(4), &second),
        ];
        assert!(read(&back).unwrap_err().to_string().contains("less"));
    }
}
