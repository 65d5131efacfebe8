//! The built-in `http`.

use crate::stage::*;
use snapback_core::check::{Answer, HttpProbe, Probe};
use std::time::Instant;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nall is well\n";

#[tokio::test]
async fn the_wanted_status_passes() {
    let server = Server::saying(OK).await;
    let (answer, lines) = ask_http(get(&server.url("/healthz?deep=1"))).await;
    assert_eq!((answer, lines), (Answer::Passed, vec!["status 200".into()]));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("connection: close\r\n"), "{requests:?}");
}

#[tokio::test]
async fn another_status_is_quoted_with_the_first_line_of_the_body() {
    let body = "\n  database is down\x1b[2J \nmore\n";
    let response =
        format!("HTTP/1.1 500 Internal Server Error\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = Server::saying(response).await;
    let (answer, lines) = ask_http(get(&server.url("/"))).await;
    let wanted = "status 500, expected 200";
    assert!(reason(&answer).starts_with(wanted), "{answer:?}");
    assert_eq!(answer, failed(&format!("{wanted}: database is down\\x1b[2J")));
    assert_eq!(lines, ["", "  database is down\\x1b[2J ", "more"]);

    let silent = Server::saying("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(ask_http(get(&silent.url("/"))).await.0, failed("status 503, expected 200"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_isnt_followed() {
    let server = Server::saying(
        "HTTP/1.1 301 Moved\r\nlocation: https://elsewhere.example.org/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let probe = get(&server.url("/"));
    let (answer, _) = ask_http(probe.clone()).await;
    assert_eq!(answer, failed("status 301 (to https://elsewhere.example.org/), expected 200"));
    assert_eq!(ask_http(HttpProbe { status: 301, ..probe }).await.0, Answer::Passed);
    assert_eq!(server.requests().len(), 2, "one request for each attempt, nothing followed");
}

#[tokio::test]
async fn the_body_must_contain_the_text() {
    let server = Server::saying(OK).await;
    let probe = |text: &str| HttpProbe { contains: Some(text.to_owned()), ..get(&server.url("/")) };
    assert_eq!(ask_http(probe("is well")).await.0, Answer::Passed);
    assert_eq!(ask_http(probe("")).await.0, Answer::Passed);
    let (answer, lines) = ask_http(probe("version 2")).await;
    assert_eq!(answer, failed("the body doesn't contain \"version 2\": all is well"));
    assert_eq!(lines, ["all is well"]);
}

#[tokio::test]
async fn a_text_across_two_chunks_is_found() {
    let server = Server::saying(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nvers\r\n1\r\ni\r\n4\r\non 2\r\n0\r\n\r\n",
    )
    .await;
    let probe = HttpProbe { contains: Some("version 2".to_owned()), ..get(&server.url("/")) };
    assert_eq!(ask_http(probe).await.0, Answer::Passed);
}

#[tokio::test]
async fn a_body_without_end_passes_as_soon_as_the_text_is_there_and_fails_in_time_without_it() {
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nready: no\n";
    let server = Server::start(response.into(), Then::KeepSilent).await;
    let probe = |text: &str| HttpProbe { contains: Some(text.to_owned()), ..get(&server.url("/")) };
    let before = Instant::now();
    assert_eq!(ask_http(probe("ready:")).await.0, Answer::Passed);
    assert_eq!(ask_http(get(&server.url("/"))).await.0, Answer::Passed, "the status alone needs no body");
    assert!(before.elapsed() < ms(5000));

    let mut check = check("http", Probe::Http(probe("ready: yes")));
    check.pace.timeout = ms(300);
    let (answer, lines) = ask(&check).await;
    assert_eq!(answer, failed("the body didn't end in time and doesn't contain \"ready: yes\" so far"));
    assert_eq!(lines, ["ready: no"]);
}

#[tokio::test]
async fn no_more_than_a_mebibyte_of_a_body_is_read() {
    let mut response = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    response.resize(response.len() + 1024 * 1024, b'x');
    response.extend_from_slice(b"version 2");
    let server = Server::saying(response).await;
    let probe = HttpProbe { contains: Some("version 2".to_owned()), ..get(&server.url("/")) };
    assert_eq!(ask_http(probe).await.0, failed("the first MiB of the body doesn't contain \"version 2\""));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nver").await;
    let probe = HttpProbe { contains: Some("version 2".to_owned()), ..get(&server.url("/")) };
    let (answer, _) = ask_http(probe).await;
    assert!(matches!(&answer, Answer::Failed(why) if why.starts_with("the body broke off")), "{answer:?}");
}

#[tokio::test]
async fn connect_to_changes_where_it_goes_and_nothing_of_what_it_says() {
    let server = Server::saying(OK).await;
    let to = Some(server.address.to_string());
    for (url, host) in [
        ("http://shop.example.org/", "shop.example.org"),
        ("http://shop.example.org:80/", "shop.example.org"),
        ("http://shop.example.org:8080/", "shop.example.org:8080"),
        ("http://192.0.2.1:8080/", "192.0.2.1:8080"),
        ("http://[2001:db8::1]/", "[2001:db8::1]"),
    ] {
        let probe = HttpProbe { connect_to: to.clone(), ..get(url) };
        assert_eq!(ask_http(probe).await.0, Answer::Passed, "{url}");
        let request = server.requests().pop().unwrap();
        assert!(request.contains(&format!("host: {host}\r\n")), "{url}: {request}");
    }
}

#[tokio::test]
async fn headers_are_sent_and_win_over_ours() {
    let server = Server::saying(OK).await;
    let mut probe = get(&server.url("/"));
    probe.headers.insert("Host".into(), "shop.example.org".into());
    probe.headers.insert("X-Probe".into(), "yes".into());
    assert_eq!(ask_http(probe.clone()).await.0, Answer::Passed);
    let request = server.requests().pop().unwrap();
    assert!(
        request.contains("host: shop.example.org\r\n") && request.contains("x-probe: yes\r\n"),
        "{request}"
    );
    assert_eq!(request.matches("host:").count(), 1);

    probe.headers.insert("Authorization".into(), "Bearer s3cret\r\nx: y".into());
    let (answer, _) = ask_http(probe).await;
    assert!(
        matches!(&answer, Answer::Error(why) if why.contains("Authorization") && !why.contains("s3cret"))
    );
}

#[tokio::test]
async fn a_service_that_isnt_there_or_doesnt_answer_is_a_failure() {
    let port = refused_port().await;
    let (answer, _) = ask_http(get(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!(answer, failed(&format!("no connection to 127.0.0.1:{port}: connection refused")));

    let silent = Server::start(Vec::new(), Then::KeepSilent).await;
    let mut check = check("http", Probe::Http(get(&silent.url("/"))));
    check.pace.timeout = ms(300);
    assert_eq!(ask(&check).await.0, failed("connected, but no answer within 300ms"));

    let rude = Server::saying("").await;
    let (answer, _) = ask_http(get(&rude.url("/"))).await;
    assert!(
        matches!(&answer, Answer::Failed(why) if why.starts_with("connected, but no answer: ")),
        "{answer:?}"
    );

    let other = Server::saying("220 mail.example.org ESMTP\r\n").await;
    let (answer, _) = ask_http(get(&other.url("/"))).await;
    assert!(
        matches!(&answer, Answer::Failed(why) if why.starts_with("connected, but no answer: ")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_cant_be_asked_is_an_error() {
    for (url, wanted) in [
        ("shop.example.org/healthz", "url"),
        ("/healthz", "http://"),
        ("ftp://shop.example.org/", "http://"),
        ("http://", "url"),
        ("http://a b/", "url"),
        ("http://user:pw@shop.example.org/", "authorization header"),
    ] {
        let (answer, _) = ask_http(get(url)).await;
        let Answer::Error(why) = &answer else { panic!("{url}: {answer:?}") };
        assert!(why.contains(wanted), "{url}: {why}");
    }
    let (answer, _) = ask_http(get("http://no-such-host.invalid/")).await;
    assert!(matches!(&answer, Answer::Error(why) if why.contains("no-such-host.invalid")), "{answer:?}");
    let probe = HttpProbe { connect_to: Some("10.0.0.1".to_owned()), ..get("http://shop.example.org/") };
    assert_eq!(ask_http(probe).await.0, error("connect_to \"10.0.0.1\" is no host:port"));
}
