//! Ids of new instances: the service's name and eight characters that follow from the service, its
//! generation, the moment and a running number. Same inputs, same ids.

use sha2::{Digest, Sha256};

use crate::{
    id::{Generation, InstanceId, ServiceKey},
    time::Time,
};

/// Crockford's base 32 in lower case: no letters that look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// With the hyphen and eight characters an id stays a DNS label.
const NAME_LIMIT: usize = 54;

/// Makes ids for one service at one moment.
pub(super) struct IdMaker {
    name: String,
    seed: Sha256,
    number: u32,
}

impl IdMaker {
    pub fn new(key: &ServiceKey, generation: Generation, now: Time) -> Self {
        let name: String = key.name.as_str().chars().take(NAME_LIMIT).collect();
        let mut seed = Sha256::new();
        seed.update(key.to_string());
        seed.update(generation.0.to_le_bytes());
        seed.update(now.0.to_le_bytes());
        Self {
            name: name.trim_end_matches('-').to_owned(),
            seed,
            number: 0,
        }
    }

    /// The next id that is not in use.
    pub fn next(&mut self, unused: impl Fn(&InstanceId) -> bool) -> InstanceId {
        loop {
            let mut hash = self.seed.clone();
            hash.update(self.number.to_le_bytes());
            self.number = self.number.wrapping_add(1);
            let id = InstanceId::new(format!("{}-{}", self.name, base32(&hash.finalize())));
            if let Ok(id) = id
                && unused(&id)
            {
                return id;
            }
        }
    }
}

/// The first 40 bits as eight characters.
fn base32(hash: &[u8]) -> String {
    let bits = hash
        .iter()
        .take(5)
        .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8)
        .rev()
        .filter_map(|place| ALPHABET.get(usize::try_from(bits >> (place * 5) & 31).ok()?))
        .map(|byte| char::from(*byte))
        .collect()
}
