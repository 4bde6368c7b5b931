//! The daemon's own program is replaced and put back under steady load: no container starts anew, no
//! request fails, the audit log goes on.
//!
//! The "other version" is this program in another file with bytes behind its end: another build to the
//! daemon and to the proxy, though the same code. What a truly newer version would leave behind, a step of
//! its own in the database, is put there by the test.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::{BufRead, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    Daemon, can_run_containers, free_port, import_shop,
    load::{Load, ask, failed},
};

const SOON: Duration = Duration::from_secs(90);

fn web(port: u16) -> String {
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: shop:1
  args: [store]
  resources: {{limits: {{memory: 96Mi}}}}
  env: {{DATA_DIR: /tmp/data}}
  ports: [{{name: http, port: 8080, publish: {port}, appProtocol: http}}]
  replicas: {{min: 3, max: 3}}
  probes: {{readiness: {{http: {{port: 8080, path: /readyz}}, period: 300ms}}}}
  configs: [{{path: /etc/shop/config.json, content: '{{\"name\": \"web\"}}'}}]
"
    )
}

/// This program as another file, which is another build.
fn other_build(daemon: &Daemon) -> PathBuf {
    let place = daemon.path("ostler-next");
    fs::copy(env!("CARGO_BIN_EXE_ostler"), &place).unwrap();
    let mut file = fs::File::options().append(true).open(&place).unwrap();
    file.write_all(b"another build").unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    place
}

/// The daemon's process and its program.
fn runs(daemon: &Daemon) -> (i32, PathBuf) {
    let pid = fs::read_to_string(daemon.state().join("daemon.pid")).unwrap();
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    (pid.parse().unwrap(), program)
}

/// Main processes and attempts of all instances.
fn instances(daemon: &Daemon) -> BTreeSet<(String, u64, u64)> {
    let all = daemon.json(&["get", "instances"]);
    let all = all["instances"].as_array().unwrap();
    let of = |one: &serde_json::Value| {
        let number = |name: &str| one[name].as_u64().unwrap();
        let id = one["instance"].as_str().unwrap().to_owned();
        (id, number("pid"), number("attempt"))
    };
    all.iter().map(of).collect()
}

/// The log's entries as they are exported, which must verify.
fn log(daemon: &Daemon, name: &str) -> Vec<String> {
    let file = daemon.path(name);
    daemon.cli(&["audit", "export", "--file", file.to_str().unwrap()]);
    daemon.cli(&["audit", "verify"]);
    let text = fs::read_to_string(file).unwrap();
    let leaves = text.lines().filter(|line| line.contains("\"leaf\""));
    let leaves: Vec<String> = leaves.map(str::to_owned).collect();
    assert!(!leaves.is_empty());
    leaves
}

/// The proxy's process, from its own log.
fn proxy(daemon: &Daemon) -> String {
    let log = fs::read_to_string(daemon.state().join("proxy/proxy.log")).unwrap();
    let line = log.lines().rfind(|line| line.contains("the proxy is up"));
    line.unwrap()
        .split("pid=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

fn sqlite(database: &Path, statements: &str) {
    let python = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=30)\nc.executescript(sys.argv[2])\nc.commit()";
    let done = std::process::Command::new("python3")
        .args(["-c", python, database.to_str().unwrap(), statements])
        .status();
    assert!(done.unwrap().success());
}

/// What a newer version's step would leave: itself, and the oldest schema that may go on with it.
fn step(number: u64, oldest: u64) -> String {
    format!(
        "CREATE TABLE of_step_{number} (x INTEGER NOT NULL) STRICT;
        INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({number}, 'newer', TRUE, x'00', 1);
        UPDATE meta SET value = {oldest} WHERE key = 'oldest_reader';"
    )
}

/// A program that says it could take over, and then does something and does not start.
fn script(place: &Path, way_back: bool, does: &str) -> PathBuf {
    let report = format!("{{\"says\": [\"fine\"], \"can_come_back\": {way_back}, \"found\": 7}}");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *check-upgrade*) echo '{report}'; exit 0;; esac\n{does}\necho 'no such luck' >&2\nexit 3\n"
    );
    fs::write(place, text).unwrap();
    fs::set_permissions(place, Permissions::from_mode(0o700)).unwrap();
    place.to_owned()
}

