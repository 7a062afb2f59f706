//! The public listener behind its certificate.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use reqwest::Version;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wesal_gateway::{
    clock::ManualClock,
    config::{ConfigErrors, Environment, Loaded, Source, TlsConfig},
    server::{Gateway, check_certificate_files},
};

use crate::harness::{Authority, Setup, World, in_time, secs, tls_files};

const ORGANIZATION: &str = "/api/v1/queries/organization";

fn with_certificate(authority: &Authority, folder: &Path) -> Setup {
    authority.write(folder);
    let mut setup = Setup::default();
    setup.config.server.tls = Some(tls_files(folder));
    setup
}

fn url(world: &World, path: &str) -> String {
    format!("https://localhost:{}{path}", world.address.port())
}

#[tokio::test]
async fn both_protocols_answer_by_what_the_client_can_speak() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let world = with_certificate(&authority, folder.path()).start().await;
    for (client, version) in
        [(authority.client(), Version::HTTP_2), (authority.client().http1_only(), Version::HTTP_11)]
    {
        let client = client.build().unwrap();
        for _ in 0..2 {
            let request = client.get(url(&world, ORGANIZATION)).header("authorization", world.key());
            let response = request.send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, version));
            assert!(response.headers()["cache-status"].to_str().unwrap().starts_with("wesal-gateway"));
            assert!(response.text().await.unwrap().contains("organization"));
        }
    }
    for (protocols, chosen) in [(&["http/1.1"][..], &b"http/1.1"[..]), (&["h2", "http/1.1"], b"h2"), (&[], b"")] {
        let stream = TcpStream::connect(world.address).await.unwrap();
        let stream = authority.connect(stream, protocols).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol().unwrap_or_default(), chosen);
    }
}

