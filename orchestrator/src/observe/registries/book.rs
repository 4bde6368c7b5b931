//! What registries answered, kept from look to look: a repository is asked about once for all services that
//! use it, never more often than is configured, and more seldom while it does not answer.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::ServiceKey,
    intent::Intent,
    spec::Upgrades,
    time::{Span, Time},
};
use ostler_runtime::image::Known;
use ostler_tools::answer::{OfferInfo, UpgradeSeen};
use ostler_upgrades::{image::Image, risk::Changed, rule};

/// When each digest was first seen, by repository.
pub(super) type First = BTreeMap<String, BTreeMap<String, Time>>;

/// Longest time between two tries of a repository that does not answer.
const PATIENCE: Span = Span::minutes(6 * 60);
/// Labels that are told on, and how much of each.
const LABELS: [&str; 7] = [
    "org.opencontainers.image.version",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.created",
    "org.opencontainers.image.source",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
    CHANGELOG,
];
/// What is new, in words of whoever made the image.
const CHANGELOG: &str = "dev.ostler.changelog";
const LABEL_LIMIT: usize = 300;
/// Most variables of an image that are compared.
const VARIABLES: usize = 200;

/// All repositories that are looked at.
#[derive(Default)]
pub(super) struct Book {
    pub(super) repositories: BTreeMap<String, Repository>,
    /// What an earlier daemon knew of repositories that were not looked at yet.
    before: First,
}

/// One repository.
#[derive(Default)]
pub(super) struct Repository {
    /// Services that use it, with what they say.
    pub(super) used: BTreeMap<ServiceKey, (Image, Upgrades)>,
    /// Its tags at the last look.
    pub(super) tags: Vec<String>,
    /// What tags stand for, of those that were looked at more closely.
    pub(super) seen: BTreeMap<String, Tag>,
    /// When digests were first seen, by this daemon or an earlier one.
    first: BTreeMap<String, Time>,
    /// Since when something newer and wanted has been there.
    behind: BTreeMap<ServiceKey, Time>,
    pub(super) looked_at: Option<Time>,
    pub(super) problem: Option<String>,
    failures: u32,
    due_at: Time,
}

/// What a tag stands for.
pub(super) struct Tag {
    /// The digest of what the tag names: of a list, where the image is one of several.
    pub(super) top: String,
    /// What it is on this platform.
    pub(super) known: Known,
    /// When that was first seen.
    pub(super) seen_at: Time,
}

impl Book {
    /// Nothing looked at yet; when versions were first seen is known from an earlier daemon.
    pub(super) fn new(before: First) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// When what is looked at was first seen, for the next daemon.
    pub(super) fn first(&self) -> First {
        let all = self.repositories.iter();
        let known = all.filter(|(_, one)| !one.first.is_empty());
        known
            .map(|(name, one)| (name.clone(), one.first.clone()))
            .collect()
    }

    /// Takes over which services look for new versions; repositories that nobody uses are forgotten.
    pub(super) fn follow(&mut self, intent: &Intent) {
        let mut used: BTreeMap<String, BTreeMap<ServiceKey, (Image, Upgrades)>> = BTreeMap::new();
        for (key, service) in &intent.services {
            if let Some(rule) = &service.spec.upgrades {
                let image = Image::read(&service.spec.image);
                let of = used.entry(image.repository.clone()).or_default();
                of.insert(key.clone(), (image, rule.clone()));
            }
        }
        self.repositories.retain(|name, _| used.contains_key(name));
        for (name, used) in used {
            let first = self.before.remove(&name);
            let repository = self.repositories.entry(name).or_default();
            repository.first.extend(first.unwrap_or_default());
            if repository.used != used {
                // A manifest that changed may want what was not looked at.
                repository.due_at = Time(0);
            }
            repository.used = used;
            repository
                .behind
                .retain(|key, _| repository.used.contains_key(key));
        }
    }