/// What an upgrade that must fail says; the daemon is the same as before.
fn changes_nothing(daemon: &Daemon, args: &[&str]) -> String {
    let before = runs(daemon);
    let output = upgrade(daemon, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert_eq!(runs(daemon), before, "{said}");
    said
}

fn known(daemon: &Daemon) -> u64 {
    let words = daemon.cli(&[
        "check-upgrade",
        "--state-dir",
        daemon.state().to_str().unwrap(),
    ]);
    let number = words.split("knows schema ").nth(1).unwrap();
    number.split(';').next().unwrap().parse().unwrap()
}

fn upgrade(daemon: &Daemon, args: &[&str]) -> std::process::Output {
    let state = daemon.state();
    let mut all = vec!["self-upgrade", "--state-dir", state.to_str().unwrap()];
    all.extend(args);
    daemon.try_cli(&all)
}

fn done(output: &std::process::Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    eprintln!("{said}");
}

#[test]
fn a_new_program_and_the_old_one_again_cost_no_request_and_no_restart() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = Daemon::start(false);
    import_shop(&daemon);
    let file = daemon.file("web.yaml", &web(port));
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until_state("web", "healthy", SOON);
    daemon.until("it answers", SOON, || {
        (ask(port, &mut None).ok()? == 200).then_some(())
    });
    let (first, old) = runs(&daemon);
    daemon.until("requests go through the proxy", SOON, || {
        daemon
            .state()
            .join("proxy/proxy.log")
            .exists()
            .then_some(())
    });
    let first_proxy = proxy(&daemon);
    let (before, entries) = (instances(&daemon), log(&daemon, "before.jsonl"));
    assert_eq!(before.len(), 3);
    let next = other_build(&daemon);
    let known = known(&daemon);

    let load = Load::start(port, 4);
    load.go_on(500);
    done(&upgrade(&daemon, &[next.to_str().unwrap()]));
    let (second, program) = runs(&daemon);
    assert!(second != first && program == next, "{program:?}");
    daemon.until_state("web", "healthy", SOON);
    daemon.until("the other build's proxy serves", SOON, || {
        (proxy(&daemon) != first_proxy).then_some(())
    });
    load.go_on(1_000);
    // Longer than the old proxy goes on for: whoever is still connected to it would be cut off.
    std::thread::sleep(Duration::from_secs(7));
    load.go_on(500);
    let answers = load.answers();
    assert_eq!(failed(&answers).1, 0, "after the upgrade: {answers:?}");
    assert_eq!(instances(&daemon), before, "nothing was started anew");
    daemon.cli(&["scale", "web", "3"]);

    // Back, on a database that the newer version brought one step further.
    sqlite(&daemon.state().join("ostler.db"), &step(known + 1, known));
    done(&upgrade(&daemon, &["--back"]));
    let (third, program) = runs(&daemon);
    assert!(
        third != second && program.ends_with("ostler.restored"),
        "{program:?}"
    );
    assert_eq!(fs::read(&program).unwrap(), fs::read(&old).unwrap());
    daemon.until_state("web", "healthy", SOON);
    load.go_on(1_000);
    std::thread::sleep(Duration::from_secs(7));
    load.go_on(500);
    let answers = load.end();
    let (all, bad) = failed(&answers);
    eprintln!("{all} requests, {bad} failed");
    assert_eq!(bad, 0, "{answers:?}");
    assert_eq!(instances(&daemon), before, "nothing was started anew");
    assert!(daemon.log().contains("written by a newer version"));
    let after = log(&daemon, "after.jsonl");
    assert!(after.len() > entries.len());
    assert_eq!(
        after[..entries.len()],
        entries[..],
        "the log goes on where it was"
    );
}

