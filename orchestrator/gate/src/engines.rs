//! Which policies are in force: those of the intent, or where it has none the shipped ones. So whoever decides on
//! a state decides by that state's policies, and putting others in force is a change like any other.

use std::sync::{Arc, Mutex, PoisonError};

use ostler_core::law::{Law, Policies};
use ostler_policies::{Action, Bundle, Engine, Source, Who};

/// How many loaded bundles are remembered: that of the state, and those that are only decided or asked about.
const REMEMBERED: usize = 4;
/// How a problem with the policies in force begins.
pub const UNLOADED: &str = "the policies in force do not load with this version";
/// The file that always is the shipped one: what nobody can be given.
const INVARIANTS: &str = "invariants.cedar";

type Loaded = Result<Arc<Engine>, String>;

/// Loads policies, once each.
pub(crate) struct Engines {
    shipped: Arc<Engine>,
    actions: Vec<Action>,
    loaded: Mutex<Vec<(Policies, Loaded)>>,
}

impl Engines {
    pub(crate) fn new(shipped: Arc<Engine>, actions: Vec<Action>) -> Self {
        Self {
            shipped,
            actions,
            loaded: Mutex::default(),
        }
    }

    /// The policies that decide. Where those that people put in force do not load (with another version they
    /// may not), everything but looking is denied, and an admin may put others in force.
    pub(crate) fn of(&self, law: &Law) -> Arc<Engine> {
        let Some(policies) = &law.policies else {
            return Arc::clone(&self.shipped);
        };
        match self.own(policies) {
            Ok(engine) => engine,
            Err(problem) => {
                tracing::error!(problem, "the policies in force do not load");
                self.closed()
            }
        }
    }

    /// Whether the policies of a law load.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(crate) fn loads(&self, law: &Law) -> Result<(), String> {
        match &law.policies {
            None => Ok(()),
            Some(policies) => self.own(policies).map(drop),
        }
    }

    fn own(&self, policies: &Policies) -> Loaded {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let known = (loaded.iter()).find(|(of, _)| Arc::ptr_eq(of, policies) || of == policies);
        if let Some((_, engine)) = known {
            return engine.clone();
        }
        let engine = self.load(policies);
        if loaded.len() >= REMEMBERED {
            drop(loaded.remove(0));
        }
        loaded.push((Arc::clone(policies), engine.clone()));
        engine
    }

    fn load(&self, policies: &Policies) -> Loaded {
        let shipped = self.shipped.files().iter();
        let fixed: Vec<Source> = shipped
            .filter(|file| file.name == INVARIANTS)
            .cloned()
            .collect();
        if let (Some(given), [fixed]) = (policies.get(INVARIANTS), fixed.as_slice())
            && *given != fixed.text
        {
            return Err(format!(
                "`{INVARIANTS}` says what nobody can be given; it is part of Ostler and cannot be changed. Leave it out"
            ));
        }
        let own = policies.iter().filter(|(name, _)| *name != INVARIANTS);
        let own = own.map(|(name, text)| Source {
            name: name.clone(),
            text: text.clone(),
        });
        let bundle = Bundle::new(own.chain(fixed).collect());
        let engine = Engine::load(&bundle, &self.actions).map_err(|error| error.to_string())?;
        let admin = Who::User {
            name: "anybody".to_owned(),
            roles: vec!["admin".to_owned()],
        };
        if !engine.could(&admin, "put_policies") {
            return Err(
                "no admin could ever put other policies in force again, so these are not; permit \
                 `put_policies` to `Role::\"admin\"`"
                    .to_owned(),
            );
        }
        Ok(Arc::new(engine))
    }

    /// What is left where nothing loads.
    fn closed(&self) -> Arc<Engine> {
        let engine = Engine::load(&Bundle::closed(), &self.actions);
        // It is tested with the catalogue; should it not load either, the shipped policies are stricter than none.
        engine.map_or_else(|_| Arc::clone(&self.shipped), Arc::new)
    }
}
