use serde_json::Value;

use super::{elements, fields, followed, html::Html, members, text};
use crate::http::openapi;

/// One thing that can be asked for, as the document tells it.
pub(crate) struct Operation<'a> {
    document: &'a Value,
    path: &'a str,
    method: String,
    told: &'a Value,
    has_head: bool,
}

/// Every operation, in the order of the table of routes; a HEAD goes with its GET.
pub(crate) fn all(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, item) in members(document, "paths") {
        for method in ["get", "post"] {
            let Some(told) = item.get(method) else { continue };
            let has_head = method == "get" && item.get("head").is_some();
            all.push(Operation { document, path, method: method.to_ascii_uppercase(), told, has_head });
        }
    }
    // What the configuration adds comes last.
    let place = |operation: &Operation<'_>| {
        openapi::ids().position(|id| id == operation.id().trim_end_matches("_too")).unwrap_or(usize::MAX)
    };
    all.sort_by_key(place);
    all
}

impl Operation<'_> {
    pub(crate) fn id(&self) -> &str {
        text(self.told, "operationId")
    }

    pub(crate) fn summary(&self) -> &str {
        text(self.told, "summary")
    }

    pub(crate) fn is_of(&self, tag: &str) -> bool {
        elements(self.told, "tags").any(|other| other == tag)
    }

    /// Whether this code is among the errors that it can answer.
    pub(crate) fn answers(&self, code: &str) -> bool {
        self.errors().any(|(_, response)| codes(response).any(|other| other == code))
    }

    /// Its part of the page.
    pub(crate) fn write(&self, html: &mut Html) {
        html.raw("<article class=\"operation card\" id=\"").text(self.id()).raw("\" data-method=\"").text(&self.method);
        html.raw("\" data-path=\"").text(self.path).raw("\" data-key=\"");
        html.raw(if self.needs_key() { "yes" } else { "no" }).raw("\">\n<h3>").text(self.summary());
        html.raw("\u{a0}<a class=\"anchor\" href=\"#").text(self.id()).raw("\" aria-label=\"Link to: ");
        html.text(self.summary()).raw("\">#</a></h3>\n<p class=\"line\"><span class=\"method\" data-method=\"");
        html.text(&self.method).raw("\">").text(&self.method).raw("</span> ").path(self.path).raw("</p>\n");
        html.paragraphs(text(self.told, "description"));
        self.write_facts(html);
        self.write_request(html);
        self.write_answer(html);
        self.write_errors(html);
        html.raw("</article>\n");
    }

    fn write_facts(&self, html: &mut Html) {
        html.raw("\n<dl class=\"facts\"><div><dt>Needs</dt><dd>");
        match (self.needs_key(), text(self.told, "x-scope")) {
            (false, _) => html.raw("no key"),
            (true, "") => html.raw("any key"),
            (true, scope) => html.raw("a key with the scope ").code(scope),
        };
        html.raw("</dd></div>");
        if let Some(freshness) = self.told.get("x-freshness") {
            html.raw("<div><dt>Fresh</dt><dd>").text(&fresh(freshness)).raw("</dd></div>");
        }
        if self.has_head {
            html.raw("<div><dt>Also</dt><dd><code>HEAD</code>, the same without the body</dd></div>");
        }
        html.raw("</dl>\n");
    }

    fn write_request(&self, html: &mut Html) {
        if let Some(body) = self.body() {
            html.raw("<h4>Body</h4>\n");
            let schema = body.get("schema").unwrap_or(&Value::Null);
            if schema.get("oneOf").is_some() {
                let mapping = schema.get("discriminator").unwrap_or(&Value::Null);
                for (value, reference) in members(mapping, "mapping") {
                    html.raw("<h5>Where <code>").text(text(mapping, "propertyName")).raw("</code> is ");
                    html.code(value).raw("</h5>");
                    let one = reference.as_str().and_then(|reference| self.document.pointer(reference.get(1..)?));
                    fields::write(self.document, one.unwrap_or(&Value::Null), true, html);
                }
            } else {
                fields::write(self.document, schema, true, html);
            }
        }
        let in_address = |parameter: &&Value| text(parameter, "in") != "header";
        if self.parameters().any(|parameter| in_address(&parameter)) {
            html.raw("<h4>Parameters</h4>\n<dl class=\"fields\">");
            for parameter in self.parameters().filter(in_address) {
                let place = text(parameter, "in");
                html.raw("<div data-in=\"").text(place).raw("\" data-name=\"").text(text(parameter, "name"));
                html.raw("\" data-example=\"").text(&example_of(parameter)).raw("\">");
                fields::write_parameter(self.document, parameter, html);
                html.raw("</div>");
            }
            html.raw("</dl>\n");
        }
        html.raw("<h4 class=\"request\">Request</h4>\n").listing(&self.curl());
        html.raw("<p class=\"headers\">It may bear: ");
        let in_headers = self.parameters().filter(|parameter| !in_address(parameter));
        for (place, name) in in_headers.map(|parameter| text(parameter, "name")).enumerate() {
            html.raw(if place == 0 { "" } else { ", " }).raw("<a data-in=\"header\" data-name=\"").text(name);
            html.raw("\" href=\"#request-").text(name).raw("\">").code(name).raw("</a>");
        }
        html.raw("</p>\n");
        if let Some(example) = self.body().and_then(|body| body.get("example")) {
            html.raw("<div hidden class=\"body\">").text(&format!("{example:#}")).raw("</div>");
        }
    }

    fn write_answer(&self, html: &mut Html) {
        let responses = || members(self.told, "responses").filter(|(status, _)| status.as_str() < "400");
        for (status, response) in responses() {
            html.raw("\n<h4>Answer ").text(status).raw("</h4>\n");
            for (kind, content) in members(response, "content") {
                if let Some(example) = content.get("example") {
                    let shown = example.as_str().map_or_else(|| format!("{example:#}"), str::to_owned);
                    html.listing(shown.trim_end());
                }
                let schema = content.get("schema").unwrap_or(&Value::Null);
                if followed(self.document, schema).get("properties").is_some() {
                    html.raw("<details><summary>Its fields</summary>");
                    fields::write(self.document, schema, false, html);
                    html.raw("</details>");
                } else {
                    html.raw("<p>Comes as ").code(kind).raw(".</p>");
                }
            }
            if response.get("content").is_none() {
                html.paragraphs(text(response, "description"));
            }
            html.raw("<p class=\"headers\">Headers: ");
            for (place, (name, _)) in members(response, "headers").enumerate() {
                html.raw(if place == 0 { "" } else { ", " });
                html.raw("<a href=\"#header-").text(name).raw("\">").code(name).raw("</a>");
            }
            html.raw("</p>");
        }
    }

    fn write_errors(&self, html: &mut Html) {
        html.raw("\n<details><summary>Errors</summary><dl class=\"errors\">");
        for (status, response) in self.errors() {
            html.raw("<div><dt>").text(status).raw("</dt><dd>");
            let mut is_told = false;
            for code in codes(response) {
                html.raw(if is_told { ", " } else { "" }).raw("<a href=\"docs/errors#").text(code).raw("\">");
                html.code(code).raw("</a>");
                is_told = true;
            }
            if !is_told {
                html.words(text(response, "description"));
            }
            html.raw("</dd></div>");
        }
        html.raw("</dl></details>\n");
    }

    /// The statuses that are no success, each with its response.
    fn errors(&self) -> impl Iterator<Item = (&String, &Value)> {
        let responses = members(self.told, "responses").filter(|(status, _)| status.as_str() >= "400");
        responses.map(|(status, response)| (status, followed(self.document, response)))
    }

    fn parameters(&self) -> impl Iterator<Item = &Value> {
        elements(self.told, "parameters").map(|parameter| followed(self.document, parameter))
    }

    fn body(&self) -> Option<&Value> {
        self.told.pointer("/requestBody/content/application~1json")
    }

    fn needs_key(&self) -> bool {
        self.told.get("security").and_then(Value::as_array).is_none_or(|ways| !ways.is_empty())
    }

    /// What a shell asks it with, where `GATEWAY` and `KEY` are set.
    pub(crate) fn curl(&self) -> String {
        let mut path = self.path.to_owned();
        for parameter in self.parameters().filter(|parameter| text(parameter, "in") == "path") {
            path = path.replace(&format!("{{{}}}", text(parameter, "name")), &example_of(parameter));
        }
        let mut curl = format!("curl -i \"$GATEWAY\"{}", quoted(&path));
        if self.needs_key() {
            curl.push_str(" \\\n  -H \"Authorization: $KEY\"");
        }
        if let Some(example) = self.body().and_then(|body| body.get("example")) {
            let compact = example.to_string();
            let body = if compact.len() > 80 { format!("{example:#}") } else { compact };
            curl.push_str(" \\\n  -H 'Content-Type: application/json' \\\n  -d ");
            curl.push_str(&quoted(&body));
        }
        curl
    }
}

