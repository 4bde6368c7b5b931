//! A cause as it is written down: what it blames, what shows it, what helps.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::picture::{Kind, Measure};

/// One cause of trouble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Unique, `snake_case`.
    pub id: String,
    /// What kind of object is at fault.
    pub blames: Kind,
    /// For people: what is the case, of the object that is named before it.
    pub says: String,
    /// What must hold of the object.
    pub when: Test,
    /// What makes it likelier, without being needed.
    #[serde(default)]
    pub likelier: Vec<Test>,
    /// From 0 to 1: how surely `when` means this cause.
    pub strength: f64,
    /// Other traces that the same mechanism leaves: they show it where `when` was not seen, less surely.
    #[serde(default)]
    pub less_surely: Vec<LessSurely>,
    /// True for what is rather seen than the reason: it gives way to any cause that explains it.
    #[serde(default)]
    pub effect: bool,
    /// Causes of the same object that this one makes moot.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// Safe actions in general terms, best first.
    #[serde(default)]
    pub remedies: Vec<String>,
}

/// Another way in which a cause shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LessSurely {
    /// What must hold of the object.
    pub when: Test,
    /// From 0 to the cause's own strength: how surely that means this cause.
    pub strength: f64,
}

/// Something that holds of an object or does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Each of these.
    All(Vec<Test>),
    /// One of these.
    Any(Vec<Test>),
    /// Not this.
    Not(Box<Test>),
    /// Something of its state, or of one of its parts.
    Fact(Box<FactTest>),
    /// Something that happened to it, or to one of its parts.
    Event(EventTest),
    /// Something that it wrote, or one of its parts.
    Log(LogTest),
    /// How a number over time changed when trouble was noticed.
    Signal(SignalTest),
    /// What was changed of it.
    Change(ChangeTest),
    /// Something of its neighbours.
    Near(NearTest),
}

/// Compares a fact. Every field but the name is a demand; without one, the fact must be there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FactTest {
    /// Its name; dots lead into it.
    pub name: String,
    /// It is this.
    pub equals: Option<Value>,
    /// It is there and not this.
    pub differs: Option<Value>,
    /// It is one of these.
    pub one_of: Option<Vec<Value>>,
    /// It is a number above this one.
    pub above: Option<f64>,
    /// It is a number below this one.
    pub below: Option<f64>,
    /// It is a number above that of another fact of the same object.
    pub above_fact: Option<String>,
    /// It is the same as another fact of the same object.
    pub same_as: Option<String>,
    /// It is a text, or a list or an object with a text, that this pattern finds.
    pub matches: Option<String>,
    /// Only this object, not its parts.
    pub own: bool,
}

/// Finds an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventTest {
    /// A pattern that finds something in the event's reason.
    pub reason: Option<String>,
    /// A pattern that finds something in its words.
    pub message: Option<String>,
    /// At least so often, over all events that match.
    pub times: u64,
}

/// Finds a line that was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogTest {
    /// A pattern that finds something in the line.
    pub line: String,
    /// At least so often, over all lines that match.
    pub times: u64,
}

/// Compares a number over time before and after trouble was noticed, by medians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalTest {
    /// What is measured.
    pub measure: Measure,
    /// A pattern that finds something in the signal's name.
    #[serde(default)]
    pub name: Option<String>,
    /// At least so many times what it was, and beyond its noise.
    #[serde(default)]
    pub risen: Option<f64>,
    /// At most this share of what it was, and beyond its noise.
    #[serde(default)]
    pub fallen: Option<f64>,
    /// Its level after is above this.
    #[serde(default)]
    pub above: Option<f64>,
    /// At least so many times the same signal's rise at every other object of its kind.
    #[serde(default)]
    pub stands_out: Option<f64>,
}

/// Finds a change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeTest {
    /// A pattern that finds something in what was changed.
    pub what: Option<String>,
}

/// Looks at neighbours. Without a test, there must be one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearTest {
    /// Which ones.
    pub who: Who,
    /// What must hold of them.
    #[serde(default)]
    pub test: Option<Box<Test>>,
    /// How many of them.
    #[serde(default)]
    pub how_many: HowMany,
    /// At least so many, where `how_many` is `any`.
    #[serde(default)]
    pub at_least: usize,
}

/// Which neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Who sends it requests.
    Callers,
    /// To whom it sends requests.
    Callees,
    /// Its instances, or what else is a part of it.
    Parts,
    /// What it is a part of.
    Whole,
    /// What it runs on, or its parts do.
    Hosts,
    /// What runs on it.
    Guests,
    /// What it mounts or reads.
    Uses,
    /// Who mounts or reads it.
    Users,
    /// Everything else of its kind.
    Siblings,
    /// Everything else.
    Everything,
}

/// How many neighbours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowMany {
    /// One is enough.
    #[default]
    Any,
    /// Every one, and there is one.
    All,
    /// Not a single one.
    None,
}
