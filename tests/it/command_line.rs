//! What the program prints about itself, made from the command line's own definition.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    process::{Command, Output, Stdio},
};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wesal-gateway")).args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every command that `--help` names, but `help` itself.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    let names: Vec<_> = lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() > 8, "{help}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn the_manual_has_a_page_for_the_program_that_leads_to_one_for_each_command() {
    let program = printed(&["man"]);
    assert!(program.contains(".TH wesal-gateway 1 \"\" \"wesal-gateway "), "{program}");
    for command in commands() {
        assert!(program.contains(&format!("wesal\\-gateway\\-{command}(1)")), "{command}: {program}");
        let page = printed(&["man", &command]);
        assert!(page.contains(&format!(".TH wesal-gateway-{command} 1 \"\" ")), "{page}");
    }
    let serve = printed(&["man", "serve"]);
    assert!(serve.contains("\\-\\-config"), "{serve}");
    assert!(printed(&["man", "keys", "new"]).contains("\\-\\-name"));
    assert!(!printed(&["man", "keys"]).contains("help(1)"), "a page is named that nobody can print");
}

#[test]
fn a_page_of_a_command_that_is_not_there_is_refused_by_name() {
    let refused = run(&["man", "keys", "old"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(told, "error: there is no command `keys old`\n");
}

#[test]
fn each_shell_completes_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not complete {command}");
        }
    }
}

#[test]
fn without_credentials_serve_refuses_to_start_and_check_says_that_it_will() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[upstream]\nemail = \"app@example.com\"\n").unwrap();
    let file = file.to_str().unwrap();
    let told = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let refused = run(&["serve", "--config", file]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    let checked = run(&["check", "--config", file]);
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
    for (setting, missing) in [("upstream.client_id", true), ("upstream.email", false), ("upstream.password", true)] {
        assert_eq!(told(&refused).contains(&format!("\n  {setting}")), missing, "{}", told(&refused));
        let warned = format!("warning: `serve` will refuse to start without {setting}");
        assert_eq!(told(&checked).contains(&warned), missing, "{}", told(&checked));
    }
    assert!(told(&checked).ends_with("config.toml: the configuration is good\n"), "{}", told(&checked));
}

#[test]
fn who_insists_does_not_wait_for_the_sandbox_to_drain() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["sandbox", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    let mut told = BufReader::new(sandbox.stderr.take().unwrap()).lines();
    let greeting =
        printed.find_map(|line| line.unwrap().split_once("gateway          http://").map(|(_, at)| at.to_owned()));
    let address = greeting.unwrap().trim_end_matches("/api/v1").to_owned();
    // A request that never comes to its end.
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: ").unwrap();
    let interrupt = format!("kill -INT {}", sandbox.id());
    for _ in 0..2 {
        assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
        // The second has no time for that, and this ends with it.
        while told.next().is_some_and(|line| !line.unwrap().contains("draining")) {}
    }
    assert_eq!(sandbox.wait().unwrap().code(), Some(1));
}

