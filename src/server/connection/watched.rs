//! The bytes of a connection, and who watches them go by.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one limited read takes. Limits are no larger.
const SCRATCH_BYTES: usize = 4 * 1024;

/// Who wants to know what goes on on a connection.
pub(super) trait Watcher {
    /// Returns how many bytes the next read may take; an error ends the connection.
    fn read_allowance(&self) -> io::Result<usize>;

    /// These bytes came from the peer; never none.
    fn bytes_came(&self, came: &[u8]);

    /// Something is being written.
    fn writing(&self) {}

    /// So many bytes went to the peer; never none.
    fn bytes_went(&self, _: usize) {}

    /// All that was written has gone out.
    fn flushed(&self) {}
}

/// A connection's bytes under the eyes of a watcher.
pub(super) struct Watched<S, W> {
    pub(super) stream: S,
    pub(super) watch: Arc<W>,
}

impl<S, W: Watcher> Watched<S, W> {
    fn watch_written(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes @ 1..)) = polled {
            self.watch.bytes_went(*bytes);
        }
    }
}

impl<S: AsyncRead + Unpin, W: Watcher> AsyncRead for Watched<S, W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let allowance = self.watch.read_allowance()?;
        let before = buf.filled().len();
        let polled = if buf.remaining() <= allowance {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            // Copies what was read: `buf` cannot be given a part of its uninitialized room in another safe way, and to
            // zero the room costs more.
            let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
            let (room, _) = scratch.split_at_mut(allowance.min(SCRATCH_BYTES));
            let mut part = ReadBuf::uninit(room);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut part);
            buf.put_slice(part.filled());
            polled
        };
        if let Some(came) = buf.filled().get(before..).filter(|came| !came.is_empty()) {
            self.watch.bytes_came(came);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin, W: Watcher> AsyncWrite for Watched<S, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.watch.writing();
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch_written(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch.writing();
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch_written(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.watch.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
