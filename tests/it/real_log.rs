//! What the program itself prints, in both of its forms and with the filter that lets through most: no secret, and nothing of
//! a request.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixDatagram, UnixStream},
};
use wesal_gateway::auth::ApiKey;

use crate::harness::{Act, Authority, FaultProxy, SALES, Setup, World, http, in_time, until};

const CLIENT_ID: &str = "canary-client-id-815=";
const EMAIL: &str = "canary-email-815@wesal.example";
const PASSWORD: &str = "canary-password-815";
const LOGIN_FIELD: &str = "canary-login-field-815";
const ADMIN_TOKEN: &str = "canary-admin-token-815";
const SESSION_SECRET: &str = "canary-session-secret-815-which-is-long-enough-to-be-one";
const WRONG_KEY: &str = "canary-wrong-key-815";
const PATH: &str = "canary-path-815";
const PHONE: &str = "+966554718151";
const AGENT: &str = "Canary Agent 815";
const CODE: &str = "canary-code-815";
const OTP: &str = "canary-otp-815";
const NEW_PASSWORD: &str = "canary-new-password-815";
const OTHER_EMAIL: &str = "canary-other-815@wesal.example";
const ECHO: &str = "canary-echo-815";

/// A vendor that knows the canaries, behind a proxy.
async fn world() -> World {
    let mut setup = Setup::default();
    setup.proxy = Some(FaultProxy::new().await);
    setup.vendor.credentials.client_id = CLIENT_ID.to_owned();
    setup.vendor.credentials.email = EMAIL.to_owned();
    setup.vendor.credentials.password = PASSWORD.to_owned();
    setup.start().await
}

