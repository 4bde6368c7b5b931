//! What images in the store hold, read once each, and what of it known vulnerabilities reach.

use std::collections::{BTreeMap, BTreeSet};

use ostler_runtime::image::{Images, Known};
use ostler_upgrades::{
    osv::{Feed, Vulnerability},
    package::{self, Package},
};

/// Where package managers and bills of materials say what an image holds. A folder ends in `/`.
const PLACES: &[&str] = &[
    "/usr/lib/os-release",
    "/etc/os-release",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status.d/",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
    "/sbom.cdx.json",
    "/usr/share/sbom.cdx.json",
];

/// By digest.
#[derive(Default)]
pub(super) struct Holdings {
    packages: BTreeMap<String, Vec<Package>>,
    reached: BTreeMap<String, Reached>,
    used: BTreeSet<String>,
}

/// What of an image vulnerabilities reach.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    pub(super) packages: u32,
    pub(super) told: Vec<Vulnerability>,
    pub(super) all: u32,
}

impl Holdings {
    /// There is another feed.
    pub(super) fn forget_reached(&mut self) {
        self.reached.clear();
    }

    /// Images that nobody asked about since the last time are forgotten.
    pub(super) fn tidy(&mut self) {
        self.packages.retain(|digest, _| self.used.contains(digest));
        self.reached.retain(|digest, _| self.used.contains(digest));
        self.used.clear();
    }

    /// What of an image's packages a feed reaches.
    pub(super) async fn reached(
        &mut self,
        images: &Images,
        (image, known): (&str, &Known),
        feed: &Feed,
    ) -> Reached {
        let digest = known.digest.clone();
        self.used.insert(digest.clone());
        if let Some(reached) = self.reached.get(&digest) {
            return reached.clone();
        }
        if !self.packages.contains_key(&digest) {
            let files = images.files(image, PLACES).await;
            let files = files.inspect_err(|error| tracing::warn!(%error, image, "no packages"));
            let held = files.map(|files| held(&files)).unwrap_or_default();
            self.packages.insert(digest.clone(), held);
        }
        let packages = self.packages.get(&digest).map_or(&[][..], |held| held);
        let (told, all) = feed.reaching(packages);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let reached = Reached {
            packages: count(packages.len()),
            told,
            all: count(all),
        };
        self.reached.insert(digest, reached.clone());
        reached
    }
}

/// The packages that an image's files speak of.
fn held(files: &BTreeMap<String, Vec<u8>>) -> Vec<Package> {
    let text = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes));
    let release = text("/usr/lib/os-release").or_else(|| text("/etc/os-release"));
    let system = release.and_then(|release| package::system(&release));
    let mut found = Vec::new();
    if let Some(system) = &system {
        for path in files
            .keys()
            .filter(|path| path.starts_with("/var/lib/dpkg/status"))
        {
            let status = text(path).unwrap_or_default();
            found.extend(package::dpkg(&status, system));
        }
        for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
            found.extend(
                text(path)
                    .iter()
                    .flat_map(|list| package::apk(list, system)),
            );
        }
    }
    for path in ["/sbom.cdx.json", "/usr/share/sbom.cdx.json"] {
        match text(path).map(|bill| package::cyclonedx(&bill)) {
            Some(Ok(packages)) => found.extend(packages),
            Some(Err(why)) => tracing::info!(path, "{why}"),
            None => {}
        }
    }
    found.sort();
    found.dedup();
    found.truncate(package::PACKAGES_LIMIT);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_from_wherever_an_image_says() {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        let files = BTreeMap::from([
            file("/usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
            file(
                "/var/lib/dpkg/status.d/libssl3",
                "Package: libssl3\nVersion: 3.0.11-1\nSource: openssl\n",
            ),
            file(
                "/sbom.cdx.json",
                r#"{"components": [{"purl": "pkg:npm/left@1.0.0"}]}"#,
            ),
            file("/lib/apk/db/installed", "\u{0}\u{ff}"),
        ]);
        let found = held(&files);
        let names: Vec<_> = found
            .iter()
            .map(|one| (one.ecosystem.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(names, [("Debian:12", "openssl"), ("npm", "left")]);
        assert!(held(&BTreeMap::new()).is_empty());
    }
}
