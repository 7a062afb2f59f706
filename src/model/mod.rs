//! The nouns that two or more of the ranks above need. They hold no behaviour of HTTP, of the vendor
//! or of the cache: a value of one of these types has been checked, once, where it was made.

mod caller_name;
mod company_id;
mod interval;
mod json;
mod part_key;
mod query;
mod queue_id;
mod route;
mod route_path;
mod scope;
mod splice;

pub use caller_name::{CallerName, InvalidCallerName};
pub use company_id::{CompanyId, InvalidCompanyId};
pub use interval::{Interval, InvalidInterval};
pub use json::{Json, JsonError, MAX_DEPTH, pointer_token, write_string};
pub use part_key::{PartId, PartKey, Shape};
pub use query::{Figures, Forwarded, FurtherQuery, Query, QueuesQuery, Subject, SurveysQuery, write_query};
pub use queue_id::{InvalidQueueId, QueueId};
pub use route::{Further, Route};
pub use route_path::{BadParameter, COMPANY_PARAMETER, FilledPath, InvalidRoutePath, RoutePath};
pub use scope::{Scope, UnknownScope};
pub use splice::{Spliced, members_named, object_members, only_member, splice};
