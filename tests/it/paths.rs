//! Which paths and methods there are, and what comes of requests that no honest client writes.

use crate::harness::{AUTH, DATA, World};

/// One request line as it stands, with a good key, on a connection of its own.
async fn ask(world: &World, method: &str, target: &str) -> String {
    let key = world.key();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n");
    world.raw(request.as_bytes()).await
}

fn status(answer: &str) -> u16 {
    let line = answer.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status in {answer:?}"));
    line[..3].parse().unwrap()
}

#[tokio::test]
async fn a_path_that_is_spelled_otherwise_is_not_there() {
    let world = World::new().await;
    for target in [
        "/",
        "//",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/queries/organization",
        "/queries/organization",
        "//api/v1/queries/organization",
        "/api/v1//queries/organization",
        "/api/v1/queries//organization",
        "/api/v1/queries/organization/",
        "/api/v1/queries/Organization",
        "/API/v1/queries/organization",
        "/api/v1/queries/%6frganization",
        "/api/v1/queries%2forganization",
        "/api%2fv1/queries/organization",
        "/api/v1/queries/organization%00",
        "/api/v1/queries/organization%20",
        "/api/v1/queries/organization;a=b",
        "/api/v1/queries;a=b/organization",
        "/api/v1/./queries/organization",
        "/api/v1/auth/../queries/organization",
        "/api/v1/%2e%2e/v1/queries/organization",
        "/api/v1/queries\\organization",
        "/api/v1/survey/queries/questions",
        "/api/v1/survey/queries/questions/",
        "/api/v1/survey/queries/questions/1/",
        "/api/v1/survey/queries/questions/1/2",
        "/api/v1/survey/queries/questions/1/../2",
        "/api/v1/survey/queries/questions/{companyId}/x",
        "/api/v1/analytics/runtime/queues/performance",
        "/api/v1/auth",
        "/livez/",
        "/stats",
        "/%ff",
    ] {
        let answer = ask(&world, "GET", target).await;
        assert_eq!(status(&answer), 404, "{target}");
        assert!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), "{target}: {answer}");
        assert!(answer.contains(r#""code":"not_found""#), "{target}: {answer}");
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn an_absolute_target_is_its_path() {
    let world = World::new().await;
    for target in ["http://x/api/v1/queries/organization", "https://elsewhere.example/api/v1/queries/organization"] {
        assert_eq!(status(&ask(&world, "GET", target).await), 200, "{target}");
    }
    assert_eq!(world.vendor_calls_in_all(), 1);
}

#[tokio::test]
async fn targets_that_are_no_path_are_refused() {
    let world = World::new().await;
    for (method, target) in [
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("GET", "api/v1/queries/organization"),
        ("GET", "x:80"),
        ("GET", "?x=1"),
        ("CONNECT", "x:80"),
        ("CONNECT", "/api/v1/queries/organization"),
        ("GET", "/api/v1/queries/organization\x01"),
        ("GET", "/api/v1/survey/queries/questions/.."),
        ("GET", "/api/v1/survey/queries/questions/%2e%2e"),
        ("GET", "/api/v1/queries/ organization"),
    ] {
        let answer = ask(&world, method, target).await;
        assert!((400..500).contains(&status(&answer)), "{method} {target}: {answer}");
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
    world.get("/queries/organization").await.ok();
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_without_a_credential() {
    let world = World::new().await;
    for route in DATA.iter().chain(&AUTH) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            // The vendor's logout is a GET, but not a safe one.
            let safe = route.path != "/auth/logout" && route.path != "/auth/reset_pwd";
            let right = method == route.method || (method == "HEAD" && route.method == "GET" && safe);
            if right {
                continue;
            }
            let answer = world.send(world.request(method, route.path)).await;
            let what = format!("{method} {}", route.path);
            assert_eq!(answer.status, 405, "{what}");
            let allowed = match route.method {
                "GET" if safe => "GET,HEAD",
                "GET" => "GET",
                _ => "POST",
            };
            assert_eq!(answer.header("allow"), allowed, "{what}");
            if method != "HEAD" {
                assert_eq!(answer.problem(), "method_not_allowed", "{what}");
            }
        }
    }
    for path in ["/livez", "/readyz"] {
        let answer = world.send(world.request_at_root("POST", path)).await;
        assert_eq!((answer.problem().as_str(), answer.header("allow")), ("method_not_allowed", "GET,HEAD"));
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::new().await;
    for route in DATA.iter().filter(|route| route.method == "GET") {
        let got = world.ask(route).await.ok();
        let head = world.send(world.request("HEAD", route.path).header("authorization", world.key())).await;
        assert_eq!((head.status, head.text()), (200, ""));
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), got.header(name), "{name} of {}", route.path);
        }
        assert!(head.header("cache-status").contains("; hit;"));
        assert_eq!(world.send(world.request("HEAD", route.path)).await.status, 401);
    }
    assert_eq!(world.vendor_calls_in_all(), 2);
}

