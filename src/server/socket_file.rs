//! The file of a Unix socket, and that one process at a time has its path.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// This user and its group.
const SOCKET_FILE_MODE: u32 = 0o660;
const LOCK_FILE_MODE: u32 = 0o600;

/// A lock file that is taken away between two lines of ours is looked for so often again.
const TRIES: u32 = 16;

/// Our socket's file, which goes when this is dropped, unless another has taken its place. To be dropped before the socket
/// closes: until then nobody takes it for one that was left behind, nor gives its inode's number to another file.
pub(super) struct SocketFile {
    path: PathBuf,
    id: Id,
    /// Until the file is gone.
    _lock: Lock,
}

/// What tells one file from another, whatever its name.
type Id = (u64, u64);

/// A process's right to a path: whoever holds it may remove the socket that stands there. Without it, two that start at once
/// would both find the file that was left behind, and the slower one would remove the quicker one's.
struct Lock {
    path: PathBuf,
    file: File,
}

impl SocketFile {
    /// Listens at `path`, in place of what a process left behind that is gone.
    ///
    /// # Errors
    /// Another process listens there, or is about to; or the file cannot be made.
    pub(super) fn bind(path: &Path) -> io::Result<(Self, UnixListener)> {
        let lock = Lock::take(path)?;
        make_way(path)?;
        let socket = UnixListener::bind(path)?;
        let file = Self { path: path.to_owned(), id: id(&fs::symlink_metadata(path)?), _lock: lock };
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_FILE_MODE))?;
        Ok((file, socket))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove(&self.path, self.id);
    }
}

impl Lock {
    /// Does not wait: a process that is stopped could hold it for ever.
    fn take(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let told = |error: io::Error| io::Error::new(error.kind(), format!("its lock {}: {error}", path.display()));
        for _ in 0..TRIES {
            let file = match open(&path) {
                // It went between two looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(Path::exists) => {
                    continue;
                }
                opened => opened.map_err(|error| {
                    let remedy = remedy(error.kind());
                    io::Error::new(error.kind(), format!("{}{remedy}", told(error)))
                })?,
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(taken("another process listens there")),
                locked => locked.map_err(io::Error::from).map_err(told)?,
            }
            // Who held it may have removed it meanwhile, and another made a new one.
            let ours = file.metadata().map_err(told)?;
            if fs::symlink_metadata(&path).is_ok_and(|found| id(&found) == id(&ours)) {
                return Ok(Self { path, file });
            }
        }
        Err(taken("other processes come and go there"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked: whoever opens it meanwhile finds that it is no longer there.
        if let Ok(ours) = self.file.metadata() {
            remove(&self.path, id(&ours));
        }
    }
}

/// What to do where the lock cannot be had.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "; make its folder first, or have the unit do so (RuntimeDirectory=)",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; give the folder to the user that the gateway runs as, or name one that this user may write in"
        }
        io::ErrorKind::NotADirectory => "; what stands in place of its folder is a file: name another",
        _ => "",
    }
}

/// Opens what stands there, or makes it: never through a link to what does not exist yet, which somebody may have laid.
fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(LOCK_FILE_MODE).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path),
        made => made,
    }
}

/// Removes the socket file that a process left behind, and nothing else.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file stands there that is no socket; move it away",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Else it would wait for a place where the queue is full.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(taken("another process listens there, though it does not take up who waits; end it first"))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let said = "a socket stands there that this user may not ask; end its process and remove it";
            Err(io::Error::new(error.kind(), said))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(()) | Err(_) => Err(taken("another process listens there")),
    }
}

fn taken(by: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, by)
}

fn id(found: &fs::Metadata) -> Id {
    (found.dev(), found.ino())
}

/// Removes the file if it is still this one.
fn remove(path: &Path, ours: Id) {
    if fs::symlink_metadata(path).is_ok_and(|found| id(&found) == ours) {
        // There is nobody to tell; the next start makes way for itself.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, sync::Barrier, thread};

    use super::*;

    #[tokio::test]
    async fn of_many_who_start_at_once_where_a_file_was_left_behind_one_has_it_and_the_others_are_told() {
        const MANY: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        for _ in 0..50 {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let (start, runtime) = (Barrier::new(MANY), tokio::runtime::Handle::current());
            let bound = thread::scope(|scope| {
                let bind = || {
                    let _runtime = runtime.enter();
                    start.wait();
                    SocketFile::bind(&path)
                };
                let all: Vec<_> = (0..MANY).map(|_| scope.spawn(bind)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
            });
            let (good, bad): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
            assert_eq!(good.len(), 1);
            for refused in bad {
                assert_eq!(refused.err().unwrap().to_string(), "another process listens there");
            }
            // The path leads to the one who has it.
            let _client = UnixStream::connect(&path).unwrap();
            let (file, socket) = good.into_iter().next().unwrap().ok().unwrap();
            socket.accept().await.unwrap();
            drop((file, socket));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
        }
    }

    #[tokio::test]
    async fn a_lock_that_a_process_left_behind_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        fs::write(folder.path().join("s.sock.lock"), "").unwrap();
        SocketFile::bind(&path).ok().unwrap();
    }

    #[tokio::test]
    async fn who_listens_and_takes_nobody_up_is_seen_at_once_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        // Of another program, which knows of no lock.
        let full = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        full.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        full.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            match client.connect(&SockAddr::unix(&path).unwrap()) {
                Ok(()) => waiting.push(client),
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        let refused = SocketFile::bind(&path).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(refused.to_string().contains("does not take up who waits"), "{refused}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_or_may_not_be_written_in_has_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let refused = SocketFile::bind(&folder.path().join("missing/s.sock")).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
        assert!(refused.to_string().ends_with(remedy(io::ErrorKind::NotFound)), "{refused}");
        assert!(refused.to_string().contains("make its folder first"), "{refused}");
        // Whoever runs this may be root, who may write anywhere: hence by kind.
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            assert!(remedy(kind).contains("that this user may write in"), "{kind}");
        }
    }
}
