//! What the configuration says of looking for new versions.

use std::path::{Path, PathBuf};

use anyhow::bail;
use ostler_core::time::Span;
use serde::Deserialize;

/// How often a repository is asked about where nothing else is said.
const USUAL: Span = Span::minutes(15);

/// The part `upgrades` of the file of `--config` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradesConfig {
    /// How often a repository is asked about, 5s to 7d.
    #[serde(default)]
    every: Option<Span>,
    /// A folder of OSV records, one JSON file each; relative to the configuration's own folder.
    #[serde(default)]
    osv: Option<PathBuf>,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looking {
    /// How often a repository is asked about.
    pub every: Span,
    /// The folder of OSV records.
    pub osv: Option<PathBuf>,
}

impl Default for Looking {
    fn default() -> Self {
        Self {
            every: USUAL,
            osv: None,
        }
    }
}

impl UpgradesConfig {
    /// Checks what is written.
    ///
    /// # Errors
    /// Names the field and what is accepted.
    pub(crate) fn check(self, folder: &Path) -> anyhow::Result<Looking> {
        let every = self.every.unwrap_or(USUAL);
        if !(Span::seconds(5)..=Span::minutes(7 * 24 * 60)).contains(&every) {
            bail!("`upgrades.every` is {every}; use 5s to 7d");
        }
        let osv = self.osv.map(|osv| folder.join(osv));
        if let Some(osv) = osv.as_deref().filter(|osv| !osv.is_dir()) {
            bail!("`upgrades.osv`: `{}` is no folder", osv.display());
        }
        Ok(Looking { every, osv })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> anyhow::Result<Looking> {
        let config: UpgradesConfig = serde_saphyr::from_str(text)?;
        config.check(Path::new("/"))
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        assert_eq!(check("{}").unwrap(), Looking::default());
        assert_eq!(
            check("{ osv: proc }").unwrap().osv.as_deref(),
            Some(Path::new("/proc"))
        );
        for (text, words) in [
            ("{ every: 1s }", "use 5s to 7d"),
            ("{ osv: none/such }", "is no folder"),
            ("{ often: 1s }", "often"),
        ] {
            let said = format!("{:#}", check(text).unwrap_err());
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
