//! A refusal of the service login, remembered in a file: a process that is started again must not ask again at once, since
//! that is what locks accounts.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::machine::Refusal;
use crate::clock::Clock;

/// The file of one account. Its folder may be shared with other accounts' files.
pub(super) struct Record {
    path: PathBuf,
    /// Held while the file is written or removed.
    writing: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    refused_until: Timestamp,
    wait_seconds: u64,
    salt: u64,
    credentials: u16,
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

    /// The refusal of just these credentials, if one was written. What cannot be read is none.
    pub(super) fn read(&self, credentials: &str, now: Timestamp) -> Option<Refusal> {
        let written = self.written(credentials)?;
        let wait = Duration::from_secs(written.wait_seconds);
        let left = Duration::try_from(written.refused_until.duration_since(now)).unwrap_or_default();
        // The calendar may have been set meanwhile.
        Some(Refusal { left: left.min(wait), wait })
    }

    fn written(&self, credentials: &str) -> Option<Written> {
        let written: Written = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        (written.credentials == fingerprint(written.salt, credentials)).then_some(written)
    }

    /// Writes what `refusal` gives, or removes the file if it gives nothing. It is asked while no other writes, so that
    /// the last one to write knows the newest.
    pub(super) fn keep(
        &self,
        credentials: impl FnOnce() -> String,
        clock: &dyn Clock,
        refusal: impl FnOnce() -> Option<Refusal>,
    ) -> io::Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(refusal) = refusal() else { return self.remove() };
        let (credentials, now) = (credentials(), clock.wall());
        // The same salt for the same credentials: each further one would tell more of them.
        let salt = self.written(&credentials).map(|written| written.salt);
        let salt = salt.unwrap_or_else(|| getrandom::u64().unwrap_or_default());
        let left = SignedDuration::try_from(refusal.left).unwrap_or_default();
        let written = Written {
            refused_until: now.checked_add(left).unwrap_or(now),
            wait_seconds: refusal.wait.as_secs(),
            salt,
            credentials: fingerprint(salt, &credentials),
        };
        self.make_folder()?;
        // Another process may write the same file.
        let beside = self.path.with_extension(std::process::id().to_string());
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(&written)?)?;
        fs::rename(&beside, &self.path)
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

/// Tells whether credentials have changed, and is too short to guess a password by.
fn fingerprint(salt: u64, credentials: &str) -> u16 {
    let [a, b, ..] = digest(&[&salt.to_string(), credentials]);
    u16::from_be_bytes([a, b])
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

    const fn refusal(left: u64, wait: u64) -> Refusal {
        Refusal { left: Duration::from_secs(left), wait: Duration::from_secs(wait) }
    }

    #[test]
    fn a_refusal_is_remembered_for_its_credentials_and_for_no_longer_than_its_wait() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/as/needed");
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let began = clock.wall();
        let at = |seconds: i64| began + SignedDuration::from_secs(seconds);
        let password = || "password".to_owned();
        let record = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(record.read("password", at(0)), None);
        record.keep(password, &clock, || Some(refusal(60, 60))).unwrap();

        let again = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(again.read("password", at(20)), Some(refusal(40, 60)));
        assert_eq!(again.read("password", at(90)), Some(refusal(0, 60)));
        assert_eq!(again.read("password", at(-9000)), Some(refusal(60, 60)), "the calendar was set back");
        assert_eq!(again.read("another", at(20)), None);
        assert_eq!(Record::of(&["https://vendor", "other"], &folder).read("password", at(20)), None);

        again.keep(password, &clock, || None).unwrap();
        assert_eq!(record.read("password", at(90)), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        again.keep(password, &clock, || None).unwrap();
    }

    #[test]
    fn who_reads_the_file_each_time_learns_no_more_of_the_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of(&["account"], folder.path());
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let written = |password: &str, wait| {
            record.keep(|| password.to_owned(), &clock, || Some(refusal(wait, wait))).unwrap();
            let Written { salt, credentials, .. } = record.written(password).unwrap();
            (salt, credentials)
        };
        let first = written("password", 30);
        assert_eq!(written("password", 60), first);
        assert_ne!(written("another", 30).0, first.0);
        let mode = fs::metadata(record.path()).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_record_is_no_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of(&["account"], folder.path());
        for text in ["", "{}", "null", r#"{"refused_until":"soon","wait_seconds":1,"salt":1,"credentials":1}"#] {
            fs::write(record.path(), text).unwrap();
            assert_eq!(record.read("password", Timestamp::UNIX_EPOCH), None, "{text}");
        }
    }

    #[test]
    fn the_file_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::of(&["account-of-ours"], folder.path());
        record
            .keep(|| "hunter2".to_owned(), &ManualClock::at(Timestamp::UNIX_EPOCH), || Some(refusal(30, 30)))
            .unwrap();
        let text = fs::read_to_string(record.path()).unwrap() + &record.path().to_string_lossy();
        assert!(!text.contains("hunter2") && !text.contains("account-of-ours"), "{text}");
    }
}
