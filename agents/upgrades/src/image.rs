//! An image's reference in parts, as it was written.

/// `registry/name:tag@sha256:…` in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Registry and name, as written.
    pub repository: String,
    /// The tag, where there is one.
    pub tag: Option<String>,
    /// The digest, where there is one.
    pub digest: Option<String>,
}

impl Image {
    /// Takes a reference apart.
    #[must_use]
    pub fn read(reference: &str) -> Self {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (reference, None),
        };
        // A colon before the last slash is that of a port.
        let tag = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let (repository, tag) = match tag {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (name, None),
        };
        Self {
            repository: repository.to_owned(),
            tag,
            digest,
        }
    }

    /// The same repository's image of this tag and digest: what it means never changes.
    #[must_use]
    pub fn pinned(&self, tag: &str, digest: &str) -> String {
        format!("{}:{tag}@{digest}", self.repository)
    }

    /// The same repository's tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart_and_together() {
        for (text, repository, tag, digest) in [
            ("shop:1", "shop", Some("1"), None),
            (
                "127.0.0.1:5000/team/shop",
                "127.0.0.1:5000/team/shop",
                None,
                None,
            ),
            (
                "127.0.0.1:5000/shop:1.2",
                "127.0.0.1:5000/shop",
                Some("1.2"),
                None,
            ),
            (
                "a.example/shop:1@sha256:ab",
                "a.example/shop",
                Some("1"),
                Some("sha256:ab"),
            ),
            (
                "a.example/shop@sha256:ab",
                "a.example/shop",
                None,
                Some("sha256:ab"),
            ),
        ] {
            let image = Image::read(text);
            let parts = (
                image.repository.as_str(),
                image.tag.as_deref(),
                image.digest.as_deref(),
            );
            assert_eq!(parts, (repository, tag, digest), "{text}");
        }
        let image = Image::read("127.0.0.1:5000/shop:1.2");
        assert_eq!(
            image.pinned("1.3", "sha256:cd"),
            "127.0.0.1:5000/shop:1.3@sha256:cd"
        );
    }
}
