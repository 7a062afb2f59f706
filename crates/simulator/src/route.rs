//! The vendor's routes: names, methods, paths.

use axum::routing::MethodFilter;

/// A route of the vendor's API, as statistics, faults and levers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    Login,
    Reset,
    Verify,
    Logout,
    Organization,
    Questions,
    Surveys,
    Summary,
    Activity,
    Performance,
    /// What a vendor may have beside what its reference tells.
    Further,
}

impl Route {
    pub(crate) const ALL: [Self; 11] = [
        Self::Login,
        Self::Reset,
        Self::Verify,
        Self::Logout,
        Self::Organization,
        Self::Questions,
        Self::Surveys,
        Self::Summary,
        Self::Activity,
        Self::Performance,
        Self::Further,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::Logout => "logout",
            Self::Organization => "organization",
            Self::Questions => "questions",
            Self::Surveys => "surveys",
            Self::Summary => "summary",
            Self::Activity => "activity",
            Self::Performance => "performance",
            Self::Further => "further",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }

    /// All names, for people.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Paths under `/api/v1`. Logout has two, as the reference's example and its text differ.
    pub(crate) fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Login => &["/auth/login"],
            Self::Reset => &["/auth/reset"],
            Self::Verify => &["/auth/verify"],
            Self::Logout => &["/auth/logout", "/auth/reset_pwd"],
            Self::Organization => &["/queries/organization"],
            Self::Questions => &["/survey/queries/questions/{companyId}"],
            Self::Surveys => &["/survey/queries/surveys"],
            Self::Summary => &["/analytics/runtime/queues/summary"],
            Self::Activity => &["/analytics/runtime/queues/activity"],
            Self::Performance => &["/analytics/queues/performance"],
            Self::Further => &["/further/{*rest}"],
        }
    }

    pub(crate) fn method(self) -> MethodFilter {
        match self {
            Self::Logout | Self::Organization | Self::Questions => MethodFilter::GET,
            Self::Further => MethodFilter::GET.or(MethodFilter::POST),
            _ => MethodFilter::POST,
        }
    }

    /// Whether `X-Client-Id` opens this route, rather than a token.
    pub(crate) fn takes_client_id(self) -> bool {
        matches!(self, Self::Login | Self::Reset | Self::Verify)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_route() {
        assert!(Route::ALL.into_iter().all(|route| Route::named(route.name()) == Some(route)));
        assert_eq!(Route::named("queues"), None);
    }
}
