//! The names of the vendor's routes.

use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

/// A route of the vendor's API, as statistics, faults and the control API name it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
#[strum(serialize_all = "snake_case")]
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
    /// Routes that the reference does not have.
    Further,
}

impl Route {
    pub(crate) const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    pub(crate) fn name(self) -> &'static str {
        self.into()
    }

    /// Returns all names, separated by commas.
    pub(crate) fn names() -> String {
        <Self as VariantNames>::VARIANTS.join(", ")
    }

    /// Whether the route takes `X-Client-Id` instead of a token.
    pub(crate) fn takes_client_id(self) -> bool {
        matches!(self, Self::Login | Self::Reset | Self::Verify)
    }
}
