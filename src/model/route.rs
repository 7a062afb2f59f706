use super::Scope;

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
}

impl Route {
    /// Every route.
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
    pub const fn template(self) -> &'static str {
        match self {
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

    /// Where its path ends with a parameter: what stands before that.
    pub const fn before_parameter(self) -> Option<&'static str> {
        match self {
            Self::Questions => Some("/survey/queries/questions/"),
            _ => None,
        }
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
        }
    }

    /// The scope a caller needs; `None` where every known caller may ask.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Login | Self::Logout => None,
            Self::Reset | Self::Verify => Some(Scope::Account),
            Self::Organization => Some(Scope::Organization),
            Self::Questions => Some(Scope::Questions),
            Self::Surveys => Some(Scope::Surveys),
            Self::QueueSummary | Self::QueueActivity | Self::QueuePerformance => Some(Scope::Queues),
        }
    }
}
