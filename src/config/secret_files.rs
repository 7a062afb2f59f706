//! Secrets that come from files of their own.

use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    document::Document,
    file::{self, Access},
    secret::Secret,
    settings::Config,
};

/// Every secret; the setting of the same name with `_file` behind it names a file that holds it.
pub(super) const SECRETS: [&str; 5] =
    ["/admin/token", "/upstream/client_id", "/upstream/email", "/upstream/password", "/sessions/secret"];

/// The largest file with a secret, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

const MASKED: &str = "holds the mask that `check` prints in place of a secret";

/// The files with secrets that the settings name; relative paths start from `folder`.
pub(super) fn file_settings(settings: &Value, folder: &Path) -> Vec<PathBuf> {
    let file = |secret: &str| Some(folder.join(settings.pointer(&format!("{secret}_file"))?.as_str()?));
    SECRETS.into_iter().filter_map(file).collect()
}

/// Reads the secrets that are in files; relative paths start from `folder`.
pub(super) fn read(config: &mut Config, document: &mut Document<'_>, folder: &Path, access: Access) {
    for (pointer, (secret, path)) in SECRETS.into_iter().zip(config.secrets_mut()) {
        let file_pointer = format!("{pointer}_file");
        let mut refuse = |pointer: &str, reason: &str, remedy: &str| {
            document.report(pointer, reason, remedy);
            document.mark_invalid(pointer);
        };
        if secret.is_a_mask() {
            refuse(pointer, MASKED, "write the secret itself, or name the file that holds it");
            continue;
        }
        let Some(path) = path.as_mut() else { continue };
        if !secret.is_empty() {
            refuse(&file_pointer, "is set beside the secret itself", "keep one of the two");
            continue;
        }
        *path = folder.join(&path);
        match contents(path, access).map(|text| Secret::from_file(&text, path)) {
            Ok(read) if read.is_a_mask() => {
                let reason = format!("{} {MASKED}", path.display());
                refuse(&file_pointer, &reason, "write the secret itself to the file");
            }
            Ok(read) => *secret = read,
            Err(reason) => {
                let reason = format!("{} {reason}", path.display());
                refuse(&file_pointer, &reason, "name a readable file that holds the secret and nothing else");
            }
        }
    }
}

/// The file's text without the line ends behind it.
fn contents(path: &Path, access: Access) -> Result<Zeroizing<String>, String> {
    let bytes = file::read(path, MAX_BYTES, access)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("is empty".to_owned()),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}
