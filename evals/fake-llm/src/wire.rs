//! Bodies that come in pieces: cut anywhere, slow, stuck, or broken off.

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, StreamExt};

/// Bytes of one piece: odd, so that characters, lines and events are split.
const PIECE: usize = 13;

fn pieces(text: &str) -> Vec<Bytes> {
    text.as_bytes()
        .chunks(PIECE)
        .map(Bytes::copy_from_slice)
        .collect()
}

/// In pieces, with a pause between them.
pub(crate) fn in_pieces(text: &str, pause: Duration) -> Body {
    let pieces = stream::iter(pieces(text)).then(move |piece| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, io::Error>(piece)
    });
    Body::from_stream(pieces)
}

/// The beginning, and then nothing ever.
pub(crate) fn stuck(text: &str) -> Body {
    let begin = stream::iter(pieces(text)).map(Ok::<_, io::Error>);
    Body::from_stream(begin.chain(stream::pending()))
}

/// The beginning, and then the connection breaks.
pub(crate) fn broken_off(text: &str) -> Body {
    let broken = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Body::from_stream(stream::iter(pieces(text)).map(Ok).chain(broken))
}
