//! What each role answers.

use std::{io, path::Path};

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    client,
    config::{Role, Settings},
};

/// The stock, as the store keeps it on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    oats: u64,
    saddles: u64,
    sold: u64,
}

/// Answers one request: GET looks, POST buys.
pub async fn answer(settings: &Settings, method: &Method) -> Result<(StatusCode, Value), String> {
    let own = match settings.role {
        Role::Frontend => json!({ "shop": settings.name }),
        Role::Cart => json!({ "items": 2 }),
        Role::Catalog => json!({ "offers": ["oats", "saddles"] }),
        Role::Store | Role::Traffic => return stock(&settings.data, *method == Method::POST),
    };
    let Some(upstream) = &settings.upstream else {
        return Ok((StatusCode::OK, own));
    };
    let (status, body) =
        client::ask(method.clone(), upstream, "/", settings.upstream_timeout).await?;
    if !status.is_success() {
        return Err(format!("{upstream} answered {status}"));
    }
    let below: Value =
        serde_json::from_slice(&body).map_err(|error| format!("{upstream}: {error}"))?;
    let answer = json!({ "service": settings.role.word(), "version": settings.version, "own": own, "below": below });
    Ok((StatusCode::OK, answer))
}

/// Makes sure that the store can read and write its file.
pub fn prepare(settings: &Settings) -> Result<(), String> {
    if settings.role != Role::Store {
        return Ok(());
    }
    std::fs::create_dir_all(&settings.data).map_err(|error| failed(&settings.data, &error))?;
    let stock = read(&settings.data)?;
    write(&settings.data, &stock).map_err(|error| failed(&settings.data, &error))
}

fn stock(data: &Path, buys: bool) -> Result<(StatusCode, Value), String> {
    let mut stock = read(data)?;
    if buys {
        stock.sold = stock.sold.saturating_add(1);
        if let Err(error) = write(data, &stock) {
            let full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            let status = if full {
                StatusCode::INSUFFICIENT_STORAGE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            return Ok((status, json!({ "error": failed(data, &error) })));
        }
    }
    let text = serde_json::to_value(&stock).map_err(|error| error.to_string())?;
    Ok((StatusCode::OK, json!({ "service": "store", "stock": text })))
}

fn read(data: &Path) -> Result<Stock, String> {
    let path = data.join("stock.json");
    match std::fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Stock {
            oats: 900,
            saddles: 12,
            sold: 0,
        }),
        Err(error) => Err(failed(&path, &error)),
    }
}

/// Replaces the file whole: a full disk or a crash leaves the old one.
fn write(data: &Path, stock: &Stock) -> io::Result<()> {
    let fresh = data.join("stock.json.new");
    let bytes = serde_json::to_vec(stock).map_err(io::Error::from)?;
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(fresh, data.join("stock.json"))
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
