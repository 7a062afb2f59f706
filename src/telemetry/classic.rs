//! The metrics in the text format that came before OpenMetrics: what `curl`, `promtool` and most agents read. The samples
//! are the same in both; what is said of them differs.

use std::fmt::Write as _;

/// Prometheus' text format, version 0.0.4, of an OpenMetrics text as [`Metrics::render`](super::Metrics::render) writes it.
///
/// There a family's name is its samples' name: a counter's has `_total`, an info's `_info`, and is a gauge. There are no
/// units and no end mark, which would be read as comments.
pub fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    // It comes before the type, which says what the family is called.
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap_or((told, "untyped"));
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name}{ending} {help}\n# TYPE {name}{ending} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_called_as_their_samples_are_and_nothing_else_changes() {
        let open = "\
# HELP g_seconds How long.
# TYPE g_seconds gauge
# UNIT g_seconds seconds
g_seconds{a=\"# TYPE x counter\"} 1.5
# HELP c How many.
# TYPE c counter
c_total{a=\"{b}\"} 7
# HELP build What runs.
# TYPE build info
build_info{version=\"1\"} 1
# HELP h Times.
# TYPE h histogram
h_sum 0.1
h_count 1
h_bucket{le=\"+Inf\"} 1
# EOF
";
        let expected = "\
# HELP g_seconds How long.
# TYPE g_seconds gauge
g_seconds{a=\"# TYPE x counter\"} 1.5
# HELP c_total How many.
# TYPE c_total counter
c_total{a=\"{b}\"} 7
# HELP build_info What runs.
# TYPE build_info gauge
build_info{version=\"1\"} 1
# HELP h Times.
# TYPE h histogram
h_sum 0.1
h_count 1
h_bucket{le=\"+Inf\"} 1
";
        assert_eq!(classic(open), expected);
    }
}
