//! The page `/docs`.

use serde_json::Value;

use super::{
    elements,
    html::{self, Html},
    members, operation, text,
};

pub(crate) fn page(document: &Value) -> String {
    let operations = operation::all(document);
    let info = document.get("info").unwrap_or(&Value::Null);
    let mut html = html::begin("wesal-gateway: the API", "docs/");
    html.raw("<header class=\"top\"><p class=\"brand\">wesal-gateway <span>").text(text(info, "version"));
    html.raw("</span></p><p class=\"where\"><a href=\"docs\" aria-current=\"page\">API</a> <a href=\"docs/errors\">Errors</a> ");
    html.raw("<a href=\"openapi.json\">OpenAPI document</a></p></header>\n<div class=\"page\">\n");

    html.raw("<nav aria-label=\"On this page\"><details id=\"contents\"><summary>On this page</summary>\n<ul>");
    html.raw("<li><a href=\"#first-call\">First call</a></li><li><a href=\"#credentials\">Credentials</a></li>");
    html.raw("<li><a href=\"#limits\">Rate limits</a></li><li><a href=\"#freshness\">Freshness</a></li>");
    html.raw("<li><a href=\"#errors\">Errors</a></li><li><a href=\"#headers\">Headers</a></li></ul>\n");
    for tag in elements(document, "tags") {
        let name = text(tag, "name");
        html.raw("<p>").text(name).raw("</p><ul>");
        for operation in operations.iter().filter(|operation| operation.is_of(name)) {
            html.raw("<li><a href=\"#").text(operation.id()).raw("\">").text(operation.summary()).raw("</a></li>");
        }
        html.raw("</ul>\n");
    }
    html.raw("</details></nav>\n<main id=\"main\" tabindex=\"-1\">\n<h1>The API</h1>\n");
    html.paragraphs(text(info, "description"));

    html.raw("<section id=\"first-call\"><h2>First call</h2>\n");
    html.raw("<p>You need a shell, and a key, which you get from who runs this gateway:</p>\n");
    html.raw("<pre><code>GATEWAY=<span data-origin>\u{2018}the address of this page, without /docs\u{2019}</span>\nKEY=wgw_\u{2026}\n");
    let first = operations.iter().find(|operation| operation.id() == "get_organization");
    html.text(&first.map(operation::Operation::curl).unwrap_or_default()).raw("</code></pre>\n");
    html.raw("<p>The second time <code>Cache-Status</code> says that the answer was held. Every operation below can be tried ");
    html.raw("in this page.</p></section>\n");
    write_credentials(document, &mut html);
    html.raw(include_str!("guide.html"));
    write_headers(document, &mut html);
    for tag in elements(document, "tags") {
        let name = text(tag, "name");
        html.raw("<section class=\"group\" aria-labelledby=\"group-").text(name).raw("\"><h2 id=\"group-").text(name);
        html.raw("\">").text(name).raw("</h2>\n").paragraphs(text(tag, "description"));
        operations.iter().filter(|operation| operation.is_of(name)).for_each(|operation| operation.write(&mut html));
        html.raw("</section>\n");
    }
    html.raw(html::END);
    html.finish()
}

fn write_credentials(document: &Value, html: &mut Html) {
    html.raw("<section id=\"credentials\"><h2>Credentials</h2>\n<p>One of these, and not two different ones. ");
    html.raw("A key stays with your app\u{2019}s server: whoever reads it can ask as your app.</p>\n<ul>");
    let schemes = document.pointer("/components/securitySchemes").unwrap_or(&Value::Null);
    // Those that always do come first.
    let always: Vec<_> =
        elements(document, "security").filter_map(Value::as_object).flat_map(|way| way.keys()).collect();
    let others = schemes.as_object().into_iter().flat_map(|all| all.keys()).filter(|name| !always.contains(name));
    for scheme in always.iter().copied().chain(others).filter_map(|name| schemes.get(name)) {
        html.raw("<li>").words(text(scheme, "description")).raw("</li>");
    }
    html.raw("</ul>\n<p>What a key may ask is set where the gateway is run: its scopes, its companies, its queues. What is not ");
    html.raw("allowed is a 403 <a href=\"docs/errors#forbidden\"><code>forbidden</code></a>.</p></section>\n");
}

fn write_headers(document: &Value, html: &mut Html) {
    let components = document.get("components").unwrap_or(&Value::Null);
    html.raw("<section id=\"headers\"><h2>Headers</h2>\n<h3>Of requests</h3>\n<dl class=\"fields\">");
    for (_, parameter) in members(components, "parameters") {
        let name = text(parameter, "name");
        html.raw("<div id=\"request-").text(name).raw("\"><dt>").code(name).raw("</dt><dd>");
        html.words(text(parameter, "description")).raw("</dd></div>");
    }
    html.raw("</dl>\n<h3>Of answers</h3>\n<dl class=\"fields\">");
    for (name, header) in members(components, "headers") {
        let example = header.get("example").unwrap_or(&Value::Null);
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        html.raw("<div id=\"header-").text(name).raw("\"><dt>").code(name).raw("</dt><dd>");
        html.words(text(header, "description")).raw("<br>").code(&example).raw("</dd></div>");
    }
    html.raw("</dl></section>\n");
}
