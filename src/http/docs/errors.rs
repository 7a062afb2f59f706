//! The page `/docs/errors`: every problem's `type` leads to a place on it.

use serde_json::Value;

use super::{
    fields,
    html::{self, Html},
    operation::{self, Operation},
    text,
};
use crate::http::error_code::ErrorCode;

pub(crate) fn page(document: &Value) -> String {
    let operations = operation::all(document);
    let mut html = html::begin("wesal-gateway: the errors", "");
    html.raw("<header class=\"top\"><p class=\"brand\">wesal-gateway <span>");
    html.text(document.get("info").map(|info| text(info, "version")).unwrap_or_default());
    html.raw("</span></p><p class=\"where\"><a href=\"../docs\">API</a> <a href=\"errors\" aria-current=\"page\">Errors</a> ");
    html.raw("<a href=\"../openapi.json\">OpenAPI document</a></p></header>\n<div class=\"page\">\n");
    html.raw("<nav aria-label=\"On this page\"><details id=\"contents\"><summary>On this page</summary>\n<ul>");
    html.raw("<li><a href=\"#form\">Their form</a></li>");
    for code in ErrorCode::ALL {
        html.raw("<li><a href=\"#").text(code.as_str()).raw("\">").code(code.as_str()).raw("</a> ");
        html.text(&statuses(code)).raw("</li>");
    }
    html.raw("</ul></details></nav>\n<main id=\"main\" tabindex=\"-1\">\n<h1>The errors</h1>\n");
    html.raw("<section id=\"form\"><h2>Their form</h2>\n<p>Every error is a problem document (RFC 9457), ");
    html.raw("<code>application/problem+json</code>, with Wesal\u{2019}s <code>success</code> flag. Branch on <code>code</code>: ");
    html.raw("codes stay, words may change. Only what is no HTTP request, or has a head too large to read, gets a bare 400, ");
    html.raw("414 or 431: no body, no <code>X-Request-Id</code>.</p>\n");
    let problem = document.pointer("/components/schemas/Problem").unwrap_or(&Value::Null);
    let example = "/x-elsewhere/404/content/application~1problem+json/examples/not_found/value";
    html.listing(&document.pointer(example).map(|example| format!("{example:#}")).unwrap_or_default());
    fields::write(document, problem, false, &mut html);
    html.raw("</section>\n<section aria-labelledby=\"codes\"><h2 id=\"codes\">Their codes</h2>\n");
    for code in ErrorCode::ALL {
        write(code, &operations, &mut html);
    }
    html.raw("</section>\n").raw(html::END);
    html.finish()
}

fn write(code: ErrorCode, operations: &[Operation<'_>], html: &mut Html) {
    let meaning = code.info();
    html.raw("<article class=\"error card\" id=\"").text(meaning.code).raw("\">\n<h3>").code(meaning.code);
    html.raw("\u{a0}<a class=\"anchor\" href=\"#")
        .text(meaning.code)
        .raw("\" aria-label=\"Link to ")
        .text(meaning.code);
    html.raw("\">#</a></h3>\n<p class=\"line\"><span class=\"status\">").text(&statuses(code)).raw("</span> ");
    html.text(meaning.title).raw("</p>\n<dl class=\"facts\"><div><dt>When</dt><dd>").words(meaning.when);
    html.raw("</dd></div><div><dt>What to do</dt><dd>").words(meaning.remedy).raw("</dd></div>");
    if let Some(wesal) = code.wesal_code() {
        html.raw("<div><dt>Wesal\u{2019}s code</dt><dd>").code(wesal).raw("</dd></div>");
    }
    if code.has_retry_after() {
        html.raw("<div><dt>Bears</dt><dd><code>Retry-After</code>, in seconds</dd></div>");
    }
    html.raw("<div><dt>Answered by</dt><dd>");
    let answering: Vec<_> = operations.iter().filter(|operation| operation.answers(meaning.code)).collect();
    if answering.len() == operations.len() {
        html.raw("every operation");
    } else if answering.is_empty() {
        html.raw("what is no operation");
    } else {
        for (place, operation) in answering.iter().enumerate() {
            html.raw(if place == 0 { "" } else { ", " }).raw("<a href=\"../docs#").text(operation.id()).raw("\">");
            html.code(operation.id()).raw("</a>");
        }
    }
    html.raw("</dd></div></dl>\n</article>\n");
}

fn statuses(code: ErrorCode) -> String {
    code.statuses().iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
