/// A route of the reference, with a request that is good.
pub struct Mirrored {
    /// The simulator's name for it.
    pub name: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub body: &'static str,
}

impl Mirrored {
    const fn get(name: &'static str, path: &'static str) -> Self {
        Self { name, method: "GET", path, body: "" }
    }

    const fn post(name: &'static str, path: &'static str, body: &'static str) -> Self {
        Self { name, method: "POST", path, body }
    }
}

const QUEUES: &str = r#"{"queues":["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx","02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"]}"#;
const PERFORMANCE: &str = r#"{"queues":["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx","02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"],"interval":"2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z"}"#;

/// The routes that bring data.
pub const DATA: [Mirrored; 6] = [
    Mirrored::get("organization", "/queries/organization"),
    Mirrored::get("questions", "/survey/queries/questions/100301"),
    Mirrored::post("surveys", "/survey/queries/surveys", r#"{"companyId":1}"#),
    Mirrored::post("summary", "/analytics/runtime/queues/summary", QUEUES),
    Mirrored::post("activity", "/analytics/runtime/queues/activity", QUEUES),
    Mirrored::post("performance", "/analytics/queues/performance", PERFORMANCE),
];

/// The login routes, with both paths of the logout.
pub const AUTH: [Mirrored; 5] = [
    Mirrored::post("login", "/auth/login", r#"{"email":"app","password":"no key"}"#),
    Mirrored::post("reset", "/auth/reset", r#"{"method":"email","email":"someone@wesal.example"}"#),
    Mirrored::post(
        "verify",
        "/auth/verify",
        r#"{"method":"email","email":"someone@wesal.example","verifyCode":"x","password":"y"}"#,
    ),
    Mirrored::get("logout", "/auth/logout"),
    Mirrored::get("logout", "/auth/reset_pwd"),
];

/// The body that asks about these queues.
pub fn asking<S: AsRef<str>>(ids: &[S]) -> String {
    let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    serde_json::json!({ "queues": ids }).to_string()
}
