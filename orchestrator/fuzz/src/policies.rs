//! Policies of one's own, as people put them in force. What loads can be asked and looked through.

use std::sync::OnceLock;

use ostler_policies::{Action, Bundle, Engine, Source, Who};

fn actions() -> &'static [Action] {
    static ACTIONS: OnceLock<Vec<Action>> = OnceLock::new();
    ACTIONS.get_or_init(|| ostler_gate::actions(ostler_tools::catalogue::ALL))
}

/// Loads one input as a file beside the shipped ones.
pub fn try_one(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    let own = Source {
        name: "own.cedar".to_owned(),
        text: text.to_owned(),
    };
    let Ok(engine) = Engine::load(&Bundle::new(vec![own]), actions()) else {
        return;
    };
    let _said = engine.lint();
    let operator = Who::User {
        name: "ann".to_owned(),
        roles: vec!["operator".to_owned()],
    };
    for action in actions() {
        let _may = engine.could(&operator, &action.name);
    }
}