fn example_of(parameter: &Value) -> String {
    let example = parameter.get("example").unwrap_or(&Value::Null);
    match example {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The codes that a response can bear.
fn codes(response: &Value) -> impl Iterator<Item = &str> {
    let content = response.pointer("/content/application~1problem+json/schema").unwrap_or(&Value::Null);
    let narrowed = elements(content, "allOf").filter_map(|schema| schema.pointer("/properties/code"));
    narrowed.flat_map(|code| elements(code, "enum")).filter_map(Value::as_str)
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-~".contains(c)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The document's `x-freshness` in words.
fn fresh(told: &Value) -> String {
    let [ttl, more, instead] = ["ttl", "staleWhileRevalidate", "staleIfError"].map(|name| text(told, name));
    let closed = ["closedTtl", "closedAfter", "settledTtl", "settledAfter"].map(|name| text(told, name));
    let mut words = match (ttl, closed) {
        ("0s", ["", ..]) => return "not kept; identical requests in flight share one call to Wesal".to_owned(),
        (ttl, ["", ..]) => format!("for {ttl} from the moment Wesal was asked"),
        (ttl, [closed, closed_after, settled, settled_after]) => format!(
            "for {ttl} from the moment Wesal was asked; {closed} once the interval ended {closed_after} ago, {settled} \
             once it ended {settled_after} ago"
        ),
    };
    if more != "0s" {
        words.push_str(&format!("; for {more} more served at once while it is refreshed"));
    }
    if instead != "0s" {
        words.push_str(&format!("; for {instead} it may stand in when Wesal fails"));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shell_takes_what_is_quoted_as_one_word() {
        assert_eq!(quoted("/api/v1/x-y_z.a~"), "/api/v1/x-y_z.a~");
        assert_eq!(quoted("{\"a\": \"it's $HOME\"}"), "'{\"a\": \"it'\\''s $HOME\"}'");
        assert_eq!(quoted("/a;b"), "'/a;b'");
    }

    #[test]
    fn freshness_is_told_in_words() {
        assert!(
            fresh(&json!({"ttl": "0s", "staleWhileRevalidate": "0s", "staleIfError": "0s"})).starts_with("not kept")
        );
        let told = fresh(&json!({"ttl": "3s", "staleWhileRevalidate": "0s", "staleIfError": "30s"}));
        assert_eq!(told, "for 3s from the moment Wesal was asked; for 30s it may stand in when Wesal fails");
    }
}
