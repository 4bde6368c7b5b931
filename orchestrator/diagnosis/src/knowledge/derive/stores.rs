//! Who keeps data for others.

use serde_json::Value;

use super::{Notes, list};
use crate::knowledge::view::View;
use crate::picture::Kind;

/// Ports at which databases, caches and brokers listen by custom (IANA service names registry).
const PORTS: &[u64] = &[
    1433, 1521, 2379, 3306, 5432, 5672, 5984, 6379, 9042, 9092, 9200, 11211, 26257, 27017,
];
/// Words in the names of their images.
const IMAGES: &[&str] = &[
    "mysql",
    "mariadb",
    "percona",
    "postgres",
    "mongo",
    "redis",
    "valkey",
    "memcached",
    "cassandra",
    "etcd",
    "rabbitmq",
    "kafka",
    "cockroach",
    "elasticsearch",
    "opensearch",
    "clickhouse",
];

/// `stores_data`.
pub fn derive(view: &View, notes: &mut Notes) {
    for id in view.of_kind(Kind::Service) {
        let image = |image: &Value| {
            let image = image.as_str().unwrap_or_default();
            IMAGES.iter().any(|word| image.contains(word))
        };
        let port = |port: &Value| {
            port.get("port")
                .and_then(Value::as_u64)
                .is_some_and(|port| PORTS.contains(&port))
        };
        if list(view.value(id, "images")).iter().any(image) {
            notes.note(id, "stores_data", true, "images");
        } else if list(view.value(id, "service.ports")).iter().any(port) {
            notes.note(id, "stores_data", true, "service.ports");
        } else if list(view.value(id, "container.ports")).iter().any(port) {
            notes.note(id, "stores_data", true, "container.ports");
        } else if let Some(place) = started(view, id) {
            notes.note_from(id, "stores_data", true, format!("events/{place}"));
        }
    }
}

/// The event that says that one of its instances runs such an image.
fn started(view: &View, id: &str) -> Option<usize> {
    let mut events = view
        .with_parts(id)
        .into_iter()
        .flat_map(|part| view.events(part));
    let image =
        |words: &str| words.contains("image") && IMAGES.iter().any(|word| words.contains(word));
    let found = events.find(|(_, event)| event.reason == "Pulled" && image(&event.message));
    found.map(|(place, _)| place)
}
