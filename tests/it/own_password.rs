//! The service login's own password is changed through the gateway, and is lost by nobody.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::json;
use wesal_gateway::{config::Secret, model::Scope};
use wesal_simulator::Fault;

use crate::harness::{Answer, Setup, World, in_time, secs, until};

const ORGANIZATION: &str = "/queries/organization";
const OLD: &str = "open-sesame";

struct Owner {
    world: World,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Owner {
    /// A gateway whose password is in a file.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, format!("{OLD}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut setup = Setup::default();
        setup.config.upstream.password = Secret::from_file(OLD, &file);
        setup.config.upstream.retries = 0;
        let world = setup.start().await;
        assert_eq!(world.vendor.credentials().password, OLD);
        world.logged_in().await;
        Self { world, _folder: folder, file }
    }

    /// The two steps, as the reference shows them.
    async fn change(&self, email: &str, password: &str) -> Answer {
        let reset = json!({"method": "email", "email": email}).to_string();
        self.world.post("/auth/reset", &reset).await.ok();
        let code = self.world.vendor.last_code().unwrap();
        let verify = json!({"method": "email", "email": email, "verifyCode": code, "password": password}).to_string();
        self.world.post("/auth/verify", &verify).await
    }

    fn in_file(&self) -> String {
        fs::read_to_string(&self.file).unwrap().trim_end().to_owned()
    }

    fn beside(&self) -> Vec<String> {
        let files = fs::read_dir(self.file.parent().unwrap()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "password").collect()
    }
}

#[tokio::test]
async fn a_changed_password_is_taken_over_written_down_and_logged_in_with() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    assert_eq!(owner.change(&email, "brand new").await.ok().text(), r#"{"success":true}"#);
    assert_eq!((owner.in_file().as_str(), owner.beside()), ("brand new", Vec::new()));
    assert_eq!(fs::metadata(&owner.file).unwrap().permissions().mode() & 0o777, 0o600);
    while owner.world.logins() != (2, 0) {
        tokio::task::yield_now().await;
    }
    // Until its answer is there too.
    for _ in 0..3 {
        owner.world.get("/auth/logout").await.ok();
    }
    owner.world.advance(secs(10));
    owner.world.vendor.expire_tokens();
    owner.world.get(ORGANIZATION).await.ok();
    assert_eq!(owner.world.logins(), (3, 0), "with the new password");
}

/// Letter case and white space make no other account of it.
#[tokio::test]
async fn the_accounts_address_is_known_however_it_is_spelled() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    fs::remove_file(&owner.file).unwrap();
    for email in [email.to_uppercase(), format!(" {email} ")] {
        let body = json!({"method": "email", "email": email, "verifyCode": "x", "password": "y"}).to_string();
        let answer = owner.world.post("/auth/verify", &body).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains("did not ask Wesal"), "{email}");
    }
}

#[tokio::test]
async fn a_password_that_the_vendor_took_and_then_refuses_is_not_used_for_ever() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    let hold = owner.world.vendor.block_requests("login");
    owner.change(&email, "taken back").await.ok();
    owner.world.vendor.set_password(OLD);
    hold.release();
    while owner.world.logins() != (2, 1) {
        tokio::task::yield_now().await;
    }
    owner.world.get(ORGANIZATION).await.ok();
}

/// A vendor that lags behind itself.
#[tokio::test]
async fn a_new_password_that_is_refused_at_first_is_tried_again() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    owner.world.vendor.enqueue_fault("login", Fault::Refused);
    owner.change(&email, "brand new").await.ok();
    owner.world.vendor.expire_tokens();
    while owner.world.get(ORGANIZATION).await.status != 200 {
        owner.world.advance(secs(10));
    }
    assert!(owner.world.logins().1 <= 4, "{:?}", owner.world.logins());
}

#[tokio::test]
async fn a_password_that_no_file_can_hold_is_refused_before_it_is_asked_for() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    let refused = owner.change(&email, "brand new\n").await;
    assert_eq!((refused.problem().as_str(), refused.pointers()), ("invalid_request", vec!["/password".to_owned()]));
    assert_eq!(owner.world.vendor_calls("verify"), 0);
}

