//! `docs/faults.md` and the rows are the same.

use super::{
    Row, bodies, codes,
    fate::{Calls, Kept, WithStale},
    logins, statuses, wire,
};

const PAGE: &str = include_str!("../../../docs/faults.md");

/// `503 upstream_timeout`, or an answer.
pub fn told(status: u16, code: &str) -> String {
    if code.is_empty() { format!("{status}, an answer") } else { format!("{status} `{code}`") }
}

fn outcomes(calls: Calls) -> String {
    calls.iter().map(|(outcome, count)| format!("{count} `{outcome}`")).collect::<Vec<_>>().join(", ")
}

fn line(row: &Row) -> String {
    let fate = &row.fate;
    let with_stale = match fate.with_stale {
        WithStale::OldAnswer => "the old answer",
        WithStale::Refusal => "the same",
        WithStale::NewAnswer => "the new answer",
    };
    let kept = match fate.kept {
        Kept::Nothing => "nothing",
        Kept::Refusal => "the refusal, 30 s",
        Kept::Answer => "the answer",
        Kept::Absence => "the answer, and for 30 s what it lacks",
    };
    let calls = outcomes(fate.calls);
    format!("| {} | {} | {with_stale} | {calls} | {kept} |", row.name, told(fate.status, fate.code))
}

fn code_line((code, fate): &(&str, super::fate::Fate)) -> String {
    let row = Row::always(format!("`{code}`"), crate::harness::Act::Pass, *fate);
    line(&row)
}

#[test]
fn the_page_and_the_rows_are_the_same() {
    let rows = [wire::rows(), statuses::rows("elsewhere"), codes::without_a_code(), bodies::rows()];
    let mut lines: Vec<_> = rows.iter().flatten().map(line).collect();
    lines.extend(codes::CODES.iter().map(code_line));
    lines.extend(logins::rows().iter().map(logins::Row::line));
    let is_row = |line: &&str| {
        line.starts_with("| ")
            && !line.starts_with("| ---")
            && !line.contains("Wesal… |")
            && !line.starts_with("| the code |")
    };
    let mut page: Vec<_> = PAGE.lines().filter(is_row).map(str::to_owned).collect();
    assert_eq!(page.len(), lines.len(), "the page should hold:\n{}", lines.join("\n"));
    let in_order = lines.join("\n");
    lines.sort_unstable();
    page.sort_unstable();
    for (told, lived) in page.iter().zip(&lines) {
        assert_eq!(told, lived, "the page should hold:\n{in_order}");
    }
    let places = codes::PLACES.map(|place| format!("`{place}`")).join(", ");
    assert!(PAGE.contains(&places), "the page should name the places as {places}");
}
