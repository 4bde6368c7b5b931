//! How long pages take on the server with 1,000 services, through the gate and its policies, over
//! in-memory ports. `cargo bench -p ostler-console`; measured figures are in `docs/console.md`.

#[path = "../tests/house/mod.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod house;

use std::sync::OnceLock;

use divan::Bencher;
use house::{Guest, House, admin};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

struct Town {
    runtime: Runtime,
    guest: Guest,
    _house: House,
}

/// A thousand services with two instances each.
fn town() -> &'static Town {
    static TOWN: OnceLock<Town> = OnceLock::new();
    TOWN.get_or_init(|| {
        #[expect(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]
        let runtime = Runtime::new().unwrap();
        let (house, guest) = runtime.block_on(async {
            let house = House::open().await;
            house.crowd(1_000, 2).await;
            let guest = house.sign_in(&admin()).await;
            (house, guest)
        });
        Town {
            runtime,
            guest,
            _house: house,
        }
    })
}

#[divan::bench(args = ["/", "/services", "/instances", "/graph", "/services/shop/svc-10"])]
fn page(bencher: Bencher<'_, '_>, path: &str) {
    let town = town();
    bencher.bench_local(|| {
        let seen = town.runtime.block_on(town.guest.get(path));
        assert!(seen.status.is_success(), "{}", seen.body);
        seen.body.len()
    });
}
