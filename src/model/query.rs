use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{CompanyId, FilledPath, Further, Interval, Json, QueueId, Route, Shape, json::write_string};

/// A caller's question to the vendor, checked against the reference. What is sent to the vendor is written
/// anew from this; the caller's own bytes go nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What is asked.
    pub subject: Subject,
    /// What the reference does not know and the configuration lets through.
    pub forwarded: Forwarded,
}

/// What is asked, by route, with the reference's fields. A field that the caller left out is `None`, and is
/// not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The organization and its companies.
    Organization,
    /// A company's questions.
    Questions(CompanyId),
    /// A page of survey rows.
    Surveys(SurveysQuery),
    /// Figures of queues.
    Queues(QueuesQuery),
    /// What the reference does not know.
    Further(FurtherQuery),
}

/// A further route's document.
#[derive(Clone, PartialEq, Eq)]
pub struct FurtherQuery {
    /// Which route.
    pub route: &'static Further,
    /// Its path, filled in.
    pub path: FilledPath,
    /// The body's members; `None` where there is no body.
    pub members: Option<BTreeMap<String, Json>>,
}

/// The route only: a path or a body can hold anything.
impl fmt::Debug for FurtherQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FurtherQuery({})", self.route.path)
    }
}

/// `POST /survey/queries/surveys`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveysQuery {
    /// Whose surveys.
    pub company: CompanyId,
    /// The vendor's filters, each an object with `dimension` and `value`.
    pub filters: Option<Vec<Json>>,
    /// More detail in the answer.
    pub extended: Option<bool>,
    /// The first row; from 0.
    pub offset: Option<u64>,
    /// Rows at most; 1 to 100.
    pub limit: Option<u64>,
}

/// One of the three queue routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuesQuery {
    /// Which figures.
    pub figures: Figures,
    /// The queues in the order asked, doubled ones too; never empty.
    pub queues: Arc<[QueueId]>,
    /// More detail in the answer.
    pub extended: Option<bool>,
}

/// Which figures of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// Name, members, and what waits now.
    Summary,
    /// Agents by what they do now.
    Activity,
    /// Measures over an interval.
    Performance {
        /// From when to when.
        interval: Interval,
        /// In blocks of 30 minutes.
        partial: Option<bool>,
    },
}

/// Query parameters and body fields that `upstream.forward_query` and `upstream.forward_fields` name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Query parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// Top-level body fields.
    pub fields: BTreeMap<String, Json>,
}

/// The names only: a value can be anything.
impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.query.keys()).entries(self.fields.keys()).finish()
    }
}

/// Appends query parameters to a path.
pub fn write_query(parameters: &BTreeMap<String, String>, target: &mut String) {
    for (i, (name, value)) in parameters.iter().enumerate() {
        target.push(if i == 0 { '?' } else { '&' });
        percent_encode(name, target);
        target.push('=');
        percent_encode(value, target);
    }
}

impl Query {
    /// The route it came by.
    pub fn route(&self) -> Route {
        match &self.subject {
            Subject::Organization => Route::Organization,
            Subject::Questions(_) => Route::Questions,
            Subject::Surveys(_) => Route::Surveys,
            Subject::Queues(queues) => match queues.figures {
                Figures::Summary => Route::QueueSummary,
                Figures::Activity => Route::QueueActivity,
                Figures::Performance { .. } => Route::QueuePerformance,
            },
            Subject::Further(further) => Route::Further(further.route),
        }
    }

    /// The one company it is about, if it names one.
    pub fn company(&self) -> Option<CompanyId> {
        match &self.subject {
            Subject::Questions(company) => Some(*company),
            Subject::Surveys(surveys) => Some(surveys.company),
            Subject::Further(further) => further.path.company,
            Subject::Organization | Subject::Queues(_) => None,
        }
    }

    /// The queues it is about; empty if it is not about queues.
    pub fn queues(&self) -> &[QueueId] {
        match &self.subject {
            Subject::Queues(query) => &query.queues,
            Subject::Organization | Subject::Questions(_) | Subject::Surveys(_) | Subject::Further(_) => &[],
        }
    }

    /// The same, shared with the query.
    pub fn shared_queues(&self) -> Arc<[QueueId]> {
        match &self.subject {
            Subject::Queues(query) => Arc::clone(&query.queues),
            Subject::Organization | Subject::Questions(_) | Subject::Surveys(_) | Subject::Further(_) => Arc::default(),
        }
    }

    /// The interval it covers, if it covers one.
    pub fn interval(&self) -> Option<Interval> {
        match &self.subject {
            Subject::Queues(QueuesQuery { figures: Figures::Performance { interval, .. }, .. }) => Some(*interval),
            _ => None,
        }
    }

    /// All of it but its queues: with their ids, what its parts are kept under and the vendor is asked for.
    pub fn shape(&self) -> Shape {
        Shape::new(self.route(), self.company(), self.target(), self.fields())
    }

