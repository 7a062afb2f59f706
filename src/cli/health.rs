use std::{
    ffi::OsString,
    fmt::Display,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::{ffi::OsStringExt, net::UnixStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use url::{ParseError, Url};

use super::{
    Failed,
    output::{complain, print},
};

const TIMEOUT: Duration = Duration::from_secs(3);
const MOST_BYTES: u64 = 64 * 1024;
const READINESS: &str = "/readyz";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address to ask: `http://HOST:PORT` of the public or of the admin listener, or `unix:` and the path of its socket.
    /// Without a path of its own it is asked whether it is ready. Over TLS it cannot be asked: then name the admin listener.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/readyz", value_parser = target)]
    url: Target,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Socket(PathBuf),
    Http { host: String, port: u16, path: String },
}

fn target(text: &str) -> Result<Target, String> {
    let write = |what: &dyn Display| Err(format!("write {what}"));
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(ParseError::RelativeUrlWithoutBase) if text.starts_with('/') => return write(&format!("unix:{text}")),
        Err(ParseError::RelativeUrlWithoutBase) => return write(&format!("http://{text}")),
        Err(error) => return Err(error.to_string()),
    };
    match url.scheme() {
        "http" => {
            let host = url.host_str().unwrap_or_default().to_owned();
            // The dashboard is at the root of the admin listener, and nothing at that of the other.
            let path = if url.path() == "/" { READINESS } else { url.path() };
            Ok(Target::Http { host, port: url.port_or_known_default().unwrap_or(80), path: path.to_owned() })
        }
        "unix" if url.has_host() || url.query().is_some() || url.fragment().is_some() => {
            write(&"unix: and the path of the socket, as in unix:/run/gateway.sock; a ? in it is %3F, and a # is %23")
        }
        "unix" => {
            let path = percent_encoding::percent_decode_str(url.path()).collect();
            Ok(Target::Socket(OsString::from_vec(path).into()))
        }
        "https" => Err("over TLS it cannot be asked: name the admin listener".to_owned()),
        // A host and its port, which look like a scheme and a path.
        _ if url.path().starts_with(|c: char| c.is_ascii_digit()) => write(&format!("http://{text}")),
        _ => Err("only http:// and unix: can be asked".to_owned()),
    }
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

fn ask(target: &Target) -> anyhow::Result<String> {
    match target {
        Target::Socket(path) => {
            let stream = UnixStream::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            exchange(stream, "localhost", READINESS)
        }
        Target::Http { host, port, path } => {
            let mut addresses = (host.trim_matches(['[', ']']), *port).to_socket_addrs()?;
            let address = addresses.next().context("the host has no address")?;
            let stream = TcpStream::connect_timeout(&address, TIMEOUT)
                .with_context(|| format!("cannot connect to {address}"))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            exchange(stream, &format!("{host}:{port}"), path)
        }
    }
}

fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> anyhow::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).context("no answer in time")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_asked_for_where_no_path_is_named() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:9090", "127.0.0.1", 9090, "/readyz"),
            ("http://127.0.0.1:9090/", "127.0.0.1", 9090, "/readyz"),
            ("http://gateway/livez", "gateway", 80, "/livez"),
            ("http://[::1]:8080/readyz", "[::1]", 8080, "/readyz"),
        ] {
            assert_eq!(target(text), Ok(Target::Http { host: host.into(), port, path: path.into() }), "{text}");
        }
        for (text, path) in [
            ("unix:/run/gateway.sock", "/run/gateway.sock"),
            ("unix:///run/gateway.sock", "/run/gateway.sock"),
            ("unix:/run/the gateway.sock", "/run/the gateway.sock"),
            ("unix:/run/the%20gateway%3F%C3%A9.sock", "/run/the gateway?é.sock"),
            ("unix:gateway.sock", "gateway.sock"),
        ] {
            assert_eq!(target(text), Ok(Target::Socket(path.into())), "{text}");
        }
    }

    #[test]
    fn who_writes_no_url_is_told_what_to_write() {
        for (text, told) in [
            ("127.0.0.1:8080", "write http://127.0.0.1:8080"),
            ("localhost:8080", "write http://localhost:8080"),
            ("gateway:8080/readyz", "write http://gateway:8080/readyz"),
            ("/run/gateway.sock", "write unix:/run/gateway.sock"),
            ("https://gateway/", "over TLS it cannot be asked: name the admin listener"),
            ("ftp://gateway/", "only http:// and unix: can be asked"),
            (
                "unix://run/gateway.sock",
                "write unix: and the path of the socket, as in unix:/run/gateway.sock; a ? in it is %3F, and a # is %23",
            ),
        ] {
            assert_eq!(target(text), Err(told.to_owned()), "{text}");
        }
    }
}
