//! Requests that two readers could read in two ways (RFC 9112, section 11.2). Each is sent to a gateway that would fetch, to
//! one that holds the answer, with a wrong key, and past the limit; and nothing that one reader could take for a second
//! request is ever done.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{SALES, Setup, World, rate, secs};

/// What the request is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// Refused as it stands: one answer with this status, and the connection ends.
    Refused(u16),
    /// One good request, which ends where it says; what follows is another one.
    Whole,
    /// One good request, after which the connection ends: what follows is never looked at.
    WholeAndLast,
    /// One request that ends where it says, with a body that is not good.
    BadBody,
    /// The same, and the connection ends.
    BadBodyAndLast,
    /// It is good so far, and its end never comes.
    Endless,
}
use Read::{BadBody, BadBodyAndLast, Endless, Refused, Whole, WholeAndLast};

struct Script {
    name: &'static str,
    read: Read,
    /// What stands in the head after the fields that all have.
    fields: String,
    body: String,
}

fn body() -> String {
    format!("{{\"queues\":[\"{SALES}\"]}}")
}

/// What must never be answered, with a key that is good.
fn inner(key: &str) -> String {
    format!("GET /api/v1/survey/queries/questions/666 HTTP/1.1\r\nHost: g\r\nAuthorization: {key}\r\n\r\n")
}

