//! The user's configuration holds, and nothing in it makes a connection another one than was asked for.

use crate::bench::{command, connector, connector_with, once, run};
use snapback_core::way::{Way, WayKind};
use snapback_testkit::relay::Relay;
use snapback_testkit::sshd::{Settings, Sshd};
use snapback_transport::{Connector, SshOptions};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WHERE: &str = "set -- $SSH_CONNECTION; echo $2";

/// A master of the user's own, ended when dropped.
struct UserMaster {
    config: std::path::PathBuf,
}

impl UserMaster {
    fn start(config: &std::path::Path) -> Self {
        let status = Command::new("ssh")
            .arg("-F")
            .arg(config)
            .args(["-f", "-N", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "target.test"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("ssh runs");
        assert!(status.success(), "the user's master doesn't start");
        Self { config: config.to_owned() }
    }

    /// The source port of the user's connection, as plain ssh sees it.
    fn port(&self) -> String {
        let output = Command::new("ssh")
            .arg("-F")
            .arg(&self.config)
            .args(["-T", "-o", "RemoteCommand=none", "-o", "BatchMode=yes", "target.test", WHERE])
            .output()
            .expect("ssh runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for UserMaster {
    fn drop(&mut self) {
        let _ = Command::new("ssh").arg("-F").arg(&self.config).args(["-O", "exit", "target.test"]).output();
    }
}

/// A way to a host by this configuration, which nobody listens on.
fn way_by(host: &str, config: &std::path::Path) -> Way {
    let name = snapback_core::host::HostName::parse(host).unwrap();
    Way { host: name, ssh_config: Some(config.to_owned()), proxy_jump: None, ..Sshd::start().way() }
}

#[tokio::test]
async fn the_jump_hosts_of_the_users_configuration_are_found_where_they_may_matter() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("more"), "Host app*\n  ProxyJump root@gw\nHost gw\n  HostName 10.0.0.1\n").unwrap();
    std::fs::write(at("config"), format!("Include {}\n", at("more").display())).unwrap();
    let ways = ["app1", "db1", "gw"].map(|host| way_by(host, &at("config")));
    let ways: Vec<&Way> = ways.iter().collect();
    let connector = connector();
    let by_name = connector.jumps_of_user(&ways, &["app1", "db1", "gw"].into()).await;
    assert_eq!(by_name, [Some("root@gw".to_owned()), None, None]);
    let by_address = connector.jumps_of_user(&ways, &["app1", "db1", "10.0.0.1"].into()).await;
    assert_eq!(by_address, by_name);
    let of_others = connector.jumps_of_user(&ways, &["app1", "db1"].into()).await;
    assert_eq!(
        of_others,
        [None, None, None],
        "nobody of the run is jumped through, so nobody is asked about"
    );
}

#[tokio::test]
async fn a_live_master_of_the_users_is_never_shared() {
    let sshd = Sshd::start();
    let way = sshd.way_with(&sshd.hostile_lines());
    let master = UserMaster::start(way.ssh_config.as_ref().unwrap());
    let users = master.port();
    assert!(!users.is_empty());
    assert_eq!(users, master.port(), "the user's own commands share the master, else this shows nothing");

    let connector = connector();
    let session = connector.open(&way).await.unwrap();
    let ours = run(&*session, command(WHERE)).await.unwrap().good();
    let first = once(&connector, &way, command(WHERE)).await.unwrap().good();
    let second = once(&connector, &way, command(WHERE)).await.unwrap().good();
    session.close().await;
    let all = [users, ours, first, second];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), 4, "{all:?}");
}

#[tokio::test]
async fn what_a_user_sets_for_terminals_does_not_get_in_the_way() {
    let sshd = Sshd::start();
    let session_type = "Host *\n  SessionType none\n  StdinNull yes\n  LogLevel QUIET\n  FingerprintHash md5\n  UpdateHostKeys yes";
    for lines in [sshd.hostile_lines(), session_type.to_owned()] {
        let way = sshd.way_with(&lines);
        let connector = connector();
        let session = connector.open(&way).await.unwrap();
        assert_eq!(run(&*session, command("tty; echo ok")).await.unwrap().out, ["not a tty", "ok"]);
        assert_eq!(once(&connector, &way, command("tty; echo ok")).await.unwrap().out, ["not a tty", "ok"]);
        session.close().await;
    }
}

