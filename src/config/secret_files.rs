//! Secrets that come from files, and which source wins: the environment before the file.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Config, Secret,
    error::ConfigError,
    load::{Purpose, open},
    tree::{Node, Origin, State, Step},
};

/// Every secret; each can also be given as the same name with `_file` behind it.
const SECRETS: [(&str, &str); 5] = [
    ("admin", "token"),
    ("upstream", "client_id"),
    ("upstream", "email"),
    ("upstream", "password"),
    ("sessions", "secret"),
];

/// The most that a file with a secret may hold, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

pub(super) fn is_secret(names: &[String]) -> bool {
    matches!(names, [section, name] if SECRETS.contains(&(section, name)))
}

/// Whether the names are those of a secret or of its file.
pub(super) fn is_for_secret(names: &[String]) -> bool {
    matches!(names, [section, name] if SECRETS.contains(&(section, plain(name))))
}

fn plain(name: &str) -> &str {
    name.strip_suffix("_file").unwrap_or(name)
}

/// Takes the file's word on a secret away where the environment has its own, in whichever form.
pub(super) fn make_way(tree: &mut Node, names: &[String]) {
    let [section, name] = names else { return };
    if !is_for_secret(names) {
        return;
    }
    let plain = plain(name);
    let Some(table) = tree.at_mut(&[Step::Name(section.clone())]) else { return };
    for name in [plain.to_owned(), format!("{plain}_file")] {
        if matches!(table.child(&Step::Name(name.clone())), Some(Node { origin: Origin::Line(_), .. })) {
            table.remove(&name);
        }
    }
}

/// The files with secrets that the settings name, as far as they can be read; relative ones start from `folder`.
pub(super) fn named(tree: &Node, folder: &Path) -> Vec<PathBuf> {
    let file = |(section, name): (&str, &str)| {
        let steps = [Step::Name(section.to_owned()), Step::Name(format!("{name}_file"))];
        tree.at(&steps).and_then(Node::text).map(|file| folder.join(file))
    };
    SECRETS.into_iter().filter_map(file).collect()
}

/// Reads the secrets that are given as files; paths are relative to the folder of the configuration file.
pub(super) fn read(config: &mut Config, tree: &mut Node, file: &Path, purpose: Purpose, faults: &mut Vec<ConfigError>) {
    let folder = file.parent().unwrap_or(Path::new(""));
    let slots = [
        &mut config.admin.secrets_mut()[..],
        &mut config.upstream.secrets_mut()[..],
        &mut config.sessions.secrets_mut()[..],
    ];
    for ((section, name), (secret, path)) in SECRETS.into_iter().zip(slots.into_iter().flatten()) {
        let given = [Step::Name(section.to_owned()), Step::Name(name.to_owned())];
        let steps = [Step::Name(section.to_owned()), Step::Name(format!("{name}_file"))];
        let mut fault = |steps: &[Step], reason: &str, remedy: &str| {
            faults.push(ConfigError::new(file, tree.origin_of(steps), &tree.label(steps), reason, remedy));
        };
        if secret.is_a_mask() {
            fault(&given, SHOWN, "write the secret itself, or name the file that holds it");
            damage(tree, &given);
            continue;
        }
        let Some(path) = path.as_mut() else { continue };
        if !secret.is_empty() {
            fault(&steps, &format!("`{name}` is given too"), "keep one of the two");
            continue;
        }
        *path = folder.join(&path);
        match contents(path, purpose).map(|text| Secret::from_file(&text, path)) {
            Ok(read) if read.is_a_mask() => {
                fault(&steps, &format!("{} {SHOWN}", path.display()), "put the secret itself into the file");
                damage(tree, &steps);
            }
            Ok(read) => **secret = read,
            Err(reason) => {
                fault(&steps, &reason, "name a readable file that holds the secret and nothing else");
                damage(tree, &steps);
            }
        }
    }
}

const SHOWN: &str = "holds what `check` shows in a secret's place";

fn damage(tree: &mut Node, steps: &[Step]) {
    if let Some(node) = tree.at_mut(steps) {
        node.state = State::Damaged;
    }
}

/// The file's text without the line ends behind it.
fn contents(path: &Path, purpose: Purpose) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let mut text = Zeroizing::new(String::new());
    let read = open(purpose, path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(format!("{shown} is not UTF-8 text")),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
        Ok(length) if length as u64 > MAX_BYTES => Err(format!("{shown} is over 64 KiB")),
        Ok(_) => match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("{shown} is empty")),
            secret => Ok(Zeroizing::new(secret.to_owned())),
        },
    }
}
