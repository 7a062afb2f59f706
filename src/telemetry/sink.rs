use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader at most, in bytes; what comes then is dropped, and counted.
const MOST_PENDING: usize = 4 * 1024 * 1024;
/// So many bytes are written without waiting for more.
const ENOUGH: usize = 64 * 1024;
/// How long a line waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(10);

/// Where log lines go: to a thread of their own, so that no request waits for a terminal, a pipe or a disk.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
}

/// Of the whole process: there is one log.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Events that were dropped since the process began, because the log was not read fast enough.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    closing: bool,
}

/// The thread that writes. Dropped, it writes what is left and ends.
pub struct LogWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// A sink that `output` is written from.
    pub(super) fn open(output: impl Write + Send + 'static) -> io::Result<(Self, LogWriter)> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_all_to(output))?;
        Ok((Self(Arc::clone(&shared)), LogWriter { shared, thread: Some(thread) }))
    }

    /// Takes a line, or drops it if too many wait.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = self.0.lock();
        if pending.lines.len() + line.len() > MOST_PENDING {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = pending.lines.len();
        pending.lines.extend_from_slice(line);
        let wake = before == 0 || (before < ENOUGH && pending.lines.len() >= ENOUGH);
        drop(pending);
        if wake {
            self.0.wake.notify_one();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut output: impl Write) {
        let mut writing = Vec::new();
        loop {
            let pending = self.lock();
            let empty = |pending: &mut Pending| !pending.closing && pending.lines.is_empty();
            let pending = self.wake.wait_while(pending, empty).unwrap_or_else(PoisonError::into_inner);
            let few = |pending: &mut Pending| !pending.closing && pending.lines.len() < ENOUGH;
            let gathered = self.wake.wait_timeout_while(pending, GATHER, few);
            let mut pending = gathered.unwrap_or_else(PoisonError::into_inner).0;
            let closing = pending.closing;
            std::mem::swap(&mut pending.lines, &mut writing);
            drop(pending);
            // Nobody could be told that the log cannot be written.
            let _ = output.write_all(&writing).and_then(|()| output.flush());
            writing.clear();
            writing.shrink_to(ENOUGH);
            if closing {
                return;
            }
        }
    }
}

impl MakeWriter<'_> for Sink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// One write is one line.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(in crate::telemetry) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_left_is_written_at_the_end_and_in_order() {
        let paper = Paper::default();
        let (sink, writer) = Sink::open(paper.clone()).unwrap();
        let lines: Vec<String> = (0..5_000).map(|n| format!("line {n}\n")).collect();
        lines.iter().for_each(|line| sink.push(line.as_bytes()));
        drop(writer);
        assert_eq!(paper.text(), lines.concat());
    }

    /// A reader that never reads.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_wait() {
        let (release, stuck) = std::sync::mpsc::channel();
        let (sink, writer) = Sink::open(Stuck(stuck)).unwrap();
        let line = [b'x'; 1024];
        (0..3 * MOST_PENDING / line.len()).for_each(|_| sink.push(&line));
        assert!(dropped() > 1_000);
        assert!(sink.0.lock().lines.len() <= MOST_PENDING);
        drop(release);
        drop(writer);
    }
}
