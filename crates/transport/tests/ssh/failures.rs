//! Every way of not getting in, and of losing the line.

use crate::bench::{LONG, both_fail, command, connector, connector_with, once, run};
use snapback_core::way::{Way, WayKind};
use snapback_testkit::relay::Relay;
use snapback_testkit::sshd::{Settings, Sshd, free_port};
use snapback_transport::{ConnectErrorKind, Connector, Keepalive, RunError, SshOptions};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No retries: each of these tests counts what one attempt does.
fn single() -> snapback_transport::SshConnector {
    connector_with(SshOptions { retries: 0, ..SshOptions::default() })
}

fn through(sshd: &Sshd, relay: &Relay) -> Way {
    let key = std::fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    let mut known = std::fs::read_to_string(sshd.path("known_hosts")).unwrap();
    known.push_str(&format!("[127.0.0.1]:{} {key}", relay.port()));
    std::fs::write(sshd.path("known_hosts"), known).unwrap();
    Way { port: Some(relay.port()), ..sshd.way() }
}

#[tokio::test]
async fn a_closed_port_is_refused_and_the_message_says_which() {
    let sshd = Sshd::start();
    let way = Way { port: Some(free_port()), ..sshd.way() };
    let error = both_fail(&connector(), &way).await;
    assert_eq!(error.kind, ConnectErrorKind::Refused);
    let wanted = format!("target.test (127.0.0.1 port {}) refused the connection", way.port.unwrap());
    assert!(error.message.starts_with(&wanted), "{error:?}");
    assert!(error.hint.contains("ssh -v "), "{error:?}");
    assert!(error.transcript.contains("Connection refused"), "{error:?}");

    let was = Way { kind: WayKind::Was, ..way };
    let error = both_fail(&connector(), &was).await;
    assert!(error.message.contains("its old way in"), "{error:?}");
}

#[tokio::test]
async fn a_host_that_takes_none_of_our_keys_is_an_auth_failure() {
    let sshd = Sshd::start();
    let stranger = sshd.stranger_key("stranger");
    std::fs::remove_file(sshd.path("authorized_keys")).unwrap();
    let error = both_fail(&connector(), &sshd.way()).await;
    assert_eq!(error.kind, ConnectErrorKind::Auth, "{error:?}");
    let error = both_fail(&connector(), &Way { identity_file: Some(stranger), ..sshd.way() }).await;
    assert_eq!(error.kind, ConnectErrorKind::Auth, "{error:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_so() {
    let sshd = Sshd::start();
    let way = Way { address: Some("nowhere.invalid".to_owned()), ..sshd.way() };
    let error = both_fail(&connector(), &way).await;
    assert_eq!(error.kind, ConnectErrorKind::Name, "{error:?}");
}

/// A listener that takes connections and never speaks: what a dead host behind a firewall or a hung sshd is.
#[tokio::test]
async fn a_silent_host_is_given_up_in_time() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    relay.blackhole();
    let way = Way { connect_timeout: Duration::from_secs(2), ..through(&sshd, &relay) };
    let connector = connector();
    for _ in 0..2 {
        let start = Instant::now();
        let error = connector.open(&way).await.err().unwrap();
        assert_eq!(error.kind, ConnectErrorKind::Timeout, "{error:?}");
        assert!(error.message.contains("then said nothing for 2s"), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(error.after >= Duration::from_millis(1900) && error.after < Duration::from_secs(3));
    }
    let start = Instant::now();
    let error = once(&connector, &way, command("true")).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::Timeout, "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// No packet comes back at all: a listener whose queue is full drops what arrives.
#[tokio::test]
async fn an_address_that_answers_nothing_is_given_up_in_time() {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let filling: Vec<_> =
        (0..4).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200))).collect();
    assert!(filling.iter().any(Result::is_err), "the queue is not full, so this shows nothing");
    let sshd = Sshd::start();
    let way = Way { port: Some(address.port()), connect_timeout: Duration::from_secs(2), ..sshd.way() };
    let start = Instant::now();
    let error = connector().open(&way).await.err().unwrap();
    assert_eq!(error.kind, ConnectErrorKind::Timeout, "{error:?}");
    assert!(error.message.contains("did not answer within 2s"), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_host_that_closes_or_resets_at_once_is_lost_and_tried_again() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    let way = through(&sshd, &relay);
    for fail in [Relay::cut, Relay::reset] {
        fail(&relay);
        let before = relay.accepted();
        let error = single().open(&way).await.err().unwrap();
        assert_eq!(error.kind, ConnectErrorKind::Lost, "{error:?}");
        assert_eq!(relay.accepted() - before, 1);

        let before = relay.accepted();
        let error = connector().open(&way).await.err().unwrap();
        assert_eq!(error.kind, ConnectErrorKind::Lost, "{error:?}");
        assert_eq!(relay.accepted() - before, 4, "three retries");
    }
}

