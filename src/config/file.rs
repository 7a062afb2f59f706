use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

use super::size::Size;

/// How a file may be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whatever can be read, pipes included.
    Any,
    /// Regular files only, while the process runs: reading a pipe may block forever and loses its contents.
    Regular,
}

/// Reads a file of at most `max` bytes. The error is to be written behind the file's name.
pub(super) fn read(path: &Path, max: u64, access: Access) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = || -> io::Result<usize> {
        if access == Access::Regular && !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file, and so cannot be read again"));
        }
        File::open(path)?.take(max + 1).read_to_end(&mut bytes)
    };
    match { read }() {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(length) if length as u64 > max => Err(format!("is larger than {}", Size::from_bytes(max))),
        Ok(_) => Ok(bytes),
    }
}
