//! Changes of what people rule, each answering with its inverse.

use super::{Change, Refused};
use crate::{
    id::FreezeName,
    law::{BYTES, FILES, FREEZES, Freeze, Glass, Law, Policies},
};

/// Applies what is a change of the law; anything else leaves it as it is.
pub(super) fn set(law: &mut Law, change: &Change) -> Result<Option<Change>, Refused> {
    match change {
        Change::SetFreeze { name, freeze } => set_freeze(law, name, freeze.as_deref()).map(Some),
        Change::SetGlass { person, glass } => set_glass(law, person, glass.as_ref()),
        Change::SetPolicies { policies } => set_policies(law, policies.as_ref()).map(Some),
        _ => Ok(None),
    }
}

/// A freeze begins, is another, or is lifted.
fn set_freeze(
    law: &mut Law,
    name: &FreezeName,
    freeze: Option<&Freeze>,
) -> Result<Change, Refused> {
    let before = match freeze {
        Some(freeze) => law.freezes.insert(name.clone(), freeze.clone()),
        None => Some(law.freezes.remove(name).ok_or_else(|| {
            let known: Vec<&str> = law.freezes.keys().map(FreezeName::as_str).collect();
            Refused::NotInForce(format!(
                "there is no freeze `{name}`; freezes that were called are: {}. Those of the \
                 configuration file are lifted there",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ))
        })?),
    };
    limited("freezes", law.freezes.len(), FREEZES)?;
    Ok(Change::SetFreeze {
        name: name.clone(),
        freeze: before.map(Box::new),
    })
}

/// An emergency begins or ends. What ended is not begun anew by an undo.
fn set_glass(
    law: &mut Law,
    person: &str,
    glass: Option<&Glass>,
) -> Result<Option<Change>, Refused> {
    let Some(glass) = glass else {
        return match law.glass.remove(person) {
            Some(_) => Ok(None),
            None => Err(Refused::NotInForce(format!(
                "{person} declared no emergency"
            ))),
        };
    };
    law.glass.insert(person.to_owned(), glass.clone());
    // Also where there was one before: what an undo brings back is never an emergency.
    Ok(Some(Change::SetGlass {
        person: person.to_owned(),
        glass: None,
    }))
}

/// Other policies are in force.
fn set_policies(law: &mut Law, policies: Option<&Policies>) -> Result<Change, Refused> {
    if let Some(policies) = policies {
        limited("files of policies", policies.len(), FILES)?;
        let bytes = policies.values().map(String::len).sum();
        limited("bytes of policies", bytes, BYTES)?;
    }
    let before = std::mem::replace(&mut law.policies, policies.cloned());
    Ok(Change::SetPolicies { policies: before })
}

fn limited(what: &'static str, found: usize, limit: usize) -> Result<(), Refused> {
    if found > limit {
        return Err(Refused::TooMuchLaw { what, found, limit });
    }
    Ok(())
}
