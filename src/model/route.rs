use super::{RoutePath, Scope};

/// A vendor route that the gateway mirrors. Every rule that differs by route is a `match` on this type,
/// so that a new route cannot forget one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// `POST /auth/login`
    Login,
    /// `GET /auth/logout`, and `GET /auth/reset_pwd`, which the reference's text names instead
    Logout,
    /// `POST /auth/reset`
    Reset,
    /// `POST /auth/verify`
    Verify,
    /// `GET /queries/organization`
    Organization,
    /// `GET /survey/queries/questions/{companyId}`
    Questions,
    /// `POST /survey/queries/surveys`
    Surveys,
    /// `POST /analytics/runtime/queues/summary`
    QueueSummary,
    /// `POST /analytics/runtime/queues/activity`
    QueueActivity,
    /// `POST /analytics/queues/performance`
    QueuePerformance,
    /// One that the reference does not know. What is configured once lives as long as the process.
    Further(&'static Further),
}

/// A vendor route that the reference does not know and the configuration names (`[[routes]]`), with one of its methods.
/// What is asked of it and what it answers are documents: nothing is known of what is in them.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Further {
    /// Its place among them.
    pub index: usize,
    /// Where it stands.
    pub path: RoutePath,
    /// Whether it is asked for with GET; otherwise with POST.
    pub is_gotten: bool,
    /// The query parameters that it takes.
    pub query: Vec<String>,
}

impl Route {
    /// Every route of the reference.
    pub const ALL: [Self; 10] = [
        Self::Login,
        Self::Logout,
        Self::Reset,
        Self::Verify,
        Self::Organization,
        Self::Questions,
        Self::Surveys,
        Self::QueueSummary,
        Self::QueueActivity,
        Self::QueuePerformance,
    ];

    /// The path under the base path, as a template. It is the route's name in logs and metrics too.
    pub fn template(self) -> &'static str {
        match self {
            Self::Further(further) => further.path.as_str(),
            Self::Login => "/auth/login",
            Self::Logout => "/auth/logout",
            Self::Reset => "/auth/reset",
            Self::Verify => "/auth/verify",
            Self::Organization => "/queries/organization",
            Self::Questions => "/survey/queries/questions/{companyId}",
            Self::Surveys => "/survey/queries/surveys",
            Self::QueueSummary => "/analytics/runtime/queues/summary",
            Self::QueueActivity => "/analytics/runtime/queues/activity",
            Self::QueuePerformance => "/analytics/queues/performance",
        }
    }

    /// Where the path of a route of the reference ends with a parameter: what stands before that.
    pub const fn before_parameter(self) -> Option<&'static str> {
        match self {
            Self::Questions => Some("/survey/queries/questions/"),
            _ => None,
        }
    }

    /// Its place among all, the further ones last.
    pub const fn index(self) -> usize {
        match self {
            Self::Login => 0,
            Self::Logout => 1,
            Self::Reset => 2,
            Self::Verify => 3,
            Self::Organization => 4,
            Self::Questions => 5,
            Self::Surveys => 6,
            Self::QueueSummary => 7,
            Self::QueueActivity => 8,
            Self::QueuePerformance => 9,
            Self::Further(further) => Self::ALL.len() + further.index,
        }
    }

    /// Whether it is about the vendor's account, and nothing of it is ever kept.
    pub const fn is_of_account(self) -> bool {
        matches!(self, Self::Login | Self::Logout | Self::Reset | Self::Verify)
    }

    /// Whether it is asked for with GET; otherwise with POST.
    pub const fn is_gotten(self) -> bool {
        match self {
            Self::Logout | Self::Organization | Self::Questions => true,
            Self::Login
            | Self::Reset
            | Self::Verify
            | Self::Surveys
            | Self::QueueSummary
            | Self::QueueActivity
            | Self::QueuePerformance => false,
            Self::Further(further) => further.is_gotten,
        }
    }

    /// The scope a caller needs; `None` where every known caller may ask. That of a further route changes with the
    /// configuration, and stands there: here it is one that nobody has.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Login | Self::Logout => None,
            Self::Reset | Self::Verify => Some(Scope::Account),
            Self::Organization => Some(Scope::Organization),
            Self::Questions => Some(Scope::Questions),
            Self::Surveys => Some(Scope::Surveys),
            Self::QueueSummary | Self::QueueActivity | Self::QueuePerformance => Some(Scope::Queues),
            Self::Further(_) => Some(Scope::NOBODYS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_place() {
        assert!(Route::ALL.into_iter().enumerate().all(|(place, route)| route.index() == place));
    }
}
