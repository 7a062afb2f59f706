use serde_json::{Value, json};

use super::*;
use crate::data::organization::company;
use crate::time::{instant, local};

fn filter() -> Filter {
    Filter { limit: 50, ..Filter::default() }
}

fn ask(filter: &Filter, now: &str) -> Value {
    serde_json::from_str(&data(1, company(1).unwrap(), filter, instant(now).unwrap())).unwrap()
}

#[test]
fn row_has_the_fields_of_the_reference() {
    let answer = ask(&filter(), "2024-01-01T00:00:00Z");
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    let row = &answer["surveys"][0];
    assert_eq!(keys(row), "answers conversation id");
    assert_eq!(keys(&row["conversation"]), "agentName callerId createdAt id mediaType queueName url");
    assert_eq!(keys(&row["answers"][0]), "answerTitle answerValue createdAt id questionId questionName");
    assert!(row["answers"][0]["answerValue"].is_u64());
    assert_eq!(answer["profile"]["companyId"], "1");
}

#[test]
fn pages_of_thousands_of_rows_fit_together() {
    let answer = ask(&filter(), "2024-01-01T00:00:00Z");
    let total = usize::try_from(answer["pagination"]["totalItems"].as_u64().unwrap()).unwrap();
    assert!((8_000..25_000).contains(&total), "{total}");
    let first: Vec<_> = answer["surveys"].as_array().unwrap().clone();
    let second = ask(&Filter { offset: 25, ..filter() }, "2024-01-01T00:00:00Z");
    assert_eq!(second["surveys"][0], first[25]);
    let last = ask(&Filter { offset: total - 3, ..filter() }, "2024-01-01T00:00:00Z");
    assert_eq!(last["surveys"].as_array().unwrap().len(), 3);
    assert_eq!(last["pagination"]["nextPage"], Value::Null);
}

#[test]
fn pages_are_counted_as_in_the_reference() {
    let page = |offset, limit, total| serde_json::from_str::<Value>(&pagination(offset, limit, total)).unwrap();
    assert_eq!(
        page(0, 100, 49_093),
        json!({"currentPage": 1, "totalPages": 491, "previousPage": null, "nextPage": 2, "totalItems": 49_093})
    );
    assert_eq!(
        page(0, 10, 0),
        json!({"currentPage": 1, "totalPages": 0, "previousPage": null, "nextPage": null, "totalItems": 0})
    );
    assert_eq!(page(20, 10, 30)["previousPage"], 2);
}

#[test]
fn new_rows_come_after_old_ones() {
    let day = (local("2024-03-01T00:00:00").unwrap(), local("2024-03-02T00:00:00").unwrap());
    let day = Filter { time: Some(day), ..filter() };
    let (morning, evening) = (ask(&day, "2024-03-01T08:00:00Z"), ask(&day, "2024-03-01T20:00:00Z"));
    let (morning, evening) = (morning["surveys"].as_array().unwrap(), evening["surveys"].as_array().unwrap());
    assert!(morning.len() < evening.len());
    assert_eq!(morning.as_slice(), &evening[..morning.len()]);
    assert!(evening.iter().all(|row| row["conversation"]["createdAt"].as_str().unwrap().starts_with("2024-03-01T")));
}

#[test]
fn text_filters_match_exactly() {
    let now = "2023-03-01T00:00:00Z";
    let sales = ask(&Filter { queue: Some("SALES-01".to_owned()), limit: 100, ..filter() }, now);
    let rows = sales["surveys"].as_array().unwrap();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row["conversation"]["queueName"] == "SALES-01"));
    let none = ask(&Filter { queue: Some("sales-01".to_owned()), ..filter() }, now);
    assert_eq!(none["surveys"], json!([]));
    let ahmed = ask(&Filter { agent: Some("Ahmed Mohammed".to_owned()), ..filter() }, now);
    assert!(ahmed["pagination"]["totalItems"].as_u64().unwrap() > 50);
}

#[test]
fn no_survey_is_older_than_2023() {
    assert_eq!(ask(&filter(), "2022-06-01T00:00:00Z")["pagination"]["totalItems"], 0);
}
