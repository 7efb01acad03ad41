use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use mmnas_runtime::{LoadOptions, Model, Ranked, draw_ranking};
use serde_json::json;

use super::{Failure, output, progress};

const EXAMPLES: &str = "\
Every pair is scored by the network; the score is 0 to 1.

Examples:
  mmnas rank bundle --text \"a dog on a beach\" photos/*.jpg --top 5 --draw best.png
  mmnas rank bundle --image photo.jpg \"a dog\" \"two children\" \"an empty street\"";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("query").required(true).args(["text", "image"]))]
pub(super) struct Arguments {
    /// The bundle's folder; its task is itm
    bundle: PathBuf,
    /// Rank images for this text
    #[arg(long)]
    text: Option<String>,
    /// Rank texts for this image
    #[arg(long)]
    image: Option<PathBuf>,
    /// What is ranked: files of images, or texts
    #[arg(required = true)]
    candidate: Vec<String>,
    /// How many to give, the best first
    #[arg(long, value_name = "N", default_value = "10")]
    top: NonZeroUsize,
    /// Write the best images side by side with their scores, as PNG; must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    draw: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, options: &LoadOptions) -> Result<(), Failure> {
    output::check_new(arguments.draw.as_deref())?;
    let candidates = &arguments.candidate;
    if arguments.draw.is_some() {
        candidates.iter().try_for_each(|image| output::check_picture("--draw", Path::new(image)))?;
    }
    let model = Model::load(&arguments.bundle, options)?;
    let bar = progress::bar(candidates.len(), "encoded");
    let top = arguments.top.get();
    let ranked = match (&arguments.text, &arguments.image) {
        (Some(text), _) => {
            let text = model.encode_text(text)?;
            let encode = |file: &String| model.encode_file(Path::new(file)).inspect(|_| bar.inc(1));
            let images = candidates.iter().map(encode).collect::<Result<Vec<_>, _>>();
            bar.finish_and_clear();
            model.rank_images(&text, &images?, top)?
        }
        (None, Some(image)) => {
            let image = model.encode_file(image)?;
            let encode = |text: &String| model.encode_text(text).inspect(|_| bar.inc(1));
            let texts = candidates.iter().map(encode).collect::<Result<Vec<_>, _>>();
            bar.finish_and_clear();
            model.rank_texts(&image, &texts?, top)?
        }
        // The arguments' group asks for one of them.
        (None, None) => Vec::new(),
    };
    let texts: Vec<&str> = match &arguments.text {
        Some(text) => vec![text],
        None => candidates.iter().map(String::as_str).collect(),
    };
    let unread = output::tell_unread(&model, &texts)?;
    let name = |ranked: &Ranked| candidates.get(ranked.index).map_or("", String::as_str);
    if let (Some(out), Some(text)) = (&arguments.draw, &arguments.text) {
        let images: Vec<(&Path, String)> =
            ranked.iter().map(|r| (Path::new(name(r)), format!("{:.4}", r.score.probability))).collect();
        draw_ranking(&images, text, out)?;
    }
    if arguments.json {
        let entry = |r: &Ranked| json!({ "candidate": name(r), "index": r.index, "score": r.score.probability });
        let unknown: BTreeSet<&String> = unread.iter().flat_map(|unread| &unread.unknown).collect();
        return output::print_json(
            &json!({ "ranked": ranked.iter().map(entry).collect::<Vec<_>>(), "unknown_words": unknown }),
        );
    }
    let row = |r: &Ranked| vec![name(r).to_owned(), format!("{:.4}", r.score.probability)];
    Ok(output::print(&output::table(&ranked.iter().map(row).collect::<Vec<_>>(), &[1]))?)
}
