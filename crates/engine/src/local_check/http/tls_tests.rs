//! The `https` half: who is trusted, and which name the certificate must carry.

use super::*;
use rcgen::{CertificateParams, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Serves `ok` over TLS with a certificate for `name`, and returns where, and the authority that signed it.
async fn serve(name: &str) -> (SocketAddr, RootCertStore) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new([]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let cert = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca_cert.der().clone()).unwrap();

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that doesn't trust us leaves during the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });
    (address, roots)
}

async fn ask_with(url: &str, to: SocketAddr, roots: RootCertStore) -> Answer {
    let probe = HttpProbe {
        url: url.to_owned(),
        connect_to: Some(to.to_string()),
        status: 200,
        contains: Some("ok".to_owned()),
        headers: BTreeMap::new(),
    };
    ask_trusting(&probe, Duration::from_secs(5), || tls::trusting(roots.clone())).await.0
}

fn reason(answer: Answer) -> String {
    match answer {
        Answer::Failed(reason) => reason,
        other => panic!("{other:?} isn't a failure"),
    }
}

#[tokio::test]
async fn the_certificate_must_name_the_host_of_the_url_wherever_it_connects_to() {
    let (address, roots) = serve("shop.example.org").await;
    let url = "https://shop.example.org/healthz";
    assert_eq!(ask_with(url, address, roots.clone()).await, Answer::Passed);
    let other = reason(ask_with("https://other.example.org/", address, roots).await);
    assert!(other.starts_with("TLS: ") && other.contains("other.example.org"), "{other}");
}

#[tokio::test]
async fn an_authority_that_isnt_trusted_is_a_failure() {
    let (address, _) = serve("shop.example.org").await;
    let (_, another) = serve("shop.example.org").await;
    let why = reason(ask_with("https://shop.example.org/", address, another).await);
    assert!(why.starts_with("TLS: invalid peer certificate"), "{why}");
}

#[tokio::test]
async fn a_server_without_tls_is_a_failure_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let why = reason(ask_with("https://shop.example.org/", address, RootCertStore::empty()).await);
    assert!(why.starts_with("TLS: "), "{why}");
}