    /// The repository that has been due for longest.
    pub(super) fn due(&self, now: Time) -> Option<String> {
        let all = self.repositories.iter();
        let due = all.filter(|(_, one)| one.due_at <= now);
        let first = due.min_by_key(|(_, one)| one.due_at);
        first.map(|(name, _)| name.clone())
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.repositories.values().map(|one| one.due_at).min()
    }
}

impl Repository {
    /// Tags that are looked at more closely: those that run, and those that some rule wants.
    pub(super) fn closer(&self) -> BTreeSet<String> {
        let mut closer = BTreeSet::new();
        for (image, rule) in self.used.values() {
            let Some(tag) = &image.tag else { continue };
            closer.insert(tag.clone());
            closer.extend(newer(tag, &self.tags, rule).0.tags);
        }
        closer
    }

    /// What a tag stands for now.
    pub(super) fn sees(&mut self, tag: &str, top: String, known: Known, now: Time) {
        let seen_at = *self.first.entry(known.digest.clone()).or_insert(now);
        let seen = Tag {
            top,
            known,
            seen_at,
        };
        self.seen.insert(tag.to_owned(), seen);
    }

    /// It answered, wholly or in part.
    pub(super) fn answered(&mut self, every: Span, problem: Option<String>, now: Time) {
        (self.looked_at, self.problem, self.failures) = (Some(now), problem, 0);
        self.due_at = now + every;
        let closer = self.closer();
        self.seen.retain(|tag, _| closer.contains(tag));
        if self.problem.is_none() {
            let seen: BTreeSet<&String> = self.seen.values().map(|tag| &tag.known.digest).collect();
            self.first.retain(|digest, _| seen.contains(digest));
        }
        for (key, (image, rule)) in &self.used {
            let tag = image.tag.clone().unwrap_or_default();
            let wanted = newer(&tag, &self.tags, rule).0.tags;
            let first = wanted
                .iter()
                .filter_map(|tag| Some(self.seen.get(tag)?.seen_at));
            if let Some(since) = first.min() {
                self.behind.insert(key.clone(), since);
            } else {
                self.behind.remove(key);
            }
        }
    }

    /// It did not answer: what was known stays, and it is asked again later and later.
    pub(super) fn failed(&mut self, every: Span, why: String, now: Time) {
        self.problem = Some(why);
        self.failures = self.failures.saturating_add(1);
        let factor = 1_u64 << self.failures.min(10);
        let pause = every.min(Span::seconds(30)).0.saturating_mul(factor);
        self.due_at =
            now + Span(pause.max(every.min(Span::seconds(30)).0)).min(PATIENCE.max(every));
    }

    /// What an image that is not in the store would be here, where a registry said so.
    fn running(&self, image: &Image) -> Option<String> {
        let (digest, tag) = (image.digest.as_ref()?, image.tag.as_ref()?);
        let named = self.seen.get(tag).filter(|seen| seen.top == *digest);
        Some(named.map_or(digest, |seen| &seen.known.digest).clone())
    }

    /// What a service is told.
    pub(super) fn told(
        &self,
        key: &ServiceKey,
        image: &str,
        stored: Option<&Known>,
    ) -> UpgradeSeen {
        let Some((parts, rule)) = self.used.get(key) else {
            return UpgradeSeen::default();
        };
        let tag = parts.tag.clone().unwrap_or_default();
        let (sorted, odd) = newer(&tag, &self.tags, rule);
        let mut problem = self.problem.clone();
        if parts.tag.is_none() {
            problem =
                Some("the image has no tag; name one, so that it is known what runs".to_owned());
        }
        let mut not = sorted.not;
        not.extend(odd);
        let wanted = sorted.tags.into_iter().chain(parts.tag.clone());
        let offers = wanted.filter_map(|tag| Some(offer(&tag, self.seen.get(&tag)?, stored)));
        UpgradeSeen {
            image: image.to_owned(),
            digest: stored
                .map(|known| known.digest.clone())
                .or_else(|| self.running(parts)),
            looked_at: self.looked_at,
            problem,
            newer: u32::try_from(sorted.newer).unwrap_or(u32::MAX),
            not,
            offers: offers.collect(),
            behind_since: self.behind.get(key).copied(),
            ..UpgradeSeen::default()
        }
    }
}

