use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{
    callers::CallerConfig,
    document::{Document, child, parent},
    env::Environment,
    error::{ConfigError, ConfigErrors, Origin},
    file::{self, Access},
    routes::RouteConfig,
    secret_files,
    settings::Config,
    structure::Structure,
    validator::Validator,
};

/// The largest configuration file, in bytes.
pub(super) const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Checks of the files that the settings name, made by the modules that read them: the settings are data only.
pub type FileChecks = fn(&Config, &mut Validator<'_, '_>);

/// Valid settings, and warnings about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is allowed but probably not meant, for the operator.
    pub warnings: Vec<String>,
}

/// Loads the settings: the file, the environment over it, and the files with secrets. `now` is for the expiry of callers.
///
/// # Errors
/// Every error in the settings.
pub fn load(path: &Path, environment: &Environment, now: jiff::Timestamp) -> Result<Loaded, ConfigErrors> {
    load_as(Access::Any, |_, _| (), path, environment, now)
}

pub(super) fn load_as(
    access: Access,
    check_files: FileChecks,
    path: &Path,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<Loaded, ConfigErrors> {
    let bytes = file::read(path, MAX_BYTES, access).map_err(|reason| {
        let remedy = "name a configuration file with --config that this user may read";
        ConfigError::new(path, Origin::Nowhere, "", &reason, remedy)
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        ConfigError::new(path, Origin::Line(line), "", "is not UTF-8 text", "save the file as UTF-8")
    })?;
    parse_as(access, check_files, text, path, environment, now)
}

/// As [`load`], from a text. `path` names the file in errors; relative paths start from its folder.
///
/// # Errors
/// Every error in the settings.
pub fn parse(text: &str, path: &Path, environment: &Environment, now: jiff::Timestamp) -> Result<Loaded, ConfigErrors> {
    parse_as(Access::Any, |_, _| (), text, path, environment, now)
}

fn parse_as(
    access: Access,
    check_files: FileChecks,
    text: &str,
    path: &Path,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<Loaded, ConfigErrors> {
    let structure = Structure::of_settings();
    let mut document = Document::parse(text, path);
    environment.overlay(&mut document, structure);
    structure.check(&mut document);
    let mut config = deserialize(&mut document, structure);
    let folder = path.parent().unwrap_or(Path::new(""));
    secret_files::read(&mut config, &mut document, folder, access);
    config.server.resolve_paths(folder);
    config.upstream.resolve_paths(folder, environment.state_dir());
    let mut validator = Validator::new(&mut document, now);
    config.validate(&mut validator);
    check_files(&config, &mut validator);
    let warnings = validator.warnings;
    if document.errors.is_empty() { Ok(Loaded { config, warnings }) } else { Err(ConfigErrors::new(document.errors)) }
}

/// Reads the values into their types: first each entry of the lists by itself, so that the time is in proportion to the
/// entries and not to their square, then all.
fn deserialize(document: &mut Document<'_>, structure: &Structure) -> Config {
    let entries =
        |document: &Document<'_>, list| document.value.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..entries(document, "/callers") {
        deserialize_at::<CallerConfig>(document, structure, &child("/callers", &index.to_string()));
    }
    for index in 0..entries(document, "/routes") {
        deserialize_at::<RouteConfig>(document, structure, &child("/routes", &index.to_string()));
    }
    deserialize_at(document, structure, "").unwrap_or_default()
}

/// Reads the values at `place` into their type. Serde stops at the first that its type refuses, such as `"3 fortnights"`: so
/// that value is reported and replaced, and all are read again until none is left.
fn deserialize_at<T: DeserializeOwned>(document: &mut Document<'_>, structure: &Structure, place: &str) -> Option<T> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(document.value.pointer(place)?) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let mut pointer = error.path().iter().fold(place.to_owned(), |pointer, segment| match segment {
            Segment::Seq { index } => child(&pointer, &index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => child(&pointer, key),
            Segment::Unknown => pointer,
        });
        if !document.is_invalid(&pointer) {
            let property = structure.property(&pointer).unwrap_or(&Value::Null);
            document.report(&pointer, &error.inner().to_string(), &structure.remedy(property));
        }
        // A placeholder that is refused too takes what is around it along.
        while document.is_marked(&pointer) {
            match parent(&pointer) {
                Some((table, _)) => pointer = table.to_owned(),
                None => return None,
            }
        }
        structure.invalidate(document, &pointer, structure.property(&pointer).unwrap_or(&Value::Null));
    }
}