#[tokio::test]
async fn a_way_without_configuration_takes_the_users_and_its_own_values_win() {
    let sshd = Sshd::start();
    let bare = Way { ssh_config: None, ..sshd.way() };
    let options = SshOptions { user_config: Some(sshd.path("ssh_config")), ..SshOptions::default() };
    let connector = connector_with(options);
    assert_eq!(once(&connector, &bare, command("echo in")).await.unwrap().good(), "in");

    let relay = Relay::to(sshd.address());
    let key = sshd.path("with blank");
    std::fs::copy(sshd.path("user_key"), &key).unwrap();
    let stated = Way {
        kind: WayKind::Was,
        address: Some("localhost".to_owned()),
        port: Some(relay.port()),
        identity_file: Some(key),
        ..bare
    };
    assert_eq!(once(&connector, &stated, command("echo in")).await.unwrap().good(), "in");
    assert_eq!(relay.accepted(), 1, "the way's own port was not used");
}

#[tokio::test]
async fn another_host_is_jumped_through() {
    let jump = Settings::named("jump.test").start();
    let target = Sshd::start();
    let way = Way { proxy_jump: Some("jump.test".to_owned()), ..target.way_with(&jump.client_config()) };
    let connector = connector();
    let session = connector.open(&way).await.unwrap();
    assert_eq!(run(&*session, command("echo far")).await.unwrap().good(), "far");
    assert_eq!(once(&connector, &way, command("echo far")).await.unwrap().good(), "far");
    session.close().await;
    assert!(
        jump.log().matches("direct-tcpip").count() >= 2,
        "nothing went through the jump host:\n{}",
        jump.log()
    );
    assert_no_sessions(&jump);
}

fn assert_no_sessions(sshd: &Sshd) {
    let until = Instant::now() + Duration::from_secs(5);
    while sshd.session_processes() > 0 {
        assert!(Instant::now() < until, "connections to the jump host are left open");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_jump_host_whose_key_is_not_known_is_refused() {
    let jump = Settings::named("jump.test").start();
    std::fs::write(jump.path("known_hosts"), "").unwrap();
    let target = Sshd::start();
    let way = Way { proxy_jump: Some("jump.test".to_owned()), ..target.way_with(&jump.client_config()) };
    let error = crate::bench::both_fail(&connector(), &way).await;
    assert_eq!(error.kind, snapback_transport::ConnectErrorKind::Jump, "{error:?}");
    assert!(error.transcript.contains("Host key verification failed"), "{error:?}");
    assert!(error.hint.contains("jump.test"), "{error:?}");
}

#[tokio::test]
async fn an_unreadable_or_broken_configuration_is_ours_to_mend() {
    let sshd = Sshd::start();
    let connector = connector();
    let missing = Way { ssh_config: Some(sshd.path("nowhere")), ..sshd.way() };
    let error = crate::bench::both_fail(&connector, &missing).await;
    assert_eq!(error.kind, snapback_transport::ConnectErrorKind::Local);
    assert!(error.message.contains("nowhere"), "{error:?}");

    let broken = sshd.way_with("Frobnicate yes");
    let error = crate::bench::both_fail(&connector, &broken).await;
    assert_eq!(error.kind, snapback_transport::ConnectErrorKind::Local);
    assert!(error.message.to_lowercase().contains("frobnicate"), "{error:?}");

    let smuggled = Way { user: Some("x\" -oProxyCommand=\"y".to_owned()), ..sshd.way() };
    let error = crate::bench::both_fail(&connector, &smuggled).await;
    assert_eq!(error.kind, snapback_transport::ConnectErrorKind::Local);
}
