//! Whose requests a socket takes: the agent's own mind's, or its shadow's. Both are of one process and
//! have accounts of their own.

use anyhow::Context;
use ostler_core::id::AgentName;
use ostler_planning::shadow_of;

/// One of an agent's minds, by its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seat {
    /// The agent's own.
    Own,
    /// Its shadow's.
    Shadow,
}

impl Seat {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Own, Self::Shadow];

    /// Where an agent is told the socket.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Own => "OSTLER_BROKER",
            Self::Shadow => "OSTLER_BROKER_SHADOW",
        }
    }

    /// The socket's name in the agent's folder.
    pub const fn socket(self) -> &'static str {
        match self {
            Self::Own => "llm.sock",
            Self::Shadow => "shadow.sock",
        }
    }
}

/// Whose mind the broker knows by this name.
pub(super) fn whose(mind: &str) -> anyhow::Result<(AgentName, Seat)> {
    let agent = mind.split_once('.').map_or(mind, |(agent, _)| agent);
    let name = AgentName::new(agent)?;
    if mind == name.as_str() {
        return Ok((name, Seat::Own));
    }
    let known = (mind == shadow_of(&name)).then_some(Seat::Shadow);
    let seat = known.with_context(|| format!("`{mind}` is nobody's mind"))?;
    Ok((name, seat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_is_of_its_agent_and_other_names_are_nobodys() {
        let healer = AgentName::new("healer").unwrap();
        assert_eq!(whose("healer").unwrap(), (healer.clone(), Seat::Own));
        assert_eq!(whose(&shadow_of(&healer)).unwrap(), (healer, Seat::Shadow));
        for nobody in ["healer.ghost", "healer.shadow.shadow", ".shadow", ""] {
            assert!(whose(nobody).is_err(), "{nobody}");
        }
    }
}
