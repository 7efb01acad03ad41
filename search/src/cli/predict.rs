//! `mmnas-search predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_bundle::latency::checks::Checks;
use mmnas_bundle::latency::costs::{NetworkCosts, Predicted};
use mmnas_bundle::latency::quantity::Quantity;
use mmnas_bundle::latency::table::LatencyTable;
use mmnas_bundle::manifest::Form;
use mmnas_search::Result;
use mmnas_search::space::presets;
use serde_json::{Value, json};

use super::output;

/// Predicts how long networks take on a device, from what `mmnas profile` measured there
#[derive(Args)]
#[command(after_help = "\
Milliseconds of one item: text, image and fusion stage, and for a question about an image that is known
already (text and fusion). The image stage begins with region features; where the vision stage was
measured (`mmnas-search probes --vision`) there is a column from pixels on. The sum holds at the sizes,
numbers of tokens and regions that were measured.

Without architectures it tells how well predictions hold: the networks that were measured whole in the
same rounds (`mmnas-search probes --checks`), predicted beside measured, with mean error and rank
correlation.

Examples:
  mmnas-search predict mcan:1 search/architecture.json --latency latency.json
  mmnas-search predict mmnas-vqa --latency latency.json --variant ort-int8 --json
  mmnas-search predict --latency latency.json")]
pub(super) struct Arguments {
    /// Architectures: files in the published JSON form, or names such as mmnas-vqa or mcan:2
    architectures: Vec<PathBuf>,
    /// What `mmnas profile` wrote
    #[arg(long)]
    latency: PathBuf,
    /// Form of the graphs [default: all that were measured]
    #[arg(long)]
    variant: Option<Form>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = &arguments.latency;
    let table = LatencyTable::read(file)?;
    let forms = arguments.variant.map_or_else(|| table.forms(), |form| vec![form]);
    if arguments.architectures.is_empty() {
        return show_checks(&table, file, &forms, arguments.json);
    }
    let mut rows: Vec<(Form, &Path, Predicted)> = Vec::new();
    for form in forms {
        let costs = NetworkCosts::of(&table, file, form, Quantity::Milliseconds)?;
        for name in &arguments.architectures {
            rows.push((form, name, costs.predict(&presets::open(name)?, file)?));
        }
    }
    if arguments.json {
        let of = |(form, name, predicted): &(Form, &Path, Predicted)| {
            let mut told = stages_json(predicted);
            told["architecture"] = json!(name);
            told["form"] = json!(form.to_string());
            told
        };
        return output::json(&rows.iter().map(of).collect::<Value>());
    }
    tell_machine(&table);
    let pixels = rows.iter().any(|(_, _, predicted)| predicted.vision.is_some());
    let heads = ["text", "image", "fusion", "known image", "all"].into_iter();
    let heads: String = heads.chain(pixels.then_some("from pixels")).map(|head| format!("{head:>12}")).collect();
    output::line(format_args!("{:14}{heads}  architecture", "form"));
    for (form, name, p) in rows {
        let numbers = [p.text, p.image, p.fusion, p.known_image(), p.all()].into_iter().chain(p.from_pixels());
        let numbers: String = numbers.map(|ms| format!("{ms:>12.3}")).collect();
        output::line(format_args!("{:14}{numbers}  {}", form.to_string(), name.display()));
    }
    Ok(())
}

/// The stages of a network and their sums.
fn stages_json(p: &Predicted) -> Value {
    json!({
        "vision": p.vision, "text": p.text, "image": p.image, "fusion": p.fusion,
        "known_image": p.known_image(), "all": p.all(), "from_pixels": p.from_pixels(),
    })
}

fn tell_machine(table: &LatencyTable) {
    let e = &table.environment;
    let threads = if e.threads == 1 { "thread" } else { "threads" };
    output::line(format_args!("milliseconds on {}, {} {threads}, {}", e.device, e.threads, e.provider));
}

/// The networks that were measured whole, predicted beside measured.
fn show_checks(table: &LatencyTable, file: &Path, forms: &[Form], json: bool) -> Result<()> {
    let of = |form: &Form| Checks::of(table, file, *form, Quantity::Milliseconds);
    let checks = forms.iter().map(of).collect::<std::result::Result<Vec<_>, _>>()?;
    if checks.iter().all(|checks| checks.networks.is_empty()) {
        let expected = "networks that were measured whole (mmnas-search probes --checks), or architectures to predict";
        return Err(mmnas_bundle::Error::invalid(file, "checks", expected, "none").into());
    }
    if json {
        return output::json(&checks.iter().map(checks_json).collect::<Value>());
    }
    tell_machine(table);
    let heads = ["predicted", "measured", "error"].map(|head| format!("{head:>12}")).concat();
    output::line(format_args!("{:14}{heads}  network", "form"));
    for checks in &checks {
        for network in &checks.networks {
            let [predicted, measured] = [network.predicted, network.measured].map(|p| p.all());
            let error = 100.0 * (predicted / measured - 1.0);
            let (form, architecture) = (checks.form.to_string(), &network.architecture);
            output::line(format_args!("{form:14}{predicted:>12.3}{measured:>12.3}{error:>+10.1} %  {architecture}"));
        }
    }
    for checks in &checks {
        let Some((mean, worst)) = checks.mean_error().zip(checks.worst_error()) else { continue };
        let correlation = checks.rank_correlation();
        let correlation = correlation.map_or_else(String::new, |rho| format!(", rank correlation {rho:.3}"));
        let (form, networks) = (checks.form, checks.networks.len());
        output::line(format_args!(
            "{form}: mean error {:.1} %, worst {:.1} %{correlation} over {networks} networks",
            100.0 * mean,
            100.0 * worst
        ));
    }
    Ok(())
}

fn checks_json(checks: &Checks) -> Value {
    let networks = checks.networks.iter().map(|network| {
        json!({
            "architecture": network.architecture, "predicted": stages_json(&network.predicted),
            "measured": stages_json(&network.measured), "error": network.error(),
        })
    });
    json!({
        "form": checks.form.to_string(), "mean_error": checks.mean_error(), "worst_error": checks.worst_error(),
        "rank_correlation": checks.rank_correlation(), "networks": networks.collect::<Vec<_>>(),
    })
}
