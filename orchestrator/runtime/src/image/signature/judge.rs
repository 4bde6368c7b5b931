//! Whether an image may run here: the rule for its name, what is kept of its digest, and only then
//! the registry.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use oci_client::Reference;

use super::{
    super::{
        ImageError, Images,
        digest::Digest,
        disk::ImageRecord,
        error::blocking,
        name::{self, Name},
        pull::Fetch,
        resolve::{Inner, lock},
    },
    cosign::{Flaw, Shelf, Signature},
    kept,
    key::PublicKey,
    rules::{Demand, SignatureRule, SignatureRules},
};

/// The rules in force, and who is asking registries for signatures.
#[derive(Default)]
pub(in crate::image) struct Judge {
    rules: RwLock<Arc<SignatureRules>>,
    /// One look at a time for each digest.
    looks: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl Judge {
    fn rules(&self) -> Arc<SignatureRules> {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets who looked for what.
    pub(in crate::image) fn rest(&self) {
        lock(&self.looks).clear();
    }
}

/// An image that is to run.
pub(in crate::image) struct Candidate {
    /// Its manifest.
    pub(in crate::image) digest: Digest,
    /// Lists that name it by digest, each seen when it was fetched.
    pub(in crate::image) lists: Vec<Digest>,
    /// The registry that it came from; none for imported ones.
    pub(in crate::image) source: Option<Reference>,
    /// Repositories that had it when it was fetched from there.
    pub(in crate::image) origins: Vec<String>,
}

/// What was found of signatures that do not do.
#[derive(Default)]
struct Findings {
    signatures: usize,
    other_image: Option<String>,
}

impl Images {
    /// Puts other rules in force. What runs goes on; each start from now on is judged by them.
    pub fn demand(&self, rules: SignatureRules) {
        let judge = &self.inner.judge;
        *judge.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// Whether the image `digest`, which is here already and is called `reference`, may be started.
    ///
    /// # Errors
    /// [`ImageError::Untrusted`] when it may not, or why that cannot be known.
    pub async fn admit(&self, reference: &str, digest: &str) -> Result<(), ImageError> {
        if self.inner.judge.rules().is_empty() {
            return Ok(());
        }
        let registry = self.inner.config.default_registry.as_deref();
        let name = Name::parse(reference, registry)?;
        self.inner.admit_known(&name, &Digest::parse(digest)?).await
    }
}

impl Inner {
    /// Judges what is on disk.
    pub(in crate::image) async fn admit_known(
        self: &Arc<Self>,
        name: &Name,
        digest: &Digest,
    ) -> Result<(), ImageError> {
        if self.judge.rules().is_empty() {
            return Ok(());
        }
        let (inner, wanted) = (Arc::clone(self), digest.clone());
        let record = blocking(move || inner.disk.find_image(&wanted)).await?;
        let candidate = match record {
            Some(record) => self.candidate(name, record)?,
            None => Candidate {
                digest: digest.clone(),
                lists: Vec::new(),
                source: None,
                origins: Vec::new(),
            },
        };
        self.admit(name, &candidate).await
    }

    /// Refuses what no answer of a registry could help, so that nobody is asked.
    pub(in crate::image) fn refuse_unasked(&self, name: &Name) -> Result<(), ImageError> {
        let rules = self.judge.rules();
        let repository = name.repository();
        let Some(rule) = repository.and_then(|repository| rules.of(&repository, true).cloned())
        else {
            return Ok(());
        };
        match rule.demand() {
            Demand::Vouched { keys, digests } if keys.is_empty() && digests.is_empty() => {
                let why = "it names no key that could have signed it; put a rule with the key, or with the digest, before it";
                Err(refused_by(&rule, name, why))
            }
            _ => Ok(()),
        }
    }

    fn candidate(&self, name: &Name, record: ImageRecord) -> Result<Candidate, ImageError> {
        let registry = self.config.default_registry.as_deref();
        let origins = self.origins(&record)?;
        let written = name.reference.clone();
        let written = written.filter(|written| origins.contains(&name::repository(written)));
        let source = match (written, record.source) {
            (Some(written), _) => Some(written),
            (None, Some(source)) => Name::parse(&source, registry)?.reference,
            (None, None) => None,
        };
        Ok(Candidate {
            digest: record.digest,
            lists: record.lists,
            source,
            origins,
        })
    }

    /// Repositories that an image was fetched from; records from before they were kept have the last one.
    pub(in crate::image) fn origins(
        &self,
        record: &ImageRecord,
    ) -> Result<Vec<String>, ImageError> {
        let registry = self.config.default_registry.as_deref();
        let mut origins = record.origins.clone();
        if let Some(source) = &record.source {
            origins.extend(Name::parse(source, registry)?.repository());
        }
        Ok(origins)
    }

    /// Repositories by whose names an image is called here.
    pub(in crate::image) fn repositories_of(
        &self,
        digest: &Digest,
    ) -> Result<BTreeSet<String>, ImageError> {
        let registry = self.config.default_registry.as_deref();
        let names = self.disk.names()?.into_iter();
        let names = names.filter(|record| record.digest == *digest);
        let parsed = names.map(|record| Name::parse(&record.canonical, registry));
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        Ok(parsed.iter().filter_map(Name::repository).collect())
    }

    /// Judges an image by the rule for each repository that it is called by.
    pub(in crate::image) async fn admit(
        self: &Arc<Self>,
        name: &Name,
        candidate: &Candidate,
    ) -> Result<(), ImageError> {
        let rules = self.judge.rules();
        if rules.is_empty() {
            return Ok(());
        }
        let repositories = self.repositories(name, candidate).await?;
        if repositories.is_empty() {
            let detail = "it is given by digest only and has no name here: write its name";
            return Err(untrusted(name, detail));
        }
        for repository in repositories {
            let fetched = candidate.origins.contains(&repository);
            if let Some(rule) = rules.of(&repository, fetched) {
                self.follow(rule, name, candidate).await?;
            }
        }
        Ok(())
    }

    /// What the image is called: what was asked for, if it came from there. One that did not, or that is
    /// given by its digest only, is whatever is known of it.
    async fn repositories(
        self: &Arc<Self>,
        name: &Name,
        candidate: &Candidate,
    ) -> Result<BTreeSet<String>, ImageError> {
        let written = name.repository();
        if let Some(written) = &written
            && candidate.origins.contains(written)
        {
            return Ok(BTreeSet::from([written.clone()]));
        }
        let (inner, digest) = (Arc::clone(self), candidate.digest.clone());
        let mut all = blocking(move || inner.repositories_of(&digest)).await?;
        all.extend(written);
        all.extend(candidate.origins.iter().cloned());
        Ok(all)
    }

    async fn follow(
        self: &Arc<Self>,
        rule: &SignatureRule,
        name: &Name,
        candidate: &Candidate,
    ) -> Result<(), ImageError> {
        let (keys, digests) = match rule.demand() {
            Demand::Nothing => return Ok(()),
            Demand::Vouched { keys, digests } => (keys, digests),
        };
        let subjects = || std::iter::once(&candidate.digest).chain(&candidate.lists);
        if subjects().any(|digest| digests.iter().any(|known| known == digest.as_str())) {
            return Ok(());
        }
        let mut found = Findings::default();
        if !keys.is_empty() {
            // The registry is asked only when nothing that is kept of any of them will do.
            for digest in subjects() {
                if self.is_known(digest, keys).await? {
                    return Ok(());
                }
            }
            for digest in subjects() {
                let source = candidate.source.as_ref();
                if self.vouched(digest, keys, source, &mut found).await? {
                    return Ok(());
                }
            }
        }
        Err(refused_by(rule, name, &found.in_words(candidate, keys)))
    }

    /// Whether somebody of the keys signed this digest, by what is kept.
    async fn is_known(
        self: &Arc<Self>,
        digest: &Digest,
        keys: &[PublicKey],
    ) -> Result<bool, ImageError> {
        let (inner, wanted) = (Arc::clone(self), digest.clone());
        let kept = blocking(move || kept::of(&inner.disk, &wanted)).await?;
        Ok(kept.iter().any(|one| one.vouches(keys, digest).is_ok()))
    }

    /// The same, by what the registry has.
    async fn vouched(
        self: &Arc<Self>,
        digest: &Digest,
        keys: &[PublicKey],
        source: Option<&Reference>,
        found: &mut Findings,
    ) -> Result<bool, ImageError> {
        let Some(reference) = source else {
            return Ok(false);
        };
        let turn = Arc::clone(lock(&self.judge.looks).entry(digest.clone()).or_default());
        let _turn = turn.lock().await;
        // Somebody may have looked meanwhile.
        if self.is_known(digest, keys).await? {
            return Ok(true);
        }
        let fetch = Fetch::begin(self, reference.clone()).await?;
        let shelf = Shelf::open(fetch, digest).await?;
        for number in 0..shelf.len() {
            found.signatures = found.signatures.saturating_add(1);
            let Some(signature) = shelf.get(number).await? else {
                continue;
            };
            match signature.vouches(keys, digest) {
                Ok(()) => return self.remember(digest, signature).await.map(|()| true),
                Err(flaw) => found.add(flaw),
            }
        }
        Ok(false)
    }

    async fn remember(
        self: &Arc<Self>,
        digest: &Digest,
        signature: Signature,
    ) -> Result<(), ImageError> {
        let (inner, digest) = (Arc::clone(self), digest.clone());
        blocking(move || kept::keep(&inner.disk, &digest, signature)).await
    }
}

impl Findings {
    fn add(&mut self, flaw: Flaw) {
        match flaw {
            Flaw::OtherImage(digest) => self.other_image = Some(digest),
            Flaw::NoImage => self.other_image = Some("something that is no image".to_owned()),
            Flaw::OtherKey => {}
        }
    }

    fn in_words(&self, candidate: &Candidate, keys: &[PublicKey]) -> String {
        let digest = &candidate.digest;
        if keys.is_empty() {
            let from = match candidate.origins.is_empty() {
                true => {
                    " (imported from a file, so no rule that allows a registry's images is for it)"
                }
                false => "",
            };
            return format!(
                "it names no key that could have signed {digest}{from}; put a rule with the key, or with the digest, before it"
            );
        }
        let advice = "sign it with `cosign sign --key …`, or list its digest in the rule";
        if candidate.source.is_none() {
            return format!(
                "it was imported from a file, and no good signature of {digest} is known here; push and sign it, or list its digest in the rule"
            );
        }
        match (&self.other_image, self.signatures) {
            (Some(other), _) => {
                format!("a signature beside {digest} is of another image, {other}; {advice}")
            }
            (None, 0) => format!("{digest} is not signed; {advice}"),
            (None, count) => {
                format!("{digest} has {count} signatures, none by a key of the rule; {advice}")
            }
        }
    }
}

fn refused_by(rule: &SignatureRule, name: &Name, why: &str) -> ImageError {
    let pattern: String = rule.pattern().chars().take(100).collect();
    untrusted(name, format!("the rule for `{pattern}` refuses it: {why}"))
}

fn untrusted(name: &Name, detail: impl Into<String>) -> ImageError {
    ImageError::Untrusted {
        reference: name.text.chars().take(150).collect(),
        detail: detail.into(),
    }
}
