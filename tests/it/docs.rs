//! The pages for who writes an app: whole, without a script, and of nobody else's making.

use std::fs;

use serde_json::Value;

use crate::harness::{Setup, World, text_of};

const FILES: [(&str, &str); 4] = [
    ("/docs", "text/html"),
    ("/docs/errors", "text/html"),
    ("/docs/docs.css", "text/css"),
    ("/docs/docs.js", "text/javascript"),
];

async fn page(world: &World, path: &str) -> String {
    let answer = world.send(world.request_at_root("GET", path)).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.text().to_owned()
}

/// An element's text, with its markup taken out and what was escaped as it was.
fn read(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text = pieces.collect::<String>();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&amp;", "&")
}

/// The article with this id.
fn article<'a>(html: &'a str, id: &str) -> &'a str {
    let begin = html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id} is not there"));
    let rest = &html[begin..];
    &rest[..rest.find("</article>").unwrap()]
}

/// The values of an attribute.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    html.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

async fn document(world: &World) -> Value {
    world.send(world.request_at_root("GET", "/openapi.json")).await.ok().json()
}

#[tokio::test]
async fn each_page_is_there_for_all_and_need_not_be_sent_twice() {
    let world = World::new().await;
    for (path, kind) in FILES {
        let ask = |method: &str| world.request_at_root(method, path);
        let first = world.send(ask("GET")).await;
        assert_eq!((first.status, first.header("content-type")), (200, format!("{kind}; charset=utf-8").as_str()));
        assert_eq!(first.header("cache-control"), "no-cache");
        let etag = first.header("etag").to_owned();
        let again = world.send(ask("GET").header("if-none-match", &etag)).await;
        assert_eq!((again.status, again.header("etag"), again.body.len()), (304, etag.as_str(), 0), "{path}");
        let head = world.send(ask("HEAD")).await;
        assert_eq!((head.header("content-length"), head.body.len()), (first.body.len().to_string().as_str(), 0));
        for answer in [&first, &again, &head] {
            let policy = answer.header("content-security-policy");
            for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
                assert!(policy.contains(rule) && !policy.contains("unsafe"), "{path}: {policy}");
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
        }
        let refused = world.send(ask("POST")).await;
        assert_eq!((refused.problem().as_str(), refused.header("allow")), ("method_not_allowed", "GET,HEAD"));
    }
    for path in ["/docs/", "/docs/other", "/docs/errors/", "/api/v1/docs"] {
        assert_eq!(world.send(world.request_at_root("GET", path)).await.problem(), "not_found", "{path}");
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn every_code_has_its_place_with_its_status_and_what_to_do() {
    let world = World::new().await;
    let errors = page(&world, "/docs/errors").await;
    let document = document(&world).await;
    let codes = document["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap().clone();
    assert!(codes.len() > 20);
    let told = document["components"]["schemas"]["ErrorCode"]["description"].as_str().unwrap();
    for code in codes.iter().map(|code| code.as_str().unwrap()) {
        let own = article(&errors, code);
        let line = told.lines().find(|line| line.starts_with(&format!("- `{code}`"))).unwrap().replace('`', "");
        let (status, words) = line.split_once(" (").unwrap().1.split_once("): ").unwrap();
        let own = read(own);
        assert!(own.contains(status), "{code}: {status}: {own}");
        // Both its sentences: when, and what to do.
        for sentence in words.split(". ") {
            assert!(own.contains(sentence.trim_end_matches('.')), "{code}: {sentence}: {own}");
        }
    }
    // Where a problem says that it is told of, it is.
    let problem = world.get("/nowhere").await;
    let place = problem.json()["type"].as_str().unwrap().to_owned();
    let (path, anchor) = place.split_once('#').unwrap();
    article(&page(&world, path).await, anchor);
}

#[tokio::test]
async fn every_operation_is_told_with_all_that_it_takes_and_answers() {
    let world = World::new().await;
    let docs = page(&world, "/docs").await;
    let document = document(&world).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let own = article(&docs, id.trim_end_matches("_head"));
            let text = read(own);
            let method = method.to_ascii_uppercase();
            assert!(text.contains(path.as_str()) && text.contains(&method), "{method} {path}: {text}");
            assert!(text.contains(operation["summary"].as_str().unwrap()), "{id}");
            if let Some(scope) = operation["x-scope"].as_str() {
                assert!(text.contains(&format!("a key with the scope {scope}")), "{id}");
            }
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["$ref"].as_str().map_or(&parameter["name"], |reference| {
                    &document.pointer(reference.trim_start_matches('#')).unwrap()["name"]
                });
                assert!(attributes(own, "data-name").contains(&name.as_str().unwrap()), "{id}: {name}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(text.contains(status.as_str()), "{id}: {status}");
                for name in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
                    assert!(own.contains(&format!("href=\"#header-{name}\"")), "{id}: {name}");
                }
            }
        }
    }
    let surveys = read(article(&docs, "query_surveys"));
    for told in
        ["limit whole number may be left out", "1 to 100", "companyId whole number mandatory", "filters[].dimension"]
    {
        assert!(surveys.contains(told), "{told}: {surveys}");
    }
    let verify = read(article(&docs, "verify_reset"));
    assert!(verify.contains("Where method is email") && verify.contains("Where method is phone"), "{verify}");
    let performance = read(article(&docs, "query_queue_performance"));
    assert!(performance.contains("10m once the interval ended 30m ago"), "{performance}");
    assert!(read(article(&docs, "query_surveys")).contains("not kept; identical requests in flight share one call"));
}

