//! What each operation is called, and what it is for.

use std::borrow::Cow;

use crate::{
    http::{docs::Page, route_table::Endpoint},
    model::{Further, Route},
};

/// An operation in words. Its id is the handler's name.
pub(super) struct Words {
    pub(super) id: Cow<'static, str>,
    pub(super) tag: &'static str,
    pub(super) summary: Cow<'static, str>,
    pub(super) about: Cow<'static, str>,
}

/// The groups, in the order in which a reader should meet them.
pub(super) const TAGS: [(&str, &str); 4] = [
    ("queues", "Live and historic figures of queues."),
    ("surveys", "Surveys, their questions, and the organization that they belong to."),
    ("auth", "The login routes, for apps that speak Wesal. An app with a key needs none of them."),
    ("gateway", "The gateway itself."),
];

/// The group of those that the configuration names, where there are any.
pub(super) const FURTHER: (&str, &str) = (
    "further",
    "Routes of Wesal's that whoever runs this gateway has added (`[[routes]]`). They are asked and answer as Wesal says.",
);

/// The ids of the operations in the order of the table of routes, the further ones left out.
pub(in crate::http) fn ids() -> impl Iterator<Item = Cow<'static, str>> {
    Endpoint::of_reference().map(|endpoint| words(endpoint).id)
}

pub(super) fn words(endpoint: Endpoint) -> Words {
    let (id, tag, summary, about) = match endpoint {
        Endpoint::Liveness => ("get_liveness", "gateway", "Whether the process serves", "Needs no key."),
        Endpoint::Readiness => (
            "get_readiness",
            "gateway",
            "Whether callers can be answered",
            "If not, the reasons. Needs no key, and spends no call to Wesal.",
        ),
        Endpoint::OpenApi => ("get_openapi", "gateway", "The API as an OpenAPI 3.1 document", "Needs no key."),
        Endpoint::Docs(page) => match page {
            Page::Reference => {
                ("get_docs", "gateway", "The API as a page, where requests can be tried", "Needs no key.")
            }
            Page::Errors => (
                "get_docs_errors",
                "gateway",
                "The errors as a page",
                "What each means, and what to do: an error's `type` leads there. Needs no key.",
            ),
            Page::Style => ("get_docs_style", "gateway", "The pages' style", "Needs no key."),
            Page::Script => ("get_docs_script", "gateway", "The pages' script", "Needs no key."),
        },
        Endpoint::Mirrored(route) => match route {
            Route::Login => (
                "log_in",
                "auth",
                "Begin a session",
                "For apps that log in at Wesal and shall stay as they are: the app's name and its key, in the place of an \
                 email and a password. The `access_token` that comes back is the gateway's own.",
            ),
            Route::Logout => (
                "log_out",
                "auth",
                "End a session",
                "Ends the session that was shown. With a key there is none to end, and it succeeds all the same.",
            ),
            Route::Reset => (
                "reset_password",
                "auth",
                "Reset a password at Wesal, step 1",
                "Wesal sends a code to the owner of the account. Never kept, and never tried twice.",
            ),
            Route::Verify => (
                "verify_reset",
                "auth",
                "Reset a password at Wesal, step 2",
                "The code and the new password. Where the account is the gateway's own, it goes on with the new password.",
            ),
            Route::Organization => (
                "get_organization",
                "surveys",
                "The organization and its companies",
                "A key that is held to some companies sees only those.",
            ),
            Route::Questions => (
                "get_questions",
                "surveys",
                "The questions that a company asks",
                "With the answers that each can have.",
            ),
            Route::Surveys => (
                "query_surveys",
                "surveys",
                "A page of surveys",
                "What was answered, in which conversation. Holds personal data, and is not kept.",
            ),
            Route::QueueSummary => (
                "query_queue_summary",
                "queues",
                "How queues stand now",
                "Each queue is kept by itself: whoever asks for some of the same queues shares them.",
            ),
            Route::QueueActivity => (
                "query_queue_activity",
                "queues",
                "What queues' agents do now",
                "Each queue is kept by itself: whoever asks for some of the same queues shares them.",
            ),
            Route::QueuePerformance => (
                "query_queue_performance",
                "queues",
                "Queues' measures over an interval",
                "Each queue is kept by itself, the longer the longer ago the interval ended.",
            ),
            Route::Further(further) => return further_words(further),
        },
    };
    Words { id: id.into(), tag, summary: summary.into(), about: about.into() }
}

fn further_words(further: &Further) -> Words {
    let path = further.path.as_str();
    let verb = if further.is_gotten { "get" } else { "query" };
    let words: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    Words {
        id: format!("{verb}_further_{}{}", further.index + 1, words.trim_end_matches('_')).into(),
        tag: FURTHER.0,
        summary: format!("Wesal's {path}").into(),
        about: "Added by whoever runs this gateway, and handed on as a whole: what it takes and what it answers, Wesal says."
            .into(),
    }
}