#[test]
fn what_cannot_be_written_is_told_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "").unwrap();
    let check = ["check", "--config", file.to_str().unwrap()];
    for arguments in [
        &["keys", "new"][..],
        &["schema"],
        &["man"],
        &["completions", "bash"],
        &check,
        &["sandbox", "--port", "0"],
        &["simulate", "--listen", "127.0.0.1:0"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let to = |output: Stdio| {
            // Those that would go on for ever are ended.
            let bounded = ["60", env!("CARGO_BIN_EXE_wesal-gateway")];
            Command::new("timeout").args(bounded).args(arguments).stdout(output).output().unwrap()
        };
        let lost = to(full.into());
        let told = String::from_utf8_lossy(&lost.stderr).into_owned();
        assert_eq!(lost.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("error: cannot write to standard output: No space left"), "{arguments:?}: {told}");
        assert!(!told.contains("is good"), "{arguments:?}: {told}");
        if matches!(arguments[0], "sandbox" | "simulate") {
            continue;
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let left = to(writer.into());
        let told = String::from_utf8_lossy(&left.stderr).into_owned();
        assert_eq!(left.status.code(), Some(0), "{arguments:?}: {told}");
        assert!(!told.contains("error"), "{arguments:?}: {told}");
    }
}

/// What came of asking one that is alive and not ready: the exit code, and what was said. `accept` does not wait.
fn ask_health(url: &str, accept: impl Fn() -> std::io::Result<Box<dyn Conversation>>) -> (Option<i32>, String) {
    let mut asking = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["health", "--url", url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = loop {
        if let Ok(stream) = accept() {
            break stream;
        }
        assert!(asking.try_wait().unwrap().is_none(), "{url} is not asked at all");
        std::thread::yield_now();
    };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let line = if head.starts_with(b"GET /readyz HTTP/1.1\r\n") { "503 Service Unavailable" } else { "200 OK" };
    stream.write_all(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    drop(stream);
    let asked = asking.wait_with_output().unwrap();
    (asked.status.code(), String::from_utf8(asked.stderr).unwrap())
}

trait Conversation: Read + Write {}
impl<T: Read + Write> Conversation for T {}

#[test]
fn health_asks_whether_it_is_ready_where_no_path_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("the gateway.sock");
    let socket = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    let tcp = || listener.accept().map(|(stream, _)| Box::new(stream) as Box<dyn Conversation>);
    let unix = || socket.accept().map(|(stream, _)| Box::new(stream) as Box<dyn Conversation>);
    for (url, code) in [(at.clone(), 1), (format!("{at}/"), 1), (format!("{at}/readyz"), 1), (format!("{at}/livez"), 0)]
    {
        assert_eq!(ask_health(&url, tcp), (Some(code), String::new()), "{url}");
    }
    let encoded = format!("unix:{}", path.to_str().unwrap().replace(' ', "%20"));
    assert_eq!(ask_health(&encoded, unix), (Some(1), String::new()));
}

#[test]
fn what_health_cannot_ask_is_wrong_use() {
    for (url, told) in [
        ("127.0.0.1:8080", "write http://127.0.0.1:8080"),
        ("localhost:8080", "write http://localhost:8080"),
        ("https://127.0.0.1/", "name the admin listener"),
        ("ftp://127.0.0.1/", "only http:// and unix: can be asked"),
    ] {
        let refused = run(&["health", "--url", url]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{url}: {said}");
        assert!(said.starts_with("error: ") && said.contains(told), "{url}: {said}");
    }
}

#[test]
fn a_sandbox_on_a_taken_port_is_told_to_take_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = run(&["sandbox", "--port", &address.port().to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    let expected =
        format!("error: cannot listen on {address}: Address already in use (os error 98); --port names another port\n");
    assert_eq!(told, expected);
}

#[test]
fn where_serve_cannot_listen_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a-file"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    for (listen, told) in [
        (taken.local_addr().unwrap().to_string(), "set server.reuse_port = true for both"),
        // Of a network that is for examples (RFC 5737).
        ("192.0.2.1:8080".to_owned(), "this machine has no such address"),
        (format!("unix:{}", at("missing/public.sock")), "make its folder first"),
        (format!("unix:{}", at("a-file/public.sock")), "what stands in place of its folder is a file"),
    ] {
        let settings = format!(
            "[server]\nlisten = \"{listen}\"\n[admin]\nlisten = \"unix:{}\"\n[upstream]\nclient_id = \"x\"\n\
             email = \"app@example.com\"\npassword = \"x\"\n",
            at("admin.sock")
        );
        std::fs::write(at("config.toml"), settings).unwrap();
        let refused = run(&["serve", "--config", &at("config.toml")]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{listen}: {said}");
        assert!(said.contains("error: cannot listen on ") && said.contains(told), "{listen}: {said}");
    }
}
