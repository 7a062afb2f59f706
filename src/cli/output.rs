//! Where commands write. A reader that has gone (`| head`) is no error; a disk that is full is.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Prints an answer on standard output.
///
/// # Errors
/// It could not be written, and nobody has gone: what was to be read there is lost.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    // What has no line's end waits in the lock's buffer, and the end of the process would not tell what comes of it.
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints what is wrong on standard error.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
