use std::path::PathBuf;

use clap::Args;
use mmnas_search::Result;
use mmnas_search::compare::{Comparison, Summary, mean_and_deviation};

use super::output;

/// Prints the tables of comparisons from their records
#[derive(Args)]
#[command(after_help = "\
Example:
  mmnas-search table --markdown search/records/*.json")]
pub(super) struct Arguments {
    /// Records: what `mmnas-search compare` left as compare.json
    #[arg(required = true)]
    records: Vec<PathBuf>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let records = arguments.records.iter().map(|file| Comparison::read(file)).collect::<Result<Vec<_>>>()?;
    print(&records, arguments.markdown);
    Ok(())
}

/// Figures that a task's table has beside the score.
fn figures(task: &str) -> &'static [&'static str] {
    if task == "itm" { &["recall@1 image→text", "recall@1 text→image"] } else { &[] }
}

fn percent(values: &[f64]) -> String {
    let (mean, deviation) = mean_and_deviation(values);
    format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
}

fn row(comparison: &Comparison, summary: &Summary) -> Vec<String> {
    let own = comparison.outcomes.iter().filter(|outcome| outcome.contender == summary.contender);
    let metric = |name: &&str| {
        let values: Vec<f64> = own.clone().filter_map(|outcome| outcome.metrics.get(*name).copied()).collect();
        if values.is_empty() { "–".to_owned() } else { percent(&values) }
    };
    let score = percent(&own.clone().map(|outcome| outcome.validation).collect::<Vec<_>>());
    let first = &comparison.summaries[0].contender;
    let differences = comparison.differences(&summary.contender, first);
    let against = if *first == summary.contender || differences.is_empty() {
        "–".to_owned()
    } else {
        let (mean, deviation) = mean_and_deviation(&differences);
        format!("{:+.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
    };
    let mut cells = vec![summary.contender.clone(), score, against];
    cells.extend(figures(&comparison.task).iter().map(metric));
    cells.push(summary.seeds.to_string());
    cells.extend([summary.parameters, summary.search_seconds, summary.retrain_seconds].map(|v| format!("{v:.0}")));
    cells
}

/// Prints one table a comparison, for people or as Markdown.
pub(super) fn print(comparisons: &[Comparison], markdown: bool) {
    for (number, comparison) in comparisons.iter().enumerate() {
        if number > 0 {
            output::line("");
        }
        let mut head = vec![format!("contender ({})", comparison.task), "validation %".to_owned()];
        // Seeds cut the data too, so runs of one seed differ less than runs of several.
        head.push("against the first, by seed".to_owned());
        head.extend(figures(&comparison.task).iter().map(|name| format!("{name} %")));
        head.extend(["seeds", "parameters", "search s", "retrain s"].map(str::to_owned));
        let rows: Vec<Vec<String>> = comparison.summaries.iter().map(|summary| row(comparison, summary)).collect();
        print_rows(&head, &rows, markdown);
        if let Some(ranking) = &comparison.ranking {
            output::line(format_args!(
                "supernet's ranking of {} architectures: Kendall tau {:.2}, Spearman rho {:.2}",
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
