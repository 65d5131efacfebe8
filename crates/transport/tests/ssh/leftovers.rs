//! Nothing is left, however a connection or the whole controller ends.

use crate::bench::{command, connector, connector_with, run};
use snapback_core::way::Way;
use snapback_testkit::relay::Relay;
use snapback_testkit::sshd::{Settings, Sshd};
use snapback_transport::{Connector, SshConnector, SshOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A short directory of the test's own for run directories: what is in it is the connector's.
fn base() -> TempDir {
    tempfile::Builder::new().prefix("sb").rand_bytes(4).tempdir_in("/tmp").unwrap()
}

fn connector_in(base: &TempDir) -> SshConnector {
    connector_with(SshOptions { run_base: Some(base.path().to_owned()), ..SshOptions::default() })
}

/// All processes that have the text in their command line, zombies left out.
fn processes_with(text: &Path) -> Vec<(u32, String)> {
    let text = text.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.replace('\0', " ");
            (pid != std::process::id() && line.contains(text)).then_some((pid, line))
        })
        .collect()
}

fn assert_gone_within(limit: Duration, text: &Path) {
    let until = Instant::now() + limit;
    loop {
        let left = processes_with(text);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "still there after {limit:?}: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn jumping(target: &Sshd, jump: &Sshd) -> Way {
    Way { proxy_jump: Some("jump.test".to_owned()), ..target.way_with(&jump.client_config()) }
}

#[tokio::test]
async fn nothing_is_left_when_a_session_has_been_closed() {
    let (sshd, jump) = (Sshd::start(), Settings::named("jump.test").start());
    let base = base();
    let connector = connector_in(&base);
    for way in [sshd.way(), jumping(&sshd, &jump)] {
        let session = connector.open(&way).await.unwrap();
        assert_eq!(run(&*session, command("echo in")).await.unwrap().good(), "in");
        assert!(!processes_with(base.path()).is_empty(), "there is a master to be closed");
        session.close().await;
        assert_eq!(processes_with(base.path()), [], "right after close");
        let sockets =
            files(base.path()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "sock"));
        assert_eq!(sockets.count(), 0);
    }
    drop(connector);
    assert_eq!(files(base.path()), Vec::<PathBuf>::new());
}

fn files(base: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(base)
        .unwrap()
        .flatten()
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => std::iter::once(path.clone()).chain(files(&path)).collect::<Vec<_>>(),
            path => vec![path],
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_left_when_everything_is_just_dropped() {
    let (sshd, jump) = (Sshd::start(), Settings::named("jump.test").start());
    for way in [sshd.way(), jumping(&sshd, &jump)] {
        let base = base();
        let connector = connector_in(&base);
        let session = connector.open(&way).await.unwrap();
        let (sender, _receiver) = mpsc::channel(1);
        let long = connector.once(&way, false, command("sleep 60"), sender);
        assert!(tokio::time::timeout(Duration::from_secs(1), long).await.is_err());
        drop(session);
        drop(connector);
        assert_gone_within(Duration::from_secs(2), base.path());
        assert_eq!(files(base.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn a_session_outlives_its_connector() {
    let sshd = Sshd::start();
    let session = connector().open(&sshd.way()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(run(&*session, command("echo in")).await.unwrap().good(), "in");
    session.close().await;
}

#[tokio::test]
async fn nothing_is_left_of_an_attempt_that_is_given_up() {
    let (sshd, jump) = (Sshd::start(), Settings::named("jump.test").start());
    let relay = Relay::to(sshd.address());
    relay.blackhole();
    let base = base();
    let connector = connector_in(&base);
    let silent = Way { port: Some(relay.port()), ..sshd.way() };
    let behind = Way { port: Some(relay.port()), ..jumping(&sshd, &jump) };
    for way in [silent, behind] {
        for wait in [20, 120, 500] {
            let given_up = tokio::time::timeout(Duration::from_millis(wait), connector.open(&way)).await;
            assert!(given_up.is_err());
            assert_gone_within(Duration::from_secs(1), base.path());
        }
        let brief = Way { connect_timeout: Duration::from_secs(1), ..way };
        assert!(connector.open(&brief).await.is_err());
        assert_eq!(processes_with(base.path()), [], "after the timeout");
    }
}

/// The session that a process belongs to: a terminal's signals go to one of them.
fn session_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(3).map(str::to_owned)
}

/// The example beside this test. `cargo test` builds it; `cargo test --test ssh` alone doesn't, and an old one
/// would show nothing.
fn hold() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("examples/hold");
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = changed(&program);
    for source in files(&crate_folder.join("src")).into_iter().chain([crate_folder.join("examples/hold.rs")])
    {
        let fresh = built.is_some() && built >= changed(&source);
        assert!(fresh, "{} is missing or old; run: cargo build --example hold", program.display());
    }
    program
}

/// A controller, killed at the latest when the test ends.
struct Killed(std::process::Child);

impl Killed {
    fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

/// SIGKILL leaves no time to clean up.
#[test]
fn nothing_is_left_when_the_controller_is_killed() {
    let (sshd, jump) = (Sshd::start(), Settings::named("jump.test").start());
    for way in [sshd.way(), jumping(&sshd, &jump)] {
        let mut config = std::fs::read_to_string(way.ssh_config.unwrap()).unwrap();
        if let Some(jump) = way.proxy_jump {
            config = format!("Host target.test\n  ProxyJump {jump}\n{config}");
        }
        std::fs::write(sshd.path("hold_config"), config).unwrap();
        let base = base();
        let mut controller = Killed(
            Command::new(hold())
                .arg(sshd.path("hold_config"))
                .arg("target.test")
                .env("XDG_RUNTIME_DIR", base.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let mut line = String::new();
        BufReader::new(controller.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let running = processes_with(base.path());
        assert!(running.len() >= 2, "a master and a fresh connection run: {running:?}");
        for (pid, line) in &running {
            let same = session_of(*pid) == session_of(std::process::id());
            let ours = *pid == controller.0.id();
            assert!(ours || !same, "Ctrl-C at our terminal would end it: {line}");
        }
        controller.kill();
        assert_gone_within(Duration::from_secs(2), base.path());

        let left = std::fs::read_dir(base.path()).unwrap().count();
        assert_eq!(left, 1, "its directory stays until the next one sweeps it");
        let next = connector_in(&base);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
        drop(next);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