#[tokio::test]
async fn a_change_that_the_vendor_refuses_changes_nothing() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    for (fault, code) in [
        (Fault::Refused, "upstream_rejected"),
        (Fault::Unauthorized, "upstream_error"),
        (Fault::Failed, "upstream_error"),
    ] {
        owner.world.vendor.enqueue_fault("verify", fault);
        assert_eq!(owner.change(&email, "brand new").await.problem(), code, "{fault}");
        assert_eq!((owner.in_file().as_str(), owner.beside()), (OLD, Vec::new()), "{fault}");
    }
    owner.world.vendor.expire_tokens();
    owner.world.advance(secs(10));
    owner.world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn a_change_whose_end_is_not_known_leaves_both_passwords() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    for (n, fault) in [Fault::Cut, Fault::Error, Fault::Html].into_iter().enumerate() {
        owner.world.vendor.enqueue_fault("verify", fault);
        assert_eq!(owner.change(&email, &format!("brand new {n}")).await.status, 502);
        assert_eq!((owner.in_file().as_str(), owner.beside().len()), (OLD, n + 1), "{fault}");
    }
    let mut passwords: Vec<String> = owner.beside();
    passwords.sort();
    assert_eq!(passwords, ["password.new", "password.new-2", "password.new-3"]);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_leave_the_change_half_done() {
    let owner = Owner::new().await;
    let world = &owner.world;
    let email = world.vendor.credentials().email;
    world.post("/auth/reset", &json!({"method": "email", "email": email}).to_string()).await.ok();
    let code = world.vendor.last_code().unwrap();
    let hold = world.vendor.block_requests("verify");
    let body = json!({"method": "email", "email": email, "verifyCode": code, "password": "brand new"}).to_string();
    let leaving = world.begin_post("/auth/verify", &body);
    world.vendor.wait_for_requests("verify", 1).await;
    assert_eq!((owner.in_file().as_str(), owner.beside().len()), (OLD, 1), "both are on the disk meanwhile");
    leaving.abort();
    hold.release();
    while owner.in_file() == OLD {
        tokio::task::yield_now().await;
    }
    assert_eq!((owner.in_file().as_str(), owner.beside()), ("brand new", Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_asked_for() {
    let owner = Owner::new().await;
    let email = owner.world.vendor.credentials().email;
    fs::remove_file(&owner.file).unwrap();
    let answer = owner.change(&email, "brand new").await;
    assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("did not ask Wesal"));
    assert_eq!(owner.world.vendor_calls("verify"), 0);
    assert_eq!(owner.world.metric("internal_errors_total").await, 1.0);
}

#[tokio::test]
async fn only_the_scope_account_changes_passwords() {
    let mut setup = Setup::default();
    let reader = setup.caller("reader", |caller| caller.scopes(&[Scope::Organization, Scope::Queues]));
    let world = setup.start().await;
    let email = world.vendor.credentials().email;
    for path in ["/auth/reset", "/auth/verify"] {
        let body = json!({"method": "email", "email": email, "verifyCode": "x", "password": "y"}).to_string();
        assert_eq!(world.post_as(&reader, path, &body).await.problem(), "forbidden");
    }
    assert_eq!((world.vendor_calls("reset"), world.vendor_calls("verify")), (0, 0));
}

#[tokio::test]
async fn second_concurrent_password_change_is_not_sent() {
    let owner = Owner::new().await;
    let world = &owner.world;
    let email = world.vendor.credentials().email;
    world.post("/auth/reset", &json!({"method": "email", "email": email}).to_string()).await.ok();
    let code = world.vendor.last_code().unwrap();
    let body = |password: &str| {
        json!({"method": "email", "email": email, "verifyCode": code, "password": password}).to_string()
    };
    let hold = world.vendor.block_requests("verify");
    let first = world.begin_post("/auth/verify", &body("brand new"));
    world.vendor.wait_for_requests("verify", 1).await;
    let second = in_time(world.post("/auth/verify", &body("other"))).await;
    assert_eq!((second.status, second.problem().as_str()), (503, "overloaded"));
    assert!(second.header("retry-after").parse::<u64>().unwrap() >= 1);
    hold.release();
    first.await.unwrap().ok();
    assert_eq!((world.vendor_calls("verify"), owner.in_file().as_str()), (1, "brand new"));
}

#[tokio::test]
async fn abandoned_verify_requests_leave_no_tasks() {
    for is_own in [false, true] {
        let owner = Owner::new().await;
        let world = &owner.world;
        let email = if is_own { world.vendor.credentials().email } else { "other@wesal.example".to_owned() };
        let body = |n: usize| {
            let code = format!("code-{n}");
            json!({"method": "email", "email": email, "verifyCode": code, "password": "brand new"}).to_string()
        };
        world.get(ORGANIZATION).await.ok();
        // The test, the gateway and the vendor share one runtime.
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let hold = world.vendor.block_requests("verify");
        let begin = |n| {
            let request = world.request("POST", "/auth/verify").header("authorization", world.key());
            // A connection that stays open is a task too.
            let request = request.header("connection", "close").header("content-type", "application/json");
            world.begin(request.body(body(n)))
        };
        let asked: Vec<_> = (0..300).map(begin).collect();
        world.vendor.wait_for_requests("verify", 1).await;
        if is_own {
            // All but the first were refused.
            in_time(until(|| asked.iter().filter(|asked| asked.is_finished()).count() == 299)).await;
        } else {
            in_time(async { while world.metric("in_flight_requests").await < 300.0 {} }).await;
        }
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        in_time(async { while world.metric("in_flight_requests").await > 0.0 {} }).await;
        hold.release();
        in_time(until(|| tasks() <= before + 10)).await;
        let sent = world.vendor.requests("verify");
        let mut bodies: Vec<_> = sent.iter().map(|request| request.body.clone()).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!((bodies.len(), sent.len() <= 32), (sent.len(), true), "own account: {is_own}");
    }
}
