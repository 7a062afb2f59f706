//! One listening socket: where connections come from, and how none of them is lost when it closes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use socket2::{SockFilter, SockRef};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream},
};

use super::socket_file::SocketFile;
use crate::config::ListenAddress;

/// Connections that wait to be accepted, at most; the kernel's own bound (`net.core.somaxconn`) may be lower.
const BACKLOG: u32 = 1024;

/// What the kernel takes of an answer before the client has room for it (`TCP_NOTSENT_LOWAT`). `SO_SNDBUF` would bound what is
/// on its way too, and with it the throughput of an honest client behind a long line.
const MAX_UNSENT_BYTES: u32 = 16 * 1024;

/// Where everybody comes from who comes through a Unix socket: this machine. Failed credentials are counted under this one
/// address, and `server.trusted_proxies` names a proxy that comes this way by it.
const THROUGH_A_UNIX_SOCKET: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A listening socket.
pub(super) struct Socket {
    kind: Kind,
    whose: Whose,
}

enum Kind {
    Tcp(TcpListener),
    /// Its file goes first.
    Unix(Option<SocketFile>, UnixListener),
}

/// Who else listens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This process alone.
    Ours,
    /// Another process may have a socket of its own at the same address (`SO_REUSEPORT`).
    OneOfSeveral,
    /// The service manager holds the same socket: what waits in it is not lost when we turn away.
    TheServiceManagers,
}

/// The bytes of a connection that was accepted.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Listens at `address`.
    pub(super) fn bind(address: &ListenAddress, reuse_port: bool) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                // A connection that lingers from the process before is no reason to refuse the start.
                socket.set_reuseaddr(true)?;
                socket.set_reuseport(reuse_port)?;
                socket.bind(*address)?;
                let whose = if reuse_port { Whose::OneOfSeveral } else { Whose::Ours };
                Ok(Self { kind: Kind::Tcp(socket.listen(BACKLOG)?), whose })
            }
            ListenAddress::Unix(path) => {
                let (file, socket) = SocketFile::bind(path)?;
                Ok(Self { kind: Kind::Unix(Some(file), socket), whose: Whose::Ours })
            }
        }
    }

    /// A TCP socket that the service manager passed.
    pub(super) fn passed_tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { kind: Kind::Tcp(TcpListener::from_std(socket)?), whose: Whose::TheServiceManagers })
    }

    /// A Unix socket that the service manager passed. Its file is not ours to remove.
    pub(super) fn passed_unix(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { kind: Kind::Unix(None, UnixListener::from_std(socket)?), whose: Whose::TheServiceManagers })
    }

    /// Where it listens, if that is on the network and the socket can say.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(socket) => socket.local_addr().ok(),
            Kind::Unix(..) => None,
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Option<ListenAddress> {
        match &self.kind {
            Kind::Tcp(socket) => socket.local_addr().ok().map(ListenAddress::Tcp),
            Kind::Unix(_, socket) => {
                let path = socket.local_addr().ok()?.as_pathname()?.to_owned();
                Some(ListenAddress::Unix(path))
            }
        }
    }

    /// The next connection, and who it comes from.
    pub(super) async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        match &self.kind {
            Kind::Tcp(socket) => socket.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), peer.ip())),
            Kind::Unix(_, socket) => {
                socket.accept().await.map(|(stream, _)| (Stream::Unix(stream), THROUGH_A_UNIX_SOCKET))
            }
        }
    }

    /// Begins to close: where another process listens at the same address, no new connection is begun here any more, so
    /// that the kernel has time to finish those that it has begun. Says whether that takes a moment.
    ///
    /// The kernel resets whatever waits in a closing socket, also if another one listens at its address
    /// (`net.ipv4.tcp_migrate_req` is off by default); and it goes on choosing this socket for its share of those who come.
    /// So their first packets are dropped here: they are sent again a second later, and then go to the other one.
    pub(super) fn turn_away(&self) -> bool {
        // BPF, as in <linux/filter.h>: load the byte with the flags, and drop the packet if SYN is among them.
        const FLAGS_AT: u32 = 13;
        const SYN: u32 = 0x02;
        const LOAD_BYTE: u16 = 0x30;
        const JUMP_IF_SET: u16 = 0x45;
        const RETURN: u16 = 0x06;
        let no_syn = [
            SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
            SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ];
        match &self.kind {
            Kind::Tcp(socket) if self.whose == Whose::OneOfSeveral => {
                SockRef::from(socket).attach_filter(&no_syn).is_ok()
            }
            _ => false,
        }
    }

    /// Closes. Gives the connections that waited in it: no more than it has room for, since others come while they are taken.
    pub(super) fn close(self) -> Vec<(Stream, IpAddr)> {
        if self.whose == Whose::TheServiceManagers {
            return Vec::new();
        }
        // tokio asks the kernel only when it was told that there is something; here the kernel must be asked.
        match self.kind {
            Kind::Tcp(socket) => {
                let Ok(socket) = socket.into_std() else { return Vec::new() };
                let waiting = std::iter::from_fn(|| accepted(|| socket.accept())).take(BACKLOG as usize + 1);
                let stream = |(stream, peer): (std::net::TcpStream, SocketAddr)| {
                    stream.set_nonblocking(true).ok()?;
                    Some((Stream::Tcp(TcpStream::from_std(stream).ok()?), peer.ip()))
                };
                waiting.filter_map(stream).collect()
            }
            Kind::Unix(file, socket) => {
                drop(file);
                let Ok(socket) = socket.into_std() else { return Vec::new() };
                let waiting = std::iter::from_fn(|| accepted(|| socket.accept())).take(BACKLOG as usize + 1);
                let stream = |(stream, _): (std::os::unix::net::UnixStream, _)| {
                    stream.set_nonblocking(true).ok()?;
                    Some((Stream::Unix(UnixStream::from_std(stream).ok()?), THROUGH_A_UNIX_SOCKET))
                };
                waiting.filter_map(stream).collect()
            }
        }
    }
}

/// The next connection that waits, if any. One that its client gave up in the queue is passed over.
fn accepted<T>(accept: impl Fn() -> io::Result<T>) -> Option<T> {
    loop {
        match accept() {
            Ok(accepted) => return Some(accepted),
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(_) => return None,
        }
    }
}

impl Stream {
    /// Sets the options of an accepted connection. Answers are small and whole, so that waiting to fill a packet only adds
    /// latency; and an answer that is not read must not fill the kernel's send buffer, which is some megabytes.
    pub(super) fn set_options(&self) {
        if let Self::Tcp(stream) = self {
            let _ = stream.set_nodelay(true);
            let _ = SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
        }
    }
}

macro_rules! either {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $do,
            Stream::Unix($stream) => $do,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_came_before_a_socket_closes_is_handed_over_and_who_comes_meanwhile_goes_to_the_next_one() {
        let first = Socket::bind(&"127.0.0.1:0".parse().unwrap(), true).unwrap();
        let address = first.tcp_address().unwrap();
        let _before = TcpStream::connect(address).await.unwrap();
        assert!(first.turn_away());
        let meanwhile = tokio::spawn(TcpStream::connect(address));
        // The kernel is asked in the first turn, and has a while for what it does later on a busy machine.
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(first.close().len(), 1, "the first packet of the second was not dropped");
        let next = Socket::bind(&address.into(), true).unwrap();
        // The kernel sends it again.
        next.accept().await.unwrap();
        meanwhile.await.unwrap().unwrap();
    }
}