#[tokio::test]
async fn what_no_honest_client_writes_is_refused_and_harms_nobody() {
    let world = World::new().await;
    let key = world.key();
    let get = format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n");
    let post = format!(
        "POST /api/v1/analytics/runtime/queues/summary HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n"
    );
    let many = "X-Many: 1\r\n".repeat(200);
    let large = "x".repeat(100_000);
    let requests: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", b"\x00\x01\x02\xff\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /api/v1/queries/organization\r\n\r\n".to_vec()),
        ("no method", b" /livez HTTP/1.1\r\n\r\n".to_vec()),
        ("no such version", format!("{get}\r\n").replace("HTTP/1.1", "HTTP/9.9").into_bytes()),
        ("a name with a space", format!("{get}X Y: 1\r\n\r\n").into_bytes()),
        ("a space before the colon", format!("{get}X-Y : 1\r\n\r\n").into_bytes()),
        ("a line without a colon", format!("{get}X-Y\r\n\r\n").into_bytes()),
        ("a folded line", format!("{get}X-Y: 1\r\n 2\r\n\r\n").into_bytes()),
        ("a NUL in a value", format!("{get}X-Y: a\0b\r\n\r\n").into_bytes()),
        ("too many headers", format!("{get}{many}\r\n").into_bytes()),
        ("too large a header", format!("{get}X-Large: {large}\r\n\r\n").into_bytes()),
        ("too long a target", format!("GET /{large} HTTP/1.1\r\n\r\n").into_bytes()),
        ("two lengths", format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes()),
        ("two lengths in one", format!("{post}Content-Length: 2, 3\r\n\r\n{{}}").into_bytes()),
        ("a signed length", format!("{post}Content-Length: +2\r\n\r\n{{}}").into_bytes()),
        ("a negative length", format!("{post}Content-Length: -2\r\n\r\n{{}}").into_bytes()),
        ("a length in words", format!("{post}Content-Length: two\r\n\r\n{{}}").into_bytes()),
        ("an unknown coding", format!("{post}Transfer-Encoding: rot13\r\n\r\n{{}}").into_bytes()),
        ("chunked, and then not", format!("{post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n").into_bytes()),
        (
            "a chunk's length in words",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        ),
        (
            "a length and chunks",
            format!("{post}Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")
                .into_bytes(),
        ),
        (
            "chunks and a length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")
                .into_bytes(),
        ),
    ];
    for (what, bytes) in requests {
        let answer = world.raw(&bytes).await;
        assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{what}: {answer}");
        assert_eq!(world.vendor_calls_in_all(), 0, "the vendor was called: {what}");
    }
    assert_eq!(world.send(world.request_at_root("GET", "/livez")).await.status, 200);
    world.get("/queries/organization").await.ok();
    assert_eq!(world.vendor_calls_in_all(), 1);
}

