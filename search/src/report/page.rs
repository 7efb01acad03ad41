//! The page around the pictures.

use std::fmt::Write;

use mmnas_bundle::Operation;

use super::architecture::{class, draw};
use super::chart::{Frame, Line, chart};
use super::{Content, escape};

/// Okabe and Ito's colours, which people with any colour vision tell apart; lighter ones on dark.
const STYLE: &str = "
:root{--page:#fff;--text:#1b1f24;--soft:#59636e;--card:#f6f8fa;--edge:#d1d9e0;--sa:#0072b2;--rsa:#b3568d;--ga:#c44f00;--ffn:#00805a;--plain:#1b1f24;--on:#fff}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--soft:#9198a1;--card:#151b23;--edge:#3d444d;--sa:#58b4ee;--rsa:#e39cc8;--ga:#f5914a;--ffn:#3fc796;--plain:#e6edf3;--on:#0d1117}}
*{box-sizing:border-box}body{margin:0 auto;padding:28px 20px 60px;max-width:1080px;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:34px 0 10px}p{margin:0 0 10px}.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:18px 0}
.fact,.card{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:10px 14px}
.fact b{display:block;font-size:20px;font-variant-numeric:tabular-nums}.fact span,.card h3{color:var(--soft);font-size:13px;font-weight:400;margin:0}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:12px}.many{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:12px}
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--edge)}.line{fill:none;stroke-linejoin:round;stroke-linecap:round}
.sa{--c:var(--sa)}.rsa{--c:var(--rsa)}.ga{--c:var(--ga)}.ffn{--c:var(--ffn)}.plain{--c:var(--plain)}.line{stroke:var(--c)}.dot,.block{fill:var(--c)}
svg .name{fill:var(--on);font-size:13px;font-weight:600}.arrow,.guide{fill:none;stroke:var(--soft);stroke-width:1.5}.guide{stroke:var(--ga);stroke-dasharray:5 4}.head{fill:var(--ga)}.architecture{margin:0 auto}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:0 0 12px;padding:0;list-style:none;font-size:14px}.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;background:var(--c);margin-right:6px}
pre{overflow:auto;background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:14px;font-size:13px}summary{cursor:pointer}
";

/// The probabilities of every block at every epoch, `[epoch][block][operation]`; empty for a retraining.
fn probabilities(content: &Content) -> Vec<Vec<Vec<f64>>> {
    let read = |record: &crate::EpochRecord| serde_json::from_value(record.notes.get("probabilities")?.clone()).ok();
    content.records.iter().map_while(read).collect()
}

/// The operations of every block, as the search recorded them; empty for a search of the published space that did not.
fn operations(content: &Content) -> Vec<Vec<Operation>> {
    let recorded = content.records.first().and_then(|record| record.notes.get("operations")).cloned();
    recorded.and_then(|blocks| serde_json::from_value(blocks).ok()).unwrap_or_default()
}

fn percent(value: f64) -> String {
    format!("{:.0} %", 100.0 * value)
}

fn fact(page: &mut String, name: &str, value: &str) {
    let _ = write!(page, "<div class=\"fact\"><b>{}</b><span>{name}</span></div>", escape(value));
}

fn card(page: &mut String, title: &str, picture: &str) {
    let _ = write!(page, "<div class=\"card\"><h3>{}</h3>{picture}</div>", escape(title));
}

/// The whole page.
pub(super) fn page(content: &Content) -> String {
    let title = escape(&content.title);
    let searched = content.inputs.architecture.is_none();
    let what = if searched { "Search" } else { "Retraining" };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{what}: {title}</h1><p class=\"soft\">{}</p><div class=\"facts\">",
        escape(&content.architecture.to_string())
    );
    let last = content.records.last();
    let seconds: f64 = content.records.iter().map(|r| r.seconds).sum();
    fact(&mut page, "task", &content.inputs.task.to_string());
    fact(&mut page, "epochs", &content.records.len().to_string());
    fact(&mut page, "validation", &last.map_or_else(String::new, |r| format!("{:.2} %", 100.0 * r.validation)));
    if let Some(entropy) = last.and_then(|r| r.notes.get("entropy")).and_then(serde_json::Value::as_f64) {
        fact(&mut page, "entropy (1 is uniform)", &format!("{entropy:.2}"));
    }
    fact(&mut page, "training time", &format!("{seconds:.0} s"));
    page += "</div>";
    curves(&mut page, content);
    alphas(&mut page, content);
    page += "<h2>Architecture</h2><p class=\"soft\">From bottom to top; the dashed line is the encoded text, which guides every GA.</p><div class=\"card\">";
    page += &draw(&content.architecture);
    page += "</div>";
    let _ = write!(
        page,
        "<h2>Recipe</h2><details><summary>All constants of the run</summary><pre>{}</pre></details>",
        escape(&content.recipe)
    );
    page + "</html>\n"
}

