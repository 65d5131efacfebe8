//! Whose key is believed, and for how long.

use crate::bench::{both_fail, command, connector, connector_with, once, run};
use snapback_core::way::{KnownHosts, Way, WayKind};
use snapback_testkit::relay::Relay;
use snapback_testkit::sshd::{Settings, Sshd};
use snapback_transport::{ConnectErrorKind, Connector, SshOptions};
use std::os::unix::fs::PermissionsExt;

fn forget(sshd: &Sshd) {
    std::fs::write(sshd.path("known_hosts"), "").unwrap();
}

fn accept_new(sshd: &Sshd) -> Way {
    Way { known_hosts: KnownHosts::AcceptNew, ..sshd.way() }
}

#[tokio::test]
async fn an_unknown_key_is_refused_where_keys_must_be_known_and_learnt_where_they_may() {
    let sshd = Sshd::start();
    forget(&sshd);
    let error = both_fail(&connector(), &sshd.way()).await;
    assert_eq!(error.kind, ConnectErrorKind::UnknownHostKey, "{error:?}");
    assert!(error.hint.contains("SHA256:") && error.hint.contains("ssh -F "), "{error:?}");

    let run = once(&connector(), &accept_new(&sshd), command("echo in")).await.unwrap();
    assert_eq!(run.err, Vec::<String>::new(), "what ssh says isn't the command's");
    assert_eq!(run.good(), "in");
    assert_eq!(once(&connector(), &sshd.way(), command("echo in")).await.unwrap().good(), "in");
}

#[tokio::test]
async fn a_changed_key_is_refused_either_way() {
    let mut sshd = Sshd::start();
    sshd.swap_host_key();
    for way in [sshd.way(), accept_new(&sshd)] {
        let error = both_fail(&connector(), &way).await;
        assert_eq!(error.kind, ConnectErrorKind::ChangedHostKey, "{error:?}");
        let removal = format!("-R '[127.0.0.1]:{}'", sshd.port());
        assert!(error.hint.contains("ssh-keygen -f ") && error.hint.contains(&removal), "{error:?}");
    }
}

/// Accept-new and a forgotten known-hosts file would let the second key pass: only the pin is in its way.
async fn swapped_between(connector: &snapback_transport::SshConnector) {
    let mut sshd = Sshd::start();
    forget(&sshd);
    let way = accept_new(&sshd);
    let session = connector.open(&way).await.unwrap();
    assert_eq!(run(&*session, command("echo in")).await.unwrap().good(), "in");
    sshd.swap_host_key();
    forget(&sshd);
    let mark = sshd.path("mark");
    let script = format!("cat > {}", mark.display());
    let error = once(connector, &way, crate::bench::command_reading(&script, b"token")).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::ChangedHostKey, "{error:?}");
    assert!(error.message.contains("another host key than at the start of this run"), "{error:?}");
    assert_eq!(std::fs::read(&mark).unwrap_or_default(), b"", "the token went to a host with another key");
    assert_eq!(both_fail(connector, &way).await.kind, ConnectErrorKind::ChangedHostKey);
    session.close().await;

    let another_run = once(&crate::bench::connector(), &way, command("echo in")).await.unwrap();
    assert_eq!(another_run.good(), "in", "the pin is the run's, not for ever");
}

#[tokio::test]
async fn the_key_of_the_first_connection_holds_for_the_whole_run() {
    swapped_between(&connector()).await;
}

/// Before 8.5 ssh can't tell us the key itself.
#[tokio::test]
async fn an_old_ssh_that_only_tells_the_fingerprint_is_held_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("ssh");
    let text =
        "#!/bin/sh\n[ \"$1\" = -V ] && { echo 'OpenSSH_8.4p1 Debian-5' >&2; exit; }\nexec ssh \"$@\"\n";
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    swapped_between(&connector_with(SshOptions { program, ..SshOptions::default() })).await;
}

/// The user's own `KnownHostsCommand` keeps working; the fingerprint is then what is pinned.
#[tokio::test]
async fn a_known_hosts_command_of_the_users_is_asked() {
    let mut sshd = Sshd::start();
    let known = std::fs::read_to_string(sshd.path("known_hosts")).unwrap();
    forget(&sshd);
    std::fs::write(sshd.path("directory"), known).unwrap();
    let lines = format!("Host *\n  KnownHostsCommand /bin/cat {}\n", sshd.path("directory").display());
    let way = sshd.way_with(&lines);
    let connector = connector();
    assert_eq!(once(&connector, &way, command("echo in")).await.unwrap().good(), "in");
    assert_eq!(once(&connector, &way, command("echo in")).await.unwrap().good(), "in");
    sshd.swap_host_key();
    let key = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    std::fs::write(sshd.path("directory"), format!("[127.0.0.1]:{} {key}", sshd.port())).unwrap();
    assert_eq!(both_fail(&connector, &way).await.kind, ConnectErrorKind::ChangedHostKey);
}

