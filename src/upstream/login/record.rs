//! A refusal of the service login, remembered in a file: a process that is started again must not ask again at once, since
//! that is what locks accounts.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::machine::Refusal;

/// The file of one account. Its folder may be shared with other accounts' files.
pub(super) struct Record {
    path: PathBuf,
    /// Whether the file is there. Held while it is written.
    written: Mutex<bool>,
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
        let written = Mutex::new(path.exists());
        Self { path, written }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The refusal of just these credentials, if one was written. What cannot be read is none.
    pub(super) fn read(&self, credentials: &str, now: Timestamp) -> Option<Refusal> {
        let written: Written = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        if written.credentials != fingerprint(written.salt, credentials) {
            return None;
        }
        let wait = Duration::from_secs(written.wait_seconds);
        let left = Duration::try_from(written.refused_until.duration_since(now)).unwrap_or_default();
        // The calendar may have been set meanwhile.
        Some(Refusal { left: left.min(wait), wait })
    }

    /// Writes what `refusal` gives, or removes the file if it gives nothing. It is asked while no other writes, so that
    /// the last one to write knows the newest.
    pub(super) fn keep(
        &self,
        credentials: &str,
        now: Timestamp,
        refusal: impl FnOnce() -> Option<Refusal>,
    ) -> io::Result<()> {
        let mut there = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match refusal() {
            Some(refusal) => {
                let salt = getrandom::u64().unwrap_or_default();
                let left = SignedDuration::try_from(refusal.left).unwrap_or_default();
                let written = Written {
                    refused_until: now.checked_add(left).unwrap_or(now),
                    wait_seconds: refusal.wait.as_secs(),
                    salt,
                    credentials: fingerprint(salt, credentials),
                };
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let beside = self.path.with_extension("new");
                fs::write(&beside, serde_json::to_vec(&written)?)?;
                fs::rename(&beside, &self.path)?;
                *there = true;
            }
            None if *there => {
                fs::remove_file(&self.path)?;
                *there = false;
            }
            None => {}
        }
        Ok(())
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

    const fn refusal(left: u64, wait: u64) -> Refusal {
        Refusal { left: Duration::from_secs(left), wait: Duration::from_secs(wait) }
    }

    #[test]
    fn a_refusal_is_remembered_for_its_credentials_and_for_no_longer_than_its_wait() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/as/needed");
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let record = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(record.read("password", at(0)), None);
        record.keep("password", at(0), || Some(refusal(60, 60))).unwrap();

        let again = Record::of(&["https://vendor", "id"], &folder);
        assert_eq!(again.read("password", at(20)), Some(refusal(40, 60)));
        assert_eq!(again.read("password", at(90)), Some(refusal(0, 60)));
        assert_eq!(again.read("password", at(-9000)), Some(refusal(60, 60)), "the calendar was set back");
        assert_eq!(again.read("another", at(20)), None);
        assert_eq!(Record::of(&["https://vendor", "other"], &folder).read("password", at(20)), None);

        again.keep("password", at(90), || None).unwrap();
        assert_eq!(record.read("password", at(90)), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        again.keep("password", at(90), || None).unwrap();
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
        record.keep("hunter2", Timestamp::UNIX_EPOCH, || Some(refusal(30, 30))).unwrap();
        let text = fs::read_to_string(record.path()).unwrap() + &record.path().to_string_lossy();
        assert!(!text.contains("hunter2") && !text.contains("account-of-ours"), "{text}");
    }
}
