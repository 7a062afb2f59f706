use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{
    document::Document,
    env::Environment,
    error::ConfigErrors,
    file::{self, Access},
    load::{FileChecks, Loaded, MAX_BYTES, load_as},
    secret_files,
    structure::Structure,
};

/// The sources of the settings, so that they can be read again while the process runs.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    environment: Environment,
}

/// Identifies the contents of the files at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Digest of the configuration file.
    file: [u8; 32],
    /// The files with secrets that the settings name.
    named: Vec<PathBuf>,
    /// Digest of those files.
    secrets: [u8; 32],
}

impl Source {
    /// The file at `path`, overridden by the environment.
    pub fn new(path: &Path, environment: Environment) -> Self {
        Self { path: path.to_owned(), environment }
    }

    /// Loads the settings. Reads files: not for an async thread.
    ///
    /// # Errors
    /// Every error in the settings, and those of the files that `check_files` reports.
    pub fn load(&self, now: jiff::Timestamp, check_files: FileChecks) -> Result<Loaded, ConfigErrors> {
        load_as(Access::Any, check_files, &self.path, &self.environment, now)
    }

    /// Loads the settings again while the process runs.
    ///
    /// # Errors
    /// Every error in the settings. Files that a reload does not take over, such as certificates, are not checked.
    pub fn load_again(&self, now: jiff::Timestamp) -> Result<Loaded, ConfigErrors> {
        load_as(Access::Regular, |_, _| (), &self.path, &self.environment, now)
    }

    /// Identifies the contents of the configuration file and of the files with secrets that it names. Contents are compared
    /// because orchestrators swap a symbolic link above the file, which changes neither its date nor raises an event.
    pub fn fingerprint(&self) -> Fingerprint {
        self.scan(None)
    }

    /// As [`Source::fingerprint`]; a file that is unchanged since `last` is not parsed again.
    pub fn fingerprint_after(&self, last: &Fingerprint) -> Fingerprint {
        self.scan(Some(last))
    }

    fn scan(&self, last: Option<&Fingerprint>) -> Fingerprint {
        let text = file::read(&self.path, MAX_BYTES, Access::Regular).ok();
        let text = text.as_ref().map(|text| text.as_slice());
        let mut hasher = Sha256::new();
        add(&mut hasher, &self.path, text);
        let file = hasher.finalize().into();
        let named = match last.filter(|last| last.file == file) {
            Some(last) => last.named.clone(),
            None => self.named(text.unwrap_or_default()),
        };
        let mut hasher = Sha256::new();
        for path in &named {
            let contents = file::read(path, MAX_BYTES, Access::Regular).ok();
            add(&mut hasher, path, contents.as_ref().map(|contents| contents.as_slice()));
        }
        Fingerprint { file, named, secrets: hasher.finalize().into() }
    }

    /// The files with secrets that a text names, even one with errors: a missing file may exist the next time.
    fn named(&self, text: &[u8]) -> Vec<PathBuf> {
        let text = String::from_utf8_lossy(text);
        let mut document = Document::parse(&text, &self.path);
        self.environment.overlay(&mut document, Structure::of_settings());
        secret_files::file_settings(&document.value, self.path.parent().unwrap_or(Path::new("")))
    }
}

fn add(hasher: &mut Sha256, path: &Path, contents: Option<&[u8]>) {
    let name = path.as_os_str().as_encoded_bytes();
    hasher.update((name.len() as u64).to_be_bytes());
    hasher.update(name);
    hasher.update([u8::from(contents.is_some())]);
    hasher.update((contents.map_or(0, <[u8]>::len) as u64).to_be_bytes());
    hasher.update(contents.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_change_of_the_file_or_of_a_secret_is_seen_through_links_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let source = Source::new(&at("config.toml"), Environment::empty());
        let mut seen = vec![source.fingerprint()];
        let mut changed = |what: &str| {
            let now = source.fingerprint();
            assert!(!seen.contains(&now), "{what} was not seen");
            assert_eq!(now, source.fingerprint());
            seen.push(now);
        };
        for version in ["one", "two"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("config.toml"), "[upstream]\npassword_file = \"password\"\n").unwrap();
            fs::write(at(version).join("password"), version).unwrap();
        }
        // As Kubernetes mounts a volume: the files are links through one that is swapped.
        symlink("one", at("data")).unwrap();
        symlink("data/config.toml", at("config.toml")).unwrap();
        symlink("data/password", at("password")).unwrap();
        changed("a file that is there");
        symlink("two", at("new")).unwrap();
        fs::rename(at("new"), at("data")).unwrap();
        changed("a link that was swapped");
        fs::remove_file(at("two/password")).unwrap();
        changed("a secret that is gone");
        fs::write(at("two/config.toml"), "[upstream\npassword_file = ").unwrap();
        changed("a file that is broken");
        fs::write(at("other"), "x").unwrap();
        assert_eq!(seen.last(), Some(&source.fingerprint()));
    }

    #[test]
    fn a_file_is_parsed_again_only_if_its_contents_differ() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let source = Source::new(&file, Environment::empty());
        fs::write(&file, "upstream.password_file = \"a\"").unwrap();
        let seen = source.fingerprint();
        assert_eq!(seen.named, [folder.path().join("a")]);
        assert_eq!(source.fingerprint_after(&seen), seen);
        // What no parsing of it would name.
        let elsewhere = Fingerprint { named: vec![folder.path().join("b")], ..seen.clone() };
        let looked = source.fingerprint_after(&elsewhere);
        assert_eq!(looked.named, elsewhere.named, "it was parsed though it was the same");
        fs::write(folder.path().join("b"), "new").unwrap();
        assert_ne!(source.fingerprint_after(&elsewhere), looked, "a changed secret was not seen");
        fs::write(&file, "upstream.password_file = \"c\"").unwrap();
        assert_eq!(source.fingerprint_after(&elsewhere).named, [folder.path().join("c")]);
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let source = Source::new(Path::new("/dev/stdin"), Environment::empty());
        assert_eq!(source.fingerprint(), source.fingerprint());
    }
}
