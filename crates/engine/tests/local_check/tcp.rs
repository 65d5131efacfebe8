//! The built-in `tcp`.

use crate::stage::*;
use snapback_core::check::{Answer, Check, Probe};
use tokio::net::TcpListener;

fn tcp(host: &str, port: u16) -> Check {
    check("tcp", Probe::Tcp { host: host.to_owned(), port })
}

#[tokio::test]
async fn a_port_that_accepts_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (answer, lines) = ask(&tcp("127.0.0.1", port)).await;
    assert_eq!((answer, lines), (Answer::Passed, vec![format!("connected to 127.0.0.1:{port}")]));
    assert_eq!(ask(&tcp("localhost", port)).await.0, Answer::Passed, "::1 may refuse, 127.0.0.1 doesn't");
}

#[tokio::test]
async fn a_port_that_refuses_fails_with_the_reason() {
    let port = refused_port().await;
    let wanted = format!("no connection to 127.0.0.1:{port}: connection refused");
    assert_eq!(ask(&tcp("127.0.0.1", port)).await.0, failed(&wanted));
}

#[tokio::test]
async fn a_full_backlog_fails_when_the_time_is_up() {
    // Linux drops the handshakes that a listener has no room for, so the next client hears nothing.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(ms(300), tokio::net::TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let mut check = tcp("127.0.0.1", address.port());
    check.pace.timeout = ms(300);
    assert_eq!(ask(&check).await.0, failed(&format!("no connection to {address} within 300ms")));
}

#[tokio::test]
async fn a_name_that_cant_be_resolved_is_an_error() {
    let (answer, _) = ask(&tcp("no-such-host.invalid", 80)).await;
    assert!(
        matches!(&answer, Answer::Error(why) if why.contains("no-such-host.invalid") && why.contains("controller")),
        "{answer:?}"
    );
}
