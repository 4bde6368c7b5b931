//! What the HTTP door speaks, from its opening to its end: nothing, HTTP on loopback, or TLS.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};

use super::{Prepared, Tls, TlsSettings};

/// See the module.
#[derive(Clone)]
pub enum Spoken {
    /// The door is closed.
    Nothing,
    /// HTTP, on loopback.
    Plain,
    /// HTTP over TLS.
    Tls(Arc<Tls>),
}

impl Spoken {
    /// What an address is opened with. Without TLS it is one of loopback: tokens would travel in the clear.
    ///
    /// # Errors
    /// When other machines can reach it without TLS, or the files of TLS cannot be used.
    pub fn open(
        listen: Option<SocketAddr>,
        settings: Option<&TlsSettings>,
    ) -> anyhow::Result<Self> {
        match (listen, settings) {
            (None, _) => Ok(Self::Nothing),
            (Some(_), Some(tls)) => Ok(Self::Tls(
                Tls::open(tls.clone()).context("cannot open the HTTP door with TLS")?,
            )),
            (Some(listen), None) if listen.ip().is_loopback() => Ok(Self::Plain),
            (Some(listen), None) => bail!(
                "`{listen}` can be reached from other machines, and tokens would travel in the clear: set `tls` in the \
                 file of --config, or listen on loopback, such as --listen 127.0.0.1:{}",
                listen.port()
            ),
        }
    }

    /// Reads what other settings say. What cannot change while the door is open must be as it was.
    ///
    /// # Errors
    /// In words; nothing changed.
    pub fn prepare(&self, settings: Option<&TlsSettings>) -> anyhow::Result<Option<Prepared>> {
        match (self, settings) {
            (Self::Nothing, _) | (Self::Plain, None) => Ok(None),
            (Self::Tls(tls), Some(new)) if tls.is_called(&new.names) => {
                super::prepared(new.clone()).map(Some)
            }
            (Self::Plain | Self::Tls(_), _) => bail!(
                "`tls` may not come, go or have other `names` while the door is open; restart the daemon for that"
            ),
        }
    }

    /// Connections and requests from now on go by this.
    pub fn put(&self, prepared: Option<Prepared>) {
        if let (Self::Tls(tls), Some(prepared)) = (self, prepared) {
            tls.put(prepared);
        }
    }

    /// TLS, where it is spoken.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Nothing | Self::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(names: &str) -> TlsSettings {
        let text = format!("tls: {{certificate: absent.crt, key: absent.key, names: [{names}]}}");
        let read = crate::settings::Settings::parse(&text, std::path::Path::new("/nowhere"));
        read.unwrap().tls.unwrap()
    }

    #[test]
    fn tls_is_there_from_the_start_or_not_at_all() {
        let loopback: SocketAddr = "[::1]:0".parse().unwrap();
        let everywhere: SocketAddr = "[::]:0".parse().unwrap();
        let plain = Spoken::open(Some(loopback), None).unwrap();
        assert!(matches!(plain, Spoken::Plain) && plain.tls().is_none());
        assert!(plain.prepare(None).unwrap().is_none());
        let late = plain.prepare(Some(&settings("a.example"))).err().unwrap();
        assert!(late.to_string().contains("restart"), "{late}");
        let clear = Spoken::open(Some(everywhere), None).err().unwrap();
        assert!(clear.to_string().contains("in the clear"), "{clear}");
        let closed = Spoken::open(None, Some(&settings("a.example"))).unwrap();
        assert!(
            closed
                .prepare(Some(&settings("b.example")))
                .unwrap()
                .is_none()
        );
        let absent = Spoken::open(Some(loopback), Some(&settings("")))
            .err()
            .unwrap();
        assert!(
            format!("{absent:#}").contains("/nowhere/absent.crt"),
            "{absent:#}"
        );
    }
}
