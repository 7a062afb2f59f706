use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;
use toml::de::DeTable;

use super::{
    Config, ConfigError, ConfigErrors, Environment, Loaded,
    lines::Lines,
    misfit::Kind,
    reader::Reader,
    secret_files,
    tree::{Node, Origin, State, Step, Value},
    validator::Validator,
};

/// The most that the file with the settings may hold, in bytes.
pub(super) const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Checks of the files that the settings name, made by the modules that read them: the settings themselves are data only.
pub type FileChecks = fn(&Config, &mut Validator<'_>);

/// What settings are read for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Start(FileChecks),
    Reload,
}

/// Loads the settings: the file, what the environment lays over it, and the files with secrets. `now` is for the
/// expiry of callers.
///
/// # Errors
/// Every fault there is, at once.
pub fn load(path: &Path, environment: &Environment, now: jiff::Timestamp) -> Result<Loaded, ConfigErrors> {
    load_for(Purpose::Start(|_, _| ()), path, environment, now)
}

pub(super) fn load_for(
    purpose: Purpose,
    path: &Path,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<Loaded, ConfigErrors> {
    let mut bytes = Vec::new();
    open(purpose, path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(|error| {
        let remedy = "name the configuration file with --config, and see that this user may read it";
        ConfigError::new(path, Origin::Nowhere, "", &format!("cannot be read: {error}"), remedy)
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(
            ConfigError::new(path, Origin::Nowhere, "", "is over 16 MiB", "name the file with the settings").into()
        );
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = Lines::of(error.as_bytes()).at(error.utf8_error().valid_up_to());
        ConfigError::new(path, Origin::Line(line), "", "is not UTF-8 text", "save the file as UTF-8, as TOML asks for")
    })?;
    parse_for(purpose, &text, path, environment, now)
}

/// Opens one of the files with settings. While the process runs, only a regular one: a pipe would be waited for, perhaps
/// without end, and what was in it is gone.
pub(super) fn open(purpose: Purpose, path: &Path) -> io::Result<File> {
    if matches!(purpose, Purpose::Reload) && !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file, and so cannot be read again"));
    }
    File::open(path)
}

/// As [`load`], from a text: `origin` is the file it stands for, which names it in faults, and whose folder
/// relative paths start from.
///
/// # Errors
/// Every fault there is, at once.
pub fn parse(
    text: &str,
    origin: &Path,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<Loaded, ConfigErrors> {
    parse_for(Purpose::Start(|_, _| ()), text, origin, environment, now)
}

fn parse_for(
    purpose: Purpose,
    text: &str,
    origin: &Path,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<Loaded, ConfigErrors> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text.as_bytes());
    let mut faults: Vec<ConfigError> = errors.iter().map(|error| syntax_fault(&lines, origin, error)).collect();
    let spoilt: BTreeSet<usize> = faults.iter().filter_map(ConfigError::line).collect();
    let is_sound = |fault: &ConfigError| fault.line().is_none_or(|line| !spoilt.contains(&line));
    for variable in environment.unreadable() {
        let origin_of = Origin::Variable(variable.clone());
        faults.push(ConfigError::new(origin, origin_of, "", "its value is not UTF-8", "set it to a text, or unset it"));
    }
    for variable in environment.empty_secrets() {
        let origin_of = Origin::Variable(variable.to_owned());
        let remedy = "unset it, and what the file says holds; or set it to what it is there for";
        faults.push(ConfigError::new(origin, origin_of, "", "it is empty, but there for a secret", remedy));
    }

    let mut tree = Node::from_file(&lines, table.get_ref());
    environment.overlay(&mut tree);
    let written = tree.clone();
    // The parser guessed what a broken line meant: only what stands on sound lines is worth telling.
    tree.damage_lines(&spoilt);
    let mut misfits = Vec::new();
    let mut config = read(&mut tree, &written, origin, &mut misfits);
    faults.extend(misfits.into_iter().filter(is_sound));
    // What a setting means is not known below a header that is broken.
    if text.lines().zip(1..).any(|(line, number)| line.trim_start().starts_with('[') && spoilt.contains(&number)) {
        return Err(ConfigErrors::new(faults));
    }

    secret_files::read(&mut config, &mut tree, origin, purpose, &mut faults);
    config.server.resolve_paths(origin.parent().unwrap_or(Path::new("")));
    config.upstream.resolve_paths(origin.parent().unwrap_or(Path::new("")), environment.state_dir());
    let mut validator = Validator::new(origin, &tree, &written, now);
    validator.guessed = !spoilt.is_empty();
    config.validate(&mut validator);
    if let Purpose::Start(check_files) = purpose {
        check_files(&config, &mut validator);
    }
    let warnings = validator.warnings;
    faults.extend(validator.faults.into_iter().filter(is_sound));
    if faults.is_empty() { Ok(Loaded { config, warnings }) } else { Err(ConfigErrors::new(faults)) }
}

/// Reads the tree, again and again: each time the value that does not fit is reported and marked, and the next
/// reading passes over it, until what is left can be read.
fn read(tree: &mut Node, written: &Node, file: &Path, faults: &mut Vec<ConfigError>) -> Config {
    loop {
        let misfit = match Config::deserialize(Reader(tree)) {
            Ok(config) => return config,
            Err(misfit) => misfit,
        };
        let mut steps = misfit.steps.clone();
        if let Kind::Missing { name } = misfit.kind {
            steps.push(Step::Name(name.to_owned()));
        }
        // What a damaged value leaves behind, such as a name that is now missing, is no further fault.
        if !tree.at(&steps).is_some_and(Node::is_damaged) {
            let (reason, remedy) = misfit.tell();
            faults.push(ConfigError::new(
                file,
                written.origin_of(&steps),
                &written.label(&misfit.steps),
                &reason,
                &remedy,
            ));
        }
        match (&misfit.kind, tree.at(&steps).map(|node| (node.state, &node.value))) {
            (Kind::Missing { .. }, _) => stand_in(tree, &misfit.steps, &steps, Value::Text("1s".to_owned())),
            (_, Some((State::StandIn, Value::Text(_)))) => stand_in(tree, &[], &steps, Value::Integer(1)),
            (_, Some((State::StandIn, _))) => mark(tree, steps.get(..steps.len().saturating_sub(1)).unwrap_or(&[])),
            _ => mark(tree, &steps),
        }
        if tree.state == State::Damaged {
            return Config::default();
        }
    }
}

fn mark(tree: &mut Node, steps: &[Step]) {
    match tree.at_mut(steps) {
        Some(node) => node.state = State::Damaged,
        None => tree.state = State::Damaged,
    }
}

/// Puts a made-up value in place of a missing one. `1s` can be a name or a duration; a number is tried next.
fn stand_in(tree: &mut Node, table: &[Step], steps: &[Step], value: Value) {
    let made_up = Node { value, origin: Origin::Nowhere, state: State::StandIn };
    if let Some(node) = tree.at_mut(steps) {
        *node = made_up;
    } else if let (Some(Node { value: Value::Table(entries), .. }), Some(Step::Name(name))) =
        (tree.at_mut(table), steps.last())
    {
        entries.push((name.clone(), made_up));
    } else {
        tree.state = State::Damaged;
    }
}

/// The parser's message without the source line, which may hold a secret.
fn syntax_fault(lines: &Lines, file: &Path, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(Origin::Nowhere, |span| Origin::Line(lines.at(span.start)));
    let reason = format!("is not TOML: {}", error.message().replace('\n', ", "));
    ConfigError::new(
        file,
        line,
        "",
        &reason,
        "correct the line; texts stand in quotes, and each setting once in its table",
    )
}
