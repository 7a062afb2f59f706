//! Secrets, and the files and variables that they come from.

use super::*;

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    let file = folder.path().join("config.toml");
    write("password", format!("{CANARY}\r\n\n").as_bytes());
    write("config.toml", b"upstream.password_file = \"password\"\nupstream.email = \"a@b\"");
    let config = load(&file, &Environment::empty(), NOW.parse().unwrap()).unwrap().config;
    assert_eq!(config.upstream.password.expose(), CANARY);
    assert_eq!(config.upstream.password_file.as_deref(), Some(folder.path().join("password").as_path()));
    assert_eq!(config.missing_credentials().len(), 1);
    let shown = format!("{} {config:?}", config.effective());
    assert!(shown.contains("email = \"(set)\"") && shown.contains("password = \"(set, from /"), "{shown}");
    assert!(!shown.contains(CANARY) && !shown.contains("a@b"), "{shown}");

    let over = [("WESAL_GATEWAY__UPSTREAM__PASSWORD", "other")].into_iter().collect();
    let config = load(&file, &over, NOW.parse().unwrap()).unwrap().config;
    assert_eq!((config.upstream.password.expose(), config.upstream.password_file), ("other", None));
    let over = [("WESAL_GATEWAY__UPSTREAM__EMAIL_FILE", "password")].into_iter().collect();
    let config = load(&file, &over, NOW.parse().unwrap()).unwrap().config;
    assert_eq!(config.upstream.email.expose(), CANARY);
}

#[test]
fn empty_variable_does_not_replace_a_secret() {
    let file = format!(
        "[admin]\nlisten = \"0.0.0.0:9090\"\ntoken = \"{CANARY}-{CANARY}-{CANARY}\"\n[sessions]\nsecret = \"{}\"",
        CANARY.repeat(4)
    );
    for variable in ["ADMIN__TOKEN", "ADMIN__TOKEN_FILE", "SESSIONS__SECRET", "UPSTREAM__PASSWORD", "UPSTREAM__EMAIL"] {
        let variable = format!("WESAL_GATEWAY__{variable}");
        let faults = read_with(&file, &[(&variable, "")]).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults}");
        assert!(faults.to_string().starts_with(&format!("{variable}: it is empty")), "{faults}");
        assert!(faults.to_string().contains("unset it"), "{faults}");
    }
    // What is no secret may be empty.
    read_with(&file, &[("WESAL_GATEWAY__UPSTREAM__AUTH_SCHEME", "")]).unwrap();
}

#[test]
fn printed_settings_are_refused_as_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "a-token-of-more-than-sixteen-bytes").unwrap();
    let file = folder.path().join("config.toml");
    let text = format!(
        "admin.token_file = \"token\"\n[upstream]\nclient_id = \"c\"\nemail = \"e\"\npassword = \"p\"\n\
         login.fields = {{ company = \"x\" }}\n[sessions]\nsecret = \"{}\"\n",
        CANARY.repeat(4)
    );
    fs::write(&file, text).unwrap();
    let shown = load(&file, &Environment::empty(), NOW.parse().unwrap()).unwrap().config.effective();
    let faults = read(&shown).unwrap_err();
    let mut settings: Vec<_> = faults.iter().map(ConfigError::setting).collect();
    settings.sort_unstable();
    assert_eq!(
        settings,
        [
            "admin.token",
            "sessions.secret",
            "upstream.client_id",
            "upstream.email",
            "upstream.login.fields",
            "upstream.password"
        ],
        "{faults}"
    );
    assert!(faults.iter().all(|fault| fault.reason().contains("mask that `check` prints")), "{faults}");
    fs::write(folder.path().join("token"), "(set)\n").unwrap();
    let faults = load(&file, &Environment::empty(), NOW.parse().unwrap()).unwrap_err();
    assert!(faults.len() == 1 && faults.to_string().contains("admin.token_file: "), "{faults}");
}

#[test]
fn unusable_secret_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    let file = folder.path().join("config.toml");
    write("empty", b"\n");
    write("binary", b"\xff\xfe");
    write("long", &[b'x'; 64 * 1024 + 1]);
    write(
        "config.toml",
        b"admin.listen = \"0.0.0.0:9090\"\nadmin.token_file = \"none\"\nupstream.email_file = \"empty\"\n\
          upstream.password_file = \"long\"\nupstream.client_id_file = \"binary\"",
    );
    let faults = load(&file, &Environment::empty(), NOW.parse().unwrap()).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.line().unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5], "{faults}");
    let both = faults_of("upstream.password = \"canary-5f2e\"\nupstream.password_file = \"x\"");
    assert!(both.contains("config.toml:2: upstream.password_file: is set beside the secret itself"), "{both}");
    let token = format!("{CANARY}-{CANARY}");
    let both = [("WESAL_GATEWAY__ADMIN__TOKEN", token.as_str()), ("WESAL_GATEWAY__ADMIN__TOKEN_FILE", "x")];
    let both = read_with("", &both).unwrap_err().to_string();
    assert!(both.starts_with("WESAL_GATEWAY__ADMIN__TOKEN_FILE: ") && !both.contains(CANARY), "{both}");
}

#[test]
fn errors_do_not_repeat_secrets() {
    for text in [
        "upstream.password = canary-5f2e",
        "upstream.password = \"canary-5f2e",
        "upstream.password = 'canary-5f2e' x",
        "upstream.password = \"canary-5f2e\\q\"",
        "[upstream]\npassword = [\"canary-5f2e\"]",
        "[upstream]\npassword = { value = \"canary-5f2e\" }",
        "upstream.passwort = \"canary-5f2e\"",
        "[upstream]\npassword = \"canary-5f2e\"\npassword = \"canary-5f2e\"",
        "upstream.login = \"canary-5f2e\"",
        "server.listen = \"canary-5f2e\"",
        "server.max_body = \"canary-5f2e\"",
        "telemetry.log_format = \"canary-5f2e\"",
        "[[callers]]\nname = \"x\"\nkey_hashes = [\"canary-5f2e\"]",
        "[[callers]]\nname = \"wgw_canary5f2eA\"\nkey_hashes = \"wgw_canary5f2eA\"\nscopes = [\"wgw_canary5f2eA\"]",
    ] {
        let faults = read(text).expect_err(text);
        let said = format!("{faults} {faults:?}");
        assert!(!said.contains(CANARY) && !said.contains("canary5f2eA"), "{said}");
        assert!(faults.iter().all(|fault| fault.line().is_some()), "{said}");
    }
}
