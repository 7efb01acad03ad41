//! `mmnas-search fronts`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_bundle::Error as BundleError;
use mmnas_search::Result;
use mmnas_search::pareto::merge::{NamedFront, merge};
use mmnas_search::recipe::limited_part::LimitedPart;
use mmnas_search::report::front::check_picture;
use mmnas_search::space::front::{Front, FrontSource};

use super::{output, pareto};

/// Merges fronts of several vision stages, widths or numbers of regions into one
#[derive(Args)]
#[command(after_help = "\
What no network of any front beats is kept; each point says where it is from. The fronts must be of one
task, form, part and device. A front counts what its table measured, mostly from region features on;
--add adds what its vision stage takes, which `mmnas verify BUNDLE --time` shows.

Examples:
  mmnas-search fronts lite0.json lite4.json --add lite0=21.5 --add lite4=120.5 --out merged.json
  mmnas-search fronts wide=a/front.json narrow=b/front.json --out merged.json --picture merged.svg
  mmnas-search retrain --recipe narrow.toml --architecture merged.json:2 --samples train.jsonl \\
      --features features --out retrain-2")]
pub(super) struct Arguments {
    /// Fronts: FILE, whose name without its end is the front's, or NAME=FILE
    #[arg(required = true, num_args = 1..)]
    fronts: Vec<String>,
    /// Add so much to everything of a front, in the fronts' quantity. As often as needed
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = addition)]
    add: Vec<(String, f64)>,
    /// The merged front's file to write; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Draws the merged front into this SVG file, too
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn addition(text: &str) -> std::result::Result<(String, f64), String> {
    let (name, amount) = text.rsplit_once('=').ok_or("expected NAME=AMOUNT")?;
    let amount = amount.parse::<f64>().ok().filter(|amount| *amount >= 0.0 && amount.is_finite());
    Ok((name.to_owned(), amount.ok_or("expected a number from 0 after the =")?))
}

/// The name and the file that an argument means.
fn name_and_file(text: &str) -> (String, PathBuf) {
    let whole = Path::new(text);
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !whole.exists() => (name.to_owned(), PathBuf::from(file)),
        _ => (whole.file_stem().unwrap_or_default().to_string_lossy().into_owned(), whole.to_path_buf()),
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.picture.iter().try_for_each(|file| check_picture(file))?;
    if arguments.out.exists() {
        return Err(BundleError::Exists { path: arguments.out.clone() }.into());
    }
    let named = |text: &String| -> Result<NamedFront> {
        let (name, file) = name_and_file(text);
        let added = arguments.add.iter().filter(|(to, _)| *to == name).map(|(_, amount)| amount).sum();
        Ok(NamedFront { front: Front::read(&file)?, name, file, added })
    };
    let fronts = arguments.fronts.iter().map(named).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = fronts.iter().map(|front| front.name.as_str()).collect();
    if let Some((unknown, _)) = arguments.add.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        let expected = format!("the name of a front, one of {}", names.join(", "));
        return Err(BundleError::invalid("--add", "NAME", expected, format!("{unknown:?}")).into());
    }
    let merged = merge(&fronts)?;
    // Neither is wrong by itself, so it is said and not refused.
    let differ = |of: fn(&FrontSource) -> &String| merged.sources.iter().map(of).collect::<BTreeSet<_>>().len() > 1;
    if differ(|source| &source.samples_sha256) {
        output::note("the fronts were scored on other samples: their accuracies may not be comparable");
    }
    let unseen = merged.of != LimitedPart::Pixels && merged.sources.iter().all(|source| source.added == 0.0);
    if differ(|source| &source.vision_sha256) && unseen {
        output::note("the fronts have several vision stages; where their costs do not count these, --add does");
    }
    merged.write(&arguments.out)?;
    pareto::told(&merged, &arguments.out, arguments.picture.as_deref(), arguments.json, None)
}