fn curves(page: &mut String, content: &Content) {
    let losses: Vec<f64> = content.records.iter().map(|r| r.loss).collect();
    let scores: Vec<f64> = content.records.iter().map(|r| r.validation).collect();
    let highest = losses.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let plain = |values| [Line { class: "plain", values, strong: false }];
    *page += "<h2>Curves</h2><div class=\"two\">";
    let frame = Frame { width: 480.0, height: 200.0, range: (0.0, highest), label: |v| format!("{v:.2}") };
    card(page, "training loss by epoch", &chart("training loss", &plain(losses), &frame));
    let frame = Frame { width: 480.0, height: 200.0, range: (0.0, 1.0), label: percent };
    card(page, "validation by epoch", &chart("validation", &plain(scores), &frame));
    *page += "</div>";
}

fn alphas(page: &mut String, content: &Content) {
    let epochs = probabilities(content);
    let Some(blocks) = epochs.first().map(Vec::len) else { return };
    *page += "<h2>Alpha</h2><p class=\"soft\">Probability of each operation in each block after each epoch; the thick line is the one that is derived.</p><ul class=\"legend\">";
    for operation in Operation::DECODER {
        let _ = write!(page, "<li class=\"{}\"><i></i>{}</li>", class(operation), operation.abbreviation());
    }
    let searched = operations(content);
    if searched.iter().flatten().any(|operation| matches!(operation, Operation::Other(_))) {
        *page += "<li class=\"plain\"><i></i>others</li>";
    }
    *page += "</ul><div class=\"many\">";
    let encoder = content.architecture.encoder.len();
    let derived: Vec<Operation> =
        content.architecture.encoder.iter().chain(&content.architecture.decoder).copied().collect();
    for block in 0..blocks {
        let (name, operations) = if block < encoder {
            (format!("encoder {}", block + 1), &Operation::ENCODER[..])
        } else {
            (format!("decoder {}", block - encoder + 1), &Operation::DECODER[..])
        };
        let line = |(k, operation): (usize, &Operation)| Line {
            class: class(*operation),
            values: epochs.iter().filter_map(|e| e.get(block)?.get(k).copied()).collect(),
            strong: derived.get(block) == Some(operation),
        };
        let operations = searched.get(block).map_or(operations, Vec::as_slice);
        let lines: Vec<Line<'_>> = operations.iter().enumerate().map(line).collect();
        let frame = Frame { width: 260.0, height: 150.0, range: (0.0, 1.0), label: percent };
        card(page, &name, &chart(&format!("probabilities of {name}"), &lines, &frame));
    }
    *page += "</div>";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_that_was_searched_has_its_line() {
        let text = r#"{"enc": [["none"]], "dec": [["std_conv_3"]]}"#;
        let record = serde_json::json!({
            "epoch": 0, "learning_rate": 1e-3, "loss": 1.0, "validation": 0.5, "seconds": 1.0,
            "operations": [["none", "self_att_64", "self_att_16"], ["std_conv_3", "guided_att_64"]],
            "probabilities": [[0.5, 0.25, 0.25], [0.75, 0.25]],
        });
        let inputs = r#"{"task": "vqa", "samples_sha256": "a", "vision_sha256": "b", "architecture": null}"#;
        let content = Content {
            title: "t".to_owned(),
            inputs: serde_json::from_str(inputs).unwrap(),
            records: vec![serde_json::from_value(record).unwrap()],
            architecture: serde_json::from_str(text).unwrap(),
            recipe: String::new(),
        };
        let mut page = String::new();
        alphas(&mut page, &content);
        let lines = |class: &str, width: &str| {
            page.matches(&format!("class=\"line {class}\" stroke-width=\"{width}\"")).count()
        };
        assert_eq!([lines("plain", "3"), lines("plain", "1.5"), lines("sa", "1.5"), lines("ga", "1.5")], [2, 1, 1, 1]);
        assert!(page.contains("others"));
    }
}
