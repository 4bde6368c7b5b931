//! What only containers have: ports of the host, a root file system.

mod common;

use std::{fs, net::TcpListener, path::Path};

use common::{Fixture, IMAGE, order};
use ostler_core::{id::InstanceId, observed::ProblemKind};
use ostler_runtime::{backend::Backend, network::unused_port};

#[tokio::test(flavor = "multi_thread")]
async fn a_published_port_that_another_process_has_is_named() {
    let test = "a_published_port_that_another_process_has_is_named";
    let Some(it) = Fixture::new(test, 3).await else {
        return;
    };
    let other = TcpListener::bind(("127.0.0.1", unused_port().unwrap())).unwrap();
    let port = other.local_addr().unwrap().port();
    let spec = serde_json::json!({"image": IMAGE, "command": ["sleep", "1000"],
        "ports": [{"name": "http", "port": 8080, "publish": port}]});
    let order = order("publishing", &spec);
    let refused = it.backend().start(&order).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::PortTaken, "{refused:?}");
    assert!(refused.detail.contains(&port.to_string()), "{refused:?}");
    assert!(it.seen(&order).await.is_none());
    assert!(!it.instance_dir(&order).exists(), "something is left");
    drop(other);
    it.backend().start(&order).await.unwrap();
    // One that our own routes hold does not stand in the way of another instance, or of itself.
    let route = ostler_runtime::backend::Route {
        backends: Vec::new(),
        ports: vec![ostler_runtime::backend::RoutePort {
            port: 8080,
            protocol: ostler_core::spec::Protocol::Tcp,
            publish: Some(port),
            via: None,
        }],
    };
    let table = ostler_runtime::backend::RouteTable {
        services: [(order.service.clone(), route)].into(),
    };
    it.backend().route(&table).await.unwrap();
    assert!(TcpListener::bind(("0.0.0.0", port)).is_err(), "it is held");
    it.backend().start(&order).await.unwrap();
    let mut second = order.clone();
    second.instance = InstanceId::new("publishing-too").unwrap();
    it.backend().start(&second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_working_directory_is_made_and_commands_have_every_group() {
    let test = "a_missing_working_directory_is_made_and_commands_have_every_group";
    let Some(it) = Fixture::new(test, 4).await else {
        return;
    };
    for (id, cwd) in [("inside", "/srv/app/deep"), ("below", "/data/work")] {
        let spec = serde_json::json!({"image": IMAGE, "workingDir": cwd, "user": "web",
            "command": ["sleep", "1000"],
            "volumes": [{"mount": "/data", "source": {"named": {"name": "data"}}}]});
        let order = order(id, &spec);
        let started = it.backend().start(&order).await.unwrap();
        let at = fs::read_link(format!("/proc/{}/cwd", started.pid.unwrap())).unwrap();
        assert_eq!(at, Path::new(cwd));
        assert_eq!(it.run(&order, &["sh", "-c", "pwd"]).await, cwd);
        assert_eq!(it.run(&order, &["stat", "-c", "%u %a", "."]).await, "0 755");
        assert_eq!(it.run(&order, &["id", "-u"]).await, "101");
        assert_eq!(it.run(&order, &["id", "-G"]).await, "102 104");
    }
}
