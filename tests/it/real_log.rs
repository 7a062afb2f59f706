//! What the program itself prints, in both of its forms and with the filter that lets through most: no secret, and nothing of
//! a request.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixDatagram, UnixStream},
};
use wesal_gateway::callers::ApiKey;

use crate::harness::{SALES, Setup, World};

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

/// A vendor that knows the canaries.
async fn world() -> World {
    let mut setup = Setup::default();
    setup.vendor.credentials.client_id = CLIENT_ID.to_owned();
    setup.vendor.credentials.email = EMAIL.to_owned();
    setup.vendor.credentials.password = PASSWORD.to_owned();
    setup.start().await
}

fn settings(world: &World, folder: &Path, format: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let hash = world.config.callers[0].key_hashes[0].to_string();
    format!(
        "server.listen = \"unix:{}\"\n[admin]\nlisten = \"unix:{}\"\ntoken = {ADMIN_TOKEN:?}\n\
         [sessions]\nsecret = {SESSION_SECRET:?}\n\
         [telemetry]\nlog_format = {format:?}\nlog_filter = \"trace,h2=trace,hyper=trace,reqwest=trace,rustls=trace\"\n\
         [upstream]\nbase_url = \"http://{}/api/v1\"\nclient_id = {CLIENT_ID:?}\nemail = {EMAIL:?}\n\
         password = {PASSWORD:?}\nlogin.state_dir = {:?}\nlogin.fields = {{ company = {LOGIN_FIELD:?} }}\n\
         [[callers]]\nname = \"app\"\nkey_hashes = [\"{hash}\"]\n\
         scopes = [\"organization\", \"surveys\", \"queues\", \"account\"]\n",
        at("public.sock"),
        at("admin.sock"),
        world.vendor_address,
        at("state"),
    )
}

async fn send(socket: &Path, head: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
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
async fn serve(world: &World, folder: &TempDir, format: &str) -> Program {
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("config.toml"), settings(world, folder.path(), format)).unwrap();
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
        notices.recv(&mut notice).await.unwrap();
    }
    process
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
        let mut process = serve(&world, &folder, format).await;
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
        let token = world.vendor.last_request("organization").unwrap().header("authorization").unwrap().to_owned();

        let mut seen = String::new();
        let admin = folder.path().join("admin.sock");
        for path in ["/metrics", "/admin/status", "/admin/callers", "/admin/log-filter", "/readyz"] {
            let head = format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {ADMIN_TOKEN}");
            let answer = send(&admin, &head, "").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            seen.push_str(&answer);
        }
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", process.0.id())]).status().unwrap();
        assert!(told.success());
        // Not on this thread: the vendor goes on meanwhile.
        let ended = tokio::task::spawn_blocking(move || process.0.wait().unwrap()).await.unwrap();
        assert!(ended.success());

        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        for event in ["logged in at the vendor", "a credential was refused", "drained", "wesal_gateway::access"] {
            assert!(log.contains(event), "{format}: the log is not what it seems: {event}");
        }
        assert_eq!(log.starts_with('{'), format == "json");
        if let Ok(files) = std::fs::read_dir(folder.path().join("state")) {
            for file in files {
                seen.push_str(&String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()));
            }
        }
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
        format!("[[callers]]\nname = {key:?}\nscopes = []\nkey_hashes = []\nexpires = {PASSWORD:?}"),
    ] {
        let output = check(&line);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains(&key), "{line}\nis told as {said}");
    }
}
