//! Whether a gateway's routes lead where their names say.

use super::words::plain;
use super::{Notes, list, text};
use crate::knowledge::view::View;
use crate::picture::Kind;

/// `route.astray` on the service that a route is named after but does not lead to.
pub fn derive(view: &View, notes: &mut Notes) {
    let services: Vec<(&str, String)> = view
        .of_kind(Kind::Service)
        .map(|id| (id, plain(short(id))))
        .collect();
    for gateway in view.of_kind(Kind::Service) {
        for route in list(view.value(gateway, "routes")) {
            let name = plain(text(route, "id"));
            let to = plain(text(route, "to"));
            let owner = services
                .iter()
                .filter(|(_, service)| !name.is_empty() && service.contains(&name))
                .min_by_key(|(_, service)| service.len());
            // A name that is nobody's is astray even where it resembles the right one.
            let nobody = services.iter().all(|(_, service)| *service != to);
            if let Some((owner, _)) = owner.filter(|_| nobody || !to.contains(&name)) {
                let from = format!("objects/{gateway}/facts/routes");
                notes.note_from(owner, "route.astray", text(route, "to"), from);
            }
        }
    }
}

fn short(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