/// Newer tags by a rule, and why there are none where the tag is no version.
fn newer(tag: &str, tags: &[String], rule: &Upgrades) -> (rule::Newer, Option<String>) {
    match rule::newer(tag, tags, rule) {
        Ok(sorted) => (sorted, None),
        Err(why) => (rule::Newer::default(), Some(why)),
    }
}

fn offer(name: &str, tag: &Tag, stored: Option<&Known>) -> OfferInfo {
    let says = LABELS.iter().filter_map(|label| {
        let value = tag.known.labels.get(*label)?;
        let clean = value.chars().filter(|c| !c.is_control());
        Some(((*label).to_owned(), clean.take(LABEL_LIMIT).collect()))
    });
    OfferInfo {
        tag: name.to_owned(),
        digest: tag.known.digest.clone(),
        pin: tag.top.clone(),
        seen_at: tag.seen_at,
        changed: stored.map(|runs| changed(runs, &tag.known)),
        untrusted_says: says.collect(),
    }
}

/// What is different beside the content.
fn changed(runs: &Known, new: &Known) -> Changed {
    let (was, is) = (&runs.config, &new.config);
    let settings = [
        ("entrypoint", was.entrypoint != is.entrypoint),
        ("cmd", was.cmd != is.cmd),
        ("user", was.user != is.user),
        ("working_dir", was.working_dir != is.working_dir),
        ("stop_signal", was.stop_signal != is.stop_signal),
    ];
    let name = |line: &String| line.split('=').next().unwrap_or_default().to_owned();
    let sets: BTreeSet<String> = is.env.iter().take(VARIABLES).map(name).collect();
    let unset = was.env.iter().take(VARIABLES).map(name);
    let common = runs
        .layers
        .iter()
        .zip(&new.layers)
        .take_while(|(was, is)| was == is);
    let words = new
        .labels
        .get(CHANGELOG)
        .map(|words| words.to_ascii_lowercase());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Changed {
        settings: settings
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        unset: unset.filter(|name| !sets.contains(name)).take(20).collect(),
        layers: count(new.layers.len()),
        shared: count(common.count()),
        breaking: words.is_some_and(|words| words.contains("breaking")),
    }
}

#[cfg(test)]
mod tests {
    use ostler_core::change::{self, Change, ServicePut};

    use super::*;

