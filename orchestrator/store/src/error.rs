//! SQLite's errors in the words of the gate's port.

use ostler_gate::ports::StoreError;

/// SQLite's primary result codes (sqlite.org/rescode.html).
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOT_A_DATABASE: i32 = 26;

/// What a failed operation means.
pub(crate) fn failed(operation: &'static str, error: sqlx::Error) -> StoreError {
    let code = match &error {
        sqlx::Error::Database(inner) => inner
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .map(|code| code & 0xff),
        _ => None,
    };
    match code {
        Some(FULL) => StoreError::Full,
        Some(IO) if error.to_string().contains("full") => StoreError::Full,
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt {
            what: "state file",
            detail: error.to_string(),
        },
        _ => StoreError::Failed {
            operation,
            source: Box::new(error),
        },
    }
}

/// A number as SQLite keeps it.
pub(crate) fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| corrupt("number", &value))
}

/// A number as it was kept.
pub(crate) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt("number", &value))
}

/// Something kept that cannot be understood.
pub(crate) fn corrupt(what: &'static str, detail: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what,
        detail: detail.to_string(),
    }
}
