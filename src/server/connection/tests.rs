//! Connections over pipes in memory, with the time in the test's hand.

use std::{future::ready, net::Ipv4Addr, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Semaphore,
    task::yield_now,
};

use super::*;
use crate::clock::ManualClock;

const IDLE: Duration = Duration::from_secs(60);
/// Of which two are more than [`IDLE`].
const A_WHILE: Duration = Duration::from_secs(40);
/// In which an honest client reads a good piece, though a slow one; for all of a long answer it needs more than [`IDLE`].
const AT_ITS_PACE: Duration = Duration::from_secs(7);
/// In which an honest client reads much more than this: a bit, but one that is more than what counts as none.
const A_BIT: (usize, Duration) = (96 * 1024, Duration::from_secs(20));
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n";
/// More than a connection takes at once, over either protocol.
const GOOD_PIECE: usize = 256 * 1024;

/// Returns a service whose response has this many bytes.
fn long_response(bytes: usize) -> impl HttpService {
    tower::service_fn(move |_: Request| ready(Ok(Response::new(Body::from(vec![b'x'; bytes])))))
}

struct Listener {
    clock: ManualClock,
    closing: watch::Sender<bool>,
    work: AllWork,
    stranger_answers: Arc<Semaphore>,
    stranger_blocks: Arc<Semaphore>,
}

impl Listener {
    fn new() -> Self {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let stranger_answers = Arc::new(Semaphore::new(2));
        let (closing, work) = (watch::Sender::new(false), AllWork::default());
        Self { clock, closing, work, stranger_answers, stranger_blocks: Arc::new(Semaphore::new(1)) }
    }

    fn terms(&self) -> Terms {
        let proxies = Arc::from([]);
        Terms {
            peer: ClientInfo::new(Ipv4Addr::LOCALHOST.into(), Arc::clone(&proxies)),
            bounds: Bounds {
                max_connections: 1,
                header_timeout: IDLE,
                idle_timeout: IDLE,
                proxies,
                stranger_answers: Arc::clone(&self.stranger_answers),
                stranger_blocks: Arc::clone(&self.stranger_blocks),
                metrics: None,
            },
            clock: Arc::new(self.clock.clone()),
            closing: Closing(self.closing.subscribe()),
            work: self.work.one(),
        }
    }

    /// Lets time pass, and everybody notice.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        for _ in 0..16 {
            yield_now().await;
        }
    }
}

/// Reads so many bytes at once, each time after so long, until the end; gives how many.
async fn read_http1(listener: &Listener, client: &mut DuplexStream, at_once: usize, each: Duration) -> usize {
    let (mut all, mut piece) = (0, vec![0; at_once]);
    while let Ok(more @ 1..) = read_full(client, &mut piece).await {
        all += more;
        listener.pass(each).await;
    }
    all
}

