//! Images that nobody else names.

use std::collections::BTreeMap;

use super::{Notes, list};
use crate::knowledge::view::View;
use crate::picture::Kind;

/// So many services must have their images from one place before it says what is usual there.
const USUAL: usize = 3;

/// `images.version_alone`: an image whose version nobody else names, from a place where all others are
/// of one version.
pub fn derive(view: &View, notes: &mut Notes) {
    let mut places: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for id in view.of_kind(Kind::Service) {
        for image in list(view.value(id, "images")) {
            if let Some((place, version)) = image.as_str().and_then(place_and_version) {
                places.entry(place).or_default().push((id, version));
            }
        }
    }
    for images in places.into_values() {
        for (id, version) in &images {
            let mut others = images.iter().filter(|(other, _)| other != id);
            let usual = others.next().map(|(_, version)| *version);
            let agree = others.clone().count() + 1 >= USUAL
                && others.all(|(_, version)| Some(*version) == usual);
            if agree && usual != Some(*version) {
                notes.note(id, "images.version_alone", *version, "images");
            }
        }
    }
}

/// `registry/path/name:version` is from `registry/path`; of one without a path nothing is known.
fn place_and_version(image: &str) -> Option<(&str, &str)> {
    let (place, rest) = image.rsplit_once('/')?;
    let (_, version) = rest.split_once(':')?;
    Some((place, version))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::picture::{Object, Picture};

    #[test]
    fn a_version_that_nobody_else_names_stands_alone() {
        let images = [
            "r/p/a:v1", "r/p/b:v1", "r/p/c:v2", "r/p/d:v1", "mysql:8", "r/q/e:v3",
        ];
        let object = |image: &&str| {
            let facts = [("images".to_owned(), json!([image]))];
            let object = Object {
                kind: Kind::Service,
                facts: facts.into_iter().collect(),
            };
            ((*image).to_owned(), object)
        };
        let picture = Picture {
            objects: images.iter().map(object).collect(),
            ..Picture::default()
        };
        let view = View::of(&picture);
        let alone = images.map(|id| view.value(id, "images.version_alone").is_some());
        assert_eq!(alone, [false, false, true, false, false, false]);
    }
}
