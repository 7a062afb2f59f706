//! HTTP/2: what a client may take, and how it ends.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::client::TlsStream;
use wesal_gateway::server::Drained;

use crate::harness::{Authority, Setup, World, in_time, secs, tls_files};

const SOON: Duration = Duration::from_secs(1);
const NEVER: Duration = Duration::from_secs(3600);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const ORGANIZATION: &str = "/api/v1/queries/organization";
const QUESTIONS: &str = "/api/v1/survey/queries/questions/100301";

async fn start(authority: &Authority, change: impl FnOnce(&mut Setup)) -> World {
    let folder = tempfile::tempdir().unwrap();
    authority.write(folder.path());
    let mut setup = Setup::default();
    setup.config.server.tls = Some(tls_files(folder.path()));
    change(&mut setup);
    setup.start().await
}

async fn connect(world: &World, authority: &Authority) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    authority.connect(stream, &["h2"]).await.unwrap()
}

type Ended = JoinHandle<Result<(), h2::Error>>;

async fn handshake(world: &World, authority: &Authority, builder: &h2::client::Builder) -> (SendRequest<Bytes>, Ended) {
    let (client, connection) = builder.handshake(connect(world, authority).await).await.unwrap();
    (client.ready().await.unwrap(), tokio::spawn(connection))
}

fn get(world: &World, path: &str) -> hyper::Request<()> {
    let request = hyper::Request::get(format!("https://localhost{path}")).header("authorization", world.key());
    request.body(()).unwrap()
}

#[tokio::test]
async fn http2_stranger_head_above_16_kib_gets_431() {
    let authority = Authority::new();
    let world = start(&authority, |_| {}).await;
    let (mut client, _ended) = handshake(&world, &authority, &h2::client::Builder::new()).await;
    let mut ask = async |key: Option<&str>, length: usize| {
        let mut request = hyper::Request::get(format!("https://localhost{ORGANIZATION}"));
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        // Random enough not to be compressed far below its length.
        let fill: String = ('!'..='~').cycle().take(length).collect();
        let (answer, _) = client.send_request(request.header("x-fill", fill).body(()).unwrap(), true).unwrap();
        in_time(answer).await.unwrap().status().as_u16()
    };
    assert_eq!(ask(None, 15_000).await, 401);
    assert_eq!(ask(None, 17_000).await, 431);
    assert_eq!(ask(Some(world.key()), 17_000).await, 431);
    assert_eq!(ask(Some(world.key()), 100).await, 200);
    assert_eq!(ask(Some(world.key()), 60_000).await, 200);
    // Several frames of one block that does not end.
    let (mut client, ended) = handshake(&world, &authority, &h2::client::Builder::new()).await;
    let fill: String = ('!'..='~').cycle().take(60_000).collect();
    let request = hyper::Request::get(format!("https://localhost{ORGANIZATION}")).header("x-fill", fill);
    let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    assert!(in_time(answer).await.is_err());
    drop(client);
    let _ = in_time(ended).await;
}

/// The types of the frames that came (RFC 9113, 4.1).
fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, ..] = *bytes {
        types.push(kind);
        bytes = bytes.get(9 + usize::from(a) * 65_536 + usize::from(b) * 256 + usize::from(c)..).unwrap_or_default();
    }
    types
}

/// What an honest client is answered; nothing if it is cut off.
async fn honest(world: &World, authority: &Authority) -> Option<u16> {
    let stream = TcpStream::connect(world.address).await.ok()?;
    let stream = authority.connect(stream, &["h2"]).await.ok()?;
    let (client, connection) = h2::client::handshake(stream).await.ok()?;
    let _ended: Ended = tokio::spawn(connection);
    let (answer, _) = client.ready().await.ok()?.send_request(get(world, "/livez"), true).ok()?;
    Some(answer.await.ok()?.status().as_u16())
}