#[tokio::test]
async fn a_host_that_recovers_between_two_attempts_is_reached() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    let way = through(&sshd, &relay);
    relay.cut();
    let connector = connector();
    let recovering = async {
        while relay.accepted() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        relay.pass();
    };
    let (ran, ()) = tokio::join!(once(&connector, &way, command("echo in")), recovering);
    assert_eq!(ran.unwrap().good(), "in");
    assert!(relay.accepted() >= 2);
}

#[tokio::test]
async fn many_connections_at_once_get_past_a_limit_of_new_ones() {
    let sshd = Settings::named("target.test").line("MaxStartups 2:80:4").start();
    let way = sshd.way();
    let connector = connector_with(SshOptions { retries: 20, ..SshOptions::default() });
    let all = futures::future::join_all((0..8).map(|_| once(&connector, &way, command("echo in")))).await;
    for ran in all {
        assert_eq!(ran.unwrap().good(), "in");
    }
}

/// A session whose line is cut says so; what was printed before arrives.
#[tokio::test]
async fn a_cut_in_mid_command_is_lost_and_keeps_what_came_before() {
    let mut sshd = Sshd::start();
    let connector = connector();
    let session = connector.open(&sshd.way()).await.unwrap();
    let (sender, mut receiver) = mpsc::channel(16);
    let cutting = async {
        let first = receiver.recv().await;
        sshd.cut();
        (first, receiver.recv().await)
    };
    let (ran, (first, rest)) =
        tokio::join!(session.run(command("echo before; sleep 60; echo after"), sender), cutting);
    assert!(matches!(ran, Err(RunError::Lost)), "{ran:?}");
    assert_eq!(first, Some(snapback_transport::Line::Out(b"before".to_vec())));
    assert_eq!(rest, None);
    assert!(
        matches!(run(&*session, command("true")).await, Err(RunError::Lost)),
        "a lost session stays lost"
    );
    session.close().await;
}

#[tokio::test]
async fn a_cut_in_mid_command_on_a_fresh_connection_is_lost_and_never_repeated() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    let way = through(&sshd, &relay);
    let count = sshd.path("count");
    let script = format!("echo ran >> {}; echo before; sleep 60", count.display());
    let connector = connector();
    for fail in [Relay::cut, Relay::reset] {
        relay.pass();
        std::fs::write(&count, "").unwrap();
        let (sender, mut receiver) = mpsc::channel(16);
        let cutting = async {
            receiver.recv().await.expect("a line before the cut");
            fail(&relay);
            while receiver.recv().await.is_some() {}
        };
        let (ran, ()) = tokio::join!(connector.once(&way, false, command(&script), sender), cutting);
        let error = ran.unwrap_err();
        assert_eq!(error.kind, ConnectErrorKind::Lost, "{error:?}");
        assert!(error.message.contains("while a command was running"), "{error:?}");
        assert_eq!(std::fs::read_to_string(&count).unwrap(), "ran\n");
    }
}

#[tokio::test]
async fn a_line_that_falls_silent_is_given_up_after_the_keepalive() {
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.address());
    let way = through(&sshd, &relay);
    let keepalive = Keepalive { interval: Duration::from_secs(1), count: 2 };
    let connector = connector_with(SshOptions { keepalive, ..SshOptions::default() });
    let session = connector.open(&way).await.unwrap();
    let start = Instant::now();
    let falling_silent = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        relay.blackhole();
    };
    let both = async {
        tokio::join!(
            run(&*session, command("sleep 60")),
            once(&connector, &way, command("sleep 60")),
            falling_silent
        )
    };
    let (over_session, over_fresh, ()) = timeout(LONG, both).await.unwrap();
    assert!(matches!(over_session, Err(RunError::Lost)), "{over_session:?}");
    assert_eq!(over_fresh.unwrap_err().kind, ConnectErrorKind::Lost);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    session.close().await;
}

#[tokio::test]
async fn behind_a_jump_host_it_is_said_which_of_the_two_failed() {
    let jump = Settings::named("jump.test").start();
    let target = Sshd::start();
    let through = Way { proxy_jump: Some("jump.test".to_owned()), ..target.way_with(&jump.client_config()) };
    let connector = single();
    let closed = Way { port: Some(free_port()), ..through.clone() };
    let error = both_fail(&connector, &closed).await;
    assert_eq!(error.kind, ConnectErrorKind::Refused, "{error:?}");
    assert!(error.message.contains("through jump.test"), "{error:?}");

    let nameless = Way { address: Some("nowhere.invalid".to_owned()), ..through.clone() };
    assert_eq!(both_fail(&connector, &nameless).await.kind, ConnectErrorKind::Name);

    let jump_port = jump.port();
    drop(jump);
    let error = both_fail(&connector, &through).await;
    assert_eq!(error.kind, ConnectErrorKind::Jump, "{error:?}");
    assert!(error.transcript.contains(&format!("port {jump_port}: Connection refused")), "{error:?}");
}
