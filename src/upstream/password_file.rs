use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use crate::config::Secret;

/// A new password on its way into its file. It is written beside the old one before the vendor is asked, and takes its
/// place when the vendor has taken it: whenever the process ends in between, both are on the disk.
pub(super) struct Pending {
    file: PathBuf,
    beside: PathBuf,
}

/// Changes whose end is not known, at most; each leaves a file behind.
const MOST_BESIDE: u32 = 9;

impl Pending {
    /// Writes `password` beside `file`, with its mode.
    pub(super) fn write(file: &Path, password: &Secret) -> io::Result<Self> {
        // A link stays a link: what it leads to is replaced.
        let file = &fs::canonicalize(file)?;
        let old = fs::metadata(file)?;
        let (beside, mut new) = create_beside(file)?;
        let pending = Self { file: file.clone(), beside };
        // Who may read it through a group is said by the group too: where that cannot be kept, the group may not.
        let kept = fchown(&new, None, Some(old.gid())).is_ok();
        let mode = if kept { old.mode() } else { old.mode() & !0o070 };
        let written = new
            .set_permissions(fs::Permissions::from_mode(mode))
            .and_then(|()| new.write_all(password.expose().as_bytes()))
            .and_then(|()| new.write_all(b"\n"))
            .and_then(|()| new.sync_all())
            .and_then(|()| sync_folder(file));
        match written {
            Ok(()) => Ok(pending),
            Err(error) => {
                // Nothing was asked of the vendor yet: this password is nobody's.
                let _ = pending.discard();
                Err(error)
            }
        }
    }

    /// The new password takes the old one's place.
    pub(super) fn commit(self) -> io::Result<()> {
        if fs::rename(&self.beside, &self.file).is_err() {
            // A file that is mounted alone cannot be replaced. It is written in place; the one beside is safe until then.
            let password = fs::read(&self.beside)?;
            let mut file = OpenOptions::new().write(true).truncate(true).open(&self.file)?;
            file.write_all(&password)?;
            file.sync_all()?;
            fs::remove_file(&self.beside)?;
        }
        // The new name is there in any case; at worst a crash of the machine brings the old one back, with both beside.
        let _ = sync_folder(&self.file);
        Ok(())
    }

    /// The vendor did not take it.
    pub(super) fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.beside)
    }

    /// Where the new password is.
    pub(super) fn beside(&self) -> &Path {
        &self.beside
    }
}

/// A password that a change which was cut short has left beside `file`: it may be the one that is good.
pub fn left_beside(file: &Path) -> Option<PathBuf> {
    let file = &fs::canonicalize(file).ok()?;
    (1..=MOST_BESIDE).map(|number| beside(file, number)).find(|path| path.exists())
}

fn beside(file: &Path, number: u32) -> PathBuf {
    let mut name = file.file_name().map(OsString::from).unwrap_or_default();
    name.push(".new");
    if number > 1 {
        name.push(format!("-{number}"));
    }
    file.with_file_name(name)
}

fn create_beside(file: &Path) -> io::Result<(PathBuf, File)> {
    let mut last = None;
    for number in 1..=MOST_BESIDE {
        let path = beside(file, number);
        let mut options = OpenOptions::new();
        // Nobody else may read it, not even before its mode is set.
        options.mode(0o600);
        match options.write(true).create_new(true).open(&path) {
            Ok(new) => return Ok((path, new)),
            // An earlier change was cut short, and this may be the password that is good: it stays.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
}

/// A new name is safe when its folder is.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn between_any_two_steps_both_passwords_are_there_and_the_mode_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "old\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();

        let pending = Pending::write(&file, &Secret::new("new")).unwrap();
        assert_eq!((read(&file).as_str(), read(pending.beside()).as_str()), ("old\n", "new\n"));
        assert_eq!(left_beside(&file).as_deref(), Some(pending.beside()));
        pending.commit().unwrap();
        assert_eq!(read(&file), "new\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(left_beside(&file), None);

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Pending::write(&link, &Secret::new("newer")).unwrap().commit().unwrap();
        assert_eq!(read(&file), "newer\n");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        Pending::write(&file, &Secret::new("refused")).unwrap().discard().unwrap();
        assert_eq!((read(&file).as_str(), left_beside(&file)), ("newer\n", None));
    }

    #[test]
    fn what_an_earlier_change_left_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "old").unwrap();
        let all: Vec<Pending> =
            (1..=MOST_BESIDE).map(|n| Pending::write(&file, &Secret::new(&n.to_string())).unwrap()).collect();
        assert!(Pending::write(&file, &Secret::new("one too many")).is_err());
        for (n, pending) in (1..).zip(&all) {
            assert_eq!(read(pending.beside()), format!("{n}\n"));
        }
        assert!(Pending::write(&folder.path().join("missing"), &Secret::new("x")).is_err());
    }
}
