//! `mmnas-search table`: records of comparisons as tables.

use std::path::PathBuf;

use clap::Args;
use mmnas_search::compare::outcome::Summary;
use mmnas_search::compare::record::Comparison;
use mmnas_search::compare::statistics::mean_and_deviation;
use mmnas_search::{Error, Result};

use super::output;

/// Prints the tables of comparisons from their records
#[derive(Args)]
#[command(after_help = "\
Examples:
  mmnas-search table --markdown search/experiments/photos/records/*.json
  mmnas-search table --markdown --base search/experiments/photos/records/flickr8k.json \\
      search/experiments/photos/records/ablations/flickr8k-*.json")]
pub(super) struct Arguments {
    /// Records: what `mmnas-search compare` left as compare.json
    #[arg(required = true)]
    records: Vec<PathBuf>,
    /// The contender that the others' scores are set against, seed by seed; without it the first of each record
    #[arg(long, value_name = "CONTENDER")]
    against: Option<String>,
    /// Print instead what each record has otherwise than this one, and what that does to the contenders that both have
    #[arg(long, value_name = "RECORD", conflicts_with = "against")]
    base: Option<PathBuf>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let records = arguments.records.iter().map(|file| Comparison::read(file)).collect::<Result<Vec<_>>>()?;
    match &arguments.base {
        Some(base) => {
            let base = Comparison::read(base)?;
            if let Some((file, other)) = arguments.records.iter().zip(&records).find(|(_, r)| r.task != base.task) {
                return Err(mmnas_bundle::Error::invalid(file, "task", &base.task, &other.task).into());
            }
            print_ablations(&base, &records, arguments.markdown);
        }
        None => {
            if let Some(name) = &arguments.against {
                check_contender(name, &records)?;
            }
            let name = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let named: Vec<_> = arguments.records.iter().map(name).zip(&records).collect();
            print(&named, arguments.against.as_deref(), arguments.markdown);
        }
    }
    Ok(())
}

/// A contender that no record has is an error: each table would quietly be set against its first one.
fn check_contender(name: &str, records: &[Comparison]) -> Result<()> {
    let mut known: Vec<&str> = Vec::new();
    for summary in records.iter().flat_map(|record| &record.summaries) {
        if !known.contains(&summary.contender.as_str()) {
            known.push(&summary.contender);
        }
    }
    if known.contains(&name) {
        return Ok(());
    }
    Err(Error::Contender { found: name.to_owned(), names: format!("one of the records', {}", known.join(", ")) })
}

/// Figures that a task's table has beside the score.
fn figures(task: &str) -> &'static [&'static str] {
    if task == "itm" { &["recall@1 image→text", "recall@1 text→image"] } else { &[] }
}

fn percent(values: &[f64]) -> String {
    let (mean, deviation) = mean_and_deviation(values);
    format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
}

/// Differences in points, 0.01 each.
fn points(differences: &[f64]) -> String {
    let (mean, deviation) = mean_and_deviation(differences);
    format!("{:+.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
}

fn row(comparison: &Comparison, summary: &Summary, first: &str) -> Vec<String> {
    let own = comparison.outcomes.iter().filter(|outcome| outcome.contender == summary.contender);
    let metric = |name: &&str| {
        let values: Vec<f64> = own.clone().filter_map(|outcome| outcome.metrics.get(*name).copied()).collect();
        if values.is_empty() { "–".to_owned() } else { percent(&values) }
    };
    let score = percent(&own.clone().map(|outcome| outcome.validation).collect::<Vec<_>>());
    let differences = comparison.differences(&summary.contender, first);
    let against =
        if *first == summary.contender || differences.is_empty() { "–".to_owned() } else { points(&differences) };
    let mut cells = vec![summary.contender.clone(), score, against];
    cells.extend(figures(&comparison.task).iter().map(metric));
    if comparison.time.is_some() {
        cells.push(summary.milliseconds.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.3}")));
    }
    cells.push(summary.seeds.to_string());
    cells.extend([summary.parameters, summary.search_seconds, summary.retrain_seconds].map(|v| format!("{v:.0}")));
    cells
}

/// Prints a row for each contender that `records` and `base` have in common.
fn print_ablations(base: &Comparison, records: &[Comparison], markdown: bool) {
    let instead = format!("instead ({})", base.task);
    let head = [instead.as_str(), "contender", "validation %", "against the recipe, by seed", "seeds", "parameters"];
    let row = |record: &Comparison, summary: &Summary| {
        let differences = record.differences_to(base, &summary.contender, &summary.contender);
        let own = record.outcomes.iter().filter(|outcome| outcome.contender == summary.contender);
        let what = record.what_differs(base);
        // A recipe does not write what it leaves as it is by default. Of a hash its beginning is
        // enough.
        let is_hash = |one: &str| one.len() == 64 && one.bytes().all(|c| c.is_ascii_hexdigit());
        let value = |one: &str| match one {
            "null" => "the default".to_owned(),
            hash if is_hash(hash) => hash[..8].to_owned(),
            other => other.to_owned(),
        };
        let what = what.iter().map(|d| format!("{} = {}", d.place.trim_start_matches("recipe."), value(&d.one)));
        let cells = [
            what.collect::<Vec<_>>().join(", "),
            summary.contender.clone(),
            percent(&own.map(|outcome| outcome.validation).collect::<Vec<_>>()),
            points(&differences),
            differences.len().to_string(),
            format!("{:.0}", summary.parameters),
        ];
        (!differences.is_empty()).then(|| cells.to_vec())
    };
    let rows = records.iter().flat_map(|record| record.summaries.iter().filter_map(|summary| row(record, summary)));
    print_rows(&head.map(str::to_owned), &rows.collect::<Vec<_>>(), markdown);
}

/// Prints one table a comparison, under its name, for people or as Markdown. Scores are set against those of `against`, or, where a comparison
/// does not have it, of its first contender.
pub(super) fn print(comparisons: &[(String, &Comparison)], against: Option<&str>, markdown: bool) {
    for (number, (name, comparison)) in comparisons.iter().enumerate() {
        if number > 0 {
            output::line("");
        }
        let has = |name: &&str| comparison.summaries.iter().any(|summary| summary.contender == *name);
        let first = comparison.summaries.first().map_or("", |summary| &summary.contender);
        let first = against.filter(has).unwrap_or(first);
        let mut head = vec![format!("{name} ({})", comparison.task), "validation %".to_owned()];
        // Seeds cut the data too, so runs of one seed differ less than runs of several.
        head.push(format!("against {first}, by seed"));
        head.extend(figures(&comparison.task).iter().map(|name| format!("{name} %")));
        head.extend(comparison.time.iter().map(|limit| format!("ms (at most {})", limit.milliseconds)));
        head.extend(["seeds", "parameters", "search s", "retrain s"].map(str::to_owned));
        let mut summaries: Vec<&Summary> = comparison.summaries.iter().collect();
        summaries.sort_by_key(|summary| summary.contender != first);
        let rows: Vec<Vec<String>> = summaries.into_iter().map(|summary| row(comparison, summary, first)).collect();
        print_rows(&head, &rows, markdown);
        for ranking in &comparison.rankings {
            output::line(format_args!(
                "{} ranks {} architectures by its supernet: Kendall tau {:.2}, Spearman rho {:.2}",
                if ranking.contender.is_empty() { "the search" } else { &ranking.contender },
                ranking.shared.len(),
                ranking.kendall_tau,
                ranking.spearman_rho
            ));
        }
    }
}

fn print_rows(head: &[String], rows: &[Vec<String>], markdown: bool) {
    if markdown {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        output::line(line(head));
        output::line(format_args!("|{}", "---|".repeat(head.len())));
        rows.iter().for_each(|cells| output::line(line(cells)));
        return;
    }
    let width = |k: usize| rows.iter().chain([&head.to_vec()]).map(|cells| cells[k].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for cells in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        let padded = cells.iter().zip(&widths).enumerate();
        let text = padded.map(|(k, (cell, &n))| if k == 0 { format!("{cell:<n$}") } else { format!("{cell:>n$}") });
        output::line(text.collect::<Vec<_>>().join("  "));
    }
}