/// An answer whose head repeats what was sent, and more, in every place that somebody could think of to log or to pass on.
fn echo(status: &str) -> Act {
    let said = [EMAIL, PASSWORD, CLIENT_ID, LOGIN_FIELD, ECHO].join(" ");
    let names =
        ["x-echo", "set-cookie", "location", "retry-after", "www-authenticate", "server", "x-request-id", "date"];
    let lines = names.map(|name| format!("{name}: {said}"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    Act::say(http(&format!("{status} {said}"), &lines, format!(r#"{{"success":false,"code":"X001","said":"{said}"}}"#)))
}

fn settings(world: &World, folder: &Path, format: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let hash = world.config.callers[0].key_hashes[0].to_string();
    format!(
        "server.listen = \"unix:{}\"\n[admin]\nlisten = \"unix:{}\"\ntoken = {ADMIN_TOKEN:?}\n\
         [sessions]\nsecret = {SESSION_SECRET:?}\n\
         [telemetry]\nlog_format = {format:?}\nlog_filter = \"trace\"\n\
         [upstream]\nbase_url = \"http://{}/api/v1\"\nclient_id = {CLIENT_ID:?}\nemail = {EMAIL:?}\n\
         password = {PASSWORD:?}\nlogin.state_dir = {:?}\nlogin.fields = {{ company = {LOGIN_FIELD:?} }}\n\
         [[callers]]\nname = \"app\"\nkey_hashes = [\"{hash}\"]\n\
         scopes = [\"organization\", \"surveys\", \"queues\", \"account\"]\n",
        at("public.sock"),
        at("admin.sock"),
        world.proxy.as_ref().unwrap().address,
        at("state"),
    )
}

async fn send(socket: &Path, head: &str, body: &str) -> String {
    exchange(UnixStream::connect(socket).await.unwrap(), head, body).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{head}\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Ends with its test, however that ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program, and comes back when it listens. Its standard error goes to `log` in its folder.
async fn serve(folder: &TempDir, settings: &str) -> Program {
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("config.toml"), settings).unwrap();
    let _ = std::fs::remove_file(at("notify.sock"));
    let notices = UnixDatagram::bind(at("notify.sock")).unwrap();
    let process = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["serve", "--config"])
        .arg(at("config.toml"))
        .env("NOTIFY_SOCKET", at("notify.sock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(at("log")).unwrap())
        .spawn()
        .unwrap();
    let process = Program(process);
    let mut notice = [0; 256];
    while !notice.starts_with(b"READY=1\n") {
        in_time(notices.recv(&mut notice)).await.unwrap();
    }
    process
}

/// Tells the program to end in good order, and waits until it has; gives what it wrote.
async fn end(mut process: Program, folder: &TempDir) -> String {
    let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", process.0.id())]).status().unwrap();
    assert!(told.success());
    // Not on this thread: the vendor goes on meanwhile.
    let ended = tokio::task::spawn_blocking(move || process.0.wait().unwrap()).await.unwrap();
    assert!(ended.success());
    log(folder)
}

fn log(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap()
}

/// All that operators are told.
async fn operators_see(folder: &TempDir) -> String {
    let mut seen = String::new();
    let surveys = format!(
        r#"{{"path": "/survey/queries/surveys", "body": {{"companyId": 100301, "filters": [{{"dimension": "agentName", "value": "{AGENT}"}}, {{"dimension": "phone", "value": "{PHONE}"}}]}}}}"#
    );
    for (request, body) in [
        ("GET /metrics", ""),
        ("GET /admin/status", ""),
        ("GET /admin/callers", ""),
        ("GET /admin/log-filter", ""),
        ("POST /admin/cache/explain", &surveys),
    ] {
        let head = format!("{request} HTTP/1.1\r\nAuthorization: Bearer {ADMIN_TOKEN}");
        let answer = send(&folder.path().join("admin.sock"), &head, body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{request}: {answer}");
        seen.push_str(&answer);
    }
    seen + &send(&folder.path().join("admin.sock"), "GET /readyz HTTP/1.1", "").await
}

/// What the program remembers beyond its end: each file and what stands in it.
fn remembered(folder: &TempDir) -> Vec<(PathBuf, String)> {
    let files = folder.path().join("state").read_dir().into_iter().flatten();
    let files = files.map(|file| file.unwrap().path());
    files.map(|file| (file.clone(), String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned())).collect()
}

#[tokio::test]
async fn the_program_logs_no_secret_in_either_form_whatever_its_filter() {
    for format in ["json", "text"] {
        let world = world().await;
        let key = world.key().to_owned();
        let rows = format!(
            r#"{{"data": {{"profile": {{}}, "surveys": [{{"agentName": "{AGENT}", "phone": "{PHONE}"}}]}}, "success": true}}"#
        );
        world.vendor.set_answer("surveys", rows);
        let folder = tempfile::tempdir().unwrap();
        let process = serve(&folder, &settings(&world, folder.path(), format)).await;
        let public = folder.path().join("public.sock");
        let with = |head: &str| format!("{head} HTTP/1.1\r\nAuthorization: {key}");

        let organization = send(&public, &with("GET /api/v1/queries/organization"), "").await;
        assert!(organization.starts_with("HTTP/1.1 200"), "{organization}");
        let surveys = r#"{"companyId": 100301}"#;
        let surveys = send(&public, &with("POST /api/v1/survey/queries/surveys"), surveys).await;
        assert!(surveys.contains(AGENT) && surveys.contains(PHONE), "the row went through");
        let queues = format!(r#"{{"queues": ["{SALES}"]}}"#);
        send(&public, &with("POST /api/v1/analytics/runtime/queues/summary"), &queues).await;
        send(&public, &format!("GET /{PATH}?{PATH}={PHONE} HTTP/1.1\r\nCookie: {PATH}"), "").await;
        send(&public, &format!("GET /api/v1/auth/logout HTTP/1.1\r\nX-Api-Key: {WRONG_KEY}"), "").await;
        let login = format!(r#"{{"email": "app", "password": "{key}"}}"#);
        let login = send(&public, "POST /api/v1/auth/login HTTP/1.1", &login).await;
        let session = login.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(session.starts_with("eyJ"));
        send(&public, &format!("GET /api/v1/auth/logout HTTP/1.1\r\nAuthorization: {session}"), "").await;
        let reset = format!(r#"{{"method": "phone", "email": "{OTHER_EMAIL}", "phone": "{PHONE}"}}"#);
        send(&public, &with("POST /api/v1/auth/reset"), &reset).await;
        let verify = format!(
            r#"{{"method": "email", "email": "{OTHER_EMAIL}", "verifyCode": "{CODE}", "otp": "{OTP}", "password": "{NEW_PASSWORD}"}}"#
        );
        send(&public, &with("POST /api/v1/auth/verify"), &verify).await;
        let sent = String::from_utf8(world.vendor.last_request("verify").unwrap().body.to_vec()).unwrap();
        for canary in [OTHER_EMAIL, CODE, OTP, NEW_PASSWORD] {
            assert!(sent.contains(canary), "{canary} went in");
        }
        let mut told = String::new();
        for status in ["200", "400", "401", "429", "500"] {
            world.proxy.as_ref().unwrap().next("activity", [echo(status)]);
            told += &send(&public, &with("POST /api/v1/analytics/runtime/queues/activity"), &queues).await;
        }
        assert!(told.contains("HTTP/1.1 50") && !told.contains("canary"), "{told}");
        let token = world.vendor.last_request("organization").unwrap().header("authorization").unwrap().to_owned();

        let mut seen = operators_see(&folder).await;
        let log = end(process, &folder).await;
        for event in ["logged in at the vendor", "a credential was refused", "drained", "wesal_gateway::access"] {
            assert!(log.contains(event), "{format}: the log is not what it seems: {event}");
        }
        assert_eq!(log.starts_with('{'), format == "json");
        seen.extend(remembered(&folder).into_iter().map(|(_, text)| text));
        let canaries = [
            CLIENT_ID,
            EMAIL,
            PASSWORD,
            LOGIN_FIELD,
            ADMIN_TOKEN,
            SESSION_SECRET,
            WRONG_KEY,
            PATH,
            PHONE,
            AGENT,
            CODE,
            OTP,
            NEW_PASSWORD,
            OTHER_EMAIL,
            ECHO,
            &key,
            &token,
            &session,
        ];
        for canary in canaries {
            assert_eq!(log.lines().find(|line| line.contains(canary)), None, "{format}: {canary} is logged");
            assert!(!seen.contains(canary), "{format}: {canary} is shown to operators");
        }
    }
}

#[tokio::test]
async fn a_refused_login_is_remembered_and_told_without_what_was_refused() {
    let world = world().await;
    world.proxy.as_ref().unwrap().always("login", echo("401"));
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.write(folder.path());
    let private = std::fs::read_to_string(folder.path().join("server.key")).unwrap();
    let private: Vec<&str> = private.lines().filter(|line| !line.contains("-----")).collect();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let settings = format!(
        "server.tls = {{ cert_file = {:?}, key_file = {:?} }}\n{}",
        at("server.pem"),
        at("server.key"),
        settings(&world, folder.path(), "text")
    );
    let (mut seen, mut logged) = (String::new(), String::new());
    for said in ["the vendor refuses the service login", "the vendor refused the service login before this start"] {
        let process = serve(&folder, &settings).await;
        in_time(until(|| log(&folder).contains(said))).await;
        let public = UnixStream::connect(folder.path().join("public.sock")).await.unwrap();
        let public = authority.connect(public, &["http/1.1"]).await.unwrap();
        let head = format!("GET /api/v1/queries/organization HTTP/1.1\r\nAuthorization: {}", world.key());
        let answer = exchange(public, &head, "").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("upstream_login_failed"), "{answer}");
        seen += &(answer + &operators_see(&folder).await);
        logged += &end(process, &folder).await;
        let remembered = remembered(&folder);
        let [(file, text)] = &remembered[..] else { panic!("one account is remembered: {remembered:?}") };
        assert!(text.contains("wait_seconds"), "{text}");
        seen += &format!("{} {text}", file.display());
    }
    assert_eq!(world.proxy.as_ref().unwrap().calls("login"), 2, "each process's, of which one is the test's own");
    for canary in
        [CLIENT_ID, EMAIL, PASSWORD, LOGIN_FIELD, ADMIN_TOKEN, SESSION_SECRET, ECHO, PHONE, AGENT, world.key()]
            .iter()
            .chain(&private)
    {
        assert_eq!(logged.lines().find(|line| line.contains(canary)), None, "{canary} is logged");
        assert!(!seen.contains(canary), "{canary} is told: {seen}");
    }
}

/// Set in the process that panics: what tells of panics is the whole process's.
const PANICS: &str = "WESAL_GATEWAY_TEST_PANICS";

fn panic_with_secrets() {
    let log = wesal_gateway::telemetry::start(&wesal_gateway::config::TelemetryConfig::default()).unwrap();
    let failed: Result<(), &str> = std::hint::black_box(Err(CODE));
    assert!(std::thread::spawn(|| panic!("{PASSWORD}")).join().is_err());
    assert!(std::thread::spawn(move || failed.unwrap()).join().is_err());
    drop(log);
}

#[test]
fn a_panic_is_logged_by_its_place_and_its_message_nowhere() {
    if std::env::var_os(PANICS).is_some() {
        return panic_with_secrets();
    }
    let this = ["--exact", "--nocapture", "real_log::a_panic_is_logged_by_its_place_and_its_message_nowhere"];
    let output = Command::new(std::env::current_exe().unwrap()).args(this).env(PANICS, "1").output().unwrap();
    let said = printed(&output);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(said.matches("\"message\":\"panicked\"").count(), 2, "{said}");
    assert!(said.contains("tests/it/real_log.rs") && !said.contains(PASSWORD) && !said.contains(CODE), "{said}");
}

fn check(settings: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, settings).unwrap();
    Command::new(env!("CARGO_BIN_EXE_wesal-gateway")).args(["check", "--config"]).arg(file).output().unwrap()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn check_shows_no_secret_of_a_good_configuration() {
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let output = check(&settings(&world, folder.path(), "json"));
    let said = printed(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("(set)"), "{said}");
    for canary in [CLIENT_ID, EMAIL, PASSWORD, LOGIN_FIELD, ADMIN_TOKEN, SESSION_SECRET] {
        assert!(!said.contains(canary), "{canary} stands in {said}");
    }
}

#[test]
fn no_fault_of_a_configuration_tells_the_value_that_it_is_about() {
    let key = ApiKey::generate().unwrap().expose().to_owned();
    // A misspelt name, a wrong type, a wrong place, and lines that are no TOML: whoever writes them may have meant a secret.
    for line in [
        format!("[upstream]\npasword = {PASSWORD:?}"),
        format!("[upstream]\npassword = [{PASSWORD:?}]"),
        format!("[upstream]\npassword = {{ is = {PASSWORD:?} }}"),
        format!("[upstream]\npassword = \"{PASSWORD}"),
        format!("[upstream]\npassword = {PASSWORD}"),
        format!("[upstream]\npassword = \"{PASSWORD}\\x\""),
        format!("[upstream]\npassword = {PASSWORD:?} {PASSWORD:?}"),
        format!("[upstream]\npassword_file = \"/no/such/place\"\npassword = {PASSWORD:?}"),
        format!("[upstream]\ntry_timeout = {PASSWORD:?}"),
        format!("[upstream]\nbase_url = {PASSWORD:?}"),
        format!("[upstream]\nbase_url = \"https://me:{PASSWORD}@vendor.example/\""),
        format!("[upstream]\nproxy = \"http://me:{PASSWORD}@:99999/\""),
        format!("[upstream]\nauth_scheme = \"\\u0007{PASSWORD}\""),
        format!("[server]\nlisten = {PASSWORD:?}"),
        format!("[server]\nmax_body = {PASSWORD:?}"),
        format!("[server]\ntrusted_proxies = [{PASSWORD:?}]"),
        format!("[telemetry]\nlog_format = {PASSWORD:?}"),
        format!("[telemetry]\nlog_filter = \"{PASSWORD}=={PASSWORD}\""),
        format!("[limits]\ndefault = {PASSWORD:?}"),
        format!("[[callers]]\nname = \"a\"\nscopes = []\nkey_hashes = [{PASSWORD:?}]"),
        format!("[[callers]]\nname = \"a\"\nscopes = [{PASSWORD:?}]\nkey_hashes = [\"{key}\"]"),
        format!("[[callers]]\nname = \"{PASSWORD} \"\nscopes = []\nkey_hashes = [{key:?}]"),
        format!("[[callers]]\nname = {key:?}\nscopes = []\nkey_hashes = []\nexpires = {PASSWORD:?}"),
    ] {
        let output = check(&line);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains(&key), "{line}\nis told as {said}");
    }
}

#[test]
fn no_fault_of_a_certificate_tells_what_its_files_hold() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.certificate("localhost", 2100);
    let (_, other) = authority.certificate("localhost", 2100);
    let at = |name: &str| folder.path().join(name);
    let canary = "Y2FuYXJ5LXByaXZhdGUta2V5LTgxNQ";
    let armed = |label: &str, text: &str| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    let (own, other) = (key.serialize_pem(), other.serialize_pem());
    for (what, certificate, key) in [
        ("no PEM", certificate.pem(), canary.to_owned()),
        ("no key in it", certificate.pem(), armed("PRIVATE KEY", canary)),
        ("no base64", certificate.pem(), armed("PRIVATE KEY", &format!("{canary}!{canary}"))),
        ("without its end", certificate.pem(), own[..own.len() - 30].to_owned()),
        ("another's", certificate.pem(), other.clone()),
        ("in the other's place", own.clone(), certificate.pem()),
    ] {
        std::fs::write(at("server.pem"), &certificate).unwrap();
        std::fs::write(at("server.key"), &key).unwrap();
        let tls = format!("server.tls = {{ cert_file = {:?}, key_file = {:?} }}", at("server.pem"), at("server.key"));
        let output = check(&tls);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{what}: {said}");
        assert!(said.contains("server.tls"), "{what}: {said}");
        let secrets = own.lines().chain(other.lines()).filter(|line| !line.contains("-----"));
        for secret in secrets.chain([canary]) {
            assert!(!said.contains(secret), "{what}: {said}");
        }
    }
}
