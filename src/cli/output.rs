//! Where commands write. A reader that has gone (`| head`) is no error.

use std::io::Write;

/// Prints an answer on standard output.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints what is wrong on standard error.
pub(super) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
