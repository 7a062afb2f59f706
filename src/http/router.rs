//! The one table of what the public listener serves. Pure.

use axum::http::Method;

use super::docs::Page;
use crate::model::Route;

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `GET /livez`
    Liveness,
    /// `GET /readyz`
    Readiness,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /docs` and what belongs to it.
    Docs(Page),
    /// A vendor route under the base path.
    Mirrored(Route),
}

/// The path of the logout in the text of the reference; its example calls the route's own.
pub(super) const LOGOUT_TOO: &str = "/auth/reset_pwd";

impl Endpoint {
    /// Every one.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [Self::Liveness, Self::Readiness, Self::OpenApi]
            .into_iter()
            .chain(Page::ALL.into_iter().map(Self::Docs))
            .chain(Route::ALL.into_iter().map(Self::Mirrored))
    }

    /// The paths that it stands at, as templates, the vendor's routes under `base_path`.
    pub(super) fn paths(self, base_path: &str) -> Vec<String> {
        match self {
            Self::Liveness | Self::Readiness | Self::OpenApi | Self::Docs(_) => vec![self.template().to_owned()],
            Self::Mirrored(route) => {
                let too = (route == Route::Logout).then_some(LOGOUT_TOO);
                std::iter::once(route.template()).chain(too).map(|path| format!("{base_path}{path}")).collect()
            }
        }
    }

    /// What stands at `path`, the vendor's routes under `base_path`. A path is compared byte for byte: what is spelled
    /// otherwise is not there.
    pub(super) fn find(base_path: &str, path: &str) -> Option<Self> {
        match path {
            "/livez" => return Some(Self::Liveness),
            "/readyz" => return Some(Self::Readiness),
            "/openapi.json" => return Some(Self::OpenApi),
            _ => {}
        }
        if let Some(page) = Page::ALL.into_iter().find(|page| page.path() == path) {
            return Some(Self::Docs(page));
        }
        let path = path.strip_prefix(base_path)?;
        // The reference's example calls one path, its text the other.
        let path = if path == LOGOUT_TOO { Route::Logout.template() } else { path };
        Route::ALL.into_iter().find(|route| fits(*route, path)).map(Self::Mirrored)
    }

    /// Its name in logs and metrics.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Liveness => "/livez",
            Self::Readiness => "/readyz",
            Self::OpenApi => "/openapi.json",
            Self::Docs(page) => page.path(),
            Self::Mirrored(route) => route.template(),
        }
    }

    /// The methods that it takes, as `Allow` tells them (RFC 9110, section 10.2.1).
    pub(super) fn allow(self) -> &'static str {
        if self.is_gotten() { "GET,HEAD" } else { "POST" }
    }

    /// Whether it takes `method`.
    pub(super) fn takes(self, method: &Method) -> bool {
        if self.is_gotten() { matches!(*method, Method::GET | Method::HEAD) } else { *method == Method::POST }
    }

    fn is_gotten(self) -> bool {
        match self {
            Self::Liveness | Self::Readiness | Self::OpenApi | Self::Docs(_) => true,
            Self::Mirrored(route) => route.is_gotten(),
        }
    }
}

/// Whether `path` is an instance of the route's template, whose last segment may be a parameter.
fn fits(route: Route, path: &str) -> bool {
    match route.before_parameter() {
        None => route.template() == path,
        Some(fixed) => {
            path.strip_prefix(fixed).is_some_and(|parameter| !parameter.is_empty() && !parameter.contains('/'))
        }
    }
}

/// The last segment of a path, decoded; `None` if it is not UTF-8.
pub(super) fn parameter(path: &str) -> Option<std::borrow::Cow<'_, str>> {
    let segment = path.rsplit('/').next()?;
    percent_encoding::percent_decode_str(segment).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_found_and_nothing_else() {
        let find = |path: &str| Endpoint::find("/api/v1", path);
        for route in Route::ALL {
            let path = format!("/api/v1{}", route.template().replace("{companyId}", "100301"));
            assert_eq!(find(&path), Some(Endpoint::Mirrored(route)), "{path}");
            assert_eq!(find(&format!("{path}/")), None);
            assert_eq!(find(&path.to_uppercase()), None);
        }
        assert_eq!(find("/api/v1/auth/reset_pwd"), Some(Endpoint::Mirrored(Route::Logout)));
        assert_eq!(find("/livez"), Some(Endpoint::Liveness));
        assert_eq!(find("/docs/errors"), Some(Endpoint::Docs(Page::Errors)));
        for path in [
            "/docs/",
            "/api/v1/docs",
            "",
            "/",
            "/api/v1",
            "/api/v1/livez",
            "/queries/organization",
            "/api/v1/survey/queries/questions/",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
        assert_eq!(Endpoint::find("", "/queries/organization"), Some(Endpoint::Mirrored(Route::Organization)));
    }

    #[test]
    fn a_parameter_is_decoded() {
        assert_eq!(parameter("/a/%31%300").as_deref(), Some("100"));
        assert_eq!(parameter("/a/b+c").as_deref(), Some("b+c"));
        assert_eq!(parameter("/a/%ff"), None);
    }
}
