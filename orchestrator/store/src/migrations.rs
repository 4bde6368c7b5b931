//! The schema's steps, embedded. A step that has landed never changes: its text is its identity.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// Number, name and text of each step, as in `migrations/sqlite`.
const STEPS: [(i64, &str, &str); 7] = [
    (
        1,
        "initial",
        include_str!("../../../migrations/sqlite/0001_initial.sql"),
    ),
    (
        2,
        "audit retention",
        include_str!("../../../migrations/sqlite/0002_audit_retention.sql"),
    ),
    (
        3,
        "captures",
        include_str!("../../../migrations/sqlite/0003_captures.sql"),
    ),
    (
        4,
        "promoted agents",
        include_str!("../../../migrations/sqlite/0004_promoted_agents.sql"),
    ),
    (
        5,
        "law",
        include_str!("../../../migrations/sqlite/0005_law.sql"),
    ),
    (
        6,
        "oldest reader",
        include_str!("../../../migrations/sqlite/0006_oldest_reader.sql"),
    ),
    (
        7,
        "audit keys",
        include_str!("../../../migrations/sqlite/0007_audit_keys.sql"),
    ),
];

/// The schema of this program.
pub const KNOWN: i64 = STEPS.len() as i64;

/// Brings a database up to this version. Steps that this program does not know are left to whoever
/// looked at them first (see `schema`).
pub fn migrator() -> Migrator {
    let step = |(number, name, text): (i64, &'static str, &'static str)| {
        let text = text.into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, text, false)
    };
    let mut all = Migrator::with_migrations(STEPS.into_iter().map(step).collect());
    all.set_ignore_missing(true);
    all
}

#[cfg(test)]
mod tests {
    use super::STEPS;

    #[test]
    fn every_file_of_the_folder_is_a_step() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let name = |(number, name, _): (i64, &str, &str)| {
            format!("{number:04}_{}.sql", name.replace(' ', "_"))
        };
        assert_eq!(files, STEPS.map(name));
    }
}
