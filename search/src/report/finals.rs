//! The finals of a search as a table, the best first.

use crate::report::axis::significant;
use crate::report::text::escape;
use crate::train::finals::{Final, Finals};

/// The section of a search's finals.
pub(crate) fn section(finals: &Finals) -> String {
    let mut sorted: Vec<&Final> = finals.results.iter().collect();
    // Of equal scores the first wins, and stays first.
    sorted.sort_by(|a, b| b.score.unwrap_or(-1.0).total_cmp(&a.score.unwrap_or(-1.0)));
    let row = |result: &&Final| {
        let Final { architecture, rate, score, seconds, .. } = result;
        format!(
            "<tr><td>{}</td><td>{}</td><td>{seconds:.0}</td><td>{}</td></tr>",
            score.map_or_else(|| "not finite".to_owned(), |score| format!("{:.2} %", 100.0 * score)),
            significant(*rate),
            escape(&architecture.to_string())
        )
    };
    let (ended, planned) = (finals.results.len(), finals.planned);
    let leads = if ended == planned { "the first is what was found" } else { "the first leads so far" };
    let rows: String = sorted.iter().map(row).collect();
    format!(
        "<p class=\"soft\">{ended} of {planned} trainings: each network alone on the weights part, scored on the alpha part; {leads}.</p>\
         <div class=\"wide\"><table><thead><tr><th>alpha part</th><th>times the rate</th><th>seconds</th>\
         <th>operations</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}
