//! The questions that a company asks its callers.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom as _;

use super::organization::Company;
use crate::json::{Object, array};
use crate::rng::rng;

/// A question. `first_answer` is the id of its first answer; the others follow it.
struct Template {
    name: &'static str,
    first_answer: u64,
    answers: &'static [&'static str],
}

/// The first two are the reference's.
const TEMPLATES: [Template; 6] = [
    Template { name: "How satisfied are you with callcenter", first_answer: 1, answers: &["high", "middle", "low"] },
    Template { name: "Would you recommend our service to your friends", first_answer: 23, answers: &["yes", "no"] },
    Template { name: "Service Satisfaction", first_answer: 41, answers: &["Yes", "No"] },
    Template { name: "Agent Satisfaction", first_answer: 43, answers: &["Yes", "No"] },
    Template { name: "Was your request solved", first_answer: 51, answers: &["yes", "partly", "no"] },
    Template {
        name: "كيف تقيم سهولة الوصول إلينا", first_answer: 61, answers: &["1", "2", "3", "4", "5"]
    },
];

/// A company's question.
pub(crate) struct Question {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    first_answer: u64,
    answers: &'static [&'static str],
}

impl Question {
    /// Returns the title and the value of a random answer. Values count from 1.
    pub(crate) fn answer(&self, rng: &mut SmallRng) -> (&'static str, u64) {
        (1..).zip(self.answers).choose(rng).map_or(("", 0), |(value, title)| (*title, value))
    }
}

/// Returns a company's two to six questions, which never change.
pub(crate) fn of(seed: u64, company: &Company) -> Vec<Question> {
    let count = rng(("questions", seed, company.id)).random_range(2..=6);
    let base = if company.id == 1 { 0 } else { (company.id % 1000) * 100 };
    (base + 1..=base + count)
        .zip(&TEMPLATES)
        .map(|(id, template)| Question {
            id,
            name: template.name,
            first_answer: base + template.first_answer,
            answers: template.answers,
        })
        .collect()
}

/// Returns `data` of the questions' answer. An answer's value is a text here.
pub(crate) fn data(seed: u64, company: &Company) -> String {
    let questions = of(seed, company).into_iter().map(|question| {
        let answers = (1_u64..).zip(question.answers).map(|(value, title)| {
            Object::new()
                .raw("id", question.first_answer + value - 1)
                .text("title", title)
                .text("value", &value.to_string())
                .close()
        });
        Object::new().raw("id", question.id).text("name", question.name).raw("answers", array(answers)).close()
    });
    Object::new().raw("questions", array(questions)).close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::organization::company;

    #[test]
    fn company_1_asks_the_questions_of_the_reference_first() {
        let data: serde_json::Value = serde_json::from_str(&data(1, company(1).unwrap())).unwrap();
        let first = &data["questions"][0];
        assert_eq!(first["id"], 1);
        assert_eq!(first["name"], "How satisfied are you with callcenter");
        assert_eq!(first["answers"][0], serde_json::json!({"id": 1, "title": "high", "value": "1"}));
        assert_eq!(data["questions"][1]["answers"][1], serde_json::json!({"id": 24, "title": "no", "value": "2"}));
    }

    #[test]
    fn every_company_asks_two_to_six_questions() {
        for seed in 0..50 {
            assert!((2..=6).contains(&of(seed, company(100_301).unwrap()).len()));
        }
    }
}
