//! An existing Prometheus as a source: instant queries over its HTTP API, one number a query.
//!
//! Only what the operator's configuration names is asked, never an address out of a manifest; the
//! query itself may come from one and is sent as data.

use std::{net::SocketAddr, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::http::{self, GetError};

/// Largest answer read, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where a Prometheus listens: `http://host:port` with an optional path in front of its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    host: String,
    port: u16,
    prefix: String,
}

/// Why a query brought no number.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Its name leads nowhere.
    #[error("cannot resolve `{host}`: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// It does not answer.
    #[error(transparent)]
    Get(#[from] GetError),
    /// It answers, but with an error; its own words, capped.
    #[error("Prometheus refused the query: {0}")]
    Refused(String),
    /// The answer is not what its API promises.
    #[error("the answer is not one of Prometheus' API: {0}")]
    Shape(String),
    /// More than one series: a sum was meant.
    #[error("the query brought {0} series; write one that brings one, such as `sum(…)`")]
    Many(usize),
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Member>),
    Scalar((f64, String)),
    Matrix(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Member {
    value: (f64, String),
}

impl Prometheus {
    /// Reads an address.
    ///
    /// # Errors
    /// In words, when it is not `http://host[:port][/path]`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shown: String = url.chars().take(120).collect();
        let refuse = || {
            format!(
                "`{shown}` is not accepted: write `http://host:port`, such as `http://127.0.0.1:9090`"
            )
        };
        let uri: hyper::Uri = url.parse().map_err(|_| refuse())?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(refuse)?;
        let plain = uri.scheme_str() == Some("http") && uri.query().is_none();
        if !plain
            || uri
                .authority()
                .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(refuse());
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(9090),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The number that a query brings now; `None` where it brings nothing, or not a number.
    ///
    /// # Errors
    /// [`QueryError`] in words.
    pub async fn ask(&self, query: &str) -> Result<Option<f64>, QueryError> {
        let address = self.resolve().await?;
        let path = format!(
            "{}/api/v1/query?query={}",
            self.prefix,
            utf8_percent_encode(query, NON_ALPHANUMERIC)
        );
        let reply = http::get(address, &path, TIMEOUT, ANSWER_LIMIT).await?;
        let answer: Answer = serde_json::from_slice(&reply.body)
            .map_err(|error| QueryError::Shape(error.to_string()))?;
        if answer.status != "success" {
            let words: String = answer.error.unwrap_or_default();
            return Err(QueryError::Refused(words.chars().take(300).collect()));
        }
        number(answer.data)
    }

    async fn resolve(&self) -> Result<SocketAddr, QueryError> {
        let refuse = |source| QueryError::Resolve {
            host: self.host.clone(),
            source,
        };
        let mut found = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(refuse)?;
        found
            .next()
            .ok_or_else(|| refuse(std::io::ErrorKind::NotFound.into()))
    }
}

fn number(data: Option<Data>) -> Result<Option<f64>, QueryError> {
    let text = match data {
        Some(Data::Scalar((_, text))) => text,
        Some(Data::Vector(members)) => match members.as_slice() {
            [] => return Ok(None),
            [one] => one.value.1.clone(),
            more => return Err(QueryError::Many(more.len())),
        },
        Some(Data::Matrix(_) | Data::String(_)) => {
            return Err(QueryError::Shape(
                "neither a vector nor a scalar".to_owned(),
            ));
        }
        None => return Err(QueryError::Shape("no data".to_owned())),
    };
    let value: f64 = text
        .parse()
        .map_err(|_| QueryError::Shape("a value that is no number".to_owned()))?;
    Ok(value.is_finite().then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<f64>, QueryError> {
        number(serde_json::from_str::<Answer>(text).unwrap().data)
    }

    #[test]
    fn answers_are_one_number_or_none() {
        let vector = |result: &str| {
            read(&format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#
            ))
        };
        let one = r#"{"metric":{},"value":[1795000000.1,"12.5"]}"#;
        assert_eq!(vector(&format!("[{one}]")).unwrap(), Some(12.5));
        assert_eq!(vector("[]").unwrap(), None);
        assert_eq!(
            vector(r#"[{"metric":{},"value":[1,"NaN"]}]"#).unwrap(),
            None
        );
        assert_eq!(
            vector(r#"[{"metric":{},"value":[1,"+Inf"]}]"#).unwrap(),
            None
        );
        assert!(matches!(
            vector(&format!("[{one},{one}]")),
            Err(QueryError::Many(2))
        ));
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
        assert_eq!(read(scalar).unwrap(), Some(3.0));
    }

    #[test]
    fn only_plain_addresses_are_accepted() {
        assert!(Prometheus::parse("http://127.0.0.1:9090").is_ok());
        assert!(Prometheus::parse("http://[::1]:9090/prom/").is_ok());
        for bad in [
            "",
            "ftp://x",
            "https://x",
            "http://",
            "http://a:b@x",
            "http://x?y",
            "x:9090",
        ] {
            assert!(Prometheus::parse(bad).is_err(), "{bad}");
        }
    }
}