fn scripts(key: &str) -> Vec<Script> {
    let (good, inner) = (body(), inner(key));
    let length = good.len();
    let chunked = |extension: &str| format!("{length:x}{extension}\r\n{good}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    let cl = format!("Content-Length: {length}\r\n");
    let short = format!("Content-Length: {}\r\n", length - 5);
    let covering = |body: &str| format!("Content-Length: {}\r\n", body.len());
    let hidden = format!("0\r\n\r\n{inner}");
    let mut scripts = Vec::new();
    let mut add = |name, read, fields: String, body: &str| {
        scripts.push(Script { name, read, fields, body: body.to_owned() });
    };

    // Plain ones, so that it is known that the others fail for what is wrong with them.
    add("a length", Whole, cl.clone(), &good);
    add("chunks", WholeAndLast, te.into(), &chunked(""));
    add(
        "one byte a chunk",
        WholeAndLast,
        te.into(),
        &(good.chars().map(|c| format!("1\r\n{c}\r\n")).collect::<String>() + "0\r\n\r\n"),
    );

    // Two lengths.
    add("length and chunks", WholeAndLast, cl.clone() + te, &chunked(""));
    add("chunks and length", WholeAndLast, te.to_owned() + &cl, &chunked(""));
    add("the length hides a request", BadBodyAndLast, covering(&hidden) + te, &hidden);
    add("the length hides a request, after", BadBodyAndLast, te.to_owned() + &covering(&hidden), &hidden);
    add("a short length and chunks", WholeAndLast, "Content-Length: 4\r\n".to_owned() + te, &chunked(""));
    add("a length that is no number, and chunks", Refused(400), "Content-Length: x\r\n".to_owned() + te, &chunked(""));
    add("two lengths", Refused(400), cl.clone() + &short, &good);
    add("two lengths, the short one first", Refused(400), short.clone() + &cl, &good);
    add("the same length twice", Whole, cl.clone() + &cl, &good);
    add("a list of one length", Refused(400), format!("Content-Length: {length}, {length}\r\n"), &good);
    add("a list of two lengths", Refused(400), format!("Content-Length: {length}, 0\r\n"), &good);
    add("zero and a length", Refused(400), "Content-Length: 0\r\n".to_owned() + &cl, &good);

    // Lengths that some read otherwise.
    for (name, value) in [
        ("a signed length", format!("+{length}")),
        ("a negative length", format!("-{length}")),
        ("a hexadecimal length", format!("0x{length:x}")),
        ("a fraction", format!("{length}.0")),
        ("an exponent", "3e1".to_owned()),
        ("an empty length", String::new()),
        ("a length and a word", format!("{length} bytes")),
        ("a length over 64 bits", format!("18446744073709551616{length}")),
        ("digits that are not ASCII", "\u{664}\u{664}".to_owned()),
        ("a quoted length", format!("\"{length}\"")),
        ("an underscore", format!("{}_{}", length / 10, length % 10)),
    ] {
        add(name, Refused(400), format!("Content-Length: {value}\r\n"), &good);
    }
    // hyper takes it for too large.
    let greatest = "Content-Length: 18446744073709551615\r\n";
    add("the greatest length", Refused(431), greatest.into(), &good);
    add("leading zeros", Whole, format!("Content-Length: 000{length}\r\n"), &good);
    add("a length amid blanks", Whole, format!("Content-Length: \t {length} \t\r\n"), &good);
    add("no length", BadBody, String::new(), "");

    // Codings that some read otherwise.
    for (name, value) in [
        ("identity", "identity"),
        ("an unknown coding", "xchunked"),
        ("chunked is not the last", "chunked, identity"),
        ("gzip alone", "gzip"),
        ("a quoted coding", "\"chunked\""),
        ("a coding with a parameter", "chunked;q=0"),
        ("a coding with a control character", "\u{b}chunked"),
        ("a coding with a comma before", ","),
        ("a cut coding", "chunke"),
        ("nothing", ""),
    ] {
        add(name, Refused(400), format!("Transfer-Encoding: {value}\r\n{cl}"), &good);
    }
    add("in capitals", WholeAndLast, "TRANSFER-ENCODING: CHUNKED\r\n".into(), &chunked(""));
    add(
        "two codings in two fields, the last is chunked",
        WholeAndLast,
        "Transfer-Encoding: identity\r\n".to_owned() + te,
        &chunked(""),
    );
    add(
        "two codings in two fields, the first is chunked",
        Refused(400),
        te.to_owned() + "Transfer-Encoding: identity\r\n",
        &chunked(""),
    );
    add("a tab before the coding", WholeAndLast, "Transfer-Encoding:\tchunked\r\n".into(), &chunked(""));
    add("a name that is only like it", Whole, "Transfer_Encoding: chunked\r\n".to_owned() + &cl, &good);
    add("a name with a prefix", Whole, "X-Transfer-Encoding: chunked\r\n".to_owned() + &cl, &good);

    // Fields that some read otherwise.
    add("a blank before the colon", Refused(400), cl.clone() + "Transfer-Encoding : chunked\r\n", &good);
    add("a tab before the colon", Refused(400), "Content-Length\t: 0\r\n".to_owned() + &cl, &good);
    add("a folded line", Refused(400), cl.clone() + "Transfer-Encoding:\r\n chunked\r\n", &good);
    add("a folded line of anything", Refused(400), cl.clone() + "X-A: b\r\n\tc\r\n", &good);
    add("a line that begins with a blank", Refused(400), cl.clone() + " Transfer-Encoding: chunked\r\n", &good);
    add("a line without a colon", Refused(400), cl.clone() + "Transfer-Encoding\r\n", &good);
    add("no name", Refused(400), cl.clone() + ": chunked\r\n", &good);
    add("a zero byte in a value", Refused(400), cl.clone() + "X-A: b\0c\r\n", &good);
    add("a return alone in a value", Refused(400), cl.clone() + "X-A: b\rTransfer-Encoding: chunked\r\n", &good);
    add("a return alone as a line end", Refused(400), cl.clone() + "X-A: b\rX-B: c\r\n", &good);
    add(
        "a line feed alone as a line end",
        WholeAndLast,
        "X-A: b\nTransfer-Encoding: chunked\n".to_owned(),
        &chunked(""),
    );
    add("a length behind a line feed alone", Whole, format!("X-A: b\n{cl}"), &good);

    // Whom it is meant for.
    add("another host", Refused(400), cl.clone() + "Host: h\r\n", &good);
    add("the same host twice", Refused(400), cl.clone() + "Host: g\r\n", &good);
    add("an empty host beside it", Refused(400), cl.clone() + "hOsT:\r\n", &good);
    add("another host, with a request behind it", Refused(400), cl.clone() + "Host: h\r\n", &(good.clone() + &inner));
    add("another host before chunks", Refused(400), "Host: h\r\n".to_owned() + te, &chunked(""));
    add("a blank before the colon of another host", Refused(400), cl.clone() + "Host : h\r\n", &good);
    add("another host in a folded line", Refused(400), cl.clone() + "X-A:\r\n Host: h\r\n", &good);
    add("a name that is only like that of the host", Whole, cl.clone() + "X-Host: h\r\nX-Forwarded-Host: h\r\n", &good);

    // Chunks that some read otherwise.
    for (name, body) in [
        ("a size that is no number", format!("g\r\n{good}\r\n0\r\n\r\n")),
        ("an empty size", format!("\r\n{good}\r\n0\r\n\r\n")),
        ("a signed size", format!("+{length:x}\r\n{good}\r\n0\r\n\r\n")),
        ("a negative size", format!("-1\r\n{good}\r\n0\r\n\r\n")),
        ("a size with 0x", format!("0x{length:x}\r\n{good}\r\n0\r\n\r\n")),
        ("a size over 64 bits", format!("{:0>17x}\r\n{good}\r\n0\r\n\r\n", 1_u128 << 64)),
        ("a size that is too small", format!("{:x}\r\n{good}\r\n0\r\n\r\n", length - 1)),
        ("a size that is too great", format!("{:x}\r\n{good}\r\n0\r\n\r\n", length + 1)),
        ("a chunk without its line end", format!("{length:x}\r\n{good}0\r\n\r\n")),
        ("a line feed alone after a size", format!("{length:x}\n{good}\r\n0\r\n\r\n")),
        ("a line feed alone after a chunk", format!("{length:x}\r\n{good}\n0\r\n\r\n")),
        ("a line feed in an extension", chunked(";a\nb")),
        ("a line feed in an extension that hides a request", format!("{length:x};\n{inner}\r\n{good}\r\n0\r\n\r\n")),
    ] {
        add(name, BadBodyAndLast, te.into(), &body);
    }
    add("an extension", WholeAndLast, te.into(), &chunked(";a=b"));
    add("an extension with a quoted text", WholeAndLast, te.into(), &chunked(";a=\"\\\"0\""));
    add("an extension that looks like a size", WholeAndLast, te.into(), &chunked(";0"));
    add(
        "a size in capitals with zeros before it",
        WholeAndLast,
        te.into(),
        &format!("00{length:X}\r\n{good}\r\n0\r\n\r\n"),
    );
    add(
        "trailers",
        WholeAndLast,
        te.into(),
        &format!("{length:x}\r\n{good}\r\n0\r\nContent-Length: 0\r\nHost: h\r\n\r\n"),
    );
    add("a last chunk of many zeros", WholeAndLast, te.into(), &format!("{length:x}\r\n{good}\r\n0000\r\n\r\n"));
    add("no last chunk", BadBodyAndLast, te.into(), &format!("{length:x}\r\n{good}\r\n"));
    add("a length that is too great", Endless, "Content-Length: 5000\r\n".into(), &good);

    // A request in the body of another, and behind it.
    add("a request as a body", BadBody, covering(&inner), &inner);
    add("a request as a chunk", BadBodyAndLast, te.into(), &format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()));
    add("a request behind two lengths", Refused(400), cl.clone() + &short, &(good.clone() + &inner));
    add("a request behind chunks", WholeAndLast, te.into(), &(chunked("") + &inner));
    add("a request behind a refused coding", Refused(400), "Transfer-Encoding: identity\r\n".into(), &inner);
    add("a request behind a refused expectation", Whole, cl.clone() + "Expect: 100-continue\r\n", &good);
    add(
        "an upgrade that nobody takes",
        Whole,
        cl.clone() + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        &good,
    );
    add("a length named in Connection", Whole, cl.clone() + "Connection: Content-Length\r\n", &good);
    scripts
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Miss,
    Hit,
    WrongKey,
    Limited,
}

