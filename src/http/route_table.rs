//! The routes of the public listener as data: what `router` serves, `openapi` describes, and explain looks up. Pure.

use axum::http::Method;

use super::docs::Page;
use crate::model::{Further, Route};

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
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
pub(crate) const LOGOUT_ALIAS: &str = "/auth/reset_pwd";

/// The mirrored routes and their base path.
pub(crate) struct RouteTable {
    /// The path before each mirrored route.
    pub(crate) base_path: String,
    /// The routes of the configuration, in its order. It refuses a route that an earlier one would hide.
    pub(crate) further: Vec<&'static Further>,
}

impl RouteTable {
    pub(crate) fn new(base_path: String, further: Vec<&'static Further>) -> Self {
        Self { base_path, further }
    }

    /// Everything that can be asked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = Endpoint> {
        let further = self.further.iter().map(|further| Endpoint::Mirrored(Route::Further(further)));
        Endpoint::of_reference().chain(further)
    }

    /// The paths that an endpoint stands at, as templates.
    pub(crate) fn paths(&self, endpoint: Endpoint) -> Vec<String> {
        match endpoint {
            Endpoint::Mirrored(route) => {
                let too = (route == Route::Logout).then_some(LOGOUT_ALIAS);
                let paths = std::iter::once(route.template()).chain(too);
                paths.map(|path| format!("{}{path}", self.base_path)).collect()
            }
            own => vec![own.template().to_owned()],
        }
    }

    /// A path without the base path.
    pub(crate) fn below_base<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.base_path.as_str()).unwrap_or(path)
    }

    /// What stands at `path`. A path is compared byte for byte: what is spelled otherwise is not there.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Endpoint> {
        let own = Endpoint::own().find(|own| own.template() == path);
        own.or_else(|| self.find_mirrored(method, path.strip_prefix(self.base_path.as_str())?))
    }

    /// The methods that what stands at `path` takes, as `Allow` tells them (RFC 9110, section 10.2.1).
    pub(crate) fn allow(&self, path: &str) -> &'static str {
        let takes = |method| self.find(&method, path).is_some_and(|endpoint| endpoint.takes(&method));
        match [Method::GET, Method::HEAD, Method::POST].map(takes) {
            [true, true, true] => "GET,HEAD,POST",
            [true, true, false] => "GET,HEAD",
            [true, false, true] => "GET,POST",
            [true, false, false] => "GET",
            [false, _, true] => "POST",
            [false, _, false] => "",
        }
    }

    /// Whether a request that was found to be for `route` is for it too where its path is written as the vendor will get it,
    /// whatever the vendor takes for the same: else a spelling would lead past what guards another route.
    pub(crate) fn leads_to(&self, route: &'static Further, target: &str) -> bool {
        let of_reference = Route::ALL.into_iter().any(|known| fits(known, &target.to_ascii_lowercase()));
        let method = if route.is_gotten { Method::GET } else { Method::POST };
        let mut all = self.further.iter().copied();
        let first = all.find(|further| {
            further.path.fits_in_any_case(target) && Endpoint::Mirrored(Route::Further(further)).takes(&method)
        });
        !of_reference && first == Some(route)
    }

    /// Which of the vendor's routes stands at `path`, below the base path: one of the reference's, else the first of the
    /// configuration's, if there is one then one that takes `method`.
    pub(crate) fn find_mirrored(&self, method: &Method, path: &str) -> Option<Endpoint> {
        // The reference's example calls one path, its text the other.
        let of_reference = if path == LOGOUT_ALIAS { Route::Logout.template() } else { path };
        if let Some(route) = Route::ALL.into_iter().find(|route| fits(*route, of_reference)) {
            return Some(Endpoint::Mirrored(route));
        }
        let mut found = None;
        for further in self.further.iter().filter(|further| further.path.fits(path)) {
            let endpoint = Endpoint::Mirrored(Route::Further(further));
            if endpoint.takes(method) {
                return Some(endpoint);
            }
            found = found.or(Some(endpoint));
        }
        found
    }
}

impl Endpoint {
    /// Every one that does not depend on the configuration.
    pub(crate) fn of_reference() -> impl Iterator<Item = Self> {
        Self::own().chain(Route::ALL.into_iter().map(Self::Mirrored))
    }

    /// Those that are not the vendor's.
    fn own() -> impl Iterator<Item = Self> {
        [Self::Liveness, Self::Readiness, Self::OpenApi].into_iter().chain(Page::ALL.into_iter().map(Self::Docs))
    }

