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
        let routes = list(view.value(gateway, "routes"));
        let owners: Vec<Option<&(&str, String)>> = routes
            .iter()
            .map(|route| owner(&services, &plain(text(route, "id"))))
            .collect();
        for (route, owned) in routes.iter().zip(&owners) {
            let Some((owner, owner_name)) = owned else {
                continue;
            };
            let to = plain(text(route, "to"));
            // A name that is nobody's is astray even where it resembles the right one.
            let nobody = services.iter().all(|(_, service)| *service != to);
            let unlike = !to.contains(&plain(text(route, "id")));
            // Where it leads to resembles the name too, and has a route of its own.
            let another = *owner_name != to
                && owners
                    .iter()
                    .flatten()
                    .any(|(_, other)| *other == to && other != owner_name);
            if nobody || unlike || another {
                let from = format!("objects/{gateway}/facts/routes");
                notes.note_from(owner, "route.astray", text(route, "to"), from);
            }
        }
    }
}

/// The service that a name is closest to, of those whose names hold it.
fn owner<'s>(services: &'s [(&'s str, String)], name: &str) -> Option<&'s (&'s str, String)> {
    services
        .iter()
        .filter(|(_, service)| !name.is_empty() && service.contains(name))
        .min_by_key(|(_, service)| service.len())
}

fn short(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::picture::{Object, Picture};

    /// The services of which a gateway's route is astray.
    fn astray(routes: Value) -> Vec<String> {
        let names = ["ts-order-service", "ts-order-other-service", "gateway"];
        let object = |name: &str| {
            let facts = (name == "gateway").then(|| ("routes".to_owned(), routes.clone()));
            let object = Object {
                kind: Kind::Service,
                facts: facts.into_iter().collect(),
            };
            (format!("app/{name}"), object)
        };
        let picture = Picture {
            objects: names.into_iter().map(object).collect(),
            ..Picture::default()
        };
        let view = View::of(&picture);
        let all = picture.objects.keys();
        all.filter(|id| view.value(id, "route.astray").is_some())
            .cloned()
            .collect()
    }

    #[test]
    fn a_route_to_a_neighbour_with_a_route_of_its_own_is_astray() {
        let own = json!({ "id": "order-other", "to": "ts-order-other-service" });
        let right = json!({ "id": "order", "to": "ts-order-service" });
        let wrong = json!({ "id": "order", "to": "ts-order-other-service" });
        assert!(astray(json!([own, right])).is_empty());
        assert_eq!(astray(json!([own, wrong])), ["app/ts-order-service"]);
        assert!(astray(json!([wrong])).is_empty());
        let gone = json!({ "id": "order", "to": "ts-orders-service" });
        assert_eq!(astray(json!([gone])), ["app/ts-order-service"]);
    }
}
