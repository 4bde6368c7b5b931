//! The service network on a real kernel: namespaces, addresses, balancing, published ports, names.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, setns};
use ostler_core::{
    id::{InstanceId, Namespace, ServiceKey},
    observed::ProblemKind,
    spec::Protocol,
};
use ostler_runtime::{
    backend::{Route, RoutePort, RouteTable},
    network::{Network, NetworkConfig, unused_port},
};

const PORT: u16 = 8080;

/// A network of its own for one test, and what it needs to clean up when the test fails.
struct Fixture {
    network: Network,
    config: NetworkConfig,
    _dir: tempfile::TempDir,
}

impl Fixture {
    /// `third` keeps the subnets of tests that run at the same time apart.
    async fn new(test: &str, third: u8) -> Option<Self> {
        let has_nft = std::process::Command::new("nft")
            .arg("--version")
            .output()
            .is_ok();
        if !nix::unistd::geteuid().is_root() || !has_nft {
            eprintln!("SKIPPED {test}: the network needs root and nftables");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = NetworkConfig {
            state_root: dir.path().join("network"),
            bridge: format!("ovt{}x{third}", std::process::id() % 100_000),
            subnet: (Ipv4Addr::new(10, 213, third, 0), 24),
        };
        let network = Network::open(config.clone()).await.unwrap();
        Some(Self {
            network,
            config,
            _dir: dir,
        })
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let network = self.network.clone();
        let closed = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(network.close())
        });
        let closed = closed.join();
        if !thread::panicking() {
            // A second close has only missing files to complain about.
            let _ = closed.unwrap();
            assert!(
                !Path::new("/sys/class/net")
                    .join(&self.config.bridge)
                    .exists()
            );
        }
    }
}

fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

/// Runs work in a thread inside a network namespace.
fn inside<T: Send + 'static>(netns: &Path, work: impl FnOnce() -> T + Send + 'static) -> T {
    let netns = netns.to_owned();
    let entered = thread::spawn(move || {
        setns(File::open(netns).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        work()
    });
    entered.join().unwrap()
}

/// A server inside a namespace that answers every connection with its name, until dropped.
struct Server {
    stop: PathBuf,
    netns: PathBuf,
}

impl Server {
    fn start(netns: &Path, name: &'static str) -> Self {
        let (ready, wait) = mpsc::channel();
        let stop = netns.with_extension("stop");
        let (inner, flag) = (netns.to_owned(), stop.clone());
        thread::spawn(move || {
            setns(File::open(inner).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            let listener = TcpListener::bind(("0.0.0.0", PORT)).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                if flag.exists() {
                    return;
                }
                let _ = stream.unwrap().write_all(name.as_bytes());
            }
        });
        wait.recv().unwrap();
        Self {
            stop,
            netns: netns.to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        fs::write(&self.stop, "").unwrap();
        inside(&self.netns, || {
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)))
        });
        fs::remove_file(&self.stop).unwrap();
    }
}