async fn read_full(client: &mut DuplexStream, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match client.read(&mut piece[filled..]).await? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

#[tokio::test]
async fn who_reads_an_answer_steadily_has_all_of_it_and_who_takes_it_in_drips_or_bits_has_not() {
    const LENGTH: usize = 16 * GOOD_PIECE;
    let (bit, each_bit) = A_BIT;
    for (at_once, each, whole) in [(GOOD_PIECE, AT_ITS_PACE, true), (8 * 1024, A_WHILE, false), (bit, each_bit, false)]
    {
        let listener = Listener::new();
        let (mut client, ours) = duplex(64 * 1024);
        let serving = tokio::spawn(http1::serve(ours, long_response(LENGTH), listener.terms()));
        client.write_all(b"GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await.unwrap();
        let read = read_http1(&listener, &mut client, at_once, each).await;
        assert_eq!(read > LENGTH, whole, "{read} bytes, {at_once} at once");
        drop(client);
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn over_http2_too() {
    const LENGTH: usize = 16 * GOOD_PIECE;
    let (bit, each_bit) = A_BIT;
    // The drips are so many that something goes out within the bound each time, but no good piece.
    let drips = Duration::from_secs(4);
    for (at_once, each, window, whole) in
        [(GOOD_PIECE, AT_ITS_PACE, 65_535, true), (1, drips, 4096, false), (bit, each_bit, 65_535, false)]
    {
        let listener = Listener::new();
        let (client, ours) = duplex(64 * 1024);
        let _serving = tokio::spawn(http2::serve(ours, long_response(LENGTH), listener.terms()));
        let (mut client, connection): (h2::client::SendRequest<axum::body::Bytes>, _) =
            h2::client::Builder::new().initial_window_size(window).handshake(client).await.unwrap();
        let _connection = tokio::spawn(connection);
        let request = axum::http::Request::get("https://g/").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let (mut read, mut since) = (0, 0);
        let mut end = None;
        while let Some(piece) = body.data().await {
            match piece {
                Ok(piece) => {
                    read += piece.len();
                    since += piece.len();
                    body.flow_control().release_capacity(piece.len()).unwrap();
                }
                Err(reason) => {
                    end = reason.reason();
                    break;
                }
            }
            if since >= at_once {
                since = 0;
                listener.pass(each).await;
            }
        }
        assert_eq!((read == LENGTH, end), (whole, (!whole).then_some(h2::Reason::CANCEL)), "{read} bytes");
    }
}

#[tokio::test]
async fn unread_answers_to_strangers_are_bounded_in_sum() {
    let listener = Listener::new();
    let request = || axum::http::Request::get("https://g/").body(()).unwrap();
    let mut connections = Vec::new();
    for expected in [[200, 200, 200, 503, 503], [200, 503, 503, 503, 503]] {
        let (client, ours) = duplex(64 * 1024);
        let serving = tokio::spawn(http2::serve(ours, long_response(GOOD_PIECE), listener.terms()));
        let (mut client, connection) = h2::client::handshake(client).await.unwrap();
        let connection = tokio::spawn(connection);
        let answers: Vec<_> = (0..5).map(|_| client.send_request(request(), true).unwrap().0).collect();
        let mut unread = Vec::new();
        for (answer, status) in answers.into_iter().zip(expected) {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), status);
            unread.push(answer.into_body());
        }
        connections.push((client, connection, serving, unread));
    }
    // Answers that are given up, or read, no longer count.
    let (mut client, _connection, _serving, unread) = connections.remove(0);
    drop(unread);
    while listener.stranger_answers.available_permits() < 2 {
        yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(client.send_request(request(), true).unwrap().0.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn who_says_nothing_from_the_first_is_not_waited_for_as_long_as_who_was_answered() {
    for (spoken, times) in [(false, 1), (true, 2)] {
        let listener = Listener::new();
        let (mut client, ours) = duplex(64 * 1024);
        let mut terms = listener.terms();
        terms.bounds.idle_timeout = 2 * terms.bounds.header_timeout;
        let serving = tokio::spawn(http1::serve(ours, long_response(1), terms));
        listener.pass(Duration::ZERO).await;
        if spoken {
            client.write_all(GET).await.unwrap();
            read_answer(&mut client, 1).await;
        }
        for _ in 0..times {
            assert!(!serving.is_finished());
            listener.pass(IDLE).await;
        }
        assert!(serving.is_finished());
    }
}

/// The head of the next answer, whose body is as long as it says.
async fn read_answer(client: &mut DuplexStream, length: usize) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.read_exact(&mut vec![0; length]).await.unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn who_was_promised_a_kept_connection_while_the_listener_closes_is_answered_once_more() {
    const LENGTH: usize = 100_000;
    let listener = Listener::new();
    let (mut client, ours) = duplex(1024);
    let serving = tokio::spawn(http1::serve(ours, long_response(LENGTH), listener.terms()));
    client.write_all(GET).await.unwrap();
    // It is on its way, and most of it is still to come.
    while listener.work.connections() == 0 {
        yield_now().await;
    }
    let mut first = [0; 1024];
    client.read_exact(&mut first).await.unwrap();
    listener.closing.send_replace(true);
    for _ in 0..16 {
        yield_now().await;
    }
    let head_ends = first.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(!String::from_utf8_lossy(&first).contains("connection: close"));
    client.read_exact(&mut vec![0; LENGTH + head_ends - first.len()]).await.unwrap();
    client.write_all(GET).await.unwrap();
    assert!(read_answer(&mut client, LENGTH).await.contains("connection: close"));
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(listener.work.connections(), 0, "nothing is left to do");
    drop(client);
    serving.await.unwrap();
}

#[tokio::test]
async fn unfinished_header_blocks_of_strangers_are_bounded_in_sum() {
    let listener = Listener::new();
    // A SETTINGS frame, then a HEADERS frame without END_HEADERS whose block has one byte so far.
    let start = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
        &[0, 0x13, 0x88, 1, 4, 0, 0, 0, 1, 0x82],
    ];
    let begin = async || {
        let (mut client, ours) = duplex(GOOD_PIECE);
        let serving = tokio::spawn(http2::serve(ours, long_response(1), listener.terms()));
        client.write_all(&start.concat()).await.unwrap();
        (client, serving)
    };
    let (first, serving_first) = begin().await;
    while listener.stranger_blocks.available_permits() > 0 {
        yield_now().await;
    }
    let (_second, serving_second) = begin().await;
    serving_second.await.unwrap();
    assert!(!serving_first.is_finished());
    drop(first);
    serving_first.await.unwrap();
    assert_eq!(listener.stranger_blocks.available_permits(), 1);
}

#[tokio::test]
async fn late_bytes_of_a_stranger_are_read_after_the_response() {
    let listener = Listener::new();
    let (mut client, ours) = duplex(1024);
    // Responds before the body has come, and ends the connection.
    let refuse = tower::service_fn(|_: Request| {
        let response = Response::builder().header("connection", "close").body(Body::empty());
        ready(Ok(response.unwrap_or_default()))
    });
    let serving = tokio::spawn(http1::serve(ours, refuse, listener.terms()));
    client.write_all(b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut client, 0).await.contains("connection: close"));
    client.write_all(&[b'x'; 100_000]).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    drop(client);
    serving.await.unwrap();
}