#[tokio::test]
async fn a_client_who_does_not_speak_tls_or_never_finishes_is_cut_off_and_delays_nobody() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let mut setup = with_certificate(&authority, folder.path());
    setup.config.server.header_timeout = secs(1);
    let world = setup.start().await;
    let mut strangers = Vec::new();
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00", b"\x16"].repeat(20) {
        let mut stranger = TcpStream::connect(world.address).await.unwrap();
        stranger.write_all(sent).await.unwrap();
        strangers.push(stranger);
    }
    let client = authority.client().build().unwrap();
    let answer = client.get(url(&world, "/livez")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for mut stranger in strangers {
        // An alert may come before the end.
        let _ = in_time(stranger.read_to_end(&mut Vec::new())).await;
    }
    assert!(world.raw(b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n").await.bytes().all(|byte| byte != b'H'));
}

/// What a new connection is shown.
async fn shown(world: &World, authority: &Authority) -> Vec<u8> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let stream = authority.connect(stream, &["http/1.1"]).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Lets the link point elsewhere, as orchestrators do: by another link that takes its name.
fn point(link: &Path, at: &Path) {
    let next = link.with_extension("next");
    symlink(at, &next).unwrap();
    std::fs::rename(next, link).unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_exchanged_behind_a_link_is_shown_to_who_comes_next_and_a_bad_one_is_not() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let version = |name: &str| {
        let version = folder.path().join(name);
        std::fs::create_dir(&version).unwrap();
        let certificate = authority.write(&version);
        (version, certificate)
    };
    let ((first, first_shown), (second, second_shown), (third, third_shown)) =
        (version("first"), version("second"), version("third"));
    let data = folder.path().join("data");
    symlink(&first, &data).unwrap();
    let mut setup = Setup::default();
    setup.config.server.tls = Some(tls_files(&data));
    let world = setup.start().await;
    assert_eq!(shown(&world, &authority).await, first_shown);

    let client = authority.client().build().unwrap();
    assert_eq!(client.get(url(&world, "/livez")).send().await.unwrap().status(), 200);
    point(&data, &second);
    in_time(async {
        while shown(&world, &authority).await != second_shown {
            world.advance(secs(2));
        }
    })
    .await;
    assert_eq!(client.get(url(&world, "/livez")).send().await.unwrap().status(), 200, "the open connection goes on");

    let spoil = |name: &str, spoil: &dyn Fn(&Path)| -> PathBuf {
        let (bad, _) = version(name);
        spoil(&bad);
        bad
    };
    let write = |file: PathBuf, text: &str| std::fs::write(file, text).unwrap();
    let mut reasons: Vec<serde_json::Value> = Vec::new();
    for bad in [
        spoil("no key", &|bad| std::fs::remove_file(bad.join("server.key")).unwrap()),
        spoil("empty", &|bad| write(bad.join("server.pem"), "")),
        spoil("another's key", &|bad| {
            std::fs::copy(second.join("server.key"), bad.join("server.key")).unwrap();
        }),
        folder.path().join("nowhere"),
    ] {
        point(&data, &bad);
        let (warnings, refused) = in_time(async {
            loop {
                world.advance(secs(2));
                assert_eq!(shown(&world, &authority).await, second_shown, "{}", bad.display());
                let (warnings, refused) = told(&world, &authority).await;
                // Each is refused for another reason than the one before it.
                if !warnings.is_empty() && !reasons.contains(&refused) {
                    break (warnings, refused);
                }
            }
        })
        .await;
        reasons.push(refused.clone());
        assert!(warnings[0].starts_with("certificate: its files have changed, and are not good"), "{warnings:?}");
        assert!(refused.as_str().unwrap().starts_with("server.tls."), "{refused}");
        assert_eq!(world.metric("warnings{about=\"certificate_refused\"}").await, 1.0);
    }
    point(&data, &third);
    in_time(async {
        while shown(&world, &authority).await != third_shown {
            world.advance(secs(2));
        }
        while told(&world, &authority).await != (vec![], serde_json::Value::Null) {}
    })
    .await;
}

/// What everybody and what operators are told of the certificate: the warnings, and why its files are refused.
async fn told(world: &World, authority: &Authority) -> (Vec<String>, serde_json::Value) {
    let warnings = |ready: serde_json::Value| match &ready["warnings"] {
        serde_json::Value::Null => Vec::new(),
        warnings => serde_json::from_value::<Vec<String>>(warnings.clone()).unwrap(),
    };
    let behind = world.get_admin("/admin/status").await.ok().json();
    let client = authority.client().build().unwrap();
    let public = client.get(url(world, "/readyz")).send().await.unwrap().bytes().await.unwrap();
    let public = warnings(serde_json::from_slice(&public).unwrap());
    assert_eq!(warnings(behind["readiness"].clone()), public);
    (public, behind["certificate"]["refused"].clone())
}

#[tokio::test]
async fn when_a_certificate_expires_is_told_in_time() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    // It is good until 2100.
    let world = with_certificate(&authority, folder.path()).start().await;
    assert_eq!(world.metric("tls_certificate_not_after_seconds{listener=\"public\"}").await, 4_102_444_800.0);
    let certificate = world.get_admin("/admin/status").await.ok().json()["certificate"].clone();
    assert_eq!(certificate["notAfter"], "2100-01-01T00:00:00Z");
    assert_eq!(told(&world, &authority).await.0.len(), 0);
    let warned = "warnings{about=\"certificate_not_good_for_long\"}";
    assert_eq!(world.metric(warned).await, 0.0);
    let begins: jiff::Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let until = |text: &str| text.parse::<jiff::Timestamp>().unwrap().duration_since(begins).unsigned_abs();
    world.advance(until("2099-12-20T00:00:00Z"));
    assert_eq!(told(&world, &authority).await.0, ["certificate: it expires soon; renew it"]);
    assert_eq!(world.metric(warned).await, 1.0);
    world.advance(secs(20 * 86_400));
    assert_eq!(told(&world, &authority).await.0, ["certificate: it has expired, and clients refuse it; renew it"]);
    let plain = World::new().await;
    assert!(!plain.get_admin("/metrics").await.text().contains("tls_certificate_not_after_seconds{"));
    assert!(plain.get_admin("/admin/status").await.ok().json()["certificate"].is_null());
}

/// Loads settings as `check` and the start do.
fn load(file: &std::path::Path) -> Result<Loaded, ConfigErrors> {
    Source::new(file, Environment::empty()).load(jiff::Timestamp::UNIX_EPOCH, check_certificate_files)
}

#[test]
fn wrong_files_are_refused_with_their_name_and_a_remedy_before_anything_is_served() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let path = folder.path();
    authority.write(path);
    let other = tempfile::tempdir().unwrap();
    authority.write(other.path());
    std::fs::write(path.join("empty"), "").unwrap();
    std::fs::write(path.join("junk"), "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
        .unwrap();
    let key = std::fs::read_to_string(path.join("server.key")).unwrap();
    std::fs::write(path.join("cut.key"), &key[..key.len() / 2]).unwrap();
    let others_key = other.path().join("server.key").display().to_string();
    for (cert_file, key_file, setting, says) in [
        ("none", "server.key", "cert_file", "none cannot be read"),
        ("server.pem", "none", "key_file", "none cannot be read"),
        ("empty", "server.key", "cert_file", "empty holds no certificates"),
        ("junk", "server.key", "cert_file", "junk holds a certificate that cannot be read"),
        ("server.key", "server.key", "cert_file", "server.key holds no certificates"),
        ("server.pem", "server.pem", "key_file", "server.pem holds no private key"),
        ("server.pem", "cut.key", "key_file", "cut.key"),
        ("server.pem", others_key.as_str(), "key_file", "is not the key of the first certificate"),
    ] {
        let file = path.join("config.toml");
        std::fs::write(
            &file,
            format!("[server]\ntls = {{ cert_file = \"{cert_file}\", key_file = \"{key_file}\" }}\n"),
        )
        .unwrap();
        let faults = load(&file).unwrap_err().to_string();
        assert!(faults.contains(&format!("server.tls.{setting}")) && faults.contains(says), "{faults}");
        assert!(faults.contains("config.toml:2"), "{faults}");
        assert!(!faults.contains(&key[30..60]), "{faults}");

        let mut setup = Setup::default();
        let (cert_file, key_file) = (path.join(cert_file), path.join(key_file));
        setup.config.server.tls = Some(TlsConfig { cert_file, key_file });
        let clock = std::sync::Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let refused = Gateway::new(&setup.config, clock).err().unwrap().to_string();
        assert!(refused.contains(&format!("server.tls.{setting}")) && refused.contains(says), "{refused}");
    }
    let file = path.join("config.toml");
    std::fs::write(&file, "[server]\ntls = { cert_file = \"server.pem\", key_file = \"server.key\" }\n").unwrap();
    let loaded = load(&file).unwrap();
    assert!(!format!("{:?}", loaded.config).contains("PRIVATE"), "the key is told");
}