#[tokio::test]
async fn what_is_no_http_request_gets_a_bare_answer_as_the_pages_say() {
    let world = World::new().await;
    let large = "x".repeat(100_000);
    let id = "X-Request-Id: mine\r\n";
    for address in [world.address, world.admin] {
        for (request, codes) in [
            (format!("GET /livez HTTP/9.9\r\nHost: localhost\r\n{id}\r\n"), &[400][..]),
            (format!("GET /{large} HTTP/1.1\r\nHost: localhost\r\n{id}\r\n"), &[414, 431]),
            (format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{id}X-Large: {large}\r\n\r\n"), &[431]),
        ] {
            let answer = world.raw_to(address, request.as_bytes()).await;
            assert!(codes.contains(&status(&answer)), "{answer}");
            assert!(answer.contains("\r\ncontent-length: 0\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
            assert!(!answer.contains("x-request-id"), "it has an id now, and the pages need not warn: {answer}");
        }
    }
    for page in ["/openapi.json", "/docs/errors"] {
        let page = world.send(world.request_at_root("GET", page)).await;
        assert!(page.text().contains("gets a bare 400, 414 or 431"), "{}", page.text());
    }
}

/// RFC 9112, section 3.2: what stands before us may have chosen by another `Host` than we would.
#[tokio::test]
async fn who_does_not_name_one_host_is_refused_by_both_listeners_and_nothing_behind_is_read() {
    let world = World::new().await;
    let key = world.key();
    for (address, path) in [
        (world.address, "/api/v1/queries/organization"),
        (world.address, "/livez"),
        (world.address, "/no/such/path"),
        (world.admin, "/admin/status"),
        (world.admin, "/livez"),
    ] {
        for (version, hosts, good) in [
            ("1.1", "", false),
            ("1.1", "Host: localhost\r\nHost: localhost\r\n", false),
            ("1.1", "Host: localhost\r\nX-A: b\r\nHOST: other\r\n", false),
            ("1.1", "Host: local host\r\n", false),
            ("1.1", "Host: http://localhost\r\n", false),
            ("1.1", "Host: user@localhost\r\n", false),
            ("1.1", "Host: localhost:http\r\n", false),
            ("1.1", "Host: localhost\r\n", true),
            ("1.1", "host:\t[::1]:80 \r\n", true),
            ("1.0", "", true),
            ("1.0", "Host: localhost\r\nHost: localhost\r\n", false),
        ] {
            let head = format!("GET {path} HTTP/{version}\r\nX-Request-Id: mine\r\nAuthorization: {key}\r\n{hosts}");
            let what = format!("{path} of {address} by {version} with {hosts:?}");
            if good {
                let answer = world.raw_to(address, format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
                assert!(!answer.contains(" 400 "), "{what}: {answer}");
                continue;
            }
            let behind = format!("{head}\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let answer = world.raw_to(address, behind.as_bytes()).await;
            assert!(answer.contains(" 400 ") && answer.matches("HTTP/1.").count() == 1, "{what}: {answer}");
            for told in [
                "\r\ncontent-type: application/problem+json\r\n",
                "\r\nx-request-id: mine\r\n",
                "\r\ncache-control: no-store\r\n",
                r#""code":"invalid_request""#,
                r#""requestId":"mine""#,
            ] {
                assert!(answer.contains(told), "{what} does not tell {told:?}: {answer}");
            }
        }
    }
    assert_eq!(world.vendor_calls_in_all(), 1, "those in good form, of which the first fetched");
    let refused = "requests_total{caller=\"-\",route=\"other\",status=\"400\",cache=\"none\"}";
    assert_eq!(world.metric(refused).await, 8.0 * 3.0);
}

/// RFC 9112, section 6.3: a proxy before us may have seen other requests in these bytes than we do.
#[tokio::test]
async fn behind_a_request_with_a_length_and_chunks_nothing_more_is_read() {
    let world = World::new().await;
    let key = world.key();
    let head = format!(
        "POST /api/v1/analytics/runtime/queues/summary HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\
         Content-Type: application/json\r\n"
    );
    let smuggled = format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n");
    let (length, chunks) = ("Content-Length: 99\r\n", "Transfer-Encoding: chunked\r\n");
    for lengths in [[length, chunks].concat(), [chunks, length].concat()] {
        let request = format!("{head}{lengths}\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}");
        let answer = world.raw(request.as_bytes()).await;
        assert_eq!((status(&answer), answer.matches("HTTP/1.1 ").count()), (400, 1), "{answer}");
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}
