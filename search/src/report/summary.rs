//! The rows at the top of a page.

use serde_json::Value;

use crate::report::content::Content;
use crate::report::text::{duration, grouped};
use crate::run::epoch_notes as notes;

/// A value, its name, and a remark; none of them escaped.
pub(crate) type SummaryRow = (String, &'static str, String);

fn task(name: &str) -> &'static str {
    match name {
        "vqa" => "question answering",
        "itm" => "image-text matching",
        "vgd" => "visual grounding",
        _ => "",
    }
}

/// What is limited and how a page calls it.
const PREDICTED: [(&str, &str); 5] = [
    ("milliseconds", "predicted milliseconds"),
    ("megabytes", "predicted megabytes on disk"),
    ("memory", "predicted megabytes of memory"),
    ("millijoules", "predicted millijoules"),
    ("parameters", "parameters of what is found"),
];

fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

/// The known rows of the run, the most important first.
pub(crate) fn summary(content: &Content) -> Vec<SummaryRow> {
    let records = &content.records;
    // Lenient: a recipe of another version still has most of its keys.
    let recipe: toml::Table = content.recipe.parse().unwrap_or_default();
    let searched = content.inputs.architecture.is_none();
    let mut rows: Vec<SummaryRow> = Vec::new();
    if let (Some(best), Some(last)) = (content.best(), records.last()) {
        let best = &records[best];
        rows.push((percent(best.validation), "best validation", format!("epoch {}", best.epoch)));
        rows.push((percent(last.validation), "last validation", format!("epoch {}", last.epoch)));
    }
    let planned = if searched { recipe.get("search").and_then(|s| s.get("weights")) } else { recipe.get("retrain") };
    let planned = planned.and_then(|settings| settings.get("epochs")?.as_integer()).unwrap_or(0);
    let planned = usize::try_from(planned).unwrap_or(0);
    let seconds: f64 = records.iter().map(|record| record.seconds).sum();
    let left = planned.saturating_sub(records.len());
    let remaining = left as f64 * seconds / records.len().max(1) as f64;
    let (of, still) = match (planned, left, records.len()) {
        (0, _, _) => (String::new(), String::new()),
        (_, 0, _) => (format!(" of {planned}"), "all done".to_owned()),
        (_, _, 0) => (format!(" of {planned}"), String::new()),
        _ => (format!(" of {planned}"), format!("{} to go", duration(remaining))),
    };
    rows.push((format!("{}{of}", records.len()), "epochs", still));
    if let Some(entropy) = records.last().and_then(|record| notes::number(record, "entropy")) {
        rows.push((format!("{entropy:.2}"), "entropy of alpha", "1 undecided, 0 decided".to_owned()));
    }
    for (quantity, amount) in records.last().into_iter().flat_map(|record| notes::numbers(record, "predicted")) {
        let limit =
            recipe.get("search").and_then(|search| search.get("limits")?.get(quantity)).map(toml::Value::to_string);
        let most = limit.map_or_else(String::new, |limit| format!("at most {limit}"));
        let name = PREDICTED.iter().find(|(known, _)| *known == quantity).map(|(_, name)| *name);
        let amount = if amount >= 1000.0 { grouped(amount.round() as u64) } else { format!("{amount:.3}") };
        rows.extend(name.map(|name| (amount, name, most)));
    }
    let name = &content.inputs.task;
    rows.push((name.to_uppercase(), "task", task(name).to_owned()));
    if let Some(strategy) = records.iter().rev().find_map(|record| notes::text(record, "strategy")) {
        rows.push((strategy.to_owned(), "strategy", String::new()));
    }
    let network = content.network.as_ref();
    let parameters = network.and_then(|network| network.get("parameters")).and_then(Value::as_u64);
    rows.extend(parameters.map(|count| (grouped(count), "parameters", String::new())));
    let mean = seconds / records.len().max(1) as f64;
    let each = if records.is_empty() { String::new() } else { format!("{} an epoch", duration(mean)) };
    rows.push((duration(seconds), "training time", each));
    let seed = recipe.get("seed").and_then(toml::Value::as_integer);
    rows.extend(seed.map(|seed| (seed.to_string(), "seed", String::new())));
    let version = network.and_then(|network| network.get("provenance")?.get("version")?.as_str());
    rows.extend(version.map(|version| (version.to_owned(), "version that trained it", String::new())));
    rows
}
