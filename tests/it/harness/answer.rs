use std::collections::HashMap;

use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    headers: HashMap<String, String>,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// All headers, a line each.
    pub fn head(&self) -> String {
        self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's `code`, after a check that it is a whole problem document.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document = self.json();
        let code = document["code"].as_str().unwrap().to_owned();
        assert_eq!(document["type"], format!("/docs/errors#{code}"));
        assert_eq!(document["status"], self.status);
        assert_eq!(document["success"], false);
        assert!(!document["title"].as_str().unwrap().is_empty());
        assert!(document["detail"].as_str().unwrap().ends_with('.') || code.starts_with("upstream"), "{document}");
        assert_eq!(document["requestId"], self.header("x-request-id"));
        assert!(document["wesalCode"].is_null() || document["wesalCode"].as_str().unwrap().starts_with('X'));
        assert!(document["errors"].is_array());
        assert_eq!(self.header("cache-control"), "no-store");
        code
    }

    /// The pointers of a problem's `errors`.
    pub fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap_or("?").to_owned()).collect()
    }

    /// The answer, which must be a success.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/json");
        self
    }
}
