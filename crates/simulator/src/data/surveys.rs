//! What callers answered. Every company has some dozens of surveys a day since the beginning of 2023.

use super::organization::{Company, profile};
use super::questions::{self, Question};
use super::{people, signed, unsigned};
use crate::json::{Object, array};
use crate::rng::{below, hash, pick, splitmix64, uuid};
use crate::time::{self, DAY};

/// 2023-01-01, in days since 1970.
const FIRST_DAY: i64 = 19_358;

const QUEUES: [&str; 5] = ["SALES-01", "SALES-02", "SUPPORT-01", "BILLING-01", "VIP-01"];
const MEDIA: [&str; 5] = ["Voice", "Voice", "Voice", "Chat", "Email"];

/// Which surveys to tell, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The conversation began at or after this time, and before that one, in milliseconds since 1970.
    pub(crate) time: Option<(i64, i64)>,
    pub(crate) queue: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) media: Option<String>,
    /// How many of the matching surveys to leave out.
    pub(crate) offset: u64,
    /// How many to tell, at least 1.
    pub(crate) limit: u64,
    pub(crate) extended: bool,
}

struct Survey {
    chance: u64,
    /// Counts a company's surveys from the first, with gaps.
    number: u64,
    began: i64,
    answered: i64,
}

impl Survey {
    fn queue(&self) -> &'static str {
        pick(hash(&[self.chance, 1]), &QUEUES)
    }

    fn media(&self) -> &'static str {
        pick(hash(&[self.chance, 2]), &MEDIA)
    }

    fn agent(&self, seed: u64, company: u64) -> String {
        people::agent(seed, company, hash(&[self.chance, 3]))
    }

    fn matches(&self, filter: &Filter, seed: u64, company: u64) -> bool {
        filter.time.is_none_or(|(start, end)| (start..end).contains(&self.began))
            && filter.queue.as_ref().is_none_or(|queue| queue == self.queue())
            && filter.media.as_ref().is_none_or(|media| media == self.media())
            && filter.agent.as_ref().is_none_or(|agent| *agent == self.agent(seed, company))
    }

    fn row(&self, seed: u64, company: u64, questions: &[Question], extended: bool) -> String {
        let conversation_id = uuid(hash(&[self.chance, 4]));
        let mut conversation = Object::new()
            .text("id", &conversation_id)
            .text("queueName", self.queue())
            .text("agentName", &self.agent(seed, company))
            .text("url", &format!("https://apps.mypurecloud.ie/directory/#/interactions/{conversation_id}"))
            .text("callerId", &people::caller(hash(&[self.chance, 5])))
            .text("mediaType", self.media())
            .text("createdAt", &time::format(self.began));
        if extended {
            conversation = conversation.raw("durationSeconds", 30 + below(splitmix64(self.chance), 600));
            conversation = conversation.text("direction", "inbound").raw("wrapUpCode", "null");
        }
        let answers = (302_u64..).zip(questions).map(|(place, question)| {
            let (title, value) = question.answer(hash(&[self.chance, 6, question.id]));
            Object::new()
                .raw("id", self.number * 10 + place)
                .raw("questionId", question.id)
                .text("questionName", question.name)
                .text("answerTitle", title)
                .raw("answerValue", value)
                .text("createdAt", &time::format(self.answered))
                .close()
        });
        Object::new()
            .text("id", &uuid(hash(&[self.chance, 7])))
            .raw("conversation", conversation.close())
            .raw("answers", array(answers))
            .close()
    }
}

/// The surveys answered on a day, earliest first.
fn of_day(seed: u64, company: u64, day: i64) -> impl Iterator<Item = Survey> {
    let chance = hash(&[seed, company, 0x5e47e7, unsigned(day)]);
    let count = 20 + below(chance, 41);
    let slot = unsigned(DAY) / count;
    (0..count).map(move |index| {
        let chance = splitmix64(chance ^ splitmix64(index));
        let answered = day * DAY + signed(index * slot + below(chance, slot));
        let began = answered - 60_000 - signed(below(splitmix64(chance), 3_000_000));
        Survey { chance, number: unsigned(day - FIRST_DAY) * 60 + index, began, answered }
    })
}

/// Every survey that can be seen and is filter, in the order in which they were answered: new ones come last, so
/// what stands at an offset stays there.
fn matching<'a>(seed: u64, company: u64, filter: &'a Filter, now: i64) -> impl Iterator<Item = Survey> + 'a {
    let today = now.div_euclid(DAY);
    // A survey may be answered on the day after its conversation.
    let (from, to) = filter.time.map_or((FIRST_DAY, today), |(start, end)| {
        (start.div_euclid(DAY).max(FIRST_DAY), (end.div_euclid(DAY) + 1).min(today))
    });
    (from..=to)
        .flat_map(move |day| of_day(seed, company, day))
        .take_while(move |survey| survey.answered <= now)
        .filter(move |survey| survey.matches(filter, seed, company))
}

/// `data` of the surveys' answer.
pub(crate) fn data(seed: u64, company: &Company, filter: &Filter, now: i64) -> String {
    let questions = questions::of(seed, company);
    let page = filter.offset..filter.offset.saturating_add(filter.limit);
    let mut total = 0;
    let mut rows = Vec::new();
    for survey in matching(seed, company.id, filter, now) {
        if page.contains(&total) {
            rows.push(survey.row(seed, company.id, &questions, filter.extended));
        }
        total += 1;
    }
    Object::new()
        .raw("profile", profile(company))
        .raw("surveys", array(rows))
        .raw("pagination", pagination(filter.offset, filter.limit, total))
        .close()
}

/// Pages count from 1; `offset` counts rows, so a page begins wherever the caller's offset lies.
fn pagination(offset: u64, limit: u64, total: u64) -> String {
    let current = offset / limit + 1;
    let pages = total.div_ceil(limit);
    let page = |number: Option<u64>| number.map_or("null".to_owned(), |number| number.to_string());
    let more = offset.saturating_add(limit) < total;
    Object::new()
        .raw("currentPage", current)
        .raw("totalPages", pages)
        .raw("previousPage", page((current > 1).then(|| current - 1)))
        .raw("nextPage", page(more.then_some(current + 1)))
        .raw("totalItems", total)
        .close()
}

#[cfg(test)]
mod tests;