/// The statuses of the answers until the gateway closes; `alive` is that of the request behind.
async fn exchange(world: &World, bytes: &[u8]) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Bytes that were not read make a reset of the end.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let statuses = answer.split("HTTP/1.").skip(1).map(|rest| rest[2..5].parse().unwrap());
    (statuses.filter(|status| *status != 100).collect(), answer.ends_with("alive\n"))
}

#[tokio::test]
async fn no_request_is_read_in_two_ways() {
    let mut setup = Setup::default();
    setup.config.server.header_timeout = std::time::Duration::from_millis(300);
    setup.config.limits.auth_failures = rate(100_000, 1, 100_000);
    let limited = setup.caller("limited", |caller| caller.rate_limit(rate(1, 360_000, 1)));
    let world = setup.start().await;
    world.logged_in().await;
    let path = "/analytics/runtime/queues/summary";
    world.post_as(&limited, path, &body()).await.ok();

    let scripts = scripts(world.key());
    assert!(scripts.len() >= 50, "only {} scripts", scripts.len());
    let mut wrong = Vec::new();
    for script in &scripts {
        for state in [State::Miss, State::Hit, State::WrongKey, State::Limited] {
            world.advance(secs(60));
            if state == State::Hit {
                world.post(path, &body()).await.ok();
            }
            let (key, refused) = match state {
                State::Miss | State::Hit => (world.key(), None),
                State::WrongKey => ("wgw_wrong", Some(401)),
                State::Limited => (limited.as_str(), Some(429)),
            };
            let calls = world.vendor_calls_in_all();
            let bytes = format!(
                "POST /api/v1{path} HTTP/1.1\r\nHost: g\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n{}\r\n{}\
                 GET /livez HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n",
                script.fields, script.body
            );
            let answered = match script.read {
                // Time passes only where it must: what is held stays fresh.
                Endless => world.passing(exchange(&world, bytes.as_bytes())).await,
                _ => exchange(&world, bytes.as_bytes()).await,
            };
            let fetched = world.vendor_calls_in_all() - calls;
            if !fits(script.read, refused, &answered)
                || fetches(script.read, state).is_some_and(|calls| calls != fetched)
            {
                wrong.push(format!("{} ({:?}, {state:?}): {answered:?}, {fetched} calls", script.name, script.read));
            }
            assert_eq!(world.vendor_calls("questions"), 0, "{} ({state:?})", script.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scripts.len() * 4, wrong.join("\n"));
}

/// Whether the answers are those of the request, and of the one behind it where that may be read.
fn fits(read: Read, refused: Option<u16>, (statuses, alive): &(Vec<u16>, bool)) -> bool {
    let (first, more_may_follow, more_must_follow) = match (read, refused) {
        (Refused(status), _) => (status, false, false),
        // Where the body is not looked at, the connection may as well end.
        (Whole | BadBody, Some(status)) => (status, true, false),
        (_, Some(status)) => (status, false, false),
        (Whole, None) => (200, true, true),
        (WholeAndLast, None) => (200, false, false),
        (BadBody, None) => (400, true, true),
        (BadBodyAndLast, None) => (400, false, false),
        (Endless, None) => (408, false, false),
    };
    match statuses.as_slice() {
        [status] => *status == first && !more_must_follow && !alive,
        [status, 200] => *status == first && more_may_follow && *alive,
        _ => false,
    }
}

/// How many vendor calls it may cause. While one waits for an end, what is held is fetched ahead.
fn fetches(read: Read, state: State) -> Option<u64> {
    (read != Endless).then(|| u64::from(state == State::Miss && matches!(read, Whole | WholeAndLast)))
}

/// What stands before the fields: other ways to write one request, and what is none.
#[tokio::test]
async fn no_request_line_is_read_in_two_ways() {
    let mut setup = Setup::default();
    setup.config.server.header_timeout = std::time::Duration::from_millis(300);
    let world = setup.start().await;
    world.logged_in().await;
    let organization = "/api/v1/queries/organization";
    world.get("/queries/organization").await.ok();
    let calls = world.vendor_calls_in_all();
    let inner = inner(world.key());
    for (line, expected) in [
        (format!("GET {organization} HTTP/1.1"), &[200, 200][..]),
        (format!("GET http://elsewhere.example{organization} HTTP/1.1"), &[200, 200]),
        (format!("GET http://g{organization} HTTP/1.0"), &[200]),
        (format!("GET  {organization} HTTP/1.1"), &[400]),
        (format!(" GET {organization} HTTP/1.1"), &[400]),
        (format!("GET\t{organization} HTTP/1.1"), &[400]),
        (format!("GET {organization} HTTP/1.1 "), &[400]),
        (format!("GET {organization} HTTP/2.0"), &[400]),
        (format!("GET {organization} HTTP/1.2"), &[400]),
        (format!("GET {organization} http/1.1"), &[400]),
        (format!("GET {organization}"), &[400]),
        (format!("GET {organization}\0 HTTP/1.1"), &[400]),
        (format!("get {organization} HTTP/1.1"), &[405, 200]),
        (format!("GET {organization}/../questions/666 HTTP/1.1"), &[404, 200]),
        (format!("GET {organization}#/livez HTTP/1.1"), &[200, 200]),
        ("CONNECT g:443 HTTP/1.1".to_owned(), &[404, 200]),
        ("OPTIONS * HTTP/1.1".to_owned(), &[404, 200]),
    ] {
        let key = world.key();
        let bytes = format!(
            "{line}\r\nHost: g\r\nAuthorization: {key}\r\n\r\nGET /livez HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
        );
        let (statuses, _) = exchange(&world, bytes.as_bytes()).await;
        assert_eq!(statuses, expected, "{line:?}");
        let behind = format!("{line}\r\nHost: g\r\nTransfer-Encoding: identity\r\n\r\n{inner}");
        let (statuses, _) = exchange(&world, behind.as_bytes()).await;
        assert_eq!(statuses.len(), 1, "{line:?} with a refused coding: {statuses:?}");
    }
    assert_eq!(world.vendor_calls_in_all(), calls);
}