    fn target(&self) -> String {
        let mut target = match &self.subject {
            Subject::Questions(company) => Route::Questions.template().replace("{companyId}", &company.to_string()),
            Subject::Further(further) => further.path.target.clone(),
            _ => self.route().template().to_owned(),
        };
        write_query(&self.forwarded.query, &mut target);
        target
    }

    /// The body's members but for `queues`, without the braces; `None` where the route has no body.
    fn fields(&self) -> Option<String> {
        let mut members = Members(String::new());
        match &self.subject {
            Subject::Organization | Subject::Questions(_) => return None,
            Subject::Surveys(surveys) => {
                if let Some(filters) = &surveys.filters {
                    members.add("filters", |out| Json::Array(filters.clone()).write(out));
                }
                members.add("companyId", |out| out.push_str(&surveys.company.to_string()));
                members.add_bool("extended", surveys.extended);
                members.add_number("offset", surveys.offset);
                members.add_number("limit", surveys.limit);
            }
            Subject::Queues(query) => {
                if let Figures::Performance { interval, partial } = query.figures {
                    members.add("interval", |out| write_string(&interval.to_string(), out));
                    members.add_bool("partial", partial);
                }
                members.add_bool("extended", query.extended);
            }
            Subject::Further(further) => {
                for (name, value) in further.members.as_ref()? {
                    members.add(name, |out| value.write(out));
                }
            }
        }
        for (name, value) in &self.forwarded.fields {
            members.add(name, |out| value.write(out));
        }
        Some(members.0)
    }
}

struct Members(String);

impl Members {
    fn add(&mut self, name: &str, value: impl FnOnce(&mut String)) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        write_string(name, &mut self.0);
        self.0.push(':');
        value(&mut self.0);
    }

    fn add_bool(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.add(name, |out| out.push_str(if value { "true" } else { "false" }));
        }
    }

    fn add_number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.add(name, |out| out.push_str(&value.to_string()));
        }
    }
}

/// Keeps what RFC 3986, section 2.3, calls unreserved; every other byte becomes `%XX`.
pub(super) fn percent_encode(text: &str, out: &mut String) {
    use std::fmt::Write as _;

    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(ids: &[&str]) -> Vec<QueueId> {
        ids.iter().map(|id| QueueId::try_from((*id).to_owned()).unwrap()).collect()
    }

    fn plain(subject: Subject) -> Query {
        Query { subject, forwarded: Forwarded::default() }
    }

    #[test]
    fn a_document_without_a_body_is_its_path() {
        let shape = plain(Subject::Questions(CompanyId::try_from(100_301).unwrap())).shape();
        assert_eq!((shape.target(), shape.body(&[])), ("/survey/queries/questions/100301", None));
    }

    #[test]
    fn a_survey_query_is_written_anew_with_only_what_was_asked() {
        let filters = Json::parse(br#"[{"value": {"b": 1.0, "a": 1e2}, "dimension": "x"}]"#).unwrap();
        let Json::Array(filters) = filters else { panic!("not an array") };
        let company = CompanyId::try_from(1).unwrap();
        let query = SurveysQuery { company, filters: Some(filters), extended: None, offset: Some(0), limit: None };
        assert_eq!(
            plain(Subject::Surveys(query)).shape().body(&[]).unwrap(),
            r#"{"filters":[{"dimension":"x","value":{"a":1e2,"b":1.0}}],"companyId":1,"offset":0}"#
        );
    }

    #[test]
    fn a_queue_query_carries_its_ids_interval_and_forwarded_fields() {
        let interval = Interval::parse("2024-01-28T09:00:00+00:00/2024-01-28T10:00:00Z").unwrap();
        let figures = Figures::Performance { interval, partial: Some(false) };
        let subject = Subject::Queues(QueuesQuery { figures, queues: queues(&["a\"", "b"]).into(), extended: None });
        let forwarded = Forwarded {
            query: [("läng".to_owned(), "a b&c".to_owned())].into(),
            fields: [("zone".to_owned(), Json::Null)].into(),
        };
        let shape = Query { subject, forwarded }.shape();
        assert_eq!(shape.target(), "/analytics/queues/performance?l%C3%A4ng=a%20b%26c");
        assert_eq!(
            shape.body(&queues(&["a\"", "b"])).unwrap(),
            r#"{"queues":["a\"","b"],"interval":"2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z","partial":false,"zone":null}"#
        );
    }

    #[test]
    fn a_queue_query_without_further_fields_is_its_ids() {
        let subject =
            Subject::Queues(QueuesQuery { figures: Figures::Summary, queues: queues(&["a"]).into(), extended: None });
        assert_eq!(plain(subject).shape().body(&queues(&["b"])).unwrap(), r#"{"queues":["b"]}"#);
    }
}
