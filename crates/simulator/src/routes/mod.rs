//! What each route answers to a call with good credentials: the body of a success, or the refusal.

mod auth;
mod echo;
mod params;
mod queries;
mod queues;

use super::envelope::Refusal;
use super::handler::SimRequest;
use super::route::Route;
use super::state::Inner;

pub(crate) fn answer(inner: &Inner, call: &SimRequest) -> Result<String, Refusal> {
    match call.route {
        Route::Login => auth::login(inner, call),
        Route::Reset => auth::reset(inner, call),
        Route::Verify => auth::verify(inner, call),
        Route::Logout => auth::logout(inner, call),
        Route::Organization => queries::organization(),
        Route::Questions => queries::questions(inner, call),
        Route::Surveys => queries::surveys(inner, call),
        Route::Summary => queues::summary(inner, call),
        Route::Activity => queues::activity(inner, call),
        Route::Performance => queues::performance(inner, call),
        Route::Further => echo::echo(inner, call),
    }
}