fn ask(address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    let address = SocketAddrV4::new(address, port).into();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn ask_from(netns: &Path, address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    inside(netns, move || ask(address, port))
}

fn table(service: &str, backends: &[Ipv4Addr], publish: Option<u16>) -> RouteTable {
    let port = RoutePort {
        port: PORT,
        protocol: Protocol::Tcp,
        publish,
        via: None,
    };
    let route = Route {
        backends: backends.to_vec(),
        ports: vec![port],
    };
    RouteTable {
        services: BTreeMap::from([(service.parse().unwrap(), route)]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_reaches_ready_instances_from_everywhere() {
    let Some(it) = Fixture::new("traffic_reaches_ready_instances_from_everywhere", 1).await else {
        return;
    };
    let net = &it.network;
    let (a, b) = (
        net.attach(&id("a")).await.unwrap(),
        net.attach(&id("b")).await.unwrap(),
    );
    assert_ne!(a.address, b.address);
    let (_a, _b) = (Server::start(&a.netns, "a"), Server::start(&b.netns, "b"));
    assert_eq!(
        ask(a.address, PORT).unwrap(),
        "a",
        "the host reaches an instance"
    );
    assert_eq!(
        ask_from(&b.netns, a.address, PORT).unwrap(),
        "a",
        "and so does another instance"
    );

    let published = unused_port().unwrap();
    let key: ServiceKey = "shop/cart".parse().unwrap();
    net.route(&table("shop/cart", &[a.address], Some(published)))
        .await
        .unwrap();
    let vip = net.service_address(&key).unwrap();
    assert_eq!(
        ask_from(&b.netns, vip, PORT).unwrap(),
        "a",
        "by the service's address"
    );
    assert_eq!(
        ask_from(&a.netns, vip, PORT).unwrap(),
        "a",
        "an instance calls its own service"
    );
    assert_eq!(ask(vip, PORT).unwrap(), "a", "from the host");
    assert_eq!(
        ask(Ipv4Addr::LOCALHOST, published).unwrap(),
        "a",
        "through the published port"
    );
    assert_eq!(
        ask(a.gateway, published).unwrap(),
        "a",
        "on every address of the host"
    );
    assert_eq!(
        ask_from(&b.netns, a.gateway, published).unwrap(),
        "a",
        "and from inside"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_follows_the_instances_that_are_ready() {
    let Some(it) = Fixture::new("traffic_follows_the_instances_that_are_ready", 7).await else {
        return;
    };
    let net = &it.network;
    let (a, b) = (
        net.attach(&id("a")).await.unwrap(),
        net.attach(&id("b")).await.unwrap(),
    );
    let (_a, _b) = (Server::start(&a.netns, "a"), Server::start(&b.netns, "b"));
    let published = unused_port().unwrap();
    let both = [a.address, b.address];
    net.route(&table("shop/cart", &both, Some(published)))
        .await
        .unwrap();
    let key: ServiceKey = "shop/cart".parse().unwrap();
    let vip = net.service_address(&key).unwrap();
    let answers: BTreeSet<String> = (0..64)
        .map(|_| ask(Ipv4Addr::LOCALHOST, published).unwrap())
        .collect();
    assert_eq!(answers.len(), 2, "both take their share");
    net.route(&table("shop/cart", &[b.address], Some(published)))
        .await
        .unwrap();
    assert_eq!(net.service_address(&key), Some(vip), "the address stays");
    for _ in 0..16 {
        assert_eq!(
            ask_from(&a.netns, vip, PORT).unwrap(),
            "b",
            "the one that left gets nothing new"
        );
    }

    net.route(&table("shop/cart", &[], Some(published)))
        .await
        .unwrap();
    let asked = Instant::now();
    for refused in [
        ask_from(&a.netns, vip, PORT),
        ask(vip, PORT),
        ask(Ipv4Addr::LOCALHOST, published),
        ask_from(&a.netns, vip, PORT + 1),
    ] {
        assert_eq!(
            refused.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionRefused
        );
    }
    // Well below the 5 s that an unanswered connection waits; not a measure of speed.
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "refused, not left waiting"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_daemon_finds_everything_as_it_was() {
    let Some(it) = Fixture::new("a_restarted_daemon_finds_everything_as_it_was", 2).await else {
        return;
    };
    let a = it.network.attach(&id("a-1")).await.unwrap();
    assert_eq!(
        it.network.attach(&id("a-1")).await.unwrap(),
        a,
        "asking again changes nothing"
    );
    let _server = Server::start(&a.netns, "a");
    it.network
        .route(&table("default/web", &[a.address], None))
        .await
        .unwrap();
    let key: ServiceKey = "web".parse().unwrap();
    let vip = it.network.service_address(&key).unwrap();

    let again = Network::open(it.config.clone()).await.unwrap();
    assert_eq!(
        ask(vip, PORT).unwrap(),
        "a",
        "traffic flows before the first route table"
    );
    assert_eq!(again.address(&id("a-1")), Some(a.address));
    assert_eq!(
        again.attach(&id("a-1")).await.unwrap(),
        a,
        "the running server's namespace is kept"
    );
    assert_eq!(ask(a.address, PORT).unwrap(), "a");
    again
        .route(&table("default/web", &[a.address], None))
        .await
        .unwrap();
    assert_eq!(again.service_address(&key), Some(vip));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_the_table_in_place() {
    let Some(it) = Fixture::new("names_follow_the_table_in_place", 3).await else {
        return;
    };
    let hosts = it.network.hosts_file(&Namespace::new("shop").unwrap());
    let mut mounted = File::open(&hosts).unwrap();
    it.network
        .route(&table("shop/cart", &[], None))
        .await
        .unwrap();
    let vip = it
        .network
        .service_address(&"shop/cart".parse().unwrap())
        .unwrap();
    let mut text = String::new();
    mounted.read_to_string(&mut text).unwrap();
    assert!(
        text.contains(&format!("{vip} cart cart.shop cart.shop.svc")),
        "{text}"
    );
    assert!(it.network.resolv_conf().is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_noticed_and_not_stolen() {
    let Some(it) = Fixture::new("a_taken_port_is_noticed_and_not_stolen", 4).await else {
        return;
    };
    let a = it.network.attach(&id("a")).await.unwrap();
    let _server = Server::start(&a.netns, "a");
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let theirs = thread::spawn(move || {
        other.accept().unwrap().0.write_all(b"theirs").unwrap();
    });
    let taken = it.network.check_port(Protocol::Tcp, port).unwrap_err();
    assert_eq!(taken.problem().kind, ProblemKind::PortTaken);
    assert!(taken.to_string().contains(&port.to_string()), "{taken}");
    it.network
        .route(&table("web", &[a.address], Some(port)))
        .await
        .unwrap();
    assert_eq!(ask(Ipv4Addr::LOCALHOST, port).unwrap(), "theirs");
    theirs.join().unwrap();
    let free = unused_port().unwrap();
    it.network.check_port(Protocol::Tcp, free).unwrap();
    it.network
        .route(&table("web", &[a.address], Some(free)))
        .await
        .unwrap();
    assert!(
        it.network.check_port(Protocol::Tcp, free).is_ok(),
        "a port of our own counts as free for us"
    );
    assert!(
        TcpListener::bind(("0.0.0.0", free)).is_err(),
        "and no one else can have it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_cannot_reach_the_hosts_loopback() {
    let Some(it) = Fixture::new("instances_cannot_reach_the_hosts_loopback", 5).await else {
        return;
    };
    let a = it.network.attach(&id("a")).await.unwrap();
    let secret = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = secret.local_addr().unwrap().port();
    for address in [Ipv4Addr::LOCALHOST, a.gateway] {
        let outcome = ask_from(&a.netns, address, port);
        assert!(outcome.is_err(), "{address}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_leaves_nothing() {
    let Some(it) = Fixture::new("closing_leaves_nothing", 6).await else {
        return;
    };
    for n in 0..20 {
        it.network.attach(&id(&format!("i-{n}"))).await.unwrap();
    }
    it.network.detach(&id("i-0")).await.unwrap();
    it.network.detach(&id("i-0")).await.unwrap();
    assert_eq!(it.network.address(&id("i-0")), None);
    it.network.close().await.unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(it.config.state_root.to_str().unwrap()));
    assert!(!Path::new("/sys/class/net").join(&it.config.bridge).exists());
    let tables = std::process::Command::new("nft")
        .args(["list", "tables"])
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&tables.stdout).contains(&it.config.bridge));
    assert_eq!(fs::read_dir(&it.config.state_root).unwrap().count(), 0);
    let reopened = Network::open(it.config.clone()).await.unwrap();
    reopened.close().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = |bridge: &str, prefix| NetworkConfig {
        state_root: dir.path().to_owned(),
        bridge: bridge.to_owned(),
        subnet: (Ipv4Addr::new(10, 213, 9, 0), prefix),
    };
    for (bridge, prefix, field) in [
        ("a bridge", 24, "bridge"),
        ("", 24, "bridge"),
        ("x; flush ruleset", 24, "bridge"),
        ("sixteencharacter", 24, "bridge"),
        ("ok", 30, "subnet"),
    ] {
        match Network::open(config(bridge, prefix)).await {
            Err(error) => assert!(error.to_string().contains(field), "{error}"),
            Ok(_) => panic!("`{bridge}`/{prefix} was accepted"),
        }
    }
}

/// A server inside a namespace that answers every datagram with its name, until it hears `stop`.
#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_in_which_another_link_has_an_address_is_refused() {
    let Some(fixture) = Fixture::new("subnet taken", 99).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for (third, prefix) in [(99, 24), (99, 25), (0, 16)] {
        let config = NetworkConfig {
            state_root: dir.path().join("network"),
            bridge: format!("ovs{}", std::process::id() % 100_000),
            subnet: (Ipv4Addr::new(10, 213, third, 0), prefix),
        };
        let error = Network::open(config.clone()).await.unwrap_err().to_string();
        assert!(error.contains("is taken"), "{error}");
        assert!(error.contains("--subnet"), "{error}");
        if prefix != 16 {
            let holder = format!("`{}` has 10.213.99.1/24", fixture.config.bridge);
            assert!(error.contains(&holder), "{error}");
        }
        let made = Path::new("/sys/class/net").join(&config.bridge);
        assert!(!made.exists(), "nothing was made");
    }
}

fn serve_datagrams(netns: &Path, name: &'static str) -> thread::JoinHandle<()> {
    let (ready, wait) = mpsc::channel();
    let netns = netns.to_owned();
    let server = thread::spawn(move || {
        setns(File::open(netns).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        let socket = UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
        ready.send(()).unwrap();
        let mut buffer = [0; 16];
        loop {
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            if buffer.get(..count) == Some(b"stop".as_slice()) {
                return;
            }
            socket.send_to(name.as_bytes(), from).unwrap();
        }
    });
    wait.recv().unwrap();
    server
}

fn ask_by(socket: &UdpSocket, text: &str) -> std::io::Result<String> {
    socket.send(text.as_bytes())?;
    let mut buffer = vec![0; 16];
    let count = socket.recv(&mut buffer)?;
    buffer.truncate(count);
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_not_held_to_an_instance_that_is_gone() {
    let Some(it) = Fixture::new("a_client_is_not_held_to_an_instance_that_is_gone", 9).await else {
        return;
    };
    let net = &it.network;
    let (a, b) = (
        net.attach(&id("a")).await.unwrap(),
        net.attach(&id("b")).await.unwrap(),
    );
    let servers = [
        serve_datagrams(&a.netns, "a"),
        serve_datagrams(&b.netns, "b"),
    ];
    let routed = |backends: &[Ipv4Addr]| {
        let mut table = table("shop/dns", backends, None);
        let port = table
            .services
            .values_mut()
            .flat_map(|route| &mut route.ports);
        port.for_each(|port| port.protocol = Protocol::Udp);
        table
    };
    net.route(&routed(&[a.address])).await.unwrap();
    let service = net.service_address(&"shop/dns".parse().unwrap()).unwrap();
    let client = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    client.connect((service, PORT)).unwrap();
    assert_eq!(ask_by(&client, "who").unwrap(), "a");
    net.route(&routed(&[b.address])).await.unwrap();
    assert_eq!(
        ask_by(&client, "who").unwrap(),
        "a",
        "it may finish what it began"
    );
    inside(&a.netns, || {
        let stop = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        stop.send_to(b"stop", (Ipv4Addr::LOCALHOST, PORT)).unwrap();
    });
    let [first, second] = servers;
    first.join().unwrap();
    net.detach(&id("a")).await.unwrap();
    assert_eq!(ask_by(&client, "who").unwrap(), "b");
    let stop = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    stop.send_to(b"stop", (b.address, PORT)).unwrap();
    second.join().unwrap();
}