#[test]
fn a_program_that_could_not_take_over_changes_nothing_or_gives_way() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    let before = runs(&daemon);
    // One that is no program of ours at all.
    let output = upgrade(&daemon, &["/bin/false"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(runs(&daemon), before);
    // One that says it could, and then does not start.
    let liar = script(&daemon.path("liar"), true, "");
    let output = upgrade(&daemon, &[liar.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("no such luck") && said.contains("the old program runs again"),
        "{said}"
    );
    daemon.cli(&["status"]);
    assert_ne!(runs(&daemon).0, before.0);

    // What it would be told at its start is read before.
    let state = daemon.state();
    let config = daemon.file(
        "config.yaml",
        "images: { signatures: [ { images: 'x:1' } ] }",
    );
    let check = ["check-upgrade", "--state-dir", state.to_str().unwrap()];
    let with_config = [&check[..], &["--config", config.to_str().unwrap()]].concat();
    let output = daemon.try_cli(&with_config);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("config.yaml"),
        "{said}"
    );
    let left = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().contains("check-upgrade"))
        .collect();
    assert!(left.is_empty(), "no copy is left: {left:?}");

    // A state that is too new for it is refused by numbers, before anything is stopped.
    let known = known(&daemon);
    sqlite(
        &daemon.state().join("ostler.db"),
        &step(known + 1, known + 1),
    );
    let now = runs(&daemon);
    let output = upgrade(&daemon, &[other_build(&daemon).to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words = format!(
        "it has schema {}, which versions from schema {}",
        known + 1,
        known + 1
    );
    assert!(!output.status.success() && said.contains(&words), "{said}");
    assert_eq!(runs(&daemon), now);
    sqlite(
        &daemon.state().join("ostler.db"),
        &format!(
            "DELETE FROM _sqlx_migrations WHERE version = {}; UPDATE meta SET value = {known} WHERE key = 'oldest_reader';",
            known + 1
        ),
    );
}

#[test]
fn the_program_before_stays_where_it_is_until_it_runs() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    let previous = daemon.state().join("ostler.previous");
    // One that refuses.
    fs::write(&previous, "#!/bin/sh\necho 'not with me' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&previous, Permissions::from_mode(0o700)).unwrap();
    let said = changes_nothing(&daemon, &["--back"]);
    assert!(said.contains("not with me") && previous.exists(), "{said}");
    // One that does not start.
    let before = fs::read(script(&previous, true, "")).unwrap();
    let output = upgrade(&daemon, &["--back"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the old program runs again"), "{said}");
    assert_eq!(
        fs::read(&previous).unwrap(),
        before,
        "it can be tried again"
    );
    daemon.cli(&["status"]);
    // One that somebody else could have put there.
    fs::set_permissions(&previous, Permissions::from_mode(0o722)).unwrap();
    let said = changes_nothing(&daemon, &["--back"]);
    assert!(said.contains("may be changed by others"), "{said}");
    let next = other_build(&daemon);
    let next = next.to_str().unwrap();
    fs::set_permissions(daemon.state(), Permissions::from_mode(0o770)).unwrap();
    let said = changes_nothing(&daemon, &[next]);
    assert!(said.contains("may be changed by others"), "{said}");
    fs::set_permissions(daemon.state(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_step_without_a_way_back_is_taken_only_when_asked_for() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = Daemon::start(false);
    // This version's step 7 is such a one for a state that has not made it.
    let old = daemon.path("old");
    fs::create_dir(&old).unwrap();
    sqlite(
        &daemon.state().join("ostler.db"),
        &format!("VACUUM INTO '{}'", old.join("ostler.db").display()),
    );
    sqlite(
        &old.join("ostler.db"),
        "DROP TABLE audit_handovers; DELETE FROM _sqlx_migrations WHERE version >= 7; UPDATE meta SET value = 5 WHERE key = 'oldest_reader';",
    );
    let old = old.to_str().unwrap();
    let report = daemon.json(&["check-upgrade", "--state-dir", old]);
    assert_eq!(report["can_come_back"], false, "{report}");
    assert_eq!(report["found"], 6, "{report}");
    let state = daemon.state();
    let report = daemon.json(&["check-upgrade", "--state-dir", state.to_str().unwrap()]);
    assert_eq!(report["can_come_back"], true, "{report}");

    // A program that makes such a step and then does not go on.
    let database = state.join("ostler.db");
    let copy = state.join("ostler.db.schema-7");
    fs::write(daemon.path("step.sql"), step(90, 90)).unwrap();
    let python = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],timeout=30); c.execute(sys.argv[3]); c.executescript(open(sys.argv[2]).read()); c.commit()";
    let does = format!(
        "python3 -c '{python}' '{}' '{}' \"VACUUM INTO '{}'\"",
        database.display(),
        daemon.path("step.sql").display(),
        copy.display(),
    );
    let next = script(&daemon.path("next"), false, &does);
    let next = next.to_str().unwrap();
    let said = changes_nothing(&daemon, &[next]);
    assert!(said.contains("--no-way-back") && !copy.exists(), "{said}");
    let output = upgrade(&daemon, &[next, "--no-way-back"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for words in ["does not start either", "schema-7", "move `"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What it says to do brings the old program back.
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{end}", database.display())));
    }
    fs::copy(&copy, &database).unwrap();
    daemon.kill();
    daemon.run();
    daemon.cli(&["status"]);
}

#[test]
fn what_another_user_runs_is_not_started_as_this_one() {
    if !can_run_containers() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    // Listens as somebody else in a directory that is this user's: only its process tells whose it is.
    let python = "import os,socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[2]+'/ostler.sock')\nos.chmod(sys.argv[2]+'/ostler.sock',0o666)\nopen(sys.argv[2]+'/daemon.pid','w').write(str(os.getpid()))\nos.setgid(65534)\nos.setuid(65534)\ns.listen()\nprint('up',flush=True)\ntime.sleep(600)";
    let mut other = std::process::Command::new("python3")
        .args(["-c", python, "up", state])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(other.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let marker = dir.path().join("started");
    let program = script(&dir.path().join("next"), true, "");
    let text = fs::read_to_string(&program).unwrap();
    let text = text.replace(
        "#!/bin/sh",
        &format!("#!/bin/sh\ntouch {}", marker.display()),
    );
    fs::write(&program, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ostler"))
        .args([
            "self-upgrade",
            "--state-dir",
            state,
            program.to_str().unwrap(),
        ])
        .env_remove("OSTLER_SOCKET")
        .output()
        .unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("is user 65534's and you are user"), "{said}");
    assert!(!marker.exists(), "nothing was started");
}
