use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, bail};
use url::Url;

use super::{
    Failed,
    output::{complain, print},
};

const TIMEOUT: Duration = Duration::from_secs(3);
const MOST_BYTES: u64 = 64 * 1024;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address to ask: the readiness of the public or of the admin listener, or `unix:` and the path of its socket.
    /// Over TLS it cannot be asked: then name the admin listener.
    #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
    url: Url,
}

/// A container's health check has no other HTTP client than this one.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let answer = ask(&arguments.url)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    // The answer is the exit code: a disk that is full makes no gateway unready.
    if let Err(error) = print(&format!("{}\n", body.trim())) {
        complain(&format!("warning: {error:#}\n"));
    }
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Failed::Said),
    }
}

fn ask(url: &Url) -> anyhow::Result<String> {
    if url.scheme() == "unix" {
        let stream = UnixStream::connect(url.path()).with_context(|| format!("cannot connect to {}", url.path()))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        return exchange(stream, "localhost", "/readyz");
    }
    if url.scheme() != "http" {
        bail!("only http:// and unix: can be asked, not {url}");
    }
    let host = url.host_str().context("the URL has no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let address = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next().context("the host has no address")?;
    let stream =
        TcpStream::connect_timeout(&address, TIMEOUT).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    exchange(stream, &format!("{host}:{port}"), url.path())
}

fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> anyhow::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).context("no answer in time")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