#[tokio::test]
async fn every_link_leads_somewhere_here_and_nothing_is_loaded_from_elsewhere() {
    let world = World::new().await;
    let base = reqwest::Url::parse("http://gateway.invalid/").unwrap();
    let mut pages = Vec::new();
    for (path, _) in FILES {
        pages.push((base.join(path).unwrap(), page(&world, path).await));
    }
    for (address, html) in &pages[..2] {
        let ids = attributes(html, "id");
        let once: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "an id stands twice in {address}");
        let links = [attributes(html, "href"), attributes(html, "src")].concat();
        assert!(links.len() > 50);
        for link in links.into_iter().filter(|link| *link != "data:,") {
            let target = address.join(link).unwrap();
            assert_eq!(target.host_str(), base.host_str(), "{link}");
            if target.path() == "/openapi.json" {
                continue;
            }
            let (_, other) =
                pages.iter().find(|(page, _)| page.path() == target.path()).unwrap_or_else(|| panic!("{link}"));
            let fragment = target.fragment();
            assert!(fragment.is_none_or(|id| attributes(other, "id").contains(&id)), "{link} in {address}");
        }
        for word in ["<style", " style=", " onclick", "javascript:", "<iframe", "<img"] {
            assert!(!html.contains(word), "{address} holds {word}");
        }
    }
}

#[tokio::test]
async fn settings_shape_them_as_text_and_a_reload_renews_them() {
    let mut setup = Setup::default();
    setup.config.server.base_path = "/wesal/it's&$HOME".to_owned();
    setup.config.upstream.forward_fields = vec!["<b>zone</b>".to_owned()];
    setup.config.upstream.forward_query = vec!["\"><script>alert(1)</script>".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    setup.file = Some(folder.path().join("config.toml"));
    let mut world = setup.start().await;
    let docs = page(&world, "/docs").await;
    assert!(!docs.contains("<b>") && !docs.contains("alert(1)</script>"));
    let own = article(&docs, "query_queue_summary");
    assert!(attributes(own, "data-path").contains(&"/wesal/it&#39;s&amp;$HOME/analytics/runtime/queues/summary"));
    let text = read(own);
    // One word to a shell, whatever is in it.
    assert!(text.contains(r#""$GATEWAY"'/wesal/it'\''s&$HOME/analytics/runtime/queues/summary'"#), "{text}");
    assert!(text.contains("<b>zone</b> any JSON value may be left out"), "{text}");
    assert!(text.contains("for 3s from the moment Wesal was asked"), "{text}");

    world.config.cache.queue_summary.ttl = std::time::Duration::from_secs(4);
    fs::write(folder.path().join("config.toml"), text_of(&world.config)).unwrap();
    let reloaded = world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    let renewed = page(&world, "/docs").await;
    assert!(read(article(&renewed, "query_queue_summary")).contains("for 4s from the moment Wesal was asked"));
}