/// A changed address, port and way need no known-hosts entry of their own: it is the same host by its key.
#[tokio::test]
async fn the_pinned_key_is_good_for_every_way_to_the_host() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    let elsewhere = Way { address: Some("localhost".to_owned()), port: Some(relay.port()), ..sshd.way() };
    let error = both_fail(&connector(), &elsewhere).await;
    assert_eq!(error.kind, ConnectErrorKind::UnknownHostKey, "without a pin it is unknown");

    let connector = connector();
    let was = Way { kind: WayKind::Was, ..sshd.way() };
    let session = connector.open(&was).await.unwrap();
    assert_eq!(once(&connector, &elsewhere, command("echo in")).await.unwrap().good(), "in");
    session.close().await;
}

#[tokio::test]
async fn behind_a_jump_host_the_targets_key_is_pinned_and_not_the_jumps() {
    let jump = Settings::named("jump.test").start();
    let mut sshd = Sshd::start();
    let way = Way { proxy_jump: Some("jump.test".to_owned()), ..sshd.way_with(&jump.client_config()) };
    let connector = connector();
    for _ in 0..2 {
        assert_eq!(once(&connector, &way, command("echo in")).await.unwrap().good(), "in");
    }
    sshd.swap_host_key();
    assert_eq!(both_fail(&connector, &way).await.kind, ConnectErrorKind::ChangedHostKey);
}

/// A host whose key is certified by an authority, and whose plain key nobody knows.
#[tokio::test]
async fn a_certified_host_key_is_pinned_too() {
    let mut sshd = certified();
    let connector = connector();
    let way = sshd.way();
    for _ in 0..2 {
        assert_eq!(once(&connector, &way, command("echo in")).await.unwrap().good(), "in");
    }
    sshd.swap_host_key();
    certify(&sshd);
    sshd.stop();
    sshd.listen_again();
    assert_eq!(once(&crate::bench::connector(), &way, command("echo in")).await.unwrap().good(), "in");
    assert_eq!(both_fail(&connector, &way).await.kind, ConnectErrorKind::ChangedHostKey);
}

fn certified() -> Sshd {
    let settings = Settings::named("target.test").line("HostCertificate {dir}/host_key-cert.pub");
    let mut sshd = settings.start();
    let authority = sshd.stranger_key("authority");
    let public = std::fs::read_to_string(authority.with_extension("pub")).unwrap();
    std::fs::write(sshd.path("known_hosts"), format!("@cert-authority * {public}")).unwrap();
    certify(&sshd);
    sshd.stop();
    sshd.listen_again();
    sshd
}

fn certify(sshd: &Sshd) {
    let status = std::process::Command::new("ssh-keygen")
        .arg("-q")
        .arg("-s")
        .arg(sshd.path("authority"))
        .args(["-h", "-I", "host", "-n", "target.test,127.0.0.1"])
        .arg(sshd.path("host_key.pub"))
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn an_announced_key_is_taken_and_no_other() {
    let mut sshd = Sshd::start();
    let connector = connector();
    let key_now = || {
        let text = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    let old = key_now();
    let was = Way { kind: WayKind::Was, ..sshd.way() };
    assert_eq!(once(&connector, &was, command("echo in")).await.unwrap().good(), "in");
    sshd.swap_host_key();
    let new = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    let new = new.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let last = Way { host_key: Some(new), ..sshd.way() };
    assert_eq!(once(&connector, &last, command("echo in")).await.unwrap().good(), "in");
    assert_eq!(
        both_fail(&connector, &was).await.kind,
        ConnectErrorKind::ChangedHostKey,
        "the old way is still pinned"
    );
    let unmoved = Way { host_key: Some(old), ..sshd.way() };
    let error = both_fail(&connector, &unmoved).await;
    assert_eq!(error.kind, ConnectErrorKind::ChangedHostKey, "{error:?}");
    assert!(error.message.contains("another host key than the announced one"), "{error:?}");
    forget(&sshd);
    let fresh = crate::bench::connector();
    assert_eq!(once(&fresh, &last, command("echo in")).await.unwrap().good(), "in");
    assert_eq!(
        std::fs::read_to_string(sshd.path("known_hosts")).unwrap(),
        "",
        "no file of the user's changes"
    );
}

#[tokio::test]
async fn a_way_that_is_bound_to_a_version_of_ip_goes_by_no_other() {
    use snapback_core::way::Family;
    let sshd = Sshd::start();
    let by =
        |family| Way { family: Some(family), address: Some("localhost".to_owned()), ..accept_new(&sshd) };
    assert_eq!(once(&connector(), &by(Family::V4), command("echo in")).await.unwrap().good(), "in");
    let error = once(&connector(), &by(Family::V6), command("echo in")).await.unwrap_err();
    assert!(
        matches!(error.kind, ConnectErrorKind::Refused | ConnectErrorKind::NoRoute | ConnectErrorKind::Name),
        "{error:?}"
    );
    assert!(error.message.contains("::1") || error.kind == ConnectErrorKind::Name, "{error:?}");
    let literal = Way {
        address: Some("127.0.0.1".to_owned()),
        proxy_jump: Some("jump.test".to_owned()),
        ..by(Family::V6)
    };
    let error = once(&connector(), &literal, command("echo in")).await.unwrap_err();
    assert!(error.message.contains("has no address of IPv6"), "{error:?}");
}