    /// Its name in logs and metrics.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Liveness => "/livez",
            Self::Readiness => "/readyz",
            Self::OpenApi => "/openapi.json",
            Self::Docs(page) => page.path(),
            Self::Mirrored(route) => route.template(),
        }
    }

    /// Whether it takes `method`.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match *method {
            Method::GET => self.is_gotten(),
            Method::HEAD => self.is_gotten() && self.is_safe(),
            Method::POST => !self.is_gotten(),
            _ => false,
        }
    }

    /// Whether nothing of it is ever kept.
    pub(crate) fn is_of_account(self) -> bool {
        matches!(self, Self::Mirrored(route) if route.is_of_account())
    }

    /// Whether to ask for it changes nothing, as HEAD must (RFC 9110, section 9.2.1); the vendor's logout is a GET that does.
    fn is_safe(self) -> bool {
        self != Self::Mirrored(Route::Logout)
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
pub(crate) fn parameter(path: &str) -> Option<std::borrow::Cow<'_, str>> {
    let segment = path.rsplit('/').next()?;
    percent_encoding::percent_decode_str(segment).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(base_path: &str, further: &[(&str, bool)]) -> RouteTable {
        let leaked = further.iter().enumerate().map(|(index, (path, is_gotten))| {
            let path = path.parse().unwrap();
            let further = Further { index, path, is_gotten: *is_gotten, query: Vec::new() };
            &*Box::leak(Box::new(further))
        });
        RouteTable { base_path: base_path.to_owned(), further: leaked.collect() }
    }

    fn find(path: &str) -> Option<Endpoint> {
        table("/api/v1", &[]).find(&Method::GET, path)
    }

    #[test]
    fn every_template_is_found_and_nothing_else() {
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
    }

    #[test]
    fn each_is_found_at_its_paths() {
        let table = table("/api/v1", &[("/agents/{id}", true), ("/agents/{id}", false), ("/agents", false)]);
        for endpoint in table.all() {
            let method = if endpoint.takes(&Method::GET) { Method::GET } else { Method::POST };
            for path in table.paths(endpoint) {
                let path = path.replace("{companyId}", "100301").replace("{id}", "7");
                assert_eq!(table.find(&method, &path), Some(endpoint), "{path}");
            }
        }
    }

    #[test]
    fn reference_route_wins_then_first_that_takes_the_method() {
        let table = table(
            "/v",
            &[("/queries/{what}", true), ("/queries/{what}", false), ("/queries/agents", true), ("/x", true)],
        );
        let place = |method: Method, path: &str| match table.find(&method, path)? {
            Endpoint::Mirrored(route) => Some(route.index()),
            _ => None,
        };
        assert_eq!(place(Method::GET, "/v/queries/organization"), Some(Route::Organization.index()));
        assert_eq!(place(Method::POST, "/v/queries/organization"), Some(Route::Organization.index()));
        assert_eq!(place(Method::GET, "/v/queries/agents"), Some(10));
        assert_eq!(place(Method::POST, "/v/queries/agents"), Some(11));
        assert_eq!(place(Method::DELETE, "/v/queries/agents"), Some(10));
        assert_eq!(place(Method::POST, "/v/x"), Some(13));
        assert_eq!(place(Method::GET, "/x"), None);
    }

    #[test]
    fn all_that_is_taken_is_allowed_and_nothing_else() {
        let table = table("/v", &[("/f/{what}", true), ("/f/b", false)]);
        for (path, allowed) in [
            ("/v/f/a", "GET,HEAD"),
            ("/v/f/b", "GET,HEAD,POST"),
            ("/v/queries/organization", "GET,HEAD"),
            ("/v/auth/logout", "GET"),
            ("/v/auth/login", "POST"),
            ("/livez", "GET,HEAD"),
            ("/nowhere", ""),
        ] {
            assert_eq!(table.allow(path), allowed, "{path}");
        }
    }

    #[test]
    fn a_spelling_leads_nowhere_but_where_it_was_found() {
        let table =
            table("/v", &[("/f/secret", true), ("/f/{what}", true), ("/queries/{what}", true), ("/f/{what}", false)]);
        let leads = |place: usize, target: &str| table.leads_to(table.further[place], target);
        for (place, target, there) in [
            (1, "/f/other", true),
            (1, "/f/secret", false),
            (1, "/f/SECRET", false),
            (0, "/f/secret", true),
            (3, "/f/secret", true),
            (2, "/queries/agents", true),
            (2, "/queries/organization", false),
            (2, "/queries/Organization", false),
        ] {
            assert_eq!(leads(place, target), there, "{place} {target}");
        }
    }

    #[test]
    fn a_parameter_is_decoded() {
        assert_eq!(parameter("/a/%31%300").as_deref(), Some("100"));
        assert_eq!(parameter("/a/b+c").as_deref(), Some("b+c"));
        assert_eq!(parameter("/a/%ff"), None);
    }
}
