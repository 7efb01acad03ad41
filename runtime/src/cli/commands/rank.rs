//! The command `rank`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_runtime::{Error, LeftOut, LoadOptions, Model, PassedOver, Ranked, draw_ranking};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::image_arguments::{Encoded, ImageArguments};
use crate::cli::signals::Signals;
use crate::cli::{output, progress};

const EXAMPLES: &str = "\
Every pair is scored by the network; the score is 0 to 1.

Examples:
  mmnas rank bundle --text \"a dog on a beach\" photos/*.jpg --top 5 --draw best.png
  mmnas rank bundle --text \"a dog on a beach\" photos --skip-broken
  mmnas rank bundle --image photo.jpg \"a dog\" \"two children\" \"an empty street\"";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("query").required(true).args(["text", "image"]))]
pub(crate) struct Arguments {
    /// The bundle's folder; its task is itm
    bundle: PathBuf,
    /// Rank images for this text
    #[arg(long)]
    text: Option<String>,
    /// Rank texts for this image
    #[arg(long)]
    image: Option<PathBuf>,
    /// What is ranked: images (files as `answer` takes them, whatever they are called, and folders, of which every image is
    /// ranked), or texts
    #[arg(required = true)]
    candidate: Vec<OsString>,
    /// How many to give, the best first
    #[arg(long, value_name = "N", default_value = "10")]
    top: NonZeroUsize,
    /// Write the best images side by side with their scores, as PNG; must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    draw: Option<PathBuf>,
    /// Leave out images that cannot be decoded, and say so, where the first would be an error
    #[arg(long, conflicts_with = "image")]
    skip_broken: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was ranked.
#[derive(Default)]
struct Outcome {
    ranked: Vec<Ranked>,
    /// Of all candidates.
    names: Vec<String>,
    /// Of all candidates that are images.
    files: Vec<PathBuf>,
    left_out: Vec<LeftOut>,
    passed_over: Vec<PassedOver>,
}

pub(crate) fn run(arguments: &Arguments, options: &LoadOptions, signals: &Signals) -> Result<(), Failure> {
    output::check_new(arguments.draw.as_deref())?;
    let (model, outcome, texts) = match (&arguments.text, &arguments.image) {
        (Some(text), _) => {
            let files: Vec<PathBuf> = arguments.candidate.iter().map(PathBuf::from).collect();
            let images = ImageArguments::find(&files, arguments.skip_broken)?;
            if arguments.draw.is_some() {
                images.images.iter().try_for_each(|image| output::check_picture("--draw", &image.file))?;
            }
            let model = Model::load(&arguments.bundle, options)?;
            let outcome = rank_images(arguments, &model, text, images)?;
            if let Some(out) = &arguments.draw {
                let file = |r: &Ranked| outcome.files.get(r.index).map_or(Path::new(""), PathBuf::as_path);
                let picture = |r: &Ranked| (file(r), format!("{:.4}", r.score.probability));
                let _held = signals.hold();
                draw_ranking(&outcome.ranked.iter().map(picture).collect::<Vec<_>>(), text, out)?;
            }
            (model, outcome, vec![text.clone()])
        }
        (None, Some(image)) => {
            let text = |text: &OsString| {
                let expected = || Error::Argument {
                    argument: "candidate",
                    expected: "a text in UTF-8".to_owned(),
                    found: format!("{text:?}"),
                };
                text.to_str().map(str::to_owned).ok_or_else(expected)
            };
            let texts = arguments.candidate.iter().map(text).collect::<Result<Vec<String>, _>>()?;
            let model = Model::load(&arguments.bundle, options)?;
            let outcome = rank_texts(arguments, &model, image, texts.clone())?;
            (model, outcome, texts)
        }
        // The arguments' group asks for one of them.
        (None, None) => return Ok(()),
    };
    let coverage = output::tell_coverage(&model, &texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    if arguments.json {
        let entry =
            |r: &Ranked| json!({ "candidate": outcome.name(r), "index": r.index, "score": r.score.probability });
        let unknown: BTreeSet<&String> = coverage.iter().flat_map(|coverage| &coverage.unknown).collect();
        let ranked = outcome.ranked.iter().map(entry).collect::<Vec<_>>();
        let mut told = json!({ "ranked": ranked, "unknown_words": unknown });
        output::add_not_read(&mut told, &outcome.left_out, &outcome.passed_over);
        return output::print_json(&told);
    }
    let row = |r: &Ranked| vec![outcome.name(r).to_owned(), format!("{:.4}", r.score.probability)];
    Ok(output::print(&output::table(&outcome.ranked.iter().map(row).collect::<Vec<_>>(), &[1]))?)
}

impl Outcome {
    fn name(&self, ranked: &Ranked) -> &str {
        self.names.get(ranked.index).map_or("", String::as_str)
    }
}

fn rank_images(arguments: &Arguments, model: &Model, text: &str, found: ImageArguments) -> Result<Outcome, Failure> {
    let bar = progress::bar(found.images.len(), "encoded");
    let text = model.encode_text(text)?;
    let encode = |file: &Path| model.encode_file(file).inspect(|_| bar.inc(1));
    let outcome = ImageArguments::encode(&found.images, arguments.skip_broken, encode);
    bar.finish_and_clear();
    let Encoded { files, states, left_out } = outcome?;
    let names = files.iter().map(|file| file.display().to_string()).collect();
    let ranked = model.rank_images(&text, &states, arguments.top.get())?;
    Ok(Outcome { ranked, names, files, left_out, passed_over: found.passed_over })
}

fn rank_texts(arguments: &Arguments, model: &Model, image: &Path, names: Vec<String>) -> Result<Outcome, Failure> {
    let bar = progress::bar(names.len(), "encoded");
    let image = model.encode_file(image)?;
    let encode = |text: &String| model.encode_text(text).inspect(|_| bar.inc(1));
    let texts = names.iter().map(encode).collect::<Result<Vec<_>, _>>();
    bar.finish_and_clear();
    let ranked = model.rank_texts(&image, &texts?, arguments.top.get())?;
    Ok(Outcome { ranked, names, ..Outcome::default() })
}
