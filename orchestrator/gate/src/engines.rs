//! Which policies are in force: those of the intent, or where it has none the shipped ones. So whoever decides on
//! a state decides by that state's policies, and putting others in force is a change like any other.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use ostler_core::{
    law::{Law, Policies},
    time::Time,
};
use ostler_policies::{Action, Bundle, Engine, Facts, Request, Source, Verdict, Who};

/// How many loaded bundles are remembered: that of the state, and those that are only decided about.
const REMEMBERED: usize = 4;
/// How a problem with the policies in force begins.
pub const UNLOADED: &str = "the policies in force do not load with this version";
/// The file that always is the shipped one: what nobody can be given.
const INVARIANTS: &str = "invariants.cedar";
/// Hours of a week: policies may speak of them.
const WEEK: u64 = 7 * 24;

type Loaded = Result<Arc<Engine>, String>;

/// Loads policies, once each.
pub(crate) struct Engines {
    shipped: Arc<Engine>,
    actions: Vec<Action>,
    /// The last asked for at the end.
    loaded: Mutex<Vec<(Policies, Loaded)>>,
    closed: OnceLock<Arc<Engine>>,
}

impl Engines {
    pub(crate) fn new(shipped: Arc<Engine>, actions: Vec<Action>) -> Self {
        Self {
            shipped,
            actions,
            loaded: Mutex::default(),
            closed: OnceLock::new(),
        }
    }

    /// The policies that decide. Where those that people put in force do not load (with another version they
    /// may not), everything but looking is denied, and an admin may put others in force.
    pub(crate) fn of(&self, law: &Law) -> Arc<Engine> {
        let Some(policies) = &law.policies else {
            return Arc::clone(&self.shipped);
        };
        self.own(policies).unwrap_or_else(|_| self.closed())
    }

    /// What is wrong with the policies in force, where they do not load.
    pub(crate) fn problem(&self, law: &Law) -> Option<String> {
        self.own(law.policies.as_ref()?).err()
    }

    /// Whether policies may be put in force: they load, leave what nobody can be given as it is, and let admins
    /// put others in force again.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(crate) fn acceptable(&self, policies: &Policies) -> Result<(), String> {
        let shipped = self.shipped.files().iter();
        let mut fixed = shipped.filter(|file| file.name == INVARIANTS);
        let given = policies.get(INVARIANTS);
        if given.is_some_and(|given| fixed.any(|fixed| fixed.text != *given)) {
            return Err(format!(
                "`{INVARIANTS}` says what nobody can be given; it is part of Ostler and cannot be changed. Leave it out"
            ));
        }
        leads_back(&*self.own(policies)?)
    }

    fn own(&self, policies: &Policies) -> Loaded {
        if let Some(engine) = self.known(policies) {
            return engine;
        }
        // Nobody waits for this but who asks.
        let engine = self.load(policies);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= REMEMBERED {
            drop(loaded.remove(0));
        }
        loaded.push((Arc::clone(policies), engine.clone()));
        engine
    }

    fn known(&self, policies: &Policies) -> Option<Loaded> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(of, _): &(Policies, Loaded)| Arc::ptr_eq(of, policies) || of == policies;
        let at = loaded.iter().position(same)?;
        let found = loaded.remove(at);
        let engine = found.1.clone();
        loaded.push(found);
        Some(engine)
    }

    fn load(&self, policies: &Policies) -> Loaded {
        let shipped = self.shipped.files().iter();
        let fixed = shipped.filter(|file| file.name == INVARIANTS).cloned();
        // A copy of another version's may be among them: it says nothing.
        let own = policies.iter().filter(|(name, _)| *name != INVARIANTS);
        let own = own.map(|(name, text)| Source {
            name: name.clone(),
            text: text.clone(),
        });
        let bundle = Bundle::new(own.chain(fixed).collect());
        let engine = Engine::load(&bundle, &self.actions).map_err(|error| error.to_string())?;
        Ok(Arc::new(engine))
    }

    /// What is left where nothing loads.
    fn closed(&self) -> Arc<Engine> {
        let load = || {
            tracing::error!("{UNLOADED}: everything but looking is denied");
            let engine = Engine::load(&Bundle::closed(), &self.actions);
            // It is tested with the catalogue; should it not load either, the shipped policies are stricter than none.
            engine.map_or_else(|_| Arc::clone(&self.shipped), Arc::new)
        };
        Arc::clone(self.closed.get_or_init(load))
    }
}

/// Whether an admin can put other policies in force again, at any hour, frozen or not: alone, with another
/// admin's yes where there is one, and that other can say it.
fn leads_back(engine: &Engine) -> Result<(), String> {
    let admin = |second_admin: bool, frozen: bool, hour: u64| Request {
        who: Who::User {
            name: "anybody".to_owned(),
            roles: vec!["admin".to_owned()],
        },
        action: "put_policies".to_owned(),
        services: Vec::new(),
        namespace: None,
        facts: Facts {
            kinds: BTreeSet::from(["put_policies".to_owned()]),
            changes_last_hour: 1_000,
            second_admin,
            frozen,
            ..Facts::default()
        },
        approvals: second_admin
            .then(|| "admin".to_owned())
            .into_iter()
            .collect(),
        now: Time(hour * 3_600_000),
    };
    let approves = |frozen, hour| Request {
        action: "approve".to_owned(),
        facts: Facts {
            second_admin: true,
            frozen,
            ..Facts::default()
        },
        approvals: BTreeSet::new(),
        ..admin(true, frozen, hour)
    };
    let lets = |request: &Request| engine.decide(request).verdict == Verdict::Allow;
    for (hour, frozen) in (0..WEEK).flat_map(|hour| [(hour, false), (hour, true)]) {
        let alone = admin(false, frozen, hour);
        let together = admin(true, frozen, hour);
        if !(lets(&alone) && lets(&together) && lets(&approves(frozen, hour))) {
            return Err(
                "an admin could not always put other policies in force again, so these are not: permit `put_policies` \
                 and `approve` to `Role::\"admin\"`, and forbid neither, at any hour"
                    .to_owned(),
            );
        }
    }
    Ok(())
}