    fn intent(image: &str) -> Intent {
        let text = format!(r#"{{"image": "{image}", "upgrades": {{}}}}"#);
        let put = ServicePut {
            service: "shop/web".parse().unwrap(),
            labels: BTreeMap::new(),
            spec: serde_json::from_str(&text).unwrap(),
        };
        let services = vec![put];
        let apply = Change::ApplyServices { services };
        change::apply(&Intent::default(), &apply, Time(1))
            .unwrap()
            .intent
    }

    fn known(digest: &str, layers: &[&str]) -> Known {
        Known {
            digest: digest.to_owned(),
            config: Default::default(),
            layers: layers.iter().map(|one| (*one).to_owned()).collect(),
            labels: BTreeMap::from([
                (CHANGELOG.to_owned(), "BREAKING: all\u{7} new".to_owned()),
                ("secret".to_owned(), "never told".to_owned()),
            ]),
        }
    }

    #[test]
    fn a_repository_is_asked_when_due_and_more_seldom_while_it_is_away() {
        let (mut book, every) = (Book::default(), Span::minutes(15));
        book.follow(&intent("a.example/web:1.0.0"));
        assert_eq!(book.due(Time(5)).as_deref(), Some("a.example/web"));
        let one = book.repositories.get_mut("a.example/web").unwrap();
        let mut pauses = Vec::new();
        for now in 0..12 {
            one.failed(every, "away".into(), Time(now));
            pauses.push(one.due_at.since(Time(now)));
        }
        assert_eq!(
            pauses[..3],
            [Span::minutes(1), Span::minutes(2), Span::minutes(4)]
        );
        assert_eq!(pauses[11], PATIENCE);
        one.answered(every, None, Time(100));
        assert_eq!((one.due_at, &one.problem), (Time(100) + every, &None));
        assert_eq!(book.due(Time(5)), None);
        book.follow(&intent("a.example/web:2.0.0"));
        assert!(
            book.due(Time(5)).is_some(),
            "what changed is looked at again"
        );
        book.follow(&Intent::default());
        assert!(book.repositories.is_empty() && book.next().is_none());
    }

    #[test]
    fn a_service_is_told_what_is_wanted_and_what_else_is_different() {
        let mut book = Book::default();
        book.follow(&intent("a.example/web:1.0.0"));
        let one = book.repositories.get_mut("a.example/web").unwrap();
        one.tags = ["1.0.0", "1.1.0", "2.0.0", "latest"]
            .map(str::to_owned)
            .into();
        assert_eq!(one.closer(), ["1.0.0", "1.1.0"].map(str::to_owned).into());
        for (tag, at) in [("1.0.0", 1), ("1.1.0", 7)] {
            let known = known(&format!("sha256:{tag}"), &["base", tag]);
            one.sees(tag, tag.to_owned(), known, Time(at));
        }
        one.answered(Span::minutes(1), None, Time(9));
        let key = "shop/web".parse().unwrap();
        let told = one.told(
            &key,
            "a.example/web:1.0.0",
            Some(&known("sha256:1.0.0", &["base", "1.0.0"])),
        );
        assert_eq!((told.newer, told.behind_since), (2, Some(Time(7))));
        assert_eq!(told.not, ["1 version newer: beyond `track`"]);
        let first = told.offers.first().unwrap();
        let changed = first.changed.as_ref().unwrap();
        assert_eq!(
            (first.tag.as_str(), changed.shared, changed.breaking),
            ("1.1.0", 1, true)
        );
        assert_eq!(
            first.untrusted_says.get(CHANGELOG).unwrap(),
            "BREAKING: all new"
        );
        assert_eq!(first.untrusted_says.len(), 1);
    }

    /// What was there an hour ago is an hour old for the next daemon too.
    #[test]
    fn a_restart_makes_no_version_younger() {
        let mut book = Book::default();
        let look = |book: &mut Book, tag: &str, digest: &str, now: u64| {
            book.follow(&intent("a.example/web:1.0.0"));
            let one = book.repositories.get_mut("a.example/web").unwrap();
            one.tags = vec!["1.0.0".to_owned(), "1.1.0".to_owned()];
            one.sees(tag, digest.to_owned(), known(digest, &[]), Time(now));
            one.seen[tag].seen_at
        };
        assert_eq!(look(&mut book, "1.1.0", "sha256:new", 7), Time(7));
        let kept = book.first();
        let mut next = Book::new(kept.clone());
        assert_eq!(look(&mut next, "1.1.0", "sha256:new", 99), Time(7));
        assert_eq!(look(&mut next, "1.1.0", "sha256:other", 100), Time(100));

        let every = Span::minutes(1);
        let mut partly = Book::new(kept.clone());
        partly.follow(&intent("a.example/web:1.0.0"));
        let one = partly.repositories.get_mut("a.example/web").unwrap();
        one.answered(every, Some("some tag did not answer".into()), Time(101));
        assert_eq!(partly.first(), kept, "it may be there at the next look");
        let one = partly.repositories.get_mut("a.example/web").unwrap();
        one.answered(every, None, Time(102));
        assert!(partly.first().is_empty(), "what is gone is forgotten");
    }
}
