//! How long it takes to look through a mebibyte: of a log, of one with secrets, of what is made to
//! be slow.

use divan::{Bencher, black_box, counter::BytesCount};
use ostler_redact::Redactor;

const SIZE: usize = 1 << 20;
const LOG: &str = concat!(
    "2026-03-01T10:00:00.123Z INFO cart request{method=GET path=/v1/items/42 trace_id=4bf92f3577b34da6a3ce929d0e0e4736}: answered status=200 ms=12\n",
    "{\"level\":\"warn\",\"ts\":1740823200.5,\"msg\":\"retrying\",\"peer\":\"10.88.0.4:5432\",\"attempt\":3,\"error\":\"connection refused\"}\n",
    "time=\"2026-03-01T10:00:01Z\" level=info msg=\"pulled registry.example.com/shop/cart:1.2.3\" digest=sha256:9f86d081884c7d65\n",
    "    at com.example.shop.CartService.load(CartService.java:42) ~[cart-1.2.3.jar!/:1.2.3]\n",
);

fn main() {
    divan::main();
}

fn of(piece: &str) -> String {
    piece
        .repeat(SIZE / piece.len() + 1)
        .chars()
        .take(SIZE)
        .collect()
}

fn look(bencher: Bencher<'_, '_>, text: &str) {
    let redactor = Redactor::default();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| redactor.text(black_box(text)));
}

#[divan::bench]
fn a_log(bencher: Bencher<'_, '_>) {
    look(bencher, &of(LOG));
}

#[divan::bench]
fn a_line(bencher: Bencher<'_, '_>) {
    look(bencher, LOG.lines().next().unwrap_or_default());
}

#[divan::bench]
fn a_log_with_secrets(bencher: Bencher<'_, '_>) {
    let secrets = "user=bob password=hunter2hunter2 url=postgres://a:b4b4b4@db/x Authorization: Bearer abcdef0123456789\n";
    look(bencher, &of(&format!("{LOG}{LOG}{LOG}{LOG}{secrets}")));
}

#[divan::bench(args = ["sk-a-", "AKIA", "a://b:", "password ", "-----BEGIN ", "eyJ."])]
fn made_to_be_slow(bencher: Bencher<'_, '_>, piece: &str) {
    look(bencher, &of(piece));
}
