use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    config::{CacheConfig, FreshnessConfig, HumanDuration, RouteConfig},
    model::Route,
};

/// How long a route's answers are good, counted from when Wesal was asked; `None` where nothing is ever kept.
pub(super) fn of(route: Route, cache: &CacheConfig, routes: &[RouteConfig]) -> Option<Value> {
    let document = match route {
        Route::Further(further) => &routes.iter().find(|route| route.is_source_of(further))?.freshness(),
        Route::Login | Route::Logout | Route::Reset | Route::Verify => return None,
        Route::Organization => &cache.organization,
        Route::Questions => &cache.questions,
        Route::Surveys => &cache.surveys,
        Route::QueueSummary => &cache.queue_summary,
        Route::QueueActivity => &cache.queue_activity,
        Route::QueuePerformance => {
            let by_age = &cache.queue_performance;
            let mut told = told(by_age.ttl, by_age.stale_while_revalidate, by_age.stale_if_error);
            for (name, duration) in [
                ("closedAfter", by_age.closed_after),
                ("closedTtl", by_age.closed_ttl),
                ("settledAfter", by_age.settled_after),
                ("settledTtl", by_age.settled_ttl),
            ] {
                if let Some(told) = told.as_object_mut() {
                    told.insert(name.to_owned(), HumanDuration::show(&duration).into());
                }
            }
            return Some(told);
        }
    };
    let FreshnessConfig { ttl, stale_while_revalidate, stale_if_error } = document;
    Some(told(*ttl, *stale_while_revalidate, *stale_if_error))
}

fn told(ttl: Duration, stale_while_revalidate: Duration, stale_if_error: Duration) -> Value {
    json!({
        "ttl": HumanDuration::show(&ttl),
        "staleWhileRevalidate": HumanDuration::show(&stale_while_revalidate),
        "staleIfError": HumanDuration::show(&stale_if_error),
    })
}
