//! The vendor behind TLS: whom we believe, and that nothing is told to anybody else.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use hyper::{
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Authority, Setup, World, secs};

const QUESTIONS: &str = "/survey/queries/questions/100301";

/// What stands before the vendor and speaks TLS.
struct Front {
    port: u16,
    vendor: Arc<OnceLock<SocketAddr>>,
    /// Connections that came, and those of them whose handshake was finished.
    came: Arc<AtomicUsize>,
    trusted: Arc<AtomicUsize>,
}

impl Front {
    async fn open(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (vendor, came, trusted) = (Arc::new(OnceLock::new()), Arc::default(), Arc::<AtomicUsize>::default());
        let front = Self { port, vendor: Arc::clone(&vendor), came: Arc::clone(&came), trusted: Arc::clone(&trusted) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                came.fetch_add(1, Ordering::Relaxed);
                let (acceptor, vendor, trusted) = (acceptor.clone(), Arc::clone(&vendor), Arc::clone(&trusted));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    trusted.fetch_add(1, Ordering::Relaxed);
                    let vendor = *vendor.get().unwrap();
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        speak_http2(stream, vendor).await;
                    } else {
                        let mut plain = TcpStream::connect(vendor).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
                    }
                });
            }
        });
        front
    }

    async fn world(&self, host: &str, authority: Option<&Authority>) -> World {
        let mut setup = Setup::default();
        setup.base_url = Some(format!("https://{host}:{}/api/v1", self.port));
        setup.config.upstream.ca_file = authority.map(|authority| authority.file.clone());
        let world = setup.start().await;
        self.vendor.set(world.vendor_address).unwrap();
        world
    }
}

/// The simulated vendor speaks HTTP/1.1 only: its answers, over HTTP/2.
async fn speak_http2(stream: tokio_rustls::server::TlsStream<TcpStream>, vendor: SocketAddr) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let client = client.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
            let mut asked = client.request(head.method, format!("http://{vendor}{}", head.uri.path())).body(body);
            for name in [AUTHORIZATION.as_str(), CONTENT_TYPE.as_str(), "x-client-id"] {
                asked = head.headers.get(name).into_iter().fold(asked, |asked, value| asked.header(name, value));
            }
            let answer = asked.send().await.unwrap();
            let status = answer.status();
            let body = http_body_util::Full::new(answer.bytes().await.unwrap());
            hyper::Response::builder().status(status).body(body)
        }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[tokio::test]
async fn a_vendor_with_a_certificate_of_the_named_authority_is_believed() {
    let authority = Authority::new();
    for protocols in [&["http/1.1"][..], &["h2", "http/1.1"], &[]] {
        let front = Front::open(authority.server("localhost", 2100, protocols)).await;
        let world = front.world("localhost", Some(&authority)).await;
        world.get(QUESTIONS).await.ok();
        assert_eq!((world.logins(), world.vendor_calls("questions")), ((1, 0), 1), "{protocols:?}");
    }
}

#[tokio::test]
async fn over_http2_one_connection_serves_all_calls() {
    let authority = Authority::new();
    let front = Front::open(authority.server("localhost", 2100, &["h2"])).await;
    let world = front.world("localhost", Some(&authority)).await;
    world.logged_in().await;
    let paths: Vec<String> =
        (100_301..=100_305).map(|company| format!("/survey/queries/questions/{company}")).collect();
    for answer in join_all(paths.iter().map(|path| world.get(path))).await {
        answer.ok();
    }
    assert_eq!((front.came.load(Ordering::Relaxed), world.vendor_calls("questions")), (1, 5));
}

#[tokio::test]
async fn nobody_else_is_told_anything() {
    let (authority, another) = (Authority::new(), Authority::new());
    for (what, acceptor, host, trusted) in [
        ("an unknown authority", another.server("localhost", 2100, &[]), "localhost", Some(&authority)),
        ("another's name", authority.server("elsewhere.example", 2100, &[]), "localhost", Some(&authority)),
        ("a name for an address", authority.server("localhost", 2100, &[]), "127.0.0.1", Some(&authority)),
        ("an expired certificate", authority.server("localhost", 2020, &[]), "localhost", Some(&authority)),
    ] {
        let front = Front::open(acceptor).await;
        let world = front.world(host, trusted).await;
        let answer = world.passing(world.get(QUESTIONS)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream_unreachable"), "{what}");
        for _ in 0..5 {
            world.advance(secs(1));
            world.passing(world.get(QUESTIONS)).await;
        }
        assert!(front.came.load(Ordering::Relaxed) > 0, "{what}");
        assert_eq!(front.trusted.load(Ordering::Relaxed), 0, "{what}: the handshake was finished");
        assert_eq!(world.vendor.stats().total_calls(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_a_vendor_that_cannot_be_reached() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let mut setup = Setup::default();
    setup.base_url = Some(format!("https://localhost:{port}/api/v1"));
    setup.config.upstream.ca_file = Some(authority.file.clone());
    let world = setup.start().await;
    let answer = world.passing(world.get(QUESTIONS)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream_unreachable"));
    plain.abort();
}

#[test]
fn a_file_without_certificates_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    std::fs::write(&empty, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n").unwrap();
    for (file, says) in [(empty, "certificate"), (missing, "cannot be read")] {
        let mut setup = Setup::default();
        setup.config.upstream.ca_file = Some(file.clone());
        setup.config.upstream.client_id = wesal_gateway::config::Secret::new("id");
        let clock = std::sync::Arc::new(wesal_gateway::clock::ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let refused = wesal_gateway::server::Gateway::new(&setup.config, clock).err().unwrap().to_string();
        assert!(refused.contains("upstream.ca_file") && refused.contains(says), "{refused}");
        let settings = folder.path().join("config.toml");
        std::fs::write(&settings, format!("\nupstream.ca_file = {:?}\n", file.file_name().unwrap())).unwrap();
        let source = wesal_gateway::config::Source::new(&settings, wesal_gateway::config::Environment::empty());
        let checked = source
            .load(jiff::Timestamp::UNIX_EPOCH, wesal_gateway::server::check_certificate_files)
            .unwrap_err()
            .to_string();
        assert!(checked.contains("config.toml:2: upstream.ca_file: ") && checked.contains(says), "{checked}");
        assert!(checked.contains("leave it out"), "{checked}");
    }
}
