//! The answers of callers. Every company has some dozens of surveys a day since the beginning of 2023.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::organization::{Company, profile};
use super::people;
use super::questions::{self, Question};
use crate::json::{Object, array};
use crate::rng::{pick, rng, uuid};
use crate::time::{self, DAY};

/// 2023-01-01, in days since 1970.
const FIRST_DAY: i64 = 19_358;

/// The most surveys that a company has on a day.
const MAX_PER_DAY: i64 = 60;

const QUEUES: [&str; 5] = ["SALES-01", "SALES-02", "SUPPORT-01", "BILLING-01", "VIP-01"];
const MEDIA: [&str; 5] = ["Voice", "Voice", "Voice", "Chat", "Email"];

/// The surveys that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The conversation began at or after the first time and before the second, in milliseconds since 1970.
    pub(crate) time: Option<(i64, i64)>,
    pub(crate) queue: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) media: Option<String>,
    /// The number of matching surveys to skip.
    pub(crate) offset: usize,
    /// The number of rows, at least 1.
    pub(crate) limit: usize,
    pub(crate) extended: bool,
}

struct Survey<'a> {
    /// Counts a company's surveys from the first, with gaps.
    number: i64,
    began: i64,
    answered: i64,
    queue: &'a str,
    agent: &'a str,
    media: &'a str,
    /// The seed of everything else.
    seed: u64,
}

impl Survey<'_> {
    fn matches(&self, filter: &Filter) -> bool {
        let is = |value: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| wanted == value);
        filter.time.is_none_or(|(start, end)| (start..end).contains(&self.began))
            && is(self.queue, &filter.queue)
            && is(self.agent, &filter.agent)
            && is(self.media, &filter.media)
    }

    fn row(&self, questions: &[Question], extended: bool) -> String {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let (id, conversation_id) = (uuid(&mut rng), uuid(&mut rng));
        let mut conversation = Object::new()
            .text("id", &conversation_id)
            .text("queueName", self.queue)
            .text("agentName", self.agent)
            .text("url", &format!("https://apps.mypurecloud.ie/directory/#/interactions/{conversation_id}"))
            .text("callerId", &people::caller(&mut rng))
            .text("mediaType", self.media)
            .text("createdAt", &time::format(self.began));
        let answers = array((302..).zip(questions).map(|(place, question)| {
            let (title, value) = question.answer(&mut rng);
            Object::new()
                .raw("id", self.number * 10 + place)
                .raw("questionId", question.id)
                .text("questionName", question.name)
                .text("answerTitle", title)
                .raw("answerValue", value)
                .text("createdAt", &time::format(self.answered))
                .close()
        }));
        if extended {
            conversation = conversation.raw("durationSeconds", rng.random_range(30..630));
            conversation = conversation.text("direction", "inbound").raw("wrapUpCode", "null");
        }
        Object::new().text("id", &id).raw("conversation", conversation.close()).raw("answers", answers).close()
    }
}

/// Returns the surveys answered on a day, earliest first.
fn of_day(seed: u64, company: u64, day: i64, agents: &[String]) -> impl Iterator<Item = Survey<'_>> {
    let mut rng = rng(("surveys", seed, company, day));
    let count = rng.random_range(20..=MAX_PER_DAY);
    let slot = DAY / count;
    (0..count).map(move |index| {
        let answered = day * DAY + index * slot + rng.random_range(0..slot);
        Survey {
            number: (day - FIRST_DAY) * MAX_PER_DAY + index,
            began: answered - rng.random_range(60_000..3_060_000),
            answered,
            queue: pick(&mut rng, &QUEUES),
            agent: pick(&mut rng, agents),
            media: pick(&mut rng, &MEDIA),
            seed: rng.random(),
        }
    })
}

/// Returns `data` of the surveys' answer: the matching surveys that were answered by now, earliest first. New surveys
/// come last, so the row at an offset stays there.
pub(crate) fn data(seed: u64, company: &Company, filter: &Filter, now: i64) -> String {
    let (questions, agents) = (questions::of(seed, company), people::agents(seed, company.id));
    let today = now.div_euclid(DAY);
    // A survey may be answered on the day after its conversation.
    let (from, to) = filter.time.map_or((FIRST_DAY, today), |(start, end)| {
        (start.div_euclid(DAY).max(FIRST_DAY), (end.div_euclid(DAY) + 1).min(today))
    });
    let surveys: Vec<_> = (from..=to)
        .flat_map(|day| of_day(seed, company.id, day, &agents))
        .take_while(|survey| survey.answered <= now)
        .filter(|survey| survey.matches(filter))
        .collect();
    let rows = surveys.iter().skip(filter.offset).take(filter.limit);
    Object::new()
        .raw("profile", profile(company))
        .raw("surveys", array(rows.map(|survey| survey.row(&questions, filter.extended))))
        .raw("pagination", pagination(filter.offset, filter.limit, surveys.len()))
        .close()
}

/// Pages count from 1. `offset` counts rows, so a page begins at any row.
fn pagination(offset: usize, limit: usize, total: usize) -> String {
    let current = offset / limit + 1;
    let page = |number: Option<usize>| number.map_or("null".to_owned(), |number| number.to_string());
    let has_next = offset.saturating_add(limit) < total;
    Object::new()
        .raw("currentPage", current)
        .raw("totalPages", total.div_ceil(limit))
        .raw("previousPage", page((current > 1).then(|| current - 1)))
        .raw("nextPage", page(has_next.then_some(current + 1)))
        .raw("totalItems", total)
        .close()
}

#[cfg(test)]
mod tests;
