use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::{
    ConfigErrors, Environment, Loaded,
    lines::Lines,
    load::{FileChecks, MAX_BYTES, Purpose, load_for},
    secret_files,
    tree::Node,
};

/// Where the settings come from, so that they can be read again while the process runs.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    environment: Environment,
}

/// Tells the contents of the files of one moment from those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the configuration file's contents.
    file: [u8; 32],
    /// The files with secrets that these name.
    named: Vec<PathBuf>,
    /// Of their contents.
    secrets: [u8; 32],
}

impl Source {
    /// The file at `path`, under what the environment lays over it.
    pub fn new(path: &Path, environment: Environment) -> Self {
        Self { path: path.to_owned(), environment }
    }

    /// The settings as they are now. Reads files: not for a thread that answers.
    ///
    /// # Errors
    /// Every fault there is, at once.
    pub fn load(&self, now: jiff::Timestamp, check_files: FileChecks) -> Result<Loaded, ConfigErrors> {
        load_for(Purpose::Start(check_files), &self.path, &self.environment, now)
    }

    /// The same for a process that runs. Certificates in files are not looked at: they are not taken over with this.
    ///
    /// # Errors
    /// Every fault there is, at once.
    pub fn load_again(&self, now: jiff::Timestamp) -> Result<Loaded, ConfigErrors> {
        load_for(Purpose::Reload, &self.path, &self.environment, now)
    }

    /// Of the contents of the file and of the files with secrets that it names. By contents, because orchestrators swap
    /// a link somewhere on the way to a file, which no date and no event at the file itself tells.
    pub fn fingerprint(&self) -> Fingerprint {
        self.look(None)
    }

    /// The same after `last`: a file whose contents are still the same is not parsed again.
    pub fn fingerprint_after(&self, last: &Fingerprint) -> Fingerprint {
        self.look(Some(last))
    }

    fn look(&self, last: Option<&Fingerprint>) -> Fingerprint {
        let text = contents(&self.path);
        let mut hasher = Sha256::new();
        add(&mut hasher, &self.path, text.as_deref());
        let file = hasher.finalize().into();
        let named = match last.filter(|last| last.file == file) {
            Some(last) => last.named.clone(),
            None => self.named(&text.unwrap_or_default()),
        };
        let mut hasher = Sha256::new();
        for file in &named {
            add(&mut hasher, file, contents(file).as_deref());
        }
        Fingerprint { file, named, secrets: hasher.finalize().into() }
    }

    /// The files with secrets that a text names, under this environment. Also where the text has faults: a file with a secret
    /// that was missing may be there the next time.
    fn named(&self, text: &[u8]) -> Vec<PathBuf> {
        let text = String::from_utf8_lossy(text);
        let (table, _) = DeTable::parse_recoverable(&text);
        let mut tree = Node::from_file(&Lines::of(text.as_bytes()), table.get_ref());
        self.environment.overlay(&mut tree);
        secret_files::named(&tree, self.path.parent().unwrap_or(Path::new("")))
    }
}

/// A pipe is never looked into: what is read there is gone.
fn contents(path: &Path) -> Option<Vec<u8>> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
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
    use std::os::unix::fs::symlink;

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
