//! An account's refusals, remembered in a file: a process that is started again must not ask again at once, since that is
//! what locks accounts.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::refusals::Remembered;
use crate::clock::Clock;

/// The file of one account. Its folder may be shared with other accounts' files.
pub(super) struct Record {
    path: PathBuf,
    /// Held while the file is written or removed.
    writing: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    salt: u64,
    wait_seconds: u64,
    refused: Vec<Refused>,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    credentials: u16,
    from: Timestamp,
    until: Timestamp,
}

impl Record {
    /// The record, in `folder`, of the account that `account` names.
    pub(super) fn of(account: &[&str], folder: &Path) -> Self {
        let [a, b, c, d, ..] = digest(account);
        let path = folder.join(format!("login-{:08x}.json", u32::from_be_bytes([a, b, c, d])));
        Self { path, writing: Mutex::default() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was written, if anything. What cannot be read is nothing.
    pub(super) fn read(&self, now: Timestamp) -> Option<Remembered> {
        let written: Written = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        let length = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        // The calendar may have been set back meanwhile.
        let left = |it: &Refused| (it.credentials, length(now, it.until).min(length(it.from, it.until)));
        let refused = written.refused.iter().map(left).filter(|(_, left)| !left.is_zero()).collect();
        Some(Remembered { salt: written.salt, wait: Duration::from_secs(written.wait_seconds), refused })
    }

    /// Writes what `remembered` gives, removes the file if that is nothing, and leaves it if nobody knows any more. It is asked
    /// while no other writes, so that the last one to write knows the newest.
    pub(super) fn keep(
        &self,
        clock: &dyn Clock,
        remembered: impl FnOnce() -> Option<Option<Remembered>>,
    ) -> io::Result<()> {
        let _alone = self.writing.lock();
        let Some(remembered) = remembered() else { return Ok(()) };
        let Some(Remembered { salt, wait, refused }) = remembered else { return self.remove() };
        let from = clock.wall();
        let until = |left| from.checked_add(SignedDuration::try_from(left).unwrap_or_default()).unwrap_or(from);
        let refused = refused.into_iter().map(|(credentials, left)| Refused { credentials, from, until: until(left) });
        let written = Written { salt, wait_seconds: wait.as_secs(), refused: refused.collect() };
        self.make_folder()?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // The name is unique: process ids repeat across containers. The file is readable by its owner only.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(&written)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        // The rename survives a power failure once the directory is synced.
        File::open(folder)?.sync_all()
    }

    /// Makes the folder, readable for nobody else, if it is not there.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn digest(texts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn remembered(wait: u64, refused: &[(u16, u64)]) -> Remembered {
        let refused = refused.iter().map(|&(mark, left)| (mark, Duration::from_secs(left))).collect();
        Remembered { salt: 7, wait: Duration::from_secs(wait), refused }
    }

    #[test]
    fn a_refusal_is_remembered_for_its_account_and_for_no_longer_than_its_wait() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/as/needed");
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let began = clock.wall();
        let at = |seconds: i64| began + SignedDuration::from_secs(seconds);
        let record = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(record.read(at(0)), None);
        let two = remembered(60, &[(1, 60), (2, 10)]);
        record.keep(&clock, || Some(Some(two.clone()))).unwrap();

        let again = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(again.read(at(5)), Some(remembered(60, &[(1, 55), (2, 5)])));
        assert_eq!(again.read(at(20)), Some(remembered(60, &[(1, 40)])));
        assert_eq!(again.read(at(90)), Some(remembered(60, &[])), "the next wait is twice as long");
        assert_eq!(again.read(at(-9000)), Some(two), "the calendar was set back");
        assert_eq!(Record::of(&["https://vendor", "other"], &folder).read(at(20)), None);

        let mode = fs::metadata(record.path()).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        again.keep(&clock, || None).unwrap();
        assert!(record.read(at(90)).is_some(), "nobody knows");
        again.keep(&clock, || Some(None)).unwrap();
        assert_eq!(record.read(at(90)), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        again.keep(&clock, || Some(None)).unwrap();
    }

    #[test]
    fn record_write_keeps_foreign_files() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let record = Record::of(&["account"], folder.path());
        // Another container with the same process id writes this file at the same time.
        let other = record.path().with_extension(std::process::id().to_string());
        fs::write(&other, "partial").unwrap();
        record.keep(&clock, || Some(Some(remembered(60, &[(1, 60)])))).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "partial");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_record_is_no_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of(&["account"], folder.path());
        for text in ["", "{}", "null", r#"{"salt":1,"wait_seconds":1,"refused":[{"credentials":1,"until":"soon"}]}"#] {
            fs::write(record.path(), text).unwrap();
            assert_eq!(record.read(Timestamp::UNIX_EPOCH), None, "{text}");
        }
    }
}