async fn is_alive(world: &World, authority: &Authority) {
    // A machine that pauses for longer than a bound that is short here makes the honest seem slow: they come again.
    for _ in 0..10 {
        if honest(world, authority).await == Some(200) {
            return;
        }
    }
    panic!("who is honest is not answered");
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_says_goodbye_and_closes() {
    let authority = Authority::new();
    let mut world = start(&authority, |_| {}).await;
    world.logged_in().await;
    let vendor = world.vendor.block_requests("organization");
    let (mut client, ended) = handshake(&world, &authority, &h2::client::Builder::new()).await;
    let (held, _) = client.send_request(get(&world, ORGANIZATION), true).unwrap();
    let held = tokio::spawn(held);
    world.vendor.wait_for_requests("organization", 1).await;

    let drained = world.tell_to_stop();
    while TcpStream::connect(world.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!held.is_finished() && !drained.is_finished());
    vendor.release();
    let answer = held.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("connection"));
    let mut body = answer.into_body();
    while let Some(piece) = body.data().await {
        let length = piece.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    drop(client);
    ended.await.unwrap().unwrap();
    assert_eq!(drained.await.unwrap(), Drained { cut_off: 0 });
}

#[tokio::test]
async fn a_head_is_answered_without_a_body_and_with_the_length_that_it_would_have() {
    let authority = Authority::new();
    let world = start(&authority, |_| {}).await;
    let (client, ended) = handshake(&world, &authority, &h2::client::Builder::new()).await;
    for path in [ORGANIZATION, QUESTIONS, "/openapi.json", "/docs", "/livez", "/nowhere"] {
        let mut lengths = Vec::new();
        for method in ["GET", "HEAD"] {
            let mut request = get(&world, path);
            *request.method_mut() = method.parse().unwrap();
            let (answer, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
            let answer = answer.await.unwrap();
            let told = answer.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
            let (mut body, mut length) = (answer.into_body(), 0);
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap().len();
                body.flow_control().release_capacity(piece).unwrap();
                length += piece;
            }
            lengths.push((told, length));
        }
        let [(_, length), head] = &lengths[..] else { panic!() };
        assert!(*length > 0, "{path}");
        assert_eq!(*head, (Some(length.to_string()), 0), "{path}");
    }
    drop(client);
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_who_does_not_see_the_end_coming_does_not_hold_up_a_drain() {
    let authority = Authority::new();
    let change = |setup: &mut Setup| {
        (setup.config.server.idle_timeout, setup.config.server.drain_timeout) = (NEVER, NEVER);
    };
    let mut world = start(&authority, change).await;
    let mut deaf = connect(&world, &authority).await;
    // GET https / without an authority: indexed fields of HPACK's static table.
    let request = [PREFACE, SETTINGS, &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84]].concat();
    deaf.write_all(&request).await.unwrap();
    let mut read = Vec::new();
    while !frame_types(&read).contains(&HEADERS) {
        assert_ne!(deaf.read_buf(&mut read).await.unwrap(), 0);
    }
    assert!(!frame_types(&read).contains(&GOAWAY));
    assert_eq!(in_time(world.tell_to_stop()).await.unwrap(), Drained { cut_off: 0 });
    let _ = deaf.read_to_end(&mut read).await;
    assert!(frame_types(&read).contains(&GOAWAY));
}

#[tokio::test]
async fn silence_and_what_never_ends_are_cut_off_and_an_honest_client_is_answered() {
    let head_begun: &[u8] = &[0, 0, 40, 1, 5, 0, 0, 0, 1, 0x82, 0x86];
    let block_open: &[u8] = &[0, 0, 2, 1, 1, 0, 0, 0, 1, 0x82, 0x86];
    for (what, header_timeout, idle_timeout, sent) in [
        ("no preface", SOON, NEVER, vec![]),
        ("half a preface", SOON, NEVER, vec![&PREFACE[..9]]),
        ("half a frame", SOON, NEVER, vec![PREFACE, SETTINGS, head_begun]),
        ("a header block without its end", SOON, NEVER, vec![PREFACE, SETTINGS, block_open]),
        ("silence from the first", secs(2), SOON, vec![PREFACE, SETTINGS]),
    ] {
        let authority = Authority::new();
        let world = start(&authority, |setup| {
            let server = &mut setup.config.server;
            (server.header_timeout, server.idle_timeout) = (header_timeout, idle_timeout);
        });
        let world = world.await;
        let mut slow = connect(&world, &authority).await;
        for piece in sent {
            // A client that the machine holds up is cut off before.
            let _ = slow.write_all(piece).await;
            let _ = slow.flush().await;
        }
        let _ = in_time(slow.read_to_end(&mut Vec::new())).await;
        is_alive(&world, &authority).await;
        drop((slow, what));
    }
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_told_that_the_connection_ends() {
    let authority = Authority::new();
    let world = start(&authority, |setup| {
        let server = &mut setup.config.server;
        (server.header_timeout, server.idle_timeout) = (secs(2), SOON);
    });
    let world = world.await;
    world.logged_in().await;
    let (mut client, ended) = handshake(&world, &authority, h2::client::Builder::new().initial_window_size(0)).await;
    let (answer, _) = client.send_request(get(&world, ORGANIZATION), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    // The body is never read; and the connection ends all the same.
    let _ = in_time(ended).await.unwrap();
    drop(answer);
    is_alive(&world, &authority).await;
}

/// More than a stream's first window holds.
fn give_a_long_answer(world: &World) {
    let name = "n".repeat(100_000);
    world.vendor.set_answer("questions", format!(r#"{{"data":{{"questions":[{{"name":"{name}"}}]}},"success":true}}"#));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_costs_its_stream_and_not_the_others() {
    for window in [0, 10, 65_535] {
        let authority = Authority::new();
        let world = start(&authority, |setup| setup.config.server.idle_timeout = SOON).await;
        world.logged_in().await;
        give_a_long_answer(&world);
        let vendor = world.vendor.block_requests("organization");
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(1_000_000);
        let (mut client, _ended) = handshake(&world, &authority, &builder).await;
        let (honest, _) = client.send_request(get(&world, ORGANIZATION), true).unwrap();
        world.vendor.wait_for_requests("organization", 1).await;

        let (unread, _) = client.send_request(get(&world, QUESTIONS), true).unwrap();
        let unread = unread.await.unwrap();
        assert_eq!(unread.status(), 200);
        let mut body = unread.into_body();
        let end = loop {
            match body.data().await.unwrap() {
                Ok(piece) => assert!(piece.len() <= window as usize),
                Err(end) => break end,
            }
        };
        assert!(end.is_reset() && end.is_remote(), "{end}");
        assert_eq!(end.reason(), Some(h2::Reason::CANCEL));

        vendor.release();
        let answer = honest.await.unwrap();
        assert_eq!(answer.status(), 200);
        if window > 10 {
            let mut body = answer.into_body();
            while let Some(piece) = body.data().await {
                piece.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_short_answer_is_not_taken_for_read_because_its_beginning_was() {
    let authority = Authority::new();
    let world = start(&authority, |setup| setup.config.server.idle_timeout = SOON).await;
    world.logged_in().await;
    let _vendor = world.vendor.block_requests("questions");
    let (mut client, _ended) = handshake(&world, &authority, h2::client::Builder::new().initial_window_size(10)).await;
    let (_held, _) = client.send_request(get(&world, QUESTIONS), true).unwrap();
    world.vendor.wait_for_requests("questions", 1).await;
    let (unread, _) = client.send_request(get(&world, ORGANIZATION), true).unwrap();
    let mut body = unread.await.unwrap().into_body();
    let mut read = 0;
    let end = loop {
        match body.data().await.unwrap() {
            Ok(piece) => read += piece.len(),
            Err(end) => break end,
        }
    };
    assert_eq!((read, end.reason()), (10, Some(h2::Reason::CANCEL)));
}

#[tokio::test]
async fn who_leaves_one_answer_after_the_other_unread_is_cut_off() {
    let authority = Authority::new();
    let world = start(&authority, |setup| setup.config.server.idle_timeout = SOON).await;
    world.logged_in().await;
    let _vendor = world.vendor.block_requests("questions");
    let (mut client, ended) = handshake(&world, &authority, h2::client::Builder::new().initial_window_size(0)).await;
    // The connection is never silent.
    let (_held, _) = client.send_request(get(&world, QUESTIONS), true).unwrap();
    let (mut opened, mut answers) = (0, Vec::new());
    while opened < 1000 {
        let Ok(ready) = client.ready().await else { break };
        client = ready;
        let Ok((answer, _)) = client.send_request(get(&world, ORGANIZATION), true) else { break };
        let Ok(answer) = answer.await else { break };
        answers.push(answer);
        opened += 1;
    }
    assert!((101..300).contains(&opened), "{opened} streams");
    let _ = ended.await.unwrap();
    is_alive(&world, &authority).await;
}

#[tokio::test]
async fn an_answer_that_waits_to_be_read_when_the_drain_begins_is_read_to_its_end() {
    let authority = Authority::new();
    let mut world = start(&authority, |_| {}).await;
    world.logged_in().await;
    let (mut client, ended) = handshake(&world, &authority, h2::client::Builder::new().initial_window_size(10)).await;
    let (slow, _) = client.send_request(get(&world, ORGANIZATION), true).unwrap();
    let slow = slow.await.unwrap();
    let length: usize = slow.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = slow.into_body();
    assert_eq!(body.data().await.unwrap().unwrap().len(), 10);
    // Its end says when a drain waits no longer for who says nothing.
    let mut deaf = connect(&world, &authority).await;
    deaf.write_all(&[PREFACE, SETTINGS, &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84]].concat()).await.unwrap();
    let mut told = Vec::new();
    while !frame_types(&told).contains(&HEADERS) {
        assert_ne!(deaf.read_buf(&mut told).await.unwrap(), 0);
    }

    let drained = world.tell_to_stop();
    let _ = deaf.read_to_end(&mut told).await;
    assert!(!drained.is_finished());
    let mut read = 10;
    body.flow_control().release_capacity(10).unwrap();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap().len();
        read += piece;
        body.flow_control().release_capacity(piece).unwrap();
    }
    assert_eq!(read, length);
    drop(client);
    ended.await.unwrap().unwrap();
    assert_eq!(drained.await.unwrap(), Drained { cut_off: 0 });
}

#[tokio::test]
async fn who_opens_streams_only_to_reset_them_is_cut_off() {
    let authority = Authority::new();
    let world = start(&authority, |_| {}).await;
    world.logged_in().await;
    let _vendor = world.vendor.block_requests("organization");
    let handshake = h2::client::handshake(connect(&world, &authority).await);
    let (mut client, mut connection): (SendRequest<Bytes>, _) = handshake.await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let ended = tokio::spawn(connection);
    let mut opened = 0;
    while opened < 1000 {
        let Ok(ready) = client.ready().await else { break };
        client = ready;
        let Ok((answer, mut stream)) = client.send_request(get(&world, ORGANIZATION), true) else { break };
        // Each is worked on before it is reset: none of them is one too many for HTTP/2 itself.
        if pings.ping(h2::Ping::opaque()).await.is_err() {
            break;
        }
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
        opened += 1;
    }
    assert!((50..200).contains(&opened), "{opened} streams");
    let _ = ended.await.unwrap();
    is_alive(&world, &authority).await;
    assert!(world.vendor_calls_in_all() <= 1, "one call is shared by all");
}

#[tokio::test]
async fn a_reset_flood_that_comes_in_one_piece_is_cut_off() {
    let authority = Authority::new();
    let world = start(&authority, |_| {}).await;
    let mut client = connect(&world, &authority).await;
    let mut flood = [PREFACE, SETTINGS].concat();
    for stream in (1..2001_u32).step_by(2) {
        // GET https / without an authority: indexed fields of HPACK's static table.
        flood.extend_from_slice(&[0, 0, 3, 1, 5]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&[0x82, 0x87, 0x84]);
        flood.extend_from_slice(&[0, 0, 4, 3, 0]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&8_u32.to_be_bytes());
    }
    // It may be cut off before all is sent.
    let _ = client.write_all(&flood).await;
    let _ = client.flush().await;
    let _ = client.read_to_end(&mut Vec::new()).await;
    is_alive(&world, &authority).await;
}
