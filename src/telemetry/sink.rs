//! The log writer. tracing-appender's non-blocking writer limits waiting lines by number and not by bytes, so that long lines
//! exceed CONTRACT, section 11. It also ignores write errors, so that the lines lost to them are not counted.

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines of one buffer that wait for a slow reader at most, in bytes; what comes then is dropped, and counted.
const MAX_BUFFERED_BYTES: usize = 2 * 1024 * 1024;
/// What a buffer keeps of its room when it is empty.
const ROOM: usize = 64 * 1024;
/// How long a line waits for others to be written with it.
const GATHER: Duration = Duration::from_millis(10);
/// How long the last lines have to be written: who does not read them must not keep the process from its end.
pub const LAST_LINES: Duration = Duration::from_secs(1);
/// Threads share buffers only where there are more of them.
const BUFFERS: usize = 8;

/// Where log lines go: to a thread of their own, so that no request waits for a terminal, a pipe or a disk. Lines of one
/// thread stay in order; those of different threads may change places within [`GATHER`].
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    buffers: [Mutex<Vec<u8>>; BUFFERS],
    /// Whether the writer waits to be woken.
    idle: AtomicBool,
    closing: Mutex<bool>,
    wake: Condvar,
}

/// Of the whole process: there is one log.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Events that were dropped since the process began, because the log was not read fast enough.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The thread that writes. Dropped, it writes what is left and ends; if nobody reads that, it is left behind, and ends with
/// the process.
pub struct LogWriter {
    shared: Arc<Shared>,
    /// Closed when the thread has ended, however it does.
    ended: Receiver<()>,
}

impl Sink {
    /// A sink that `output` is written from.
    pub(super) fn open(output: impl Write + Send + 'static) -> io::Result<(Self, LogWriter)> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let (ends, ended) = mpsc::channel();
        let write = move || {
            writing.write_all_to(output);
            drop(ends);
        };
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok((Self(Arc::clone(&shared)), LogWriter { shared, ended }))
    }

    /// Takes a line, or drops it if too many wait.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = lock(self.0.own_buffer());
        if pending.len() + line.len() > MAX_BUFFERED_BYTES {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        pending.extend_from_slice(line);
        drop(pending);
        if self.0.idle.load(Ordering::SeqCst) {
            self.0.wake();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        *lock(&self.shared.closing) = true;
        self.shared.wake();
        // Either way there is nobody left to tell.
        let _ = self.ended.recv_timeout(LAST_LINES);
    }
}

impl Shared {
    fn own_buffer(&self) -> &Mutex<Vec<u8>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % BUFFERS;
        }
        let [first, ..] = &self.buffers;
        self.buffers.get(OWN.with(|own| *own)).unwrap_or(first)
    }

    fn wake(&self) {
        // With the lock, so that it cannot fall between the writer's last look and its sleep.
        let closing = lock(&self.closing);
        self.idle.store(false, Ordering::SeqCst);
        self.wake.notify_one();
        drop(closing);
    }

    fn write_all_to(&self, mut output: impl Write) {
        let mut writing = Vec::new();
        let mut torn = false;
        loop {
            let closing = *lock(&self.closing);
            for buffer in &self.buffers {
                std::mem::swap(&mut *lock(buffer), &mut writing);
                torn = write(&mut output, &writing, torn);
                writing.clear();
                writing.shrink_to(ROOM);
            }
            if closing {
                return;
            }
            self.rest();
        }
    }

    /// Sleeps until a line comes, and then a little for others.
    fn rest(&self) {
        self.idle.store(true, Ordering::SeqCst);
        if self.buffers.iter().any(|buffer| !lock(buffer).is_empty()) {
            self.idle.store(false, Ordering::SeqCst);
        }
        let asleep = |closing: &mut bool| !*closing && self.idle.load(Ordering::SeqCst);
        let woken = self.wake.wait_while(lock(&self.closing), asleep).unwrap_or_else(PoisonError::into_inner);
        drop(self.wake.wait_timeout_while(woken, GATHER, |closing| !*closing));
    }
}

/// Writes lines, and counts those that cannot be written. Says whether the last one was torn; if one was before, a new
/// line is begun first.
fn write(output: &mut impl Write, lines: &[u8], torn: bool) -> bool {
    let mut left = lines;
    if torn && !lines.is_empty() && output.write_all(b"\n").is_err() {
        DROPPED.fetch_add(newlines(lines), Ordering::Relaxed);
        return true;
    }
    while !left.is_empty() {
        match output.write(left) {
            Ok(written) if written > 0 => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                DROPPED.fetch_add(newlines(left), Ordering::Relaxed);
                let written = lines.get(..lines.len() - left.len()).unwrap_or_default();
                return written.last().is_some_and(|byte| *byte != b'\n');
            }
        }
    }
    // Standard error has no buffer of its own.
    false
}

fn newlines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_line_is_written_soon_also_after_a_silence() {
        let paper = Paper::default();
        let (sink, _writer) = Sink::open(paper.clone()).unwrap();
        for n in 1..=3 {
            sink.push(b"x");
            while paper.text().len() < n {
                thread::yield_now();
            }
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

    /// A disk with room for so many bytes, until somebody makes more.
    struct Full(Paper, usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 == 0 {
                self.1 = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.1);
            self.1 -= taken;
            self.0.write(&bytes[..taken])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_torn_is_no_part_of_the_next_and_is_counted() {
        let paper = Paper::default();
        let before = dropped();
        let mut output = Full(paper.clone(), 12);
        let torn = write(&mut output, b"line 1\nline 2\nline 3\n", false);
        assert!(torn);
        assert!(!write(&mut output, b"line 4\n", torn));
        assert_eq!(paper.text(), "line 1\nline \nline 4\n");
        assert!(dropped() - before >= 2);
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
        let before = dropped();
        // One is being written, and two wait.
        (0..4 * MAX_BUFFERED_BYTES / line.len()).for_each(|_| sink.push(&line));
        let (lost, waiting) = (dropped() - before, lock(sink.0.own_buffer()).len());
        // Its end does not wait for its reader either, who reads only after it.
        drop(writer);
        drop(release);
        // Not always as many: the writer may take its first lines late, and fewer come after them.
        assert!(waiting <= MAX_BUFFERED_BYTES, "{waiting}");
        // At least: what other tests lose in the same moment is counted too.
        assert!(lost >= 2 * 2048, "{lost}");
    }
}
