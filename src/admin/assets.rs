//! The dashboard's files. They contain no data of the process but its version: the dashboard requests what it shows.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The dashboard's own comes after what the pages of both listeners share.
const STYLE: &str = concat!(include_str!("../look.css"), include_str!("dashboard/dashboard.css"));

pub(super) const ASSETS: [Asset; 9] = [
    Asset { path: "/", kind: HTML, text: include_str!("dashboard/index.html") },
    Asset { path: "/dashboard/dashboard.css", kind: CSS, text: STYLE },
    Asset { path: "/dashboard/dashboard.js", kind: JS, text: include_str!("dashboard/dashboard.js") },
    Asset { path: "/dashboard/stream.js", kind: JS, text: include_str!("dashboard/stream.js") },
    Asset { path: "/dashboard/panels.js", kind: JS, text: include_str!("dashboard/panels.js") },
    Asset { path: "/dashboard/tables.js", kind: JS, text: include_str!("dashboard/tables.js") },
    Asset { path: "/dashboard/actions.js", kind: JS, text: include_str!("dashboard/actions.js") },
    Asset { path: "/dashboard/words.js", kind: JS, text: include_str!("dashboard/words.js") },
    Asset { path: "/dashboard/draw.js", kind: JS, text: include_str!("dashboard/draw.js") },
];

/// Only what comes from here is run or shown, and nobody frames it (CSP level 3).
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Asset {
    pub(super) fn respond(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CONTENT_SECURITY_POLICY, CSP),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        // A page that is older than who answers it can tell.
        let text = self.text.replace("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"));
        (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_asked_for_by_another_and_nothing_comes_from_elsewhere() {
        for file in ASSETS {
            let asked = |other: &Asset| other.text.contains(file.path.rsplit('/').next().unwrap_or("?"));
            assert!(file.path == "/" || ASSETS.iter().any(asked), "nothing asks for {}", file.path);
            // A namespace is a name, and no address.
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            for word in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", " style=\""] {
                assert!(!text.contains(word), "{} holds {word}", file.path);
            }
        }
    }
}
