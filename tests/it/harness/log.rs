use std::sync::{Arc, Mutex};

/// What the process logs, from now until the guard is dropped. All of a test is in one thread.
pub fn log() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    #[derive(Clone)]
    struct Paper(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let written = Arc::default();
    let paper = Paper(Arc::clone(&written));
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || paper.clone()).finish();
    (written, tracing::subscriber::set_default(subscriber))
}
