//! A picture with what follows from it, found by object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cause::Who;
use super::compare::lookup;
use super::derive;
use crate::finding::Evidence;
use crate::picture::{Event, How, Kind, Log, Picture};

/// A value that was not seen but follows, and the entry of the picture it follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// What follows.
    pub value: Value,
    /// From which entry of the picture.
    pub from: String,
}

/// Derived facts by object and name.
pub type DerivedFacts = BTreeMap<String, BTreeMap<String, Derived>>;

/// A picture, indexed.
pub struct View<'p> {
    /// What was seen.
    pub picture: &'p Picture,
    derived: DerivedFacts,
    outgoing: BTreeMap<&'p str, Vec<(How, &'p str)>>,
    incoming: BTreeMap<&'p str, Vec<(How, &'p str)>>,
    events: BTreeMap<&'p str, Vec<usize>>,
    logs: BTreeMap<&'p str, Vec<usize>>,
}

impl<'p> View<'p> {
    /// Indexes a picture and derives what follows from it.
    pub fn of(picture: &'p Picture) -> Self {
        let mut view = Self {
            picture,
            derived: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            events: index(picture.events.iter().map(|event| event.object.as_str())),
            logs: index(picture.logs.iter().map(|log| log.object.as_str())),
        };
        for edge in &picture.edges {
            view.outgoing
                .entry(&edge.from)
                .or_default()
                .push((edge.how, &edge.to));
            view.incoming
                .entry(&edge.to)
                .or_default()
                .push((edge.how, &edge.from));
        }
        view.derived = derive::unseen(&view);
        for (object, facts) in derive::all(&view) {
            view.derived.entry(object).or_default().extend(facts);
        }
        view
    }

    /// A fact of an object and the entry that shows it: seen, or derived.
    pub fn fact(&self, object: &str, name: &str) -> Option<(&Value, String)> {
        let facts = &self.picture.objects.get(object)?.facts;
        if let Some(value) = lookup(facts, name) {
            return Some((value, format!("objects/{object}/facts/{name}")));
        }
        let derived = self.derived.get(object)?.get(name)?;
        Some((&derived.value, derived.from.clone()))
    }

    /// A fact's value.
    pub fn value(&self, object: &str, name: &str) -> Option<&Value> {
        self.fact(object, name).map(|(value, _)| value)
    }

    /// A fact's number.
    pub fn number(&self, object: &str, name: &str) -> Option<f64> {
        self.value(object, name)?.as_f64()
    }

    /// What kind an object is.
    pub fn kind(&self, object: &str) -> Option<Kind> {
        self.picture.objects.get(object).map(|object| object.kind)
    }

    /// Ids of every object of a kind, in order.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'p str> {
        let objects = self.picture.objects.iter();
        objects
            .filter(move |(_, object)| object.kind == kind)
            .map(|(id, _)| id.as_str())
    }

    /// Events of an object, with their place in the picture.
    pub fn events(&self, object: &str) -> impl Iterator<Item = (usize, &'p Event)> {
        let picture = self.picture;
        let places = self.events.get(object).into_iter().flatten();
        places.filter_map(move |place| Some((*place, picture.events.get(*place)?)))
    }

    /// Lines of an object, with their place in the picture.
    pub fn logs(&self, object: &str) -> impl Iterator<Item = (usize, &'p Log)> {
        let picture = self.picture;
        let places = self.logs.get(object).into_iter().flatten();
        places.filter_map(move |place| Some((*place, picture.logs.get(*place)?)))
    }

    /// An object and its parts.
    pub fn with_parts(&self, object: &str) -> Vec<&'p str> {
        let own = self
            .picture
            .objects
            .get_key_value(object)
            .map(|(id, _)| id.as_str());
        own.into_iter()
            .chain(self.near(object, Who::Parts))
            .collect()
    }

    /// Neighbours of an object, each once.
    pub fn near(&self, object: &str, who: Who) -> BTreeSet<&'p str> {
        match who {
            Who::Callers => self.sources(object, How::Calls),
            Who::Callees => self.targets(object, How::Calls),
            Who::Parts => self.sources(object, How::PartOf),
            Who::Whole => self.targets(object, How::PartOf),
            Who::Guests => self.sources(object, How::RunsOn),
            Who::Uses => self.targets(object, How::Uses),
            Who::Users => self.sources(object, How::Uses),
            Who::Hosts => {
                let mut hosts = self.targets(object, How::RunsOn);
                for part in self.near(object, Who::Parts) {
                    hosts.extend(self.targets(part, How::RunsOn));
                }
                hosts
            }
            Who::Everything => {
                let all = self.picture.objects.keys().map(String::as_str);
                all.filter(|other| *other != object).collect()
            }
            Who::Siblings => {
                let kind = self.kind(object);
                let siblings = kind.into_iter().flat_map(|kind| self.of_kind(kind));
                siblings.filter(|sibling| *sibling != object).collect()
            }
        }
    }

    /// Everything that an object leans on, however far: whom it calls, uses, runs on, is a part of.
    pub fn leans_on(&self, object: &str) -> BTreeSet<&'p str> {
        let beyond = |at: &str| -> Vec<&'p str> {
            let to = self
                .outgoing
                .get(at)
                .into_iter()
                .flatten()
                .map(|(_, to)| *to);
            to.chain(self.near(at, Who::Hosts)).collect()
        };
        let mut reached = BTreeSet::new();
        let mut next = beyond(object);
        while let Some(at) = next.pop() {
            if reached.insert(at) {
                next.extend(beyond(at));
            }
        }
        reached
    }

    /// True when an object cannot do its work, as far as its state says.
    pub fn in_distress(&self, object: &str) -> bool {
        self.value(object, "distress")
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// What shows that an object does not work by its own state; what monitoring says of it counts not.
    pub fn down(&self, object: &str) -> Option<Evidence> {
        let (value, from) = self.fact(object, "distress")?;
        let down = value.as_bool() == Some(true) && from.starts_with("objects/");
        let shows = format!("{object} does not work");
        down.then_some(Evidence { from, shows })
    }

    /// True when monitoring said of anything that it is not as usual.
    pub fn anybody_alerted(&self) -> bool {
        self.picture
            .events
            .iter()
            .any(|event| derive::ALERTS.contains(&event.reason.as_str()))
    }

    /// True when anything cannot do its work.
    pub fn anybody_in_distress(&self) -> bool {
        self.picture
            .objects
            .keys()
            .any(|object| self.in_distress(object))
    }

    fn sources(&self, object: &str, how: How) -> BTreeSet<&'p str> {
        picked(self.incoming.get(object), how)
    }

    fn targets(&self, object: &str, how: How) -> BTreeSet<&'p str> {
        picked(self.outgoing.get(object), how)
    }
}

fn picked<'p>(edges: Option<&Vec<(How, &'p str)>>, how: How) -> BTreeSet<&'p str> {
    let edges = edges.into_iter().flatten();
    edges
        .filter(|(other, _)| *other == how)
        .map(|(_, id)| *id)
        .collect()
}

fn index<'p>(owners: impl Iterator<Item = &'p str>) -> BTreeMap<&'p str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, owner) in owners.enumerate() {
        places.entry(owner).or_default().push(place);
    }
    places
}
